"""Pacing: what a plan promised, kept by the speed that the training's own steps show."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from napari_medunet.engine.hardware import speed
from napari_medunet.engine.plan import Plan
from napari_medunet.engine.planning.compute_budget import expected_steps, rounded
from napari_medunet.engine.planning.network_size import step_gflop
from napari_medunet.engine.prediction.card import PaceOfNetwork
from napari_medunet.engine.training.learning.clock import steps_per_epoch
from napari_medunet.engine.training.learning.loop import Loop
from napari_medunet.engine.training.shares import Shares

_EVERY_SECONDS = 2.0  # it is seen anew whether the steps that are left fit
_OTHERWISE = 1.25  # times as many steps in an epoch, or as few, until it is changed
# Of a step, below which a network keeps no machine busy, and says nothing of its speed.
_SMALLEST_GFLOP = 1.0
_ENOUGH_STEPS = 20  # to say how fast a machine is


@dataclass(frozen=True)
class Promises:
    """What a network's training is held to.

    Attributes
    ----------
    shares : Shares
    fitting : callable or None
        How many networks fit into so many seconds at so many Gflop/s; None where the rules do not decide.
    """

    shares: Shares
    fitting: Callable[[float, float], int] | None = None


class Pacing:
    """Fits epochs, validation and further networks to the steps that will fit, once their pace is known.

    With epochs given it changes nothing: the same seed gives the same weights, however fast the machine is.

    Parameters
    ----------
    plan : Plan
        Of this network.
    patches : int
        That hold what is annotated, see `steps_per_epoch`.
    promises : Promises
    """

    def __init__(self, plan: Plan, patches: int, promises: Promises) -> None:
        self._plan, self._patches, self._promises = plan, patches, promises
        self.planned = plan.expected.steps or expected_steps(plan)
        self._seen: float | None = None  # when

    def __call__(self, loop: Loop) -> None:
        """Look at the pace of a loop, from time to time, and change what follows from it."""
        now = time.monotonic()
        if self._plan.budget.epochs or (self._seen and now - self._seen < _EVERY_SECONDS):
            return
        first, self._seen = self._seen is None, now
        fewer = self._decide_networks(loop) if first else ""
        loop.steps_fit = loop.steps_done + self._steps_left(loop)
        self._fit_epochs(loop)
        if first:
            self._fit_validation(loop)
            loop.note(
                f"About {rounded(loop.steps_fit)} steps fit, {rounded(self.planned)} were planned, at "
                f"{self._gflops(loop):.3g} Gflop/s{fewer}"
            )

    def record(self, loop: Loop) -> PaceOfNetwork:
        """What was planned and done; the machine's speed is kept for further plans."""
        gflops = self._gflops(loop) if len(loop.pace) else 0.0
        large = step_gflop(self._plan) >= _SMALLEST_GFLOP
        if large and len(loop.pace) >= _ENOUGH_STEPS:
            speed.remember(gflops, self._plan.spatial_dims, self._plan.budget.threads)
        return PaceOfNetwork(
            planned_steps=self.planned,
            steps=loop.steps_done,
            epochs=loop.clock.epochs_done,
            gflops=gflops,
            networks=1 if self._plan.hold_out.folds else self._promises.shares.count,
        )

    def _gflops(self, loop: Loop) -> float:
        seconds = max(loop.pace.usual_step_seconds, 1e-9)
        return step_gflop(self._plan) * loop.device_group.count / seconds

    def _steps_left(self, loop: Loop) -> float:
        step = loop.pace.step_seconds + loop.validation_seconds / loop.epoch_steps
        return loop.clock.seconds_left() / step

    def _decide_networks(self, loop: Loop) -> str:
        """Have fewer networks share the minutes, where steps are slower than the plan thought; say so."""
        shares, fitting = self._promises.shares, self._promises.fitting
        if fitting is None or shares.parts_left == 1:
            return ""
        before = shares.count
        seconds = shares.seconds_left + loop.clock.seconds()
        further = fitting(seconds, self._gflops(loop))
        loop.clock.share_among(shares.number - 1 + further)
        if shares.count == before:
            return ""
        return f": {_networks(shares.count)} in place of {before}"

    def _fit_epochs(self, loop: Loop) -> None:
        batch = self._plan.schedule.batch * loop.device_group.count
        steps = steps_per_epoch(self._patches, batch, loop.steps_fit)
        if not 1 / _OTHERWISE < steps / loop.epoch_steps < _OTHERWISE:
            loop.epoch_steps = steps

    def _fit_validation(self, loop: Loop) -> None:
        """Measure as much less as epochs are shorter than was planned; from the first one on."""
        batch = self._plan.schedule.batch * loop.device_group.count
        planned = steps_per_epoch(self._patches, batch, self.planned)
        batches = loop.held_out.batches
        fewer = math.ceil(len(batches) * min(1.0, loop.epoch_steps / planned))
        loop.held_out = replace(loop.held_out, batches=batches[: max(1, fewer)])


def _networks(count: int) -> str:
    return "1 network" if count == 1 else f"{count} networks"
