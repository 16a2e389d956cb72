"""Training: examples in, segmenter out, in the minutes that the user gives."""

from __future__ import annotations

import math
from contextlib import closing
from datetime import UTC, datetime

import numpy as np

from napari_medunet.engine import devices
from napari_medunet.engine.examples import Example, check_image
from napari_medunet.engine.plan import Plan, make_plan
from napari_medunet.engine.progress import Progress, Report, ignore
from napari_medunet.engine.samples import Batch, Samples, batches, draw_batch
from napari_medunet.engine.segmenter import Card, SegmentClass, Segmenter
from napari_medunet.engine.settings import TrainSettings
from napari_medunet.engine.split import split_examples
from napari_medunet.engine.training.clock import Clock
from napari_medunet.engine.training.loop import Loop

_VALIDATION_PATCHES = 192


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
    clock = Clock(settings)
    samples = Samples(training, plan, settings.seed)
    held_out = _validation_batches(validation, plan, settings.seed)
    report(Progress(0, f"Building the network: {plan.describe()}"))
    loop = Loop(plan, settings, clock, report)
    with closing(batches(samples, settings.augmentation, settings.seed)) as stream:
        loop.until_done(stream, held_out, samples.annotated_patches())
    card = Card(
        plan=plan,
        classes=_classes(plan, names or {}),
        settings=settings,
        training_cases=tuple(example.name for example in training),
        validation_cases=tuple(example.name for example in validation),
        validation_dice=_by_name(plan, names or {}, loop.best.dice),
        history=tuple(loop.history),
        best_epoch=loop.best.epoch,
        minutes=clock.seconds() / 60,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        trained_with=_trained_with(),
    )
    loop.network.set_weights(loop.best.weights)
    return Segmenter(loop.network, card)


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
