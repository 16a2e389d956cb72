"""The curves of a training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from math import nan
from typing import TYPE_CHECKING

from napari_medunet.engine.evaluation.plots.style import PlotStyle, style_axes
from napari_medunet.engine.progress import EpochScores, Scores

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SIDES = ("training", "validation")


@dataclass(frozen=True)
class TrainingCurves:
    """The scores of some epochs, as a plot needs them.

    Attributes
    ----------
    minutes : list of float
        When each epoch ended.
    sides : dict of "training" and "validation" to dict of measure to list of float
        "loss", "dice" and so on; NaN where an epoch does not have it.
    labels : dict of int to list of float
        Validation Dice of each label that some epoch has.
    """

    minutes: list[float]
    sides: dict[str, dict[str, list[float]]]
    labels: dict[int, list[float]]


def read_curves(history: Sequence[EpochScores]) -> TrainingCurves:
    """Take the curves out of the scores of some epochs."""
    labels = sorted({label for scores in history for label in scores.label_dice})
    return TrainingCurves(
        minutes=[scores.minutes for scores in history],
        sides={
            "training": _of_side([scores.training for scores in history]),
            "validation": _of_side([scores.validation for scores in history]),
        },
        labels={label: [one.label_dice.get(label, nan) for one in history] for label in labels},
    )


def _of_side(scores: Sequence[Scores | None]) -> dict[str, list[float]]:
    """Each measure of one side over the epochs; NaN where an epoch has none."""
    names = [field.name for field in fields(Scores)]
    return {name: [nan if one is None else getattr(one, name) for one in scores] for name in names}


def draw_measure(axes: Axes, curves: TrainingCurves, measure: str, style: PlotStyle) -> None:
    """Draw a measure, such as "loss" or "dice", of training and validation over the minutes."""
    nothing = [nan] * len(curves.minutes)
    draw_curves(
        axes,
        curves.minutes,
        {side: curves.sides[side].get(measure, nothing) for side in SIDES},
        style,
    )


def draw_curves(
    axes: Axes, minutes: Sequence[float], curves: Mapping[str, Sequence[float]], style: PlotStyle
) -> None:
    """Draw some curves over the minutes; two of them in the two colours and lines of the style."""
    marker = "o" if len(minutes) == 1 else ""  # one point makes no line
    for number, (name, values) in enumerate(curves.items()):
        two = len(curves) == len(style.sides)
        axes.plot(
            minutes,
            values,
            style.dashes[number] if two else "-",
            color=style.sides[number] if two else f"C{number}",
            label=name,
            linewidth=1.4,
            marker=marker,
            markersize=3,
        )
    style_axes(axes, style)


def draw_legend(axes: Axes, style: PlotStyle) -> None:
    """Say what each curve is."""
    if axes.lines:
        axes.legend(fontsize=7, frameon=False, labelcolor=style.text, handlelength=1.6)
