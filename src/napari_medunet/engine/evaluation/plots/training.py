"""The curves of a training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import nan
from typing import TYPE_CHECKING

from napari_medunet.engine.evaluation.plots.style import PlotStyle, style_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes

History = Sequence[Mapping[str, float]]  # the scores of each epoch, as in `Progress.scores`

SIDES = ("training", "validation")
_PREFIX = {"training": "", "validation": "val_"}
_OF_LABEL = "val_dice_"


@dataclass(frozen=True)
class TrainingCurves:
    """What a plot needs of the scores of some epochs.

    Attributes
    ----------
    minutes : list of float
        When each epoch ended; its number where that is not known.
    sides : dict of "training" and "validation" to dict of measure to list of float
        "loss", "dice" and so on; NaN where an epoch does not have it.
    labels : dict of int to list of float
        Validation Dice of each label that some epoch has.
    """

    minutes: list[float]
    sides: dict[str, dict[str, list[float]]]
    labels: dict[int, list[float]]


def read_curves(history: History) -> TrainingCurves:
    """Take the curves out of the scores of some epochs: the only place that knows their names."""
    keys = dict.fromkeys(key for scores in history for key in scores)
    values = {key: [scores.get(key, nan) for scores in history] for key in keys}
    minutes = [scores.get("minutes", float(n)) for n, scores in enumerate(history, 1)]
    validation = _PREFIX["validation"]
    own = {key: found for key, found in values.items() if not key.startswith(validation)}
    held_out = {
        key.removeprefix(validation): found
        for key, found in values.items()
        if key.startswith(validation) and not key.startswith(_OF_LABEL)
    }
    labels = sorted(int(key.removeprefix(_OF_LABEL)) for key in keys if key.startswith(_OF_LABEL))
    return TrainingCurves(
        minutes,
        {"training": own, "validation": held_out},
        {label: values[f"{_OF_LABEL}{label}"] for label in labels},
    )


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
