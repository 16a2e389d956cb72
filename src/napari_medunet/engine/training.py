"""Training: examples in, segmenter out, in the minutes that the user gives."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_medunet.engine import devices
from napari_medunet.engine.examples import Example, check_image
from napari_medunet.engine.plan import Plan, make_plan
from napari_medunet.engine.progress import Progress, Report, StopRequested, ignore
from napari_medunet.engine.samples import Batch, Samples, batches, draw_batch
from napari_medunet.engine.segmenter import Card, SegmentClass, Segmenter
from napari_medunet.engine.settings import TrainSettings
from napari_medunet.engine.split import split_examples

if TYPE_CHECKING:
    from napari_medunet.engine.losses import ClassScores

_WARM_UP = 0.03  # share of the training in which the learning rate rises
_FLAT = 0.4  # share of the training without a better epoch after which it ends
_FLAT_EPOCHS = 20  # and at least so many epochs
_LONGEST_EPOCH = 60  # steps: scores come often enough to watch, seldom enough to cost little
_VALIDATION_PATCHES = 192
_AVERAGING = 0.99  # momentum of the weights' moving average


def train(
    examples: list[Example],
    settings: TrainSettings,
    report: Report = ignore,
    names: dict[int, str] | None = None,
) -> Segmenter:
    """Train a segmenter within a budget of time.

    The weights are averaged over the last steps, measured on the validation patches once an epoch,
    and those of the best epoch are kept. The learning rate rises, then falls along a cosine
    (Loshchilov & Hutter 2017, arXiv:1608.03983, equation 5) that ends when the budget does.

    Parameters
    ----------
    examples : non-empty list of Example
    settings : TrainSettings
    report : callable
        Called once a batch; `Progress.scores` is set once an epoch. Where it raises `StopRequested`
        the best segmenter so far is returned; any other exception, `Cancelled` among them, travels.
    names : dict of label to name
        For the card; a label without a name is called after its number.

    Raises
    ------
    ValueError
        If the examples cannot be learned from, or the loss is no longer a number.
    """
    if not examples:
        raise ValueError("There is nothing to train on: wanted at least one image with its labels.")
    report(Progress(0, "Reading the examples"))
    for example in examples:
        check_image(example.image)
    plan = make_plan(examples, settings)
    training, validation = split_examples(examples, settings.validation, settings.seed)
    clock = _Clock(settings)
    samples = Samples(training, plan, settings.seed)
    held_out = _validation_batches(validation, plan, settings.seed)
    report(Progress(0, f"Building the network: {plan.describe()}"))
    run = _Run(plan, settings, clock, report)
    with closing(batches(samples, settings.augmentation, settings.seed)) as stream:
        run.until_done(stream, held_out, samples.annotated_patches())
    card = Card(
        plan=plan,
        classes=_classes(plan, names or {}),
        settings=settings,
        training_cases=tuple(example.name for example in training),
        validation_cases=tuple(example.name for example in validation),
        validation_dice=_by_name(plan, names or {}, run.best.dice),
        history=tuple(run.history),
        best_epoch=run.best.epoch,
        minutes=clock.seconds() / 60,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        trained_with=_trained_with(),
    )
    run.network.set_weights(run.best.weights)
    return Segmenter(run.network, card)


class _Clock:
    """How much of the budget is used, in minutes or in epochs, whichever is further."""

    def __init__(self, settings: TrainSettings) -> None:
        self._budget_seconds = settings.minutes * 60
        self._epochs = settings.epochs
        self._start = time.monotonic()
        self.epochs_done = 0.0

    def seconds(self) -> float:
        return time.monotonic() - self._start

    def share(self) -> float:
        by_epochs = self.epochs_done / self._epochs if self._epochs else 0.0
        return min(1.0, max(self.seconds() / self._budget_seconds, by_epochs))

    def seconds_left(self) -> float:
        left = self._budget_seconds - self.seconds()
        if self._epochs and self.epochs_done:
            by_epochs = self.seconds() * (self._epochs / self.epochs_done - 1)
            left = min(left, by_epochs)
        return max(0.0, left)


@dataclass
class _Best:
    """The best epoch so far."""

    epoch: int = 0
    score: float = -1.0
    share: float = 0.0
    dice: list[float] = field(default_factory=list)
    weights: list[Any] = field(default_factory=list)


class _Run:
    """One training: a network that gets better until the clock, the user or the curve says stop."""

    def __init__(self, plan: Plan, settings: TrainSettings, clock: _Clock, report: Report) -> None:
        devices.set_up_backend()
        import keras

        from napari_medunet.engine.losses import ClassScores, cross_entropy_and_dice
        from napari_medunet.engine.unet import build_unet

        keras.utils.set_random_seed(settings.seed)
        self.network = build_unet(plan, devices.precision())
        self.scores: ClassScores = ClassScores(plan.classes)
        self.network.compile(
            optimizer=keras.optimizers.Adam(plan.learning_rate),
            loss=cross_entropy_and_dice,
            metrics=[self.scores],
            # XLA is slower on a CPU (measured), and JAX runs in no other way.
            jit_compile=devices.backend_name() == "jax",
        )
        self.plan = plan
        self.clock = clock
        self.report = report
        self.average = _WeightAverage(self.network)
        self.best = _Best()
        self.history: list[dict[str, float]] = []

    def until_done(self, stream: Iterator[Batch], held_out: list[Batch], patches: int) -> None:
        """Train epoch after epoch; a stop by the user ends the epoch, which still counts."""
        steps = max(4, min(_LONGEST_EPOCH, math.ceil(patches / self.plan.batch)))
        self._measure(held_out[:1])  # compiled now, so that a stop in the first epoch is quick
        done = False
        while not done:
            try:
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
            with self.average.in_place():
                scores |= {f"val_{name}": value for name, value in self._measure(held_out).items()}
                self._keep_if_best(epoch, scores)
            self.history.append(scores)
            done = done or self._is_flat(epoch)
            try:
                self._say(f"Epoch {epoch}: validation Dice {scores['val_dice']:.3f}", scores)
            except StopRequested:
                done = True

    def _epoch(self, stream: Iterator[Batch], steps: int) -> dict[str, float]:
        self.network.reset_metrics()
        epoch = len(self.history)
        logs: dict[str, float] = {}
        for step in range(steps):
            self.network.optimizer.learning_rate = self._learning_rate()
            images, classes = next(stream)
            logs = self.network.train_on_batch(images, classes, return_dict=True)
            if not math.isfinite(logs["loss"]):
                raise ValueError(
                    "The loss is no longer a number; wanted a finite one. Check the images for extreme "
                    "intensities, or train again with another seed."
                )
            self.average.update()
            self.clock.epochs_done = epoch + (step + 1) / steps
            self._say(f"Epoch {epoch + 1}, step {step + 1} of {steps}: loss {logs['loss']:.3f}")
            if self.clock.share() >= 1:
                break
        return {name: float(value) for name, value in logs.items()}

    def _learning_rate(self) -> float:
        share = self.clock.share()
        cosine = 0.5 * (1 + math.cos(math.pi * share))
        return self.plan.learning_rate * max(0.01, cosine * min(1.0, 0.1 + share / _WARM_UP))

    def _measure(self, held_out: list[Batch]) -> dict[str, float]:
        self.network.reset_metrics()
        logs: dict[str, float] = {}
        for images, classes in held_out:
            logs = self.network.test_on_batch(images, classes, return_dict=True)
        return {name: float(value) for name, value in logs.items()}

    def _keep_if_best(self, epoch: int, scores: dict[str, float]) -> None:
        if scores["val_dice"] > self.best.score:
            self.best = _Best(
                epoch=epoch,
                score=scores["val_dice"],
                share=self.clock.share(),
                dice=self.scores.dice_per_class(),
                weights=self.network.get_weights(),
            )

    def _is_flat(self, epoch: int) -> bool:
        waited = self.clock.share() - self.best.share
        return waited > _FLAT and epoch - self.best.epoch >= _FLAT_EPOCHS

    def _say(self, message: str, scores: dict[str, float] | None = None) -> None:
        left = self.clock.seconds_left()
        self.report(Progress(self.clock.share(), message, left, scores or {}))


class _WeightAverage:
    """Exponential moving average of a network's weights (Polyak & Juditsky 1992, in spirit).

    The momentum rises with the number of steps, so that a short training is not held back by its
    first, random weights.
    """

    def __init__(self, network: Any) -> None:
        from keras import ops

        self._ops = ops
        self._weights = network.weights
        self._average = [ops.copy(weight.value) for weight in self._weights]
        self._steps = 0

    def update(self) -> None:
        self._steps += 1
        momentum = min(_AVERAGING, (1 + self._steps) / (10 + self._steps))
        self._average = [
            average + (weight.value - average) * (1 - momentum)
            for average, weight in zip(self._average, self._weights, strict=True)
        ]

    def in_place(self) -> Any:
        """Context in which the network has the averaged weights."""
        return closing(_Swapped(self._weights, self._average, self._ops))


class _Swapped:
    def __init__(self, weights: Any, values: Any, ops: Any) -> None:
        self._weights = weights
        self._before = [ops.copy(weight.value) for weight in weights]
        for weight, value in zip(weights, values, strict=True):
            weight.assign(ops.copy(value))  # JAX gives a step's arrays away: the average stays ours

    def close(self) -> None:
        for weight, value in zip(self._weights, self._before, strict=True):
            weight.assign(value)


def _validation_batches(examples: list[Example], plan: Plan, seed: int) -> list[Batch]:
    samples = Samples(examples, plan, seed)
    rng = np.random.default_rng(seed)
    wanted = min(_VALIDATION_PATCHES, 2 * samples.annotated_patches())
    return [draw_batch(samples, plan.batch, rng) for _ in range(math.ceil(wanted / plan.batch))]


def _classes(plan: Plan, names: dict[int, str]) -> tuple[SegmentClass, ...]:
    return tuple(
        SegmentClass(value=value, name=names.get(value, f"label {value}"))
        for value in plan.labels[1:]
    )


def _by_name(plan: Plan, names: dict[int, str], dice: list[float]) -> dict[str, float | None]:
    return {
        names.get(value, f"label {value}"): None if math.isnan(score) else score
        for value, score in zip(plan.labels[1:], dice, strict=True)
    }


def _trained_with() -> dict[str, str]:
    from napari_medunet import __version__

    return {
        "napari-medunet": __version__,
        "backend": devices.backend_name(),
        "device": devices.describe(),
        "keras": devices.package_version("keras"),
    }
