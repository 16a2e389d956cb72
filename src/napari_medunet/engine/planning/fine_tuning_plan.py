"""The plan of a fine-tuning, perhaps with new labels."""

from __future__ import annotations

from typing import Any

from napari_medunet.engine.errors import MedunetError
from napari_medunet.engine.examples.example import Example, label_values
from napari_medunet.engine.plan import Plan, with_reasons
from napari_medunet.engine.planning.forecast import expect, fitted
from napari_medunet.engine.planning.given_plan import check_plan
from napari_medunet.engine.planning.rules.augmentation import (
    chosen_flip_axes,
    laterality_reason,
    strengths,
    unaugmented_tail,
)
from napari_medunet.engine.planning.rules.facts import annotated_share
from napari_medunet.engine.planning.rules.reasons import Reasons
from napari_medunet.engine.planning.rules.schedule import self_training, yes_or_no
from napari_medunet.engine.settings import TrainSettings

# Times the learning rate of the plan, where no label is new. A new one has to be learned from nothing, and
# what was filled in keeps the others. M16
_SLOWER = 0.3


def decided_by_segmenter() -> frozenset[str]:
    """Names of the options that a fine-tuning cannot change: the segmenter has decided them."""
    leaves = TrainSettings.leaves().items()
    return frozenset(name for name, leaf in leaves if leaf.path[0] in ("grid", "network"))


def extend_plan(known: Plan, examples: list[Example], settings: TrainSettings) -> Plan:
    """Plan a fine-tuning; labels of the examples that the segmenter does not have are added.

    Parameters
    ----------
    known : Plan
        Of the segmenter.
    examples : non-empty list of Example
    settings : TrainSettings

    Raises
    ------
    MedunetError
        If the examples have other channels, settings ask for another network, or the training does not fit
        into the memory.
    """
    _check_settings(examples, settings)
    labels = tuple(sorted({*known.labels, *label_values(examples)}))
    new = [label for label in labels if label not in known.labels]
    reasons = Reasons()
    reasons.note("network", "as it was", "that of the segmenter, which goes on learning")
    if new:
        why = "the segmenter does not know them: they are added to what it tells apart"
        reasons.note("new labels", ", ".join(map(str, new)), why)
    plan = known.model_copy(
        update={
            "labels": labels,
            "annotation": settings.annotation,
            "budget": settings.budget,
            "hold_out": settings.hold_out,
        }
    )
    schedule = _rate_and_batch(plan, settings, new, reasons)
    schedule |= _augmentation(plan, examples, settings, new)
    share = annotated_share(examples)
    tail = unaugmented_tail(settings.schedule, share)
    learn_on = self_training(
        settings, 0.0 if new else share
    )  # old examples may hold them unpainted
    extended = plan.changed(
        networks=1,  # the first goes on learning
        unaugmented_tail=reasons.decided("schedule.unaugmented_tail", tail, "{:.0%}".format),
        self_training=reasons.decided("schedule.self_training", learn_on, yes_or_no),
        **schedule,
    )
    check_plan(extended, examples)
    memory = Reasons()
    extended = expect(fitted(extended, examples, None, memory), reasons)
    return with_reasons(extended, reasons | memory)


def _check_settings(examples: list[Example], settings: TrainSettings) -> None:
    if not examples:
        raise MedunetError(
            "There is nothing to train on: wanted at least one image with its labels."
        )
    other = sorted(settings.chosen() & decided_by_segmenter())
    if other:
        raise MedunetError(
            f"A segmenter that is trained further keeps its network and grid; {', '.join(other)} cannot be "
            "chosen. Leave them out, or train anew."
        )


def _rate_and_batch(
    plan: Plan, settings: TrainSettings, new: list[int], reasons: Reasons
) -> dict[str, Any]:
    chosen = settings.schedule
    rate = chosen.learning_rate or plan.schedule.learning_rate
    factor = 1.0 if new or chosen.learning_rate else _SLOWER
    slower = "with a label to learn from nothing" if new else "slower than from the beginning"
    why = "as set" if chosen.learning_rate else f"at its highest, {slower}"
    reasons.note("schedule.learning_rate", f"{rate * factor:g}", why)
    batch = chosen.batch or plan.schedule.batch
    reasons.note("schedule.batch", str(batch), "as set" if chosen.batch else "as it was")
    return {"learning_rate": rate, "learning_rate_factor": factor, "batch": batch}


def _augmentation(
    plan: Plan, examples: list[Example], settings: TrainSettings, new: list[int]
) -> dict[str, Any]:
    """How the augmentation changes."""
    chosen, known = settings.schedule, plan.schedule
    in_patch = [axis for axis in range(3) if plan.spatial_dims == 3 or axis != plan.axis]
    changed: dict[str, Any] = {}
    if chosen.augmentation != "auto":
        reach = strengths(chosen.augmentation, chosen.strengths)
        changed |= {"augmentation": chosen.augmentation, **reach.model_dump()}
    else:
        changed |= chosen.strengths.model_dump(exclude_none=True)
    if chosen.flip != "auto":
        changed["flip_axes"] = chosen_flip_axes(chosen.flip, in_patch)
    elif chosen.augmentation == "none":
        changed["flip_axes"] = ()
    elif new and laterality_reason(examples, plan.classes - 1):
        changed["flip_axes"] = tuple(axis for axis in known.flip_axes if in_patch[axis] != 2)
    return changed
