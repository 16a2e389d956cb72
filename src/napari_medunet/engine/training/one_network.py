"""The training of one network: split examples in, the weights of the best epoch out."""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from napari_medunet.engine.errors import printable
from napari_medunet.engine.examples.example import Example
from napari_medunet.engine.patches.augment import augmentation_by_share
from napari_medunet.engine.patches.batches import Batch, batches, draw_batch, joined
from napari_medunet.engine.patches.sampler import PatchSampler
from napari_medunet.engine.plan import Plan
from napari_medunet.engine.planning.compute_budget import expected_steps
from napari_medunet.engine.prediction.card import NetworkCard, PaceOfNetwork, SegmentClass
from napari_medunet.engine.progress import (
    EpochScores,
    Progress,
    ProgressCallback,
    StopRequested,
)
from napari_medunet.engine.training.learning import checks
from napari_medunet.engine.training.learning.clock import Clock, steps_per_epoch
from napari_medunet.engine.training.learning.loop import Loop
from napari_medunet.engine.training.learning.loss import LossNotFinite
from napari_medunet.engine.training.learning.prior_correction import LOOKED_AT, correct_priors
from napari_medunet.engine.training.learning.self_training import SelfTraining
from napari_medunet.engine.training.learning.validation import HeldOut
from napari_medunet.engine.training.pacing import Pacing, Promises
from napari_medunet.engine.training.run.checkpoints import InitialState
from napari_medunet.engine.training.shares import Shares

_MOST_SCORES = 20_000  # in a card, which stays below a megabyte; the run folder has all
# Of a training with little annotation, from where on what was held out is learned from, too: a handful of
# slices says little more of the weights, and is much of what was painted. M33
_MEASURED_UNTIL = 0.5
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
    promises: Promises | None = None,
) -> TrainedNetwork:
    """Train one network by a plan within its budget of time, with all that comes after its last step.

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
    promises : Promises, optional
        If it began before this call, or is one of several.

    Raises
    ------
    MedunetError
        If the loss is no longer a number.
    """
    training, validation = split
    promises = promises or Promises(Shares(plan.budget.minutes))
    names = {one.value: one.name for one in classes}
    measured = checks.measured(validation, plan, names)
    loop = _new_loop(plan, measured, report, initial or InitialState(), promises.shares)
    loop.warn(checks.of_examples(training, validation, plan, names))

    def preparing(example: Example) -> None:
        report(Progress(loop.clock.share(), f"Preparing {example.name}"))

    seed = plan.budget.seed
    samples = PatchSampler(training, plan, seed, preparing)
    held_out = PatchSampler(validation, plan, seed, preparing, samples)
    pacing = Pacing(plan, samples.annotated_patches(), promises)
    loop.keep_promises = pacing
    loop.seconds_after = _afterwards(loop, samples, promises.shares)
    _learn(loop, samples, held_out, _partly_annotated([*training, *validation]))
    if not loop.best.weights:
        raise LossNotFinite
    network = loop.best_network()
    if plan.annotation.annotated == "voxels":
        correct_priors(network, samples, _voxels_per_step(loop) * loop.steps_done, report)
    return TrainedNetwork(network, _card(loop, split, classes, pacing.record(loop)))


def _voxels_per_step(loop: Loop) -> int:
    """Voxels that a loop learns from in a step, on all devices."""
    plan = loop.plan
    return plan.schedule.batch * loop.device_group.count * math.prod(plan.grid.patch)


def _afterwards(loop: Loop, samples: PatchSampler, shares: Shares) -> Callable[[float], float]:
    """How long what comes after the training will take: prior correction, and a fold's predictions."""
    images = 0
    if loop.plan.annotation.annotated == "voxels":
        images = sum(image[0].size for image in samples.images())

    def seconds(forward: float) -> float:
        looked_at = min(images, LOOKED_AT * _voxels_per_step(loop) * loop.steps_done)
        return looked_at * forward + shares.seconds_after(forward)

    return seconds


def _learn(
    loop: Loop, samples: PatchSampler, validation: PatchSampler, partly_annotated: bool
) -> None:
    """Run a loop to its end."""
    plan = loop.plan
    # Each device has a batch of its own, so that a step takes as long as on one, and sees more.
    devices = loop.device_group.count
    batch = plan.schedule.batch * devices
    expected = None if plan.budget.epochs else expected_steps(plan)
    steps = steps_per_epoch(samples.annotated_patches(), batch, expected)
    if partly_annotated:
        loop.before_epoch = _before_epochs(loop, samples, validation)
    held_out = HeldOut(_measured_batches(validation, steps, devices), validation.cases)
    vary = augmentation_by_share(plan, loop.clock.schedule)
    first = loop.steps_done * devices
    with closing(batches(samples, vary, plan.budget.seed, first)) as stream:
        loop.until_done(joined(stream, devices), held_out, steps)
    if loop.clock.share() >= 1:
        with suppress(StopRequested):  # requested before: the training has ended
            loop.warn(checks.of_the_end(loop.clock.epochs_done, plan.budget.epochs))


def _before_epochs(
    loop: Loop, samples: PatchSampler, held_out: PatchSampler
) -> Callable[[Loop], None]:
    """Where little is annotated: self-training, and what was held out is learned from in the end."""
    learn_more, separate = SelfTraining(samples, _voxels_per_step(loop)), samples.lacks(held_out)

    def before_epoch(loop: Loop) -> None:
        late = loop.clock.schedule() >= _MEASURED_UNTIL
        if late and separate and not loop.held_out.learned:
            samples.learn_also(held_out)
            loop.held_out = replace(loop.held_out, learned=True)
            loop.note("What was held out is learned from now on; its scores stay as they are")
        if loop.plan.schedule.self_training:
            learn_more(loop)

    return before_epoch


def _card(
    loop: Loop,
    split: tuple[list[Example], list[Example]],
    classes: tuple[SegmentClass, ...],
    pace: PaceOfNetwork,
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
        pace=pace,
    )


def _new_loop(
    plan: Plan,
    names: dict[int, str],
    report: ProgressCallback,
    initial: InitialState,
    shares: Shares,
) -> Loop:
    """Build a loop, and put it where an earlier training was."""
    checkpoint, checkpoints = initial.checkpoint, initial.checkpoints
    used = (checkpoint.state.seconds, checkpoint.state.schedule) if checkpoint else (0.0, 0.0)
    clock = Clock(plan.budget, *used, shares)
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
