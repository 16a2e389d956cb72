"""Plots of scores in the viewer: the confusion matrix, and the spread of a metric over the cases."""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite
from typing import Any

from matplotlib.backends.backend_qtagg import FigureCanvasQTAgg
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from qtpy.QtCore import Signal

from napari_medunet.engine.evaluation.evaluation import Evaluation
from napari_medunet.engine.evaluation.metrics.confusion import Confusion
from napari_medunet.engine.evaluation.metrics.table import metric_table
from napari_medunet.engine.evaluation.plots.cuts import (
    MOST_DRAWN,
    confusion_to_draw,
    of_labels,
    worst_labels,
)
from napari_medunet.engine.evaluation.plots.scores import Place, draw_confusion, draw_spread
from napari_medunet.plugin.measure.score_rows import label_text
from napari_medunet.plugin.widgets.plots import style_of

_NAME_LENGTH = 12


class ScorePlot(FigureCanvasQTAgg):  # type: ignore[misc]
    """A plot in the colours of the viewer's theme.

    Parameters
    ----------
    theme : str
        Name of the viewer's theme.
    """

    def __init__(self, theme: str) -> None:
        margins = ConstrainedLayoutEngine(w_pad=0.04, h_pad=0.04)
        self.figure = Figure(figsize=(3.2, 2.3), layout=margins)
        super().__init__(self.figure)
        self.axes = self.figure.subplots()
        self.style = style_of(theme)
        self.setMinimumSize(200, 120)
        self.draw_scores()

    def set_theme(self, theme: str) -> None:
        """Take the colours of a napari theme."""
        self.style = style_of(theme)
        self.draw_scores()

    def draw_scores(self) -> None:
        """Draw what there is to show, anew."""
        self.axes.clear()
        self.figure.set_facecolor(self.style.background)
        if not self.fill():
            self.axes.set_axis_off()
        self.draw_idle()

    def fill(self) -> bool:
        """Draw onto the empty axes; False where there is nothing to show."""
        raise NotImplementedError

    def set_title(self, text: str, pad: float = 6.0) -> None:
        """Put a line above the plot."""
        self.axes.set_title(text, color=self.style.text, fontsize=8, pad=pad)


class ConfusionPlot(ScorePlot):
    """The confusion matrix over all labels: where the voxels of each true label went."""

    _shown: tuple[Confusion, Mapping[int, str], int] | None = None

    def show_confusion(self, confusion: Confusion, names: Mapping[int, str], cases: int) -> None:
        """Draw the matrix of some cases together."""
        self._shown = confusion, names, cases
        self.draw_scores()

    def fill(self) -> bool:
        """Draw the matrix."""
        if self._shown is None:
            return False
        confusion, names, cases = self._shown
        confusion, cut = confusion_to_draw(confusion)
        called = [
            "background" if label == 0 else _short(label_text(label, names))
            for label in confusion.labels.tolist()
        ]
        if cut:
            called[-1] = "all others"
        draw_confusion(self.axes, confusion, called, self.style)
        self.set_title(f"% of each true label, {_counted(cases)}{_cut(cut)}")
        return True


class SpreadPlot(ScorePlot):
    """One metric of each label over the cases: a point each, and a box where they are many."""

    place_chosen = Signal(str, object)  # case and label of a point that was clicked
    _shown: tuple[Evaluation, str, Mapping[int, str]] | None = None
    _places: Mapping[int, list[Place]]

    def __init__(self, theme: str) -> None:
        self._places = {}
        super().__init__(theme)
        self.mpl_connect("pick_event", self._picked)

    def show_metric(self, evaluation: Evaluation, metric: str, names: Mapping[int, str]) -> None:
        """Draw one metric of each label."""
        self._shown = evaluation, metric, names
        self.draw_scores()

    def fill(self) -> bool:
        """Draw points and boxes."""
        self._places = {}
        if self._shown is None:
            return False
        evaluation, metric, names = self._shown
        known = metric_table(evaluation.settings)[metric]
        labels = worst_labels(evaluation, MOST_DRAWN)
        cut = len(labels) < len(evaluation.labels)
        evaluation = of_labels(evaluation, labels)
        called = [_short(label_text(row, names)) for row in evaluation.rows]
        self._places = draw_spread(self.axes, {"": evaluation}, known, called, self.style)
        left_out = sum(
            not isfinite(getattr(scores, metric))
            for case in evaluation.cases.values()
            for scores in case.rows.values()
        )
        note = f", {left_out} not finite" if left_out else ""
        # "2 inf" and the like stand between the plot and its title
        self.set_title(
            f"{_counted(len(evaluation.cases))}{_cut(cut)}{note}; line: median",
            14 if left_out else 6,
        )
        return True

    def _picked(self, event: object) -> None:
        places = self._places.get(id(getattr(event, "artist", None)))
        chosen: Any = getattr(event, "ind", ())
        if places and len(chosen):
            self.place_chosen.emit(*places[int(chosen[0])])


def _counted(cases: int) -> str:
    return f"{cases} cases" if cases != 1 else "1 case"


def _cut(cut: bool) -> str:
    return f", the {MOST_DRAWN} worst labels" if cut else ""


def _short(name: str) -> str:
    return name if len(name) <= _NAME_LENGTH else name[: _NAME_LENGTH - 1] + "…"
