"""The training of one network: split examples in, the weights of the best epoch out."""

from __future__ import annotations

import math
from contextlib import closing, suppress
from dataclasses import dataclass
from typing import Any

import numpy as np

from napari_medunet.engine.errors import printable
from napari_medunet.engine.examples.example import Example
from napari_medunet.engine.patches.augment import augmentation_by_share
from napari_medunet.engine.patches.batches import Batch, batches, draw_batch, joined
from napari_medunet.engine.patches.sampler import PatchSampler
from napari_medunet.engine.plan import Plan
from napari_medunet.engine.planning.compute_budget import expected_steps
from napari_medunet.engine.prediction.card import NetworkCard, SegmentClass
from napari_medunet.engine.progress import (
    EpochScores,
    Progress,
    ProgressCallback,
    StopRequested,
)
from napari_medunet.engine.training.learning import checks
from napari_medunet.engine.training.learning.clock import Clock, steps_per_epoch
from napari_medunet.engine.training.learning.loop import (
    HeldOut,
    Loop,
    LossNotFinite,
)
from napari_medunet.engine.training.learning.prior_correction import correct_priors
from napari_medunet.engine.training.learning.self_training import SelfTraining
from napari_medunet.engine.training.run.checkpoints import InitialState

_MOST_SCORES = 20_000  # in a card, which stays below a megabyte; the run folder has all
_VALIDATION_SHARE = 0.15  # of an epoch's batches: a third of the cost of as many to learn from


@dataclass(frozen=True, eq=False)
class TrainedNetwork:
    """A network with its best weights, and how they came about."""

    network: Any
    card: NetworkCard


def train_one_network(
    split: tuple[list[Example], list[Example]],
    plan: Plan,
    classes: tuple[SegmentClass, ...],
    report: ProgressCallback,
    initial: InitialState | None = None,
) -> TrainedNetwork:
    """Train one network by a plan within its budget of time.

    The weights are averaged over the last steps, measured on the validation patches once an epoch,
    and those of the last epoch are kept, unless an earlier one was clearly better. The learning rate rises,
    then falls along a cosine (Loshchilov & Hutter 2017, arXiv:1608.03983, equation 5) that ends when the
    budget does.

    Parameters
    ----------
    split : two non-empty lists of Example
        Training and validation.
    plan : Plan
    classes : tuple of SegmentClass
        Of the plan's labels, for the names on the card.
    report : callable
        See `train`.
    initial : InitialState, optional
        If it does not begin with random weights, or is resumed.

    Raises
    ------
    MedunetError
        If the loss is no longer a number.
    """
    training, validation = split
    names = {one.value: one.name for one in classes}
    measured = checks.measured(validation, plan, names)
    loop = _new_loop(plan, measured, report, initial or InitialState())
    loop.warn(checks.of_examples(training, validation, plan, names))

    def preparing(example: Example) -> None:
        report(Progress(loop.clock.share(), f"Preparing {example.name}"))

    seed = plan.budget.seed
    samples = PatchSampler(training, plan, seed, preparing)
    held_out = PatchSampler(validation, plan, seed, preparing, samples)
    voxels_per_epoch = _learn(loop, samples, held_out, _partly_annotated([*training, *validation]))
    if not loop.best.weights:
        raise LossNotFinite
    network = loop.best_network()
    if plan.annotation.annotated == "voxels":
        correct_priors(network, samples, voxels_per_epoch * loop.clock.epochs_done, report)
    return TrainedNetwork(network, _card(loop, split, classes))


def _learn(
    loop: Loop, samples: PatchSampler, validation: PatchSampler, partly_annotated: bool
) -> float:
    """Run a loop to its end; return the voxels that it learns from in an epoch."""
    plan = loop.plan
    # Each device has a batch of its own, so that a step takes as long as on one, and sees more.
    devices = loop.device_group.count
    batch = plan.schedule.batch * devices
    expected = None if plan.budget.epochs else expected_steps(plan)
    steps = steps_per_epoch(samples.annotated_patches(), batch, expected)
    voxels_per_epoch = steps * batch * math.prod(plan.grid.patch)
    if plan.schedule.self_training and partly_annotated:
        loop.before_epoch = SelfTraining(samples, voxels_per_epoch)
    held_out = HeldOut(_measured_batches(validation, steps, devices), validation.cases)
    vary = augmentation_by_share(plan, loop.clock.schedule)
    first = loop.steps_done * devices
    with closing(batches(samples, vary, plan.budget.seed, first)) as stream:
        loop.until_done(joined(stream, devices), held_out, steps)
    if loop.clock.share() >= 1:
        with suppress(StopRequested):  # requested before: the training has ended
            loop.warn(checks.of_the_end(loop.clock.epochs_done, plan.budget.epochs))
    return voxels_per_epoch


def _card(
    loop: Loop, split: tuple[list[Example], list[Example]], classes: tuple[SegmentClass, ...]
) -> NetworkCard:
    training, validation = split
    return NetworkCard(
        training_cases=tuple(printable(example.name) for example in training),
        validation_cases=tuple(printable(example.name) for example in validation),
        recall=loop.best.recall,
        validation_dice={
            one.name: None if math.isnan(score) else score
            for one, score in zip(classes, loop.best.dice, strict=True)
        },
        history=_some_epochs(loop.history),
        best_epoch=loop.best.epoch,
        minutes=loop.clock.seconds() / 60,
        warnings=tuple(loop.warnings),
    )


def _new_loop(
    plan: Plan, names: dict[int, str], report: ProgressCallback, initial: InitialState
) -> Loop:
    """Build a loop, and put it where an earlier training was."""
    checkpoint, checkpoints = initial.checkpoint, initial.checkpoints
    used = (checkpoint.state.seconds, checkpoint.state.schedule) if checkpoint else (0.0, 0.0)
    clock = Clock(plan.budget, *used)
    report(Progress(clock.share(), f"Building the network: {plan.describe()}"))
    loop = Loop(plan, names, clock, report)
    if initial.weights is not None:
        loop.begin_with(initial.weights)
    if checkpoint is not None:
        checkpoint.restore(loop)
    if checkpoints is not None:
        loop.after_epoch = checkpoints.write_if_due
    return loop


def _measured_batches(samples: PatchSampler, steps: int, devices: int) -> list[Batch]:
    """Draw what is measured after each epoch, the same patches every time."""
    plan = samples.plan
    rng, batch = np.random.default_rng(plan.budget.seed), plan.schedule.batch
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


def _some_epochs(history: list[EpochScores]) -> tuple[EpochScores, ...]:
    """Every epoch, or so few of them, up to the last, that a card can hold their scores."""
    scores = sum(len(epoch.as_row()) for epoch in history)
    every = max(1, math.ceil(scores / _MOST_SCORES))
    return tuple(history[::-every][::-1])
