"""Plots in the viewer's own colours."""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite

from matplotlib.axes import Axes
from matplotlib.backends.backend_qtagg import FigureCanvasQTAgg
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import MaxNLocator
from napari.utils.theme import get_theme

from napari_medunet.engine.progress import part_of, parts_in

# Blue and orange of Okabe and Ito, told apart by colour-blind eyes; the darker ones for light themes.
_ON_DARK = ("#56b4e9", "#e69f00")
_ON_LIGHT = ("#0072b2", "#d55e00")
_PREFIX = {"training": "", "validation": "val_"}
BY_LABEL = "labels"
_OF_LABEL = "val_dice_"

MEASURES = {
    "dice": "Dice",
    "iou": "IoU",
    "precision": "Precision",
    "recall": "Recall",
    "f1": "F1",
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
        self._scores: list[Mapping[str, float]] = []
        self._theme = theme
        self.setMinimumSize(200, 170)
        self.clear()

    def clear(self, minutes: float = 1.0) -> None:
        """Forget the curves, and make room for a training of so many minutes."""
        self._scores = []
        self._minutes = minutes
        self._draw()

    def add(self, scores: Mapping[str, float]) -> None:
        """Append one epoch; a new fold or network begins new curves.

        Parameters
        ----------
        scores : mapping of str to float
            As in `Progress.scores`.
        """
        if self._scores and part_of(self._scores[-1]) != part_of(scores):
            self._scores = []
        # One that broke off may do its last epochs once more.
        earlier = [one for one in self._scores if one["epoch"] < scores["epoch"]]
        self._scores = [*earlier, scores]
        self._draw()

    def show_measure(self, measure: str) -> None:
        """Show one of `MEASURES` below the loss."""
        self._measure = measure
        self._draw()

    @property
    def has_labels(self) -> bool:
        """Whether the scores are known of each label."""
        return bool(self._labels())

    def points(self, measure: str, side: str) -> tuple[list[float], list[float]]:
        """Minutes and values of one curve: "loss", "dice" and so on, of "training" or "validation"."""
        return self._points(_PREFIX[side] + measure)

    def set_theme(self, theme: str) -> None:
        """Take the colours of a napari theme."""
        self._theme = theme
        self._draw()

    def _points(self, key: str) -> tuple[list[float], list[float]]:
        return (
            [scores["minutes"] for scores in self._scores],
            [scores.get(key, float("nan")) for scores in self._scores],
        )

    def _draw(self) -> None:
        background, text, sides = colours_of(self._theme)
        self.figure.set_facecolor(background)
        marker = "o" if len(self._scores) == 1 else ""  # one point makes no line
        for axes, curves in ((self.loss, _sides("loss")), (self.measured, self._curves())):
            axes.clear()
            for number, (key, name) in enumerate(curves.items()):
                colour = sides[number] if len(curves) == len(sides) else f"C{number}"
                (line,) = axes.plot(*self._points(key), label=name, color=colour, linewidth=1.4)
                line.set(marker=marker, markersize=3)
            colour_axes(axes, background, text)
        newest = self._scores[-1] if self._scores else {}
        part = part_of(newest)
        self.loss.set_ylabel("loss")
        self.measured.set_ylabel(MEASURES[self._measure].partition(",")[0])
        self.measured.set_xlabel(f"minutes of {part}" if part else "minutes")
        self.loss.set_ylim(0, self._highest_loss())
        self.measured.set_ylim(0, 1)
        self.measured.set_xlim(
            0, max([self._minutes / parts_in(newest), *self._points("minutes")[1]])
        )
        for axes in (self.loss, self.measured) if self._measure == BY_LABEL else (self.loss,):
            if axes.lines:
                axes.legend(fontsize=7, frameon=False, labelcolor=text, handlelength=1.2)
        self.draw_idle()

    def _highest_loss(self) -> float:
        """Upper end of the losses' axis: a validation far above in the first epochs would hide the rest."""
        training, validation = (
            max(filter(isfinite, self.points("loss", side)[1]), default=0.0) for side in _PREFIX
        )
        highest = min(max(training, validation), 2 * training or validation)
        return 1.05 * highest or 1.0

    def _curves(self) -> dict[str, str]:
        """Keys of the scores below the loss, and what their curves are called."""
        if self._measure != BY_LABEL:
            return _sides(self._measure)
        return {f"{_OF_LABEL}{label}": f"label {label}" for label in self._labels()}

    def _labels(self) -> list[int]:
        found = {key for scores in self._scores for key in scores if key.startswith(_OF_LABEL)}
        return sorted(int(key.removeprefix(_OF_LABEL)) for key in found)


def _sides(measure: str) -> dict[str, str]:
    return {prefix + measure: side for side, prefix in _PREFIX.items()}


def colours_of(theme: str) -> tuple[str, str, tuple[str, str]]:
    """Background and text of a napari theme, and two colours that can be told apart on it."""
    colours = get_theme(theme)
    dark = sum(colours.background.as_rgb_tuple(alpha=False)) < 3 * 128
    return colours.background.as_hex(), colours.text.as_hex(), _ON_DARK if dark else _ON_LIGHT


def colour_axes(axes: Axes, background: str, text: str) -> None:
    """Draw axes in the colours of a theme, small and quiet."""
    axes.set_facecolor(background)
    axes.tick_params(colors=text, labelsize=7, length=2)
    axes.yaxis.set_major_locator(MaxNLocator(4))
    axes.grid(color=text, alpha=0.15, linewidth=0.5)
    for side, spine in axes.spines.items():
        spine.set_visible(side in ("left", "bottom"))
        spine.set_color(text)
    for label in (axes.xaxis.label, axes.yaxis.label):
        label.set_color(text)
        label.set_fontsize(8)
