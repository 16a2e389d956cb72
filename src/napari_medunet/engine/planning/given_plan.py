"""A plan from a file, perhaps edited: which options may change it, and whether it fits the examples."""

from __future__ import annotations

from napari_medunet.engine.errors import MedunetError
from napari_medunet.engine.examples.example import Example, channel_count, label_values
from napari_medunet.engine.plan import Plan, with_reasons
from napari_medunet.engine.planning.forecast import expect, fitted
from napari_medunet.engine.planning.rules.reasons import Reasons
from napari_medunet.engine.settings import TrainSettings

_BESIDE = {"annotation", "budget", "hold_out"}  # branches that are not decided by rules


def beside_plan(plan: Plan, settings: TrainSettings) -> Plan:
    """Change a plan by options given beside it: of the annotation, the budget and what is held out.

    Raises
    ------
    MedunetError
        If settings ask for what the plan has decided.
    """
    leaves, chosen = settings.leaves(), sorted(settings.chosen())
    decided = [name for name in chosen if leaves[name].path[0] not in _BESIDE]
    if decided:
        raise MedunetError(
            f"The plan has decided already: {', '.join(decided)} cannot be chosen beside it. Edit the "
            "plan, or leave one of the two out."
        )
    plan = plan.changed(**{name: settings.value(name) for name in chosen})
    # A fold has one network, and the plan may have been made for a training without folds.
    return plan.changed(networks=1) if plan.hold_out.folds else plan


def check_given_plan(plan: Plan, examples: list[Example]) -> Plan:
    """See that a plan is for these examples and that there is memory for it; say what it will take.

    Raises
    ------
    MedunetError
        If it is for other examples, or its training does not fit into the memory.
    """
    check_plan(plan, examples)
    reasons, memory = Reasons(), Reasons()
    plan = expect(fitted(plan, examples, None, memory), reasons)
    return with_reasons(plan, reasons | memory)


def check_plan(plan: Plan, examples: list[Example]) -> None:
    """Refuse a plan that these examples cannot be trained by.

    Raises
    ------
    MedunetError
        If it is for another number of channels, lacks a label, or has a level that is 2 voxels thick.
    """
    channels, labels = channel_count(examples), label_values(examples)
    if plan.channels != channels:
        raise MedunetError(
            f"The plan is for images of {plan.channels} channels, and these have {channels}. Make a plan "
            "of these images and edit that."
        )
    missing = sorted(set(labels) - set(plan.labels))
    if missing:
        raise MedunetError(
            f"The plan knows the labels {plan.labels[1:]}, and {missing} are annotated too. Add them to "
            "its labels, or leave them out of the annotation."
        )
    thickness = plan.grid.patch[0]
    for level in range(plan.network.depth):
        # There TensorFlow's gradient of a convolution is wrong, or no number, in bfloat16 on a CPU.
        if plan.spatial_dims == 3 and thickness == 2 and plan.kernel(level)[0] == 3:
            raise MedunetError(
                f"The patch {plan.grid.patch} is 2 voxels thick on level {level} of the plan, which "
                "cannot be trained. Make it thicker, or pool its first axis less."
            )
        thickness //= plan.network.pools[level][0] if level < len(plan.network.pools) else 1
