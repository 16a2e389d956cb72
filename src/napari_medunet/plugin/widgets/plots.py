"""Plots in the viewer's own colours."""

from __future__ import annotations

from math import isfinite, nan

from matplotlib.backends.backend_qtagg import FigureCanvasQTAgg
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from napari.utils.theme import get_theme

from napari_medunet.engine.evaluation.plots.style import PlotStyle
from napari_medunet.engine.evaluation.plots.training import (
    SIDES,
    TrainingCurves,
    draw_curves,
    draw_legend,
    draw_measure,
    read_curves,
)
from napari_medunet.engine.progress import EpochScores

# Blue and orange of Okabe and Ito, told apart by colour-blind eyes; the darker ones for light themes.
_ON_DARK = ("#56b4e9", "#e69f00")
_ON_LIGHT = ("#0072b2", "#d55e00")
BY_LABEL = "labels"

MEASURES = {
    "dice": "Dice",
    "iou": "IoU",
    "precision": "Precision",
    "recall": "Recall",
    "accuracy": "Accuracy",
    BY_LABEL: "Dice, validation, of each label",
}
"""What `TrainingCurve` can show below the loss, and what it is called."""


class TrainingCurve(FigureCanvasQTAgg):  # type: ignore[misc]
    """Loss, and a measure to choose, of training and validation over the minutes of a training.

    Parameters
    ----------
    theme : str
        Name of the viewer's theme; its colours are used.
    """

    def __init__(self, theme: str) -> None:
        margins = ConstrainedLayoutEngine(w_pad=0.03, h_pad=0.03, hspace=0.02)
        self.figure = Figure(figsize=(3.2, 2.3), layout=margins)
        super().__init__(self.figure)
        self.loss, self.measured = self.figure.subplots(2, 1, sharex=True)
        self._measure = next(iter(MEASURES))
        self._scores: list[EpochScores] = []
        self._theme = theme
        self.setMinimumSize(200, 170)
        self.clear()

    def clear(self, minutes: float = 1.0) -> None:
        """Forget the curves, and make room for a training of so many minutes."""
        self._scores = []
        self._minutes = minutes
        self._draw()

    def add(self, scores: EpochScores) -> None:
        """Append one epoch; a new fold or network begins new curves."""
        if self._scores and self._scores[-1].part != scores.part:
            self._scores = []
        # One that broke off may do its last epochs once more.
        earlier = [one for one in self._scores if one.epoch < scores.epoch]
        self._scores = [*earlier, scores]
        self._draw()

    def show_measure(self, measure: str) -> None:
        """Show one of `MEASURES` below the loss."""
        self._measure = measure
        self._draw()

    @property
    def has_labels(self) -> bool:
        """Whether the scores are known of each label."""
        return bool(read_curves(self._scores).labels)

    def points(self, measure: str, side: str) -> tuple[list[float], list[float]]:
        """Minutes and values of one curve: "loss", "dice" and so on, of "training" or "validation"."""
        curves = read_curves(self._scores)
        return curves.minutes, curves.sides[side].get(measure, [nan] * len(curves.minutes))

    def set_theme(self, theme: str) -> None:
        """Take the colours of a napari theme."""
        self._theme = theme
        self._draw()

    def _draw(self) -> None:
        style = style_of(self._theme)
        self.figure.set_facecolor(style.background)
        curves = read_curves(self._scores)
        for axes in (self.loss, self.measured):
            axes.clear()
        draw_measure(self.loss, curves, "loss", style)
        draw_legend(self.loss, style)
        if self._measure == BY_LABEL:
            labels = {f"label {label}": dice for label, dice in curves.labels.items()}
            draw_curves(self.measured, curves.minutes, labels, style)
            draw_legend(self.measured, style)
        else:
            draw_measure(self.measured, curves, self._measure, style)
        part = self._scores[-1].part if self._scores else None
        self.loss.set_ylabel("loss")
        self.measured.set_ylabel(MEASURES[self._measure].partition(",")[0])
        self.measured.set_xlabel(f"minutes of {part}" if part else "minutes")
        self.loss.set_ylim(0, _highest_loss(curves))
        self.measured.set_ylim(0, 1)
        self.measured.set_xlim(
            0, max([self._minutes / (part.count if part else 1), *curves.minutes])
        )
        self.draw_idle()


def _highest_loss(curves: TrainingCurves) -> float:
    """Upper end of the losses' axis: a validation far above in the first epochs would hide the rest."""
    training, validation = (
        max(filter(isfinite, curves.sides[side].get("loss", [])), default=0.0) for side in SIDES
    )
    highest = min(max(training, validation), 2 * training or validation)
    return 1.05 * highest or 1.0


def colours_of(theme: str) -> tuple[str, str, tuple[str, str]]:
    """Background and text of a napari theme, and two colours that can be told apart on it."""
    colours = get_theme(theme)
    dark = sum(colours.background.as_rgb_tuple(alpha=False)) < 3 * 128
    return colours.background.as_hex(), colours.text.as_hex(), _ON_DARK if dark else _ON_LIGHT


def style_of(theme: str) -> PlotStyle:
    """Draw plots in the colours of a napari theme."""
    background, text, sides = colours_of(theme)
    return PlotStyle(background=background, text=text, sides=sides)
