"""How many steps fit into the minutes on this machine."""

from __future__ import annotations

from napari_medunet.engine.hardware import devices, machine, speed
from napari_medunet.engine.plan import Plan
from napari_medunet.engine.planning.network_size import step_gflop
from napari_medunet.engine.settings.budget import BudgetSettings

# Billions of operations that a GPU does in a second of training: a small one, so that no plan is made
# that it cannot follow. M23
_GPU_GFLOPS = 4000.0


def gflops(budget: BudgetSettings, dims: int) -> float:
    """About how many billions of operations a training does in a second on this machine.

    As it was measured, or else guessed from its kind. With epochs always guessed: what the machine happened
    to do must not change what the same seed gives.

    Parameters
    ----------
    budget : BudgetSettings
    dims : 2 or 3
        Axes of the network's patches.
    """
    return _measured(budget, dims) or _guessed(budget)


def describe(budget: BudgetSettings, dims: int) -> str:
    """Say what `gflops` goes by: "2 cores, bfloat16: a guess, not measured yet"."""
    figure = f"{gflops(budget, dims):.3g} Gflop/s"
    if _measured(budget, dims):
        return f"measured on this machine: {figure} in {dims}D"
    of = "a GPU, taken for a small one" if devices.expects_gpu() else machine.describe()
    why = "with epochs given the speed decides nothing" if budget.epochs else "not measured yet"
    return f"{of}, {figure}: a guess, {why}"


def budget_tflop(budget: BudgetSettings, dims: int) -> float:
    """Trillions of operations that this machine does in the minutes, about."""
    return gflops(budget, dims) * 60 * budget.minutes / 1000


def expected_steps(plan: Plan) -> float:
    """How many steps of a plan each of its networks learns from in its share of the minutes, about.

    As many as the machine does in the minutes, by the arithmetic of a step. Its speed is measured before
    the first plan, and by each training, in 2D and in 3D; the best of the last few figures counts. Before
    that it is guessed from the kind of the processor (M22), and a GPU is taken for one of `_GPU_GFLOPS`
    Gflop/s (M23). Where epochs are given, the guess decides, so that the same seed gives the same weights.
    A slow machine does a sixth of a fast one's, and needs another plan.
    """
    return 1000 * budget_tflop(plan.budget, plan.spatial_dims) / plan.parts / step_gflop(plan)


def rounded(steps: float) -> int:
    """A number of steps in words: more than two digits would be too exact."""
    return int(float(f"{steps:.2g}"))


def _measured(budget: BudgetSettings, dims: int) -> float | None:
    return None if budget.epochs else speed.gflops(dims, budget.threads)


def _guessed(budget: BudgetSettings) -> float:
    return _GPU_GFLOPS if devices.expects_gpu() else machine.gflops(budget.threads)
