"""The look of a plot: its colours, and how much fits it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@dataclass(frozen=True)
class PlotStyle:
    """Colours and sizes of a plot.

    Attributes
    ----------
    background, text : str
        Colours.
    sides : (str, str)
        Colours of the two curves of a training, of the points and the medians of scores.
    dashes : (str, str)
        Lines of training and validation.
    shades : str
        Name of matplotlib's colour map for shares.
    point_size : float
        Area of a case's point.
    least_for_box : int
        Fewer cases than this get a median, and no box around it.
    most_numbers : int
        Labels up to which each cell of a confusion matrix says its number.
    """

    background: str = "white"
    text: str = "black"
    sides: tuple[str, str] = ("black", "black")
    dashes: tuple[str, str] = ("-", "-")
    shades: str = "cividis"
    point_size: float = 16.0
    least_for_box: int = 5
    most_numbers: int = 7


# Read in black and white: lines differ in dashes, boxes in hatching, shades in their numbers.
PAPER = PlotStyle(
    dashes=("-", "--"), shades="Greys", point_size=6.0, least_for_box=1, most_numbers=12
)


def style_axes(axes: Axes, style: PlotStyle) -> None:
    """Draw axes in the colours of a style, small and quiet."""
    from matplotlib.ticker import MaxNLocator

    axes.set_facecolor(style.background)
    axes.tick_params(colors=style.text, labelsize=7, length=2)
    axes.yaxis.set_major_locator(MaxNLocator(4))
    axes.grid(color=style.text, alpha=0.15, linewidth=0.5)
    axes.set_axisbelow(True)
    for side, spine in axes.spines.items():
        spine.set_visible(side in ("left", "bottom"))
        spine.set_color(style.text)
    for label in (axes.xaxis.label, axes.yaxis.label):
        label.set_color(style.text)
        label.set_fontsize(8)
