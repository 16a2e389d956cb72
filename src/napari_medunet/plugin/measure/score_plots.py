"""Plots of scores: the confusion matrix, and the spread of a metric over the cases."""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite
from typing import Any

import numpy as np
from matplotlib.backends.backend_qtagg import FigureCanvasQTAgg
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from qtpy.QtCore import Signal

from napari_medunet.engine.evaluation.evaluation import Evaluation
from napari_medunet.engine.evaluation.metrics.agreement import shares_of_truth
from napari_medunet.engine.evaluation.metrics.confusion import Confusion
from napari_medunet.plugin.measure.score_columns import heading
from napari_medunet.plugin.measure.score_model import label_text
from napari_medunet.plugin.widgets.plots import colour_axes, colours_of

_NAME_LENGTH = 12
_MOST_NUMBERS = 7  # labels up to which each cell of the matrix says its number


class ConfusionPlot(FigureCanvasQTAgg):  # type: ignore[misc]
    """The confusion matrix over all labels: where the voxels of each true label went.

    Parameters
    ----------
    theme : str
        Name of the viewer's theme; its colours are used.
    """

    def __init__(self, theme: str) -> None:
        self.figure = _figure()
        super().__init__(self.figure)
        self.axes = self.figure.subplots()
        self._theme = theme
        self._shown: tuple[Confusion, Mapping[int, str], int] | None = None
        self.setMinimumSize(200, 120)

    def show_confusion(self, confusion: Confusion, names: Mapping[int, str], cases: int) -> None:
        """Draw the matrix of some cases together."""
        self._shown = confusion, names, cases
        self._draw()

    def set_theme(self, theme: str) -> None:
        """Take the colours of a napari theme."""
        self._theme = theme
        self._draw()

    def _draw(self) -> None:
        self.axes.clear()
        background, text, _ = colours_of(self._theme)
        self.figure.set_facecolor(background)
        colour_axes(self.axes, background, text)
        self.axes.grid(False)
        if self._shown is None:
            self.axes.set_axis_off()
            self.draw_idle()
            return
        confusion, names, cases = self._shown
        shares = shares_of_truth(confusion)
        self.axes.imshow(shares, cmap="cividis", vmin=0, vmax=1, aspect="auto")
        called = [
            "background" if label == 0 else _short(label_text(label, names))
            for label in confusion.labels.tolist()
        ]
        few = len(called) <= _MOST_NUMBERS
        self.axes.set_xticks(
            range(len(called)), called, rotation=0 if few else 90, fontsize=7 if few else 6
        )
        self.axes.set_yticks(range(len(called)), called, fontsize=7 if few else 6)
        self.axes.set_xlabel("prediction")
        self.axes.set_ylabel("truth")
        of = f"{cases} cases" if cases > 1 else "1 case"
        self.axes.set_title(f"% of each true label, {of}", color=text, fontsize=8)
        if few:
            for (row, column), share in np.ndenumerate(shares):
                self._write(row, column, float(share))
        self.draw_idle()

    def _write(self, row: int, column: int, share: float) -> None:
        text = f"{100 * share:.1f}" if isfinite(share) else "-"
        if 0 < share < 0.0005:
            text = "< 0.1"
        if 0.9995 <= share < 1:
            text = "> 99.9"
        colour = "black" if share > 0.5 else "white"
        self.axes.text(column, row, text, ha="center", va="center", fontsize=8, color=colour)


class SpreadPlot(FigureCanvasQTAgg):  # type: ignore[misc]
    """One metric of each label over the cases: a point each, and a box where they are many.

    Parameters
    ----------
    theme : str
        Name of the viewer's theme; its colours are used.
    """

    place_chosen = Signal(str, object)  # case and label of a point that was clicked

    def __init__(self, theme: str) -> None:
        self.figure = _figure()
        super().__init__(self.figure)
        self.axes = self.figure.subplots()
        self._theme = theme
        self._shown: tuple[Evaluation, str, Mapping[int, str]] | None = None
        self._places: dict[int, list[tuple[str, int | str]]] = {}
        self.mpl_connect("pick_event", self._picked)
        self.setMinimumSize(200, 120)

    def show_metric(self, evaluation: Evaluation, metric: str, names: Mapping[int, str]) -> None:
        """Draw one metric of each label."""
        self._shown = evaluation, metric, names
        self._draw()

    def set_theme(self, theme: str) -> None:
        """Take the colours of a napari theme."""
        self._theme = theme
        self._draw()

    def _draw(self) -> None:
        self.axes.clear()
        self._places = {}
        background, text, (point, middle) = colours_of(self._theme)
        self.figure.set_facecolor(background)
        colour_axes(self.axes, background, text)
        if self._shown is None:
            self.axes.set_axis_off()
            self.draw_idle()
            return
        evaluation, metric, names = self._shown
        rows = evaluation.rows
        for at, row in enumerate(rows):
            values = {
                name: getattr(case.rows[row], metric)
                for name, case in evaluation.cases.items()
                if row in case.rows
            }
            finite = {name: value for name, value in values.items() if isfinite(value)}
            self._draw_label(at, row, finite, point, middle, text)
        called = [_short(label_text(row, names)) for row in rows]
        self.axes.set_xticks(range(len(rows)), called, fontsize=7)
        self.axes.set_xlim(-0.6, max(len(rows), 1) - 0.4)
        self.axes.set_ylabel(heading(metric, evaluation.settings.percentile).replace("\n", ", "))
        left_out = sum(
            not isfinite(getattr(case.rows[row], metric))
            for case in evaluation.cases.values()
            for row in case.rows
        )
        note = f", {left_out} not finite" if left_out else ""
        cases = len(evaluation.cases)
        of = f"{cases} cases" if cases > 1 else "1 case"
        self.axes.set_title(f"{of}{note}; line: median", color=text, fontsize=8)
        self.draw_idle()

    def _draw_label(
        self,
        at: int,
        row: int | str,
        values: Mapping[str, float],
        point: str,
        middle: str,
        text: str,
    ) -> None:
        numbers = list(values.values())
        if not numbers:
            return
        if len(numbers) >= 5:
            self.axes.boxplot(
                [numbers],
                positions=[at],
                widths=0.5,
                showfliers=False,
                boxprops={"color": text, "linewidth": 0.8},
                whiskerprops={"color": text, "linewidth": 0.8},
                capprops={"color": text, "linewidth": 0.8},
                medianprops={"color": middle, "linewidth": 1.6},
                manage_ticks=False,
            )
        else:
            self.axes.hlines(np.median(numbers), at - 0.25, at + 0.25, color=middle, linewidth=1.6)
        spread = np.linspace(-0.15, 0.15, len(numbers)) if len(numbers) > 1 else [0.0]
        drawn = self.axes.scatter(
            np.add(spread, at), numbers, s=16, color=point, alpha=0.9, picker=4, zorder=3
        )
        self._places[id(drawn)] = [(name, row) for name in values]

    def _picked(self, event: object) -> None:
        places = self._places.get(id(getattr(event, "artist", None)))
        chosen: Any = getattr(event, "ind", ())
        if places and len(chosen):
            self.place_chosen.emit(*places[int(chosen[0])])


def _figure() -> Figure:
    return Figure(figsize=(3.2, 2.3), layout=ConstrainedLayoutEngine(w_pad=0.04, h_pad=0.04))


def _short(name: str) -> str:
    return name if len(name) <= _NAME_LENGTH else name[: _NAME_LENGTH - 1] + "…"
