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

# Blue and orange of Okabe and Ito, told apart by colour-blind eyes; the darker ones for light themes.
_ON_DARK = ("#56b4e9", "#e69f00")
_ON_LIGHT = ("#0072b2", "#d55e00")
_PREFIX = {"training": "", "validation": "val_"}


class TrainingCurve(FigureCanvasQTAgg):  # type: ignore[misc]
    """Loss and Dice of training and validation over the minutes of a training.

    Parameters
    ----------
    theme : str
        Name of the viewer's theme; its colours are used.
    """

    def __init__(self, theme: str) -> None:
        margins = ConstrainedLayoutEngine(w_pad=0.03, h_pad=0.03, hspace=0.02)
        self.figure = Figure(figsize=(3.2, 2.3), layout=margins)
        super().__init__(self.figure)
        self.loss, self.dice = self.figure.subplots(2, 1, sharex=True)
        self._minutes: list[float] = []
        self._values: dict[tuple[str, str], list[float]] = {}
        self._lines = {
            (measure, side): axes.plot([], [], label=side, linewidth=1.4)[0]
            for measure, axes in (("loss", self.loss), ("dice", self.dice))
            for side in _PREFIX
        }
        self.loss.set_ylabel("loss")
        self.dice.set_ylabel("Dice")
        self.dice.set_xlabel("minutes")
        self.setMinimumSize(200, 170)
        self.clear()
        self.set_theme(theme)

    def clear(self, minutes: float = 1.0) -> None:
        """Forget the curves, and make room for a training of so many minutes."""
        self._minutes.clear()
        self._values = {key: [] for key in self._lines}
        self.dice.set_xlim(0, minutes)
        self.dice.set_ylim(0, 1)
        self._draw()

    def add(self, scores: Mapping[str, float]) -> None:
        """Append one epoch.

        Parameters
        ----------
        scores : mapping of str to float
            As in `Progress.scores`: ``minutes``, ``loss``, ``dice``, ``val_loss``, ``val_dice``.
        """
        self._minutes.append(scores["minutes"])
        for measure, side in self._lines:
            self._values[measure, side].append(scores.get(_PREFIX[side] + measure, float("nan")))
        self._draw()

    def points(self, measure: str, side: str) -> tuple[list[float], list[float]]:
        """Minutes and values of one curve: "loss" or "dice", of "training" or "validation"."""
        return list(self._minutes), list(self._values[measure, side])

    def set_theme(self, theme: str) -> None:
        """Take the colours of a napari theme."""
        background, text, sides = colours_of(theme)
        self.figure.set_facecolor(background)
        for axes in (self.loss, self.dice):
            colour_axes(axes, background, text)
        for (_, side), line in self._lines.items():
            line.set_color(sides[list(_PREFIX).index(side)])
        self.loss.legend(
            fontsize=7, frameon=False, labelcolor=text, loc="upper right", handlelength=1.2
        )
        self.draw_idle()

    def _draw(self) -> None:
        single = len(self._minutes) == 1  # one point makes no line: show it as a dot
        for key, line in self._lines.items():
            line.set_data(self._minutes, self._values[key])
            line.set_marker("o" if single else "")
            line.set_markersize(3)
        losses = [
            loss for (kind, _), line in self._values.items() if kind == "loss" for loss in line
        ]
        self.loss.set_ylim(0, 1.05 * max(filter(isfinite, losses), default=1.0))
        self.draw_idle()


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
