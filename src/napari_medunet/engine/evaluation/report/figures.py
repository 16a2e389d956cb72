"""Figures of a report: plots on paper, and what turns them into SVG."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from io import StringIO
from math import ceil
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_medunet.engine.evaluation.comparison import Comparison
from napari_medunet.engine.evaluation.evaluation import Evaluation
from napari_medunet.engine.evaluation.metrics.table import metric_table
from napari_medunet.engine.evaluation.plots import scores, training
from napari_medunet.engine.evaluation.plots.cuts import confusion_to_draw
from napari_medunet.engine.evaluation.plots.style import PAPER
from napari_medunet.engine.labels import label_name
from napari_medunet.engine.progress import EpochScores

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SPREAD_METRICS = ("dice", "iou", "nsd", "hd95", "assd", "volume_similarity")
_COMPARED = ("dice", "nsd", "hd95", "assd")
_NO_METADATA = dict.fromkeys(("Creator", "Date", "Format", "Type"))  # they carry links


@contextmanager
def default_look() -> Iterator[None]:
    """Context in which figures are made and drawn as matplotlib comes, whatever a ``matplotlibrc`` says."""
    import matplotlib as mpl

    with mpl.rc_context():
        mpl.rcdefaults()
        yield


def as_svg(figure: Figure) -> str:
    """Draw a figure as an SVG element to stand in HTML, without links to anywhere."""
    import matplotlib as mpl

    text = StringIO()
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "figure"}):
        figure.savefig(text, format="svg", metadata=_NO_METADATA)
    svg = text.getvalue()
    return svg[svg.index("<svg") :]  # the XML declaration names a DTD on the web


def spread_figure(
    evaluations: Mapping[str, Evaluation], metrics: Sequence[str] = SPREAD_METRICS
) -> Figure:
    """Box plots over the cases, a panel for each metric, a box for each label and segmenter.

    Parameters
    ----------
    evaluations : mapping of a segmenter's name to Evaluation
        One, or several with the same labels.
    metrics : sequence of str
        Names of fields of `LabelScores`.
    """
    first = next(iter(evaluations.values()))
    known = metric_table(first.settings)
    names = [label_name(row, first.names) for row in first.rows]
    rows, columns = ceil(len(metrics) / 3), min(3, len(metrics))
    width = max(2.6, 0.45 * len(first.rows) * len(evaluations) + 1)
    figure = _figure((min(16, columns * width), 2.5 * rows))
    panels = np.atleast_1d(figure.subplots(rows, columns, squeeze=False)).reshape(-1)
    for panel, metric in zip(panels, metrics, strict=False):
        scores.draw_spread(panel, evaluations, known[metric], names, PAPER)
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


def confusion_figure(evaluation: Evaluation) -> Figure:
    """Draw the confusion matrix of all cases together: of many labels the worst, the others as one."""
    confusion, cut = confusion_to_draw(evaluation.confusion())
    names = [label_name(label, evaluation.names) for label in confusion.labels.tolist()]
    if cut:
        names[-1] = "all others"
    size = min(9.0, 2.0 + 0.5 * len(names))
    figure = _figure((size + 0.8, size))
    axes = figure.subplots()
    image = scores.draw_confusion(axes, confusion, names, PAPER)
    figure.colorbar(image, ax=axes, label="% of each true label", shrink=0.8)
    return figure


def difference_figure(
    comparison: Comparison,
    metrics: Sequence[str] = _COMPARED,
    names: Mapping[int, str] | None = None,
) -> Figure:
    """Mean differences of two segmenters with their confidence intervals, a panel for each metric."""
    known = metric_table(comparison.settings)
    called = [label_name(label, names) for label in comparison.differences]
    figure = _figure((2.9 * len(metrics), 1.3 + 0.3 * len(called)))
    panels = np.atleast_1d(figure.subplots(1, len(metrics), sharey=True))
    for panel, metric in zip(panels, metrics, strict=True):
        scores.draw_differences(panel, comparison, known[metric], called, PAPER)
    panels[0].invert_yaxis()
    figure.suptitle(f"{comparison.names[0]} minus {comparison.names[1]}", fontsize=9)
    return figure


def training_figure(history: Sequence[EpochScores]) -> Figure:
    """Loss and Dice of a training over its minutes; validation is dashed.

    Parameters
    ----------
    history : sequence of EpochScores
        As in a segmenter's card.
    """
    figure = _figure((7.5, 2.6))
    curves = training.read_curves(history)
    for panel, measure in zip(figure.subplots(1, 2), ("loss", "dice"), strict=True):
        training.draw_measure(panel, curves, measure, PAPER)
        training.draw_legend(panel, PAPER)
        panel.set_xlabel("minutes")
        panel.set_ylabel("Dice" if measure == "dice" else measure)
    return figure


def _patch(side: int, name: str) -> Any:
    from matplotlib.patches import Patch

    hatch = scores.HATCHES[side % len(scores.HATCHES)]
    return Patch(facecolor=PAPER.background, edgecolor=PAPER.text, hatch=hatch, label=name)


def _figure(size: tuple[float, float]) -> Figure:
    from matplotlib.figure import Figure

    return Figure(figsize=size, layout="constrained")
