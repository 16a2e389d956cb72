"""How a network learns: its learning rate, and self-training."""

from __future__ import annotations

from napari_medunet.engine.examples.annotation import AXES
from napari_medunet.engine.planning.rules.augmentation import (
    augmentation,
    flip_axes,
    strengths,
    unaugmented_tail,
)
from napari_medunet.engine.planning.rules.facts import DataFacts
from napari_medunet.engine.planning.rules.reasons import Reasons
from napari_medunet.engine.settings import TrainSettings
from napari_medunet.engine.settings.schedule import SchedulePlan

# It follows the budget from there. What was painted is soon learned by heart. M11
_LEARNING_RATE: dict[int, float] = {2: 6e-3, 3: 3e-3}
_LEARNING_RATE_OF_PAINTED = 2e-3  # in 2D


def decide_schedule(data: DataFacts, in_patch: list[int], reasons: Reasons) -> SchedulePlan:
    """Decide how a network learns, but for the patches of a step.

    Parameters
    ----------
    in_patch : list of int
        Axes of the volume that the patch has.
    """
    chosen, dims = data.settings.schedule, len(in_patch)

    def names(flipped: tuple[int, ...]) -> str:
        return ", ".join(AXES[in_patch[axis]] for axis in flipped) or "not at all"

    rate = reasons.decided("schedule.learning_rate", learning_rate(dims, data))
    preset = reasons.decided("schedule.augmentation", augmentation(data, dims))
    tail = unaugmented_tail(chosen, data.annotated_share)
    learn_on = self_training(data.settings, data.annotated_share)
    return SchedulePlan(
        learning_rate=rate,
        augmentation=preset,
        unaugmented_tail=reasons.decided("schedule.unaugmented_tail", tail, "{:.0%}".format),
        flip_axes=reasons.decided("schedule.flip_axes", flip_axes(data, in_patch), names),
        self_training=reasons.decided("schedule.self_training", learn_on, yes_or_no),
        strengths=strengths(preset, chosen.strengths),
    )


def learning_rate(dims: int, data: DataFacts) -> tuple[float, str]:
    """The highest of the training.

    At its highest `_LEARNING_RATE[2]` in 2D, `_LEARNING_RATE_OF_PAINTED` where not all is annotated, since
    little is soon learned by heart, and `_LEARNING_RATE[3]` in 3D (M11). It rises, then falls to a
    hundredth along a cosine that ends when the minutes do: whatever they are, the last steps are fine ones.
    The time in which images are prepared and graphs compiled is none of the cosine's.
    """
    chosen, epochs = data.settings.schedule.learning_rate, data.settings.budget.epochs
    if chosen:
        return chosen, "as set"
    length = f"{epochs} epochs" if epochs else f"{data.minutes:g} minutes"
    falls = f"falls to a hundredth over as many steps as fit into {length}"
    if dims == 2 and data.partly_annotated:
        why = f"at its highest, since what was painted is little; {falls}"
        return _LEARNING_RATE_OF_PAINTED, why
    return _LEARNING_RATE[dims], f"at its highest; {falls}"


def self_training(settings: TrainSettings, annotated_share: float) -> tuple[bool, str]:
    """Whether to learn also from what the network says of what was not annotated.

    Yes where some voxels are not annotated; but not where single voxels were painted, since scribbles hold
    labels more often than images do (M15).
    """
    if not settings.schedule.self_training:
        return False, "as set"
    if annotated_share == 1:
        return False, "all is annotated"
    if settings.annotation.ignore_label is not None:
        return False, "what is ignored is to teach nothing"
    if settings.annotation.annotated == "voxels":
        # What is sure by scribbles is too often a label. M15
        return False, "painted voxels hold labels more often than images do"
    return True, "what was not annotated teaches, too, as far as the network is sure of it"


def yes_or_no(chosen: bool) -> str:
    """A decision in words."""
    return "yes" if chosen else "no"
