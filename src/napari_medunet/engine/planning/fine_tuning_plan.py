"""Extending: the plan of a segmenter that goes on learning, perhaps labels that it did not know."""

from __future__ import annotations

from napari_medunet.engine.errors import MedunetError
from napari_medunet.engine.examples.example import Example, label_values
from napari_medunet.engine.plan import Plan
from napari_medunet.engine.planning.plan_file import check_plan
from napari_medunet.engine.planning.plan_maker import NETWORK_SETTINGS, Reason, memory_as_planned
from napari_medunet.engine.planning.rules.augmentation import (
    chosen_flip_axes,
    laterality_reason,
    unaugmented_tail,
)
from napari_medunet.engine.settings import TrainSettings

DECIDED = NETWORK_SETTINGS | {"networks"}
"""Settings that leave nothing to choose where a segmenter goes on learning: it has decided them."""

# Times the learning rate of the plan, where no label is new. A new one has to be learned from nothing, and
# what was filled in keeps the others: phantoms, 25 epochs, organ known with Dice 0.960 and lesion new:
# 0.963 and 0.784 at the full rate, 0.951 and 0.440 at 0.3; 0.386 for the organ where nothing is filled in.
_SLOWER = 0.3


def extended_plan(plan: Plan, examples: list[Example], settings: TrainSettings) -> Plan:
    """The plan of a segmenter with further labels: those of the examples that it does not know.

    Raises
    ------
    ValueError
        If the examples have other channels, settings ask for another network, or the training does not fit
        into the memory.
    """
    return reasoned_extension(plan, examples, settings)[0]


def reasoned_extension(
    plan: Plan, examples: list[Example], settings: TrainSettings
) -> tuple[Plan, list[Reason]]:
    """As `extended_plan`, with what is decided and why."""
    extended = _extended(plan, examples, settings)
    reasons = [Reason("network", "as it was", "that of the segmenter, which goes on learning")]
    if new := sorted(set(extended.labels) - set(plan.labels)):
        known = "the segmenter does not know them: they are added to what it tells apart"
        reasons.append(Reason("new labels", ", ".join(map(str, new)), known))
    rate = extended.learning_rate * learning_rate_share(plan, extended, settings)
    slower = "with a label to learn from nothing" if new else "slower than from the beginning"
    why = "as set" if settings.learning_rate else f"at its highest, {slower}"
    reasons.append(Reason("learning rate", f"{rate:g}", why))
    reasons.append(
        Reason("batch", str(extended.batch), "as set" if settings.batch else "as it was")
    )
    end, why = unaugmented_tail(settings)
    reasons.append(Reason("unvaried end", f"{end:.0%}", why))
    reasons.append(memory_as_planned(extended, examples, settings))
    return extended, reasons


def _extended(plan: Plan, examples: list[Example], settings: TrainSettings) -> Plan:
    if not examples:
        raise MedunetError(
            "There is nothing to train on: wanted at least one image with its labels."
        )
    other = sorted(settings.chosen() & DECIDED)
    if other:
        raise MedunetError(
            f"A segmenter that is trained further keeps its network and grid; {', '.join(other)} cannot be "
            "chosen. Leave them out, or train anew."
        )
    labels = sorted({*plan.labels, *label_values(examples)})
    given: dict[str, object] = {
        "networks": 1,  # the first goes on learning
        "unaugmented_tail": unaugmented_tail(settings)[0],
    }
    if settings.batch:
        given["batch"] = settings.batch
    if settings.learning_rate:
        given["learning_rate"] = settings.learning_rate
    if settings.augmentation != "auto":
        given["augmentation"] = settings.augmentation
    in_patch = [axis for axis in range(3) if plan.dims == 3 or axis != plan.axis]
    if settings.flip != "auto":
        given["flip_axes"] = chosen_flip_axes(settings.flip, in_patch)
    elif settings.augmentation == "none":
        given["flip_axes"] = ()
    elif len(labels) > len(plan.labels) and laterality_reason(examples, len(labels) - 1):
        given["flip_axes"] = tuple(axis for axis in plan.flip_axes if in_patch[axis] != 2)
    extended = plan.model_copy(update={"labels": tuple(labels), **given})
    check_plan(extended, examples)
    return extended


def learning_rate_share(known: Plan, extended: Plan, settings: TrainSettings) -> float:
    """Factor of the plan's learning rate with which a segmenter goes on learning."""
    return _SLOWER if extended.labels == known.labels and not settings.learning_rate else 1.0
