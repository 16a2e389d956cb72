"""How many steps fit into the minutes on this machine."""

from __future__ import annotations

from napari_medunet.engine.hardware import devices, machine
from napari_medunet.engine.plan import Plan
from napari_medunet.engine.planning.network_size import step_gflop

# Billions of operations that a GPU does in a second of training: a small one, so that no plan is made
# that it cannot follow. M23
_GPU_GFLOPS = 4000.0


def gflops(threads: int | None) -> float:
    """About how many billions of operations a training does in a second: estimated, not measured."""
    return _GPU_GFLOPS if devices.expects_gpu() else machine.gflops(threads)


def describe() -> str:
    """Say what `gflops` goes by: "2 cores, bfloat16"."""
    return "a GPU, taken for a small one" if devices.expects_gpu() else machine.describe()


def budget_tflop(minutes: float, threads: int | None) -> float:
    """Trillions of operations that this machine does in some minutes, about."""
    return gflops(threads) * 60 * minutes / 1000


def expected_steps(plan: Plan) -> float:
    """How many steps of a plan each of its networks learns from in its share of the minutes, about.

    As many as the processor does in the minutes, by the arithmetic of a step (M22). A GPU is taken for one
    of `_GPU_GFLOPS` Gflop/s (M23). A slow machine does a sixth of a fast one's, and needs another plan.
    """
    minutes = plan.budget.minutes / plan.parts
    return 1000 * budget_tflop(minutes, plan.budget.threads) / step_gflop(plan)


def rounded(steps: float) -> int:
    """A number of steps in words: more than two digits would be too exact."""
    return int(float(f"{steps:.2g}"))
