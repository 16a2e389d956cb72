"""Plots of an evaluation as matplotlib figures, for a report and for a viewer alike.

Every plot can be read in black and white: lines differ in style, boxes in hatching, shades in numbers.
Nothing here opens a window: figures belong to no backend until somebody shows or saves them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from io import StringIO
from math import ceil, isfinite, isinf
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_medunet.engine.evaluation.comparison import Comparison
from napari_medunet.engine.evaluation.evaluation import Evaluation
from napari_medunet.engine.evaluation.metrics.confusion import Confusion
from napari_medunet.engine.evaluation.report.definitions import definitions

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SPREAD_METRICS = ("dice", "iou", "nsd", "hd95", "assd", "volume_similarity")
_HATCHES = ("", "////", "....", "xxxx")
_ROOM_FOR_NAMES = 24  # characters below a panel
_MOST_NUMBERS = 12  # labels; a larger matrix has no room for numbers
_NO_METADATA = dict.fromkeys(("Creator", "Date", "Format", "Type"))  # they carry links


def as_svg(figure: Figure) -> str:
    """Draw a figure as an SVG element to stand in HTML, without links to anywhere."""
    import matplotlib as mpl

    text = StringIO()
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "figure"}):
        figure.savefig(text, format="svg", metadata=_NO_METADATA)
    svg = text.getvalue()
    return svg[svg.index("<svg") :]  # the XML declaration names a DTD on the web


def spread_figure(
    evaluations: Mapping[str, Evaluation],
    metrics: Sequence[str] = SPREAD_METRICS,
    names: Mapping[int, str] | None = None,
) -> Figure:
    """Box plots over the cases, a panel for each metric, a box for each label and segmenter.

    Boxes span the quartiles, with the median as a thick line; whiskers reach the farthest case within 1.5
    times that range; every case is a dot. How many cases are infinite stands above.

    Parameters
    ----------
    evaluations : mapping of a segmenter's name to Evaluation
        One, or several with the same labels.
    metrics : sequence of str
        Names of fields of `LabelScores`.
    names : mapping of label to str, optional
        What to call the labels.
    """
    first = next(iter(evaluations.values()))
    rows, columns = ceil(len(metrics) / 3), min(3, len(metrics))
    width = max(2.6, 0.45 * len(first.rows) * len(evaluations) + 1)
    figure = _figure((min(16, columns * width), 2.5 * rows))
    panels = np.atleast_1d(figure.subplots(rows, columns, squeeze=False)).reshape(-1)
    for panel, metric in zip(panels, metrics, strict=False):
        _spread(panel, evaluations, metric, names or {})
    for panel in panels[len(metrics) :]:
        panel.set_axis_off()
    if len(evaluations) > 1:
        figure.legend(
            handles=[_patch(i, name) for i, name in enumerate(evaluations)],
            loc="outside upper center",
            ncols=len(evaluations),
            frameon=False,
        )
    return figure


def confusion_figure(confusion: Confusion, names: Mapping[int, str] | None = None) -> Figure:
    """Draw a confusion matrix: rows are labels of the truth, each shaded by the share of its voxels.

    Parameters
    ----------
    confusion : Confusion
    names : mapping of label to str, optional
        What to call the labels.
    """
    matrix = confusion.matrix
    totals = matrix.sum(axis=1, keepdims=True)
    shares = matrix / np.maximum(totals, 1)
    called = [_called(label, names or {}) for label in confusion.labels.tolist()]
    size = min(9.0, 2.0 + 0.5 * len(called))
    figure = _figure((size + 0.8, size))
    axes = figure.subplots()
    image = axes.imshow(shares, cmap="Greys", vmin=0, vmax=1)
    axes.set_xlabel("prediction")
    axes.set_ylabel("truth")
    shown = np.arange(len(called))[:: max(1, len(called) // 30)]
    axes.set_xticks(shown, [called[i] for i in shown], rotation=90 if len(called) > 6 else 0)
    axes.set_yticks(shown, [called[i] for i in shown])
    if len(called) <= _MOST_NUMBERS:
        for (row, column), share in np.ndenumerate(shares):
            text = "" if matrix[row, column] == 0 else _percent(float(share))
            colour = "white" if share > 0.5 else "black"
            axes.text(column, row, text, ha="center", va="center", color=colour, fontsize=7)
    figure.colorbar(image, ax=axes, label="share of the truth's voxels", shrink=0.8)
    return figure


def difference_figure(
    comparison: Comparison,
    metrics: Sequence[str] = ("dice", "nsd", "hd95", "assd"),
    names: Mapping[int, str] | None = None,
) -> Figure:
    """Mean differences of two segmenters with their confidence intervals, a panel for each metric."""
    labels = list(comparison.differences)
    figure = _figure((2.9 * len(metrics), 1.3 + 0.3 * len(labels)))
    panels = np.atleast_1d(figure.subplots(1, len(metrics), sharey=True))
    known = definitions()
    for panel, metric in zip(panels, metrics, strict=True):
        panel.axvline(0, color="black", linewidth=0.8, linestyle="--")
        for place, label in enumerate(labels):
            found = comparison.differences[label][metric]
            if isfinite(found.mean):
                ends = [v if isfinite(v) else found.mean for v in (found.ci_low, found.ci_high)]
                panel.plot(ends, [place, place], color="black", linewidth=1.4)
                panel.plot(found.mean, place, "o", color="black", markersize=5)
            else:
                panel.text(0.5, place, "not finite", ha="center", va="center", fontsize=7,
                           transform=panel.get_yaxis_transform())  # fmt: skip
        unit = known[metric].unit
        panel.set_xlabel(f"{known[metric].heading}{' (mm)' if unit == 'mm' else ''}")
        panel.margins(y=0.2)
    panels[0].set_yticks(range(len(labels)), [_called(label, names or {}) for label in labels])
    panels[0].invert_yaxis()
    figure.suptitle(f"{comparison.names[0]} minus {comparison.names[1]}", fontsize=9)
    return figure


def training_figure(history: Sequence[Mapping[str, float]]) -> Figure:
    """Loss and Dice of a training over its minutes; validation is dashed.

    Parameters
    ----------
    history : sequence of mappings
        As in a segmenter's card: ``minutes``, ``loss``, ``dice``, ``val_loss``, ``val_dice``.
    """
    figure = _figure((7.5, 2.6))
    for panel, measure in zip(figure.subplots(1, 2), ("loss", "dice"), strict=True):
        for prefix, style, name in (("", "-", "training"), ("val_", "--", "validation")):
            values = [epoch.get(prefix + measure, np.nan) for epoch in history]
            minutes = [epoch.get("minutes", place) for place, epoch in enumerate(history, 1)]
            panel.plot(minutes, values, style, color="black", linewidth=1.2, label=name)
        panel.set_xlabel("minutes")
        panel.set_ylabel("Dice" if measure == "dice" else measure)
        panel.legend(frameon=False, fontsize=7)
    return figure


def _spread(
    panel: Axes, evaluations: Mapping[str, Evaluation], metric: str, names: Mapping[int, str]
) -> None:
    rows = next(iter(evaluations.values())).rows
    step = 0.8 / len(evaluations)
    chance = np.random.default_rng(0)  # where the dots lie across a box: without meaning
    for side, evaluation in enumerate(evaluations.values()):
        for place, row in enumerate(rows):
            values = [getattr(scores, metric) for scores in evaluation.of(row)]
            finite = [value for value in values if isfinite(value)]
            middle = place + step * (side - (len(evaluations) - 1) / 2)
            if finite:
                _box(panel, finite, middle, 0.75 * step, side)
                across = middle + chance.uniform(-0.18, 0.18, len(finite)) * step
                panel.plot(across, finite, ".", color="0.35", markersize=2.5, zorder=3)
            missed = sum(map(isinf, values))
            if missed:
                panel.text(middle, 1.0, f"{missed} inf", ha="center", va="bottom", fontsize=7,
                           transform=panel.get_xaxis_transform())  # fmt: skip
    known = definitions(next(iter(evaluations.values())).settings)[metric]
    panel.set_ylabel(f"{known.heading}{' (mm)' if known.unit == 'mm' else ''}")
    called = [_called(row, names) for row in rows]
    panel.set_xticks(
        range(len(rows)), called, rotation=90 if sum(map(len, called)) > _ROOM_FOR_NAMES else 0
    )
    panel.set_xlim(-0.6, len(rows) - 0.4)
    panel.grid(axis="y", color="0.88", linewidth=0.6)
    panel.set_axisbelow(True)


def _box(panel: Axes, values: list[float], middle: float, width: float, side: int) -> None:
    box = panel.boxplot(
        [values], positions=[middle], widths=width, manage_ticks=False, patch_artist=True,
        showfliers=False, medianprops={"color": "black", "linewidth": 2},
    )  # fmt: skip
    for patch in box["boxes"]:
        patch.set(facecolor="white", edgecolor="black", hatch=_HATCHES[side % len(_HATCHES)])
        patch.set_linewidth(0.8)


def _patch(side: int, name: str) -> Any:
    from matplotlib.patches import Patch

    return Patch(
        facecolor="white", edgecolor="black", hatch=_HATCHES[side % len(_HATCHES)], label=name
    )


def _figure(size: tuple[float, float]) -> Figure:
    from matplotlib.figure import Figure

    return Figure(figsize=size, layout="constrained")


def _called(row: int | str, names: Mapping[int, str]) -> str:
    if isinstance(row, str):
        return row
    return names.get(row, "background" if row == 0 else str(row))


def _percent(share: float) -> str:
    percent = 100 * share
    return f"{percent:.3g}%" if percent >= 0.1 else "<0.1%"
