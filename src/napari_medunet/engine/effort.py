"""Effort: what the minutes are worth on this machine."""

from __future__ import annotations

from napari_medunet.engine import machine
from napari_medunet.engine.network_size import step_gflop
from napari_medunet.engine.plan import Plan
from napari_medunet.engine.settings import TrainSettings


def budget_tflop(settings: TrainSettings) -> float:
    """Trillions of operations that the processor does in the minutes of a training, about."""
    return machine.gflops(settings.threads) * 60 * settings.minutes / 1000


def expected_steps(plan: Plan, settings: TrainSettings) -> float:
    """How many steps of a plan fit into the minutes, about."""
    return 1000 * budget_tflop(settings) / step_gflop(plan)


def rounded(steps: float) -> int:
    """A number of steps as it is told: more than two digits would promise too much."""
    return int(float(f"{steps:.2g}"))
