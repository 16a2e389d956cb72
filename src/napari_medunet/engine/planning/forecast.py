"""What a training by a plan is expected to take, and a plan that fits into the memory."""

from __future__ import annotations

import math

from napari_medunet.engine import memory
from napari_medunet.engine.errors import MedunetError
from napari_medunet.engine.examples.example import Example
from napari_medunet.engine.plan import Expected, Plan, grid_shape
from napari_medunet.engine.planning import compute_budget
from napari_medunet.engine.planning.compute_budget import expected_steps, rounded
from napari_medunet.engine.planning.memory import fitting_plan, needed_mib
from napari_medunet.engine.planning.rules.facts import by
from napari_medunet.engine.planning.rules.reasons import Reasons
from napari_medunet.engine.settings import TrainSettings


def fitted(
    plan: Plan, examples: list[Example], settings: TrainSettings | None, reasons: Reasons
) -> Plan:
    """Make a plan smaller until its training fits into the free memory.

    Parameters
    ----------
    settings : TrainSettings or None
        What the user has set stays as it is; where none are given, all of the plan does.

    Raises
    ------
    MedunetError
        If it does not fit.
    """
    voxels, free_mib = _voxels(plan, examples), memory.free_memory_mib()
    try:
        fitting, why = fitting_plan(plan, voxels, free_mib, settings)
    except MedunetError as error:
        raise MedunetError(f"{error}{_one_too_large(plan, examples)}") from error
    for path, now, before in (
        ("schedule.batch", fitting.schedule.batch, plan.schedule.batch),
        ("grid.patch", fitting.grid.patch, plan.grid.patch),
        ("network.filters", fitting.network.filters, plan.network.filters),
    ):
        if now != before:
            choice = by(now) if isinstance(now, tuple) else str(now)
            reasons.note(path, choice, "as the memory allows")
    needed = needed_mib(fitting, _voxels(fitting, examples))
    reasons.note("memory", f"{needed / 1024:.2g} GiB", why)
    return fitting.model_copy(update={"expected": Expected(memory_mib=needed)})


def expect(plan: Plan, reasons: Reasons) -> Plan:
    """Say how many steps are expected to fit into the minutes."""
    budget, steps = plan.budget, expected_steps(plan)
    minutes = f"{budget.minutes / (plan.hold_out.folds or 1):g} minutes"
    if plan.network.networks > 1:
        minutes = f"a network's {budget.minutes / plan.parts:.3g} of {minutes}"
    why = f"as fit into {minutes}; {compute_budget.describe(budget, plan.spatial_dims)}"
    reasons.note("steps", f"about {rounded(steps)}", why)
    expected = plan.expected.model_copy(update={"steps": steps})
    return plan.model_copy(update={"expected": expected})


def _one_too_large(plan: Plan, examples: list[Example]) -> str:
    """Name an example that is larger than all others together; nothing where none is."""
    sizes = [_voxels(plan, [example]) for example in examples]
    if len(sizes) < 2 or 2 * max(sizes) <= sum(sizes):
        return ""
    largest = examples[sizes.index(max(sizes))].image
    voxels = " x ".join(map(str, grid_shape(largest, plan)))
    return (
        f" '{largest.name}' is most of it, with {voxels} voxels on the network's grid: check the "
        "spacing in its header, or leave it out."
    )


def _voxels(plan: Plan, examples: list[Example]) -> int:
    return sum(math.prod(grid_shape(example.image, plan)) for example in examples)
