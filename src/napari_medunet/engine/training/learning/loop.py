"""The training loop of one network."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

from napari_medunet.engine.hardware import devices
from napari_medunet.engine.hardware.data_parallel import all_devices
from napari_medunet.engine.patches.batches import Batch
from napari_medunet.engine.plan import Plan
from napari_medunet.engine.planning.compute_budget import rounded
from napari_medunet.engine.progress import (
    EpochScores,
    Progress,
    ProgressCallback,
    Scores,
    StopRequested,
)
from napari_medunet.engine.training.learning import checks
from napari_medunet.engine.training.learning.clock import Clock, learning_rate
from napari_medunet.engine.training.learning.loss import LossNotFinite, finite
from napari_medunet.engine.training.learning.pace import Pace
from napari_medunet.engine.training.learning.validation import Best, HeldOut

# Dice by which the last epoch may look worse and be kept, over the root of the number of cases measured;
# earlier ones, of larger steps, by less. On few cases an early epoch looks best by chance. M19
_AS_GOOD = 0.25
_SLOWER = 0.1  # times the learning rate, once the loss was no number
_LOST_AGAIN = (
    "The loss was no finite number once more: the training has ended early, with the best weights so far. "
    "Check the images for extreme intensities, or set a lower learning rate."
)


class Loop:
    """The training of one network, epoch by epoch, until its budget is used up or the user stops it.

    Parameters
    ----------
    plan : Plan
    names : dict of label to name
        Of the labels that validation holds, for warnings.
    clock : Clock
    report : callable

    Attributes
    ----------
    before_epoch, after_epoch : callables
        Called with the loop: to set pseudo-labels, and to write checkpoints.
    keep_promises : callable
        Called with the loop after steps whose pace is known: it may change `held_out` and `epoch_steps`.
    seconds_after : callable
        Given the seconds in which the network goes through a voxel, says how long all will take that
        comes after the training.
    pace : Pace
    held_out : HeldOut
        What is measured after each epoch, once the training has begun.
    epoch_steps : int
        Batches of an epoch.
    steps_fit : float or None
        Steps of the whole training that will fit; None before that is known.
    validation_seconds : float
        That measuring `held_out` takes.
    best : Best
    history : list of EpochScores
        Of each epoch.
    steps_done : int
        Batches that were learned from.
    rate : float
        Factor of the plan's learning rate, less than 1 after the loss was no finite number.
    recall : tuple of float
        Share of each class's voxels, background first, that was found in the last epoch.
    rescued : bool
        Whether the loss was no finite number once.
    warnings : list of str
        That the user has seen.
    """

    def __init__(
        self,
        plan: Plan,
        names: dict[int, str],
        clock: Clock,
        report: ProgressCallback,
    ) -> None:
        devices.set_up_backend()
        devices.use_threads(plan.budget.threads)

        from napari_medunet.engine.training.learning.steps import compile_steps, new_learner

        self.device_group = all_devices()
        self.learner = new_learner(plan, devices.precision(), self.device_group)
        self._learn, self._test = compile_steps(self.learner)
        self.plan = plan
        self.names = names
        self.clock = clock
        self.report = report
        self.before_epoch: Callable[[Loop], None] = lambda loop: None
        self.after_epoch: Callable[[Loop], None] = lambda loop: None
        self.keep_promises: Callable[[Loop], None] = lambda loop: None
        self.seconds_after: Callable[[float], float] = lambda forward: 0.0
        self.pace = Pace()
        self.epoch_steps = 0
        self.steps_fit: float | None = None
        self.validation_seconds = 0.0
        self.held_out = HeldOut([], 0)
        self.best = Best()
        self.history: list[EpochScores] = []
        self.steps_done = 0
        self.rate = 1.0
        self.warnings: list[str] = []
        self.recall: tuple[float, ...] = ()
        self.rescued = False
        self._measured_in = 0.0  # seconds
        self._first = self.learner.network.get_weights()

    def begin_with(self, weights: list[Any]) -> None:
        """Start from these weights, with an optimizer and an average that have no history."""
        from keras import ops

        self._first = weights
        self.learner.network.set_weights(weights)
        self.learner.average.restart()
        # Not the scale of a loss in float16, of which 0 would make gradients that are no numbers.
        optimizer = getattr(self.learner.optimizer, "inner_optimizer", self.learner.optimizer)
        for variable in optimizer.variables:
            variable.assign(ops.zeros_like(variable.value))

    def until_done(self, stream: Iterator[Batch], held_out: HeldOut, steps: int) -> None:
        """Train epoch after epoch; if the user stops, the epoch ends early and still counts."""
        self.held_out, self.epoch_steps = held_out, steps
        # Compiled now, so that a stop in the first epoch is quick; the second time tells how long it takes.
        for _ in range(2):
            self._measure(held_out.batches[:1])
        self._foresee(self._measured_in * len(held_out.batches))
        done = False
        while not done:
            try:
                self.before_epoch(self)
                training = self._epoch(stream)
                done = self.clock.share() >= 1
            except StopRequested:
                if self.best.weights:
                    return
                training, done = None, True
            except LossNotFinite:
                if not self.best.weights:
                    raise
                with suppress(StopRequested):
                    self.warn([_LOST_AGAIN])
                return
            with self.learner.average.in_place():
                scores = self._scores_of_epoch(training)
                self.keep_if_best(scores, held_out.cases)
            self.history.append(scores)
            try:
                dice = scores.validation.dice
                self._say(f"Epoch {scores.epoch}: validation Dice {dice:.3f}", scores)
                self.warn(checks.of_history(self.history, self.clock.schedule(), self.names))
            except StopRequested:
                done = True
            if not done:
                self.after_epoch(self)

    def best_network(self) -> Any:
        """The network with the weights of the best epoch, where one device predicts."""
        self.learner.network.set_weights(self.best.weights)
        return self.predictor()

    def predictor(self) -> Any:
        """The network with its present weights, where one device predicts."""
        from napari_medunet.engine.network.unet import build_unet

        if self.device_group.count == 1:
            return self.learner.network
        copy = build_unet(self.plan, devices.precision())
        copy.set_weights(self.learner.network.get_weights())
        return copy

    def _epoch(self, stream: Iterator[Batch]) -> Scores:
        """Train for an epoch; if the loss is no finite number, again from the best weights, and slower."""
        try:
            return self._learn_from(stream)
        except LossNotFinite:
            if self.rescued:
                raise
        self.rescued = True
        self.rate *= _SLOWER
        self.begin_with(self.best.weights or self._first)
        self.warn(
            [
                f"The loss was no finite number in epoch {len(self.history) + 1}: training goes on from "
                "the best weights so far with a tenth of the learning rate. Check the images for extreme "
                "intensities."
            ]
        )
        return self._learn_from(stream)

    def _learn_from(self, stream: Iterator[Batch]) -> Scores:
        self.learner.reset()
        epoch, step = len(self.history), 0
        loss = None
        while step < self.epoch_steps:
            self.learner.optimizer.learning_rate = self._learning_rate()
            compiled, start = self.clock.learning, time.monotonic()
            before, loss = loss, self._learn(*next(stream))
            step += 1
            self.steps_done += 1
            self.clock.begin()  # the first step has compiled it
            self.clock.epochs_done = epoch + step / self.epoch_steps
            # The loss of the step before: the device has this step to do while Python waits for it.
            shown = "" if before is None else f": loss {finite(float(before)):.3f}"
            if compiled:
                self.pace.add(time.monotonic() - start)
            in_all = f" (about {rounded(self.steps_fit)} in all)" if self.steps_fit else ""
            self._say(f"Epoch {epoch + 1}, step {step} of {self.epoch_steps}{in_all}{shown}")
            if self.clock.share() >= 1:
                break
            if self.pace.known:
                self.keep_promises(self)
        results = self.learner.results()
        self.recall = self.learner.scores.recall_per_class()
        finite(results.loss)
        return results

    def _learning_rate(self) -> float:
        return self.rate * learning_rate(self.plan.schedule, self.clock.schedule())

    def _scores_of_epoch(self, training: Scores | None) -> EpochScores:
        minutes, rate = self.clock.seconds() / 60, self._learning_rate()
        validation, dice = self._validate()
        return EpochScores(len(self.history) + 1, minutes, rate, validation, training, dice)

    def _validate(self) -> tuple[Scores, dict[int, float]]:
        """Measure what is held out, and Dice by label; the last scores once that is learned from."""
        if self.held_out.learned and self.history:
            return self.history[-1].validation, self.history[-1].label_dice
        scores = self._measure(self.held_out.batches)
        self._foresee(self._measured_in)
        dice = zip(self.plan.labels[1:], self.learner.scores.dice_per_class(), strict=True)
        return scores, {label: score for label, score in dice if not math.isnan(score)}

    def _measure(self, batches: list[Batch]) -> Scores:
        start = time.monotonic()
        self.learner.reset()
        for images, classes in batches:
            self._test(images, classes)
        found = self.learner.results()
        self._measured_in = time.monotonic() - start
        return found

    def _foresee(self, validation: float) -> None:
        """Have learning end as long before the minutes as a last step, validation and the rest take."""
        self.validation_seconds = validation
        step = self.pace.step_seconds if self.pace.known else 0.0
        forward = validation / max(1, self.held_out.voxels)
        self.clock.foresee(step + validation + self.seconds_after(forward))

    def keep_if_best(self, scores: EpochScores, cases: int) -> None:
        """Keep the best epoch's weights, or those of a later one as good but for chance.

        The further the learning rate has fallen, the larger the difference has to be.
        """
        score = scores.validation.dice
        tolerance = _AS_GOOD * self.clock.schedule() / math.sqrt(cases)
        if not math.isfinite(scores.validation.loss):
            return
        if score >= self.best.score - tolerance:
            self.best = Best(
                epoch=scores.epoch,
                score=max(self.best.score, score),
                dice=[scores.label_dice.get(label, math.nan) for label in self.plan.labels[1:]],
                recall=self.recall,
                weights=self.learner.network.get_weights(),
            )

    def _say(self, message: str, scores: EpochScores | None = None) -> None:
        self.report(Progress(self.clock.share(), message, self.clock.seconds_left(), scores))

    def note(self, sentence: str) -> None:
        """Report what a log is to keep."""
        share, left = self.clock.share(), self.clock.seconds_left()
        self.report(Progress(share, sentence, left, note=sentence))

    def warn(self, sentences: list[str]) -> None:
        """Report warnings that were not reported before."""
        for sentence in sentences:
            if sentence not in self.warnings:
                self.warnings.append(sentence)
                share, left = self.clock.share(), self.clock.seconds_left()
                self.report(Progress(share, "", left, warning=sentence))
