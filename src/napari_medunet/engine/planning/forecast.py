"""What a training by a plan is expected to take, and a plan that fits into the memory."""

from __future__ import annotations

import math

from napari_medunet.engine.examples.example import Example
from napari_medunet.engine.hardware import machine
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
    fitting, why = fitting_plan(plan, _voxels(plan, examples), machine.free_memory_mib(), settings)
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
    gflops = compute_budget.gflops(budget.threads)
    why = f"as fit into {minutes} at about {gflops:.0f} Gflop/s: {compute_budget.describe()}"
    reasons.note("steps", f"about {rounded(steps)}", why)
    expected = plan.expected.model_copy(update={"steps": steps})
    return plan.model_copy(update={"expected": expected})


def _voxels(plan: Plan, examples: list[Example]) -> int:
    return sum(math.prod(grid_shape(example.image, plan)) for example in examples)
