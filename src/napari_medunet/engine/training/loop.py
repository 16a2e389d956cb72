"""The loop: a network that gets better until the clock, the user or the curve says stop."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from napari_medunet.engine import devices
from napari_medunet.engine.parallel import all_devices
from napari_medunet.engine.plan import Plan
from napari_medunet.engine.progress import Progress, Report, StopRequested
from napari_medunet.engine.samples import Batch
from napari_medunet.engine.settings import TrainSettings
from napari_medunet.engine.training.clock import Clock

_WARM_UP = 0.03  # share of the training in which the learning rate rises
_FLAT = 0.4  # share of the training without a better epoch after which it ends
_FLAT_EPOCHS = 20  # and at least so many epochs
# Steps: scores come often enough to watch, and seldom enough to cost little.
_SHORTEST_EPOCH, _LONGEST_EPOCH = 12, 100
_AS_GOOD = 0.005  # Dice by which a later epoch may be worse: chance of the few patches measured


@dataclass
class Best:
    """The epoch whose weights are kept, and the highest score of all epochs so far."""

    epoch: int = 0
    score: float = -1.0
    dice: list[float] = field(default_factory=list)
    weights: list[Any] = field(default_factory=list)


class Loop:
    """One training: a network that gets better until the clock, the user or the curve says stop."""

    def __init__(self, plan: Plan, settings: TrainSettings, clock: Clock, report: Report) -> None:
        devices.set_up_backend()
        import keras

        from napari_medunet.engine.training.steps import compile_steps, new_learner

        keras.utils.set_random_seed(settings.seed)
        self.together = all_devices()
        self.learner = new_learner(plan, devices.precision(), self.together)
        self._learn, self._test = compile_steps(self.learner)
        self.plan = plan
        self.clock = clock
        self.report = report
        self.before_epoch: Callable[[Loop], None] = lambda loop: None
        self.best = Best()
        self._risen = (0, 0.0)  # epoch and share of the training at the highest score so far
        self.history: list[dict[str, float]] = []

    def until_done(self, stream: Iterator[Batch], held_out: list[Batch], steps: int) -> None:
        """Train epoch after epoch; a stop by the user ends the epoch, which still counts."""
        self._measure(held_out[:1])  # compiled now, so that a stop in the first epoch is quick
        done = False
        while not done:
            try:
                self.before_epoch(self)
                training = self._epoch(stream, steps)
                done = self.clock.share() >= 1
            except StopRequested:
                if self.best.weights:
                    return
                training, done = {}, True
            epoch = len(self.history) + 1
            scores = {
                "epoch": float(epoch),
                "minutes": self.clock.seconds() / 60,
                "learning_rate": self._learning_rate(),
                **training,
            }
            with self.learner.average.in_place():
                scores |= {f"val_{name}": value for name, value in self._measure(held_out).items()}
                self._keep_if_best(epoch, scores)
            self.history.append(scores)
            done = done or self._is_flat(epoch)
            try:
                self._say(f"Epoch {epoch}: validation Dice {scores['val_dice']:.3f}", scores)
            except StopRequested:
                done = True

    def best_network(self) -> Any:
        """The network with the weights of the best epoch, where one device predicts."""
        self.learner.network.set_weights(self.best.weights)
        return self.predictor()

    def predictor(self) -> Any:
        """The network with its present weights, where one device predicts."""
        from napari_medunet.engine.unet import build_unet

        if self.together.count == 1:
            return self.learner.network
        copy = build_unet(self.plan, devices.precision())
        copy.set_weights(self.learner.network.get_weights())
        return copy

    def _epoch(self, stream: Iterator[Batch], steps: int) -> dict[str, float]:
        self.learner.reset()
        epoch = len(self.history)
        loss = None
        for step in range(steps):
            self.learner.optimizer.learning_rate = self._learning_rate()
            before, loss = loss, self._learn(*next(stream))
            self.clock.epochs_done = epoch + (step + 1) / steps
            # The loss of the step before: the device has this step to do while Python waits for it.
            shown = "" if before is None else f": loss {_finite(float(before)):.3f}"
            self._say(f"Epoch {epoch + 1}, step {step + 1} of {steps}{shown}")
            if self.clock.share() >= 1:
                break
        results = self.learner.results()
        _finite(results["loss"])
        return results

    def _learning_rate(self) -> float:
        share = self.clock.share()
        cosine = 0.5 * (1 + math.cos(math.pi * share))
        return self.plan.learning_rate * max(0.01, cosine * min(1.0, 0.1 + share / _WARM_UP))

    def _measure(self, held_out: list[Batch]) -> dict[str, float]:
        self.learner.reset()
        for images, classes in held_out:
            self._test(images, classes)
        return self.learner.results()

    def _keep_if_best(self, epoch: int, scores: dict[str, float]) -> None:
        """Keep the weights of the best epoch, or of a later one that is as good: it learned longer."""
        score = scores["val_dice"]
        if score > self.best.score:
            self._risen = (epoch, self.clock.share())
        if score >= self.best.score - _AS_GOOD:
            self.best = Best(
                epoch=epoch,
                score=max(self.best.score, score),
                dice=self.learner.scores.dice_per_class(),
                weights=self.learner.network.get_weights(),
            )

    def _is_flat(self, epoch: int) -> bool:
        risen_epoch, risen_share = self._risen
        waited = self.clock.share() - risen_share
        return waited > _FLAT and epoch - risen_epoch >= _FLAT_EPOCHS

    def _say(self, message: str, scores: dict[str, float] | None = None) -> None:
        left = self.clock.seconds_left()
        self.report(Progress(self.clock.share(), message, left, scores or {}))


def steps_per_epoch(patches: int, batch: int) -> int:
    """Batches of an epoch, in which `patches` are seen once where they are not too many."""
    return max(_SHORTEST_EPOCH, min(_LONGEST_EPOCH, math.ceil(patches / batch)))


def _finite(loss: float) -> float:
    if not math.isfinite(loss):
        raise ValueError(
            "The loss is no longer a number; wanted a finite one. Check the images for extreme "
            "intensities, or train again with another seed."
        )
    return loss
