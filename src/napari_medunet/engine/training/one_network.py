"""One network: examples on both sides of a split in, the weights of one epoch out."""

from __future__ import annotations

import math
from contextlib import closing, suppress
from dataclasses import dataclass
from typing import Any

import numpy as np

from napari_medunet.engine.examples.example import Example
from napari_medunet.engine.patches.augment import augmentation_by_share
from napari_medunet.engine.patches.batches import Batch, batches, draw_batch, joined
from napari_medunet.engine.patches.sampler import PatchSampler
from napari_medunet.engine.plan import Plan
from napari_medunet.engine.planning.compute_budget import expected_steps
from napari_medunet.engine.prediction.card import NetworkCard, SegmentClass
from napari_medunet.engine.progress import Progress, ProgressCallback, StopRequested
from napari_medunet.engine.settings import TrainSettings
from napari_medunet.engine.training import checks
from napari_medunet.engine.training.checkpoints import InitialState
from napari_medunet.engine.training.clock import Clock
from napari_medunet.engine.training.loop import HeldOut, Loop, LossNotFinite, steps_per_epoch
from napari_medunet.engine.training.prior_correction import correct_priors
from napari_medunet.engine.training.self_training import SelfTraining

_MOST_SCORES = 20_000  # in a card, which stays below a megabyte; the run folder has all
_VALIDATION_SHARE = 0.15  # of an epoch's batches: a third of the cost of as many to learn from


@dataclass(frozen=True, eq=False)
class TrainedNetwork:
    """A network with its best weights, and how they came about."""

    network: Any
    card: NetworkCard


def train_one_network(
    training: list[Example],
    validation: list[Example],
    plan: Plan,
    classes: tuple[SegmentClass, ...],
    settings: TrainSettings,
    report: ProgressCallback,
    initial: InitialState | None = None,
) -> TrainedNetwork:
    """Train the network of a plan within a budget of time.

    The weights are averaged over the last steps, measured on the validation patches once an epoch,
    and those of the last epoch are kept, unless an earlier one was clearly better. The learning rate rises,
    then falls along a cosine (Loshchilov & Hutter 2017, arXiv:1608.03983, equation 5) that ends when the
    budget does.

    Parameters
    ----------
    training, validation : non-empty lists of Example
        What weights are learned from, and what epochs are measured on.
    plan : Plan
    classes : tuple of SegmentClass
        Of the plan's labels, for the names on the card.
    settings : TrainSettings
        Budget, seed and augmentation are read: what the network is stands in the plan.
    report : callable
        See `train`.
    going_on : GoingOn, optional
        Where it does not begin from chance, or is to be resumed.

    Raises
    ------
    ValueError
        If the loss is no longer a number.
    """
    initial = initial or InitialState()
    names = {one.value: one.name for one in classes}
    measured = checks.measured(validation, plan, names)
    loop = _new_loop(plan, measured, settings, report, initial)
    loop.warn(checks.of_examples(training, validation, plan, names))

    def preparing(example: Example) -> None:
        report(Progress(loop.clock.share(), f"Preparing {example.name}"))

    samples = PatchSampler(training, plan, settings.seed, preparing)
    # Each device has a batch of its own, so that a step takes as long as on one, and sees more.
    devices = loop.device_group.count
    batch = plan.batch * devices
    expected = None if settings.epochs else expected_steps(plan, settings)
    steps = steps_per_epoch(samples.annotated_patches(), batch, expected)
    measured_on = _measured_batches(
        PatchSampler(validation, plan, settings.seed, preparing, samples),
        settings.seed,
        steps,
        devices,
    )
    held_out = HeldOut(measured_on, len(validation))
    # Scribbles hold labels more often than images do, and what is sure by them is too often one: of six
    # scribbled hippocampi, 1.5 minutes, Dice 0.11 and 0.52 with self-training, 0.68 and 0.70 without.
    scribbles = settings.annotated == "voxels"
    voxels_per_epoch = steps * batch * math.prod(plan.patch)
    if settings.self_training and not scribbles and _partly_annotated([*training, *validation]):
        loop.before_epoch = SelfTraining(samples, voxels_per_epoch)
    vary = augmentation_by_share(plan, settings, loop.clock.schedule)
    first = loop.steps_done * devices
    with closing(batches(samples, vary, settings.seed, first)) as stream:
        loop.until_done(joined(stream, devices), held_out, steps)
    if loop.clock.share() >= 1:
        with suppress(StopRequested):  # a wish of before: it has ended
            loop.warn(checks.of_the_end(loop.clock.epochs_done, settings.epochs))
    if not loop.best.weights:
        raise LossNotFinite
    network = loop.best_network()
    if scribbles:
        correct_priors(network, samples, voxels_per_epoch * loop.clock.epochs_done, report)
    card = NetworkCard(
        training_cases=tuple(example.name for example in training),
        validation_cases=tuple(example.name for example in validation),
        validation_dice={
            one.name: None if math.isnan(score) else score
            for one, score in zip(classes, loop.best.dice, strict=True)
        },
        history=_some_epochs(loop.history),
        best_epoch=loop.best.epoch,
        minutes=loop.clock.seconds() / 60,
        warnings=tuple(loop.warnings),
    )
    return TrainedNetwork(network, card)


def _new_loop(
    plan: Plan,
    names: dict[int, str],
    settings: TrainSettings,
    report: ProgressCallback,
    initial: InitialState,
) -> Loop:
    """Build a loop, and put it where an earlier training was."""
    checkpoint, checkpoints = initial.checkpoint, initial.checkpoints
    state = checkpoint.state if checkpoint else {}
    clock = Clock(settings, state.get("seconds", 0.0), state.get("schedule", 0.0))
    report(Progress(clock.share(), f"Building the network: {plan.describe()}"))
    loop = Loop(plan, names, settings, clock, report)
    loop.rate = initial.rate
    if initial.weights is not None:
        loop.begin_with(initial.weights)
    if checkpoint is not None:
        checkpoint.restore(loop)
    if checkpoints is not None:
        loop.after_epoch = checkpoints.write_if_due
    return loop


def _measured_batches(samples: PatchSampler, seed: int, steps: int, devices: int) -> list[Batch]:
    """Draw what is measured after each epoch, the same patches every time."""
    rng, batch = np.random.default_rng(seed), samples.plan.batch
    all_twice = 2 * samples.annotated_patches() / (batch * devices)
    count = math.ceil(min(_VALIDATION_SHARE * steps, all_twice))
    drawn = (draw_batch(samples, batch, rng) for _ in range(count * devices))
    return list(joined(drawn, devices))


def _partly_annotated(examples: list[Example]) -> bool:
    """Whether voxels are annotated on neither side of a split, which may divide the slices of an image."""
    annotated: dict[int, Any] = {}
    for example in examples:
        image = id(example.image)
        annotated[image] = annotated.get(image, False) | example.annotated
    return not all(mask.all() for mask in annotated.values())


def _some_epochs(history: list[dict[str, float]]) -> tuple[dict[str, float], ...]:
    """Every epoch, or so few of them, up to the last, that a card can hold their scores."""
    scores = sum(len(epoch) for epoch in history)
    every = max(1, math.ceil(scores / _MOST_SCORES))
    return tuple(history[::-every][::-1])
