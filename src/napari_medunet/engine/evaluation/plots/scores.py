"""Plots of scores: the confusion matrix, the spread over cases, the differences of two segmenters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isfinite, isinf
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_medunet.engine.evaluation.comparison import Comparison
from napari_medunet.engine.evaluation.evaluation import Evaluation
from napari_medunet.engine.evaluation.metrics.agreement import shares_of_truth
from napari_medunet.engine.evaluation.metrics.confusion import Confusion
from napari_medunet.engine.evaluation.metrics.metric import Metric
from napari_medunet.engine.evaluation.plots.style import PlotStyle, style_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Place = tuple[str, int | str]  # a case, and a label or group of it

HATCHES = ("", "////", "....", "xxxx")
_MOST_LEVEL = 6  # names of labels that stand beside each other without being turned
_ROOM_FOR_NAMES = 24  # characters below a plot, beside each other
_MOST_NAMES = 30
_MOST_VECTORS = 5_000  # points of a plot; more are pixels where it becomes a file


def draw_confusion(axes: Axes, confusion: Confusion, names: Sequence[str], style: PlotStyle) -> Any:
    """Draw a confusion matrix in percent of each true label: rows are labels of the truth.

    Parameters
    ----------
    axes : Axes
    confusion : Confusion
    names : sequence of str
        What to call each of its labels.
    style : PlotStyle

    Returns
    -------
    image : AxesImage
        For a colour bar.
    """
    percent = 100 * shares_of_truth(confusion)
    style_axes(axes, style)
    axes.grid(False)
    image = axes.imshow(percent, cmap=style.shades, vmin=0, vmax=100, aspect="auto")
    shown = np.arange(len(names))[:: max(1, len(names) // _MOST_NAMES)]
    called = [names[i] for i in shown]
    level = len(names) <= _MOST_LEVEL
    axes.set_xticks(shown, called, rotation=0 if level else 90, fontsize=7 if level else 6)
    axes.set_yticks(shown, called, fontsize=7 if level else 6)
    axes.set_xlabel("prediction")
    axes.set_ylabel("truth")
    if len(names) <= style.most_numbers:
        for (row, column), value in np.ndenumerate(percent):
            shade = style.text if np.isnan(value) else _readable_on(image, value)
            text = _percent(float(value))
            axes.text(column, row, text, ha="center", va="center", fontsize=8, color=shade)
    return image


def draw_spread(
    axes: Axes,
    evaluations: Mapping[str, Evaluation],
    metric: Metric,
    names: Sequence[str],
    style: PlotStyle,
) -> dict[int, list[Place]]:
    """Draw a metric of each label over the cases: a point each, and a box around the quartiles.

    The thick line is the median; whiskers reach the farthest case within 1.5 times the box. How many
    cases are infinite stands above. Of several segmenters, boxes differ in hatching.

    Parameters
    ----------
    axes : Axes
    evaluations : mapping of a segmenter's name to Evaluation
        One, or several with the same labels.
    metric : Metric
    names : sequence of str
        What to call each row of the first one.
    style : PlotStyle

    Returns
    -------
    places : dict of an artist's id to list of (case, label)
        What each of the drawn points stands for.
    """
    style_axes(axes, style)
    rows = next(iter(evaluations.values())).rows
    many = len(rows) * sum(len(one.cases) for one in evaluations.values()) > _MOST_VECTORS
    step = 0.8 / len(evaluations)
    places: dict[int, list[Place]] = {}
    for side, evaluation in enumerate(evaluations.values()):
        for place, row in enumerate(rows):
            values = {
                name: getattr(case.rows[row], metric.name)
                for name, case in evaluation.cases.items()
                if row in case.rows
            }
            finite = {name: value for name, value in values.items() if isfinite(value)}
            middle = place + step * (side - (len(evaluations) - 1) / 2)
            if finite:
                numbers = list(finite.values())
                _draw_box(axes, numbers, (middle, 0.7 * step), HATCHES[side % len(HATCHES)], style)
                points = _draw_points(axes, numbers, (middle, 0.3 * step), style)
                points.set_rasterized(many)
                places[id(points)] = [(name, row) for name in finite]
            missed = sum(map(isinf, values.values()))
            if missed:
                axes.text(middle, 1.0, f"{missed} inf", ha="center", va="bottom", fontsize=7,
                          color=style.text, transform=axes.get_xaxis_transform())  # fmt: skip
    axes.set_ylabel(metric.title)
    turned = sum(map(len, names)) > _ROOM_FOR_NAMES and len(names) > 1
    axes.set_xticks(range(len(rows)), names, rotation=90 if turned else 0, fontsize=7)
    axes.set_xlim(-0.6, max(len(rows), 1) - 0.4)
    return places


def draw_differences(
    axes: Axes, comparison: Comparison, metric: Metric, names: Sequence[str], style: PlotStyle
) -> None:
    """Draw the mean difference of two segmenters for each label, with its confidence interval.

    Parameters
    ----------
    axes : Axes
    comparison : Comparison
    metric : Metric
    names : sequence of str
        What to call each of its labels.
    style : PlotStyle
    """
    style_axes(axes, style)
    axes.axvline(0, color=style.text, linewidth=0.8, linestyle="--")
    for place, differences in enumerate(comparison.differences.values()):
        found = differences[metric.name]
        if isfinite(found.mean):
            ends = [v if isfinite(v) else found.mean for v in (found.ci_low, found.ci_high)]
            axes.plot(ends, [place, place], color=style.text, linewidth=1.4)
            axes.plot(found.mean, place, "o", color=style.text, markersize=5)
        else:
            axes.text(0.5, place, "not finite", ha="center", va="center", fontsize=7,
                      color=style.text, transform=axes.get_yaxis_transform())  # fmt: skip
    axes.set_xlabel(metric.title)
    axes.margins(y=0.2)
    axes.set_yticks(range(len(names)), names)


def _draw_box(
    axes: Axes, values: list[float], across: tuple[float, float], hatch: str, style: PlotStyle
) -> None:
    """Draw the quartiles, or of a few cases the median alone; `across` is the middle and the width."""
    middle, width = across
    colour, thick = style.sides[1], 1.8
    if len(values) < style.least_for_box:
        ends = middle - width / 2, middle + width / 2
        axes.hlines(np.median(values), *ends, color=colour, linewidth=thick)
        return
    line = {"color": style.text, "linewidth": 0.8}
    box = axes.boxplot(
        [values], positions=[middle], widths=width, manage_ticks=False, patch_artist=True,
        showfliers=False, medianprops={"color": colour, "linewidth": thick}, whiskerprops=line,
        capprops=line,
    )  # fmt: skip
    for patch in box["boxes"]:
        patch.set(facecolor=style.background, edgecolor=style.text, hatch=hatch, linewidth=0.8)


def _draw_points(
    axes: Axes, values: list[float], across: tuple[float, float], style: PlotStyle
) -> Any:
    middle, width = across
    spread = np.linspace(-width / 2, width / 2, len(values)) if len(values) > 1 else np.zeros(1)
    return axes.scatter(
        spread + middle, values, s=style.point_size, color=style.sides[0], alpha=0.9, picker=4,
        zorder=3, linewidths=0,
    )  # fmt: skip


def _readable_on(image: Any, value: float) -> str:
    """Black or white, whichever is read on a shade (the weights are those of luma, ITU-R BT.601)."""
    red, green, blue, _ = image.cmap(image.norm(value))
    return "black" if 0.299 * red + 0.587 * green + 0.114 * blue > 0.5 else "white"


def _percent(value: float) -> str:
    if np.isnan(value):
        return "-"
    if 0 < value < 0.05:
        return "< 0.1"
    return "> 99.9" if 99.95 <= value < 100 else f"{value:.1f}"
