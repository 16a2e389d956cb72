"""Training: examples in, segmenter out, in the minutes that the user gives."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from napari_medunet.engine import devices
from napari_medunet.engine.card import Card, CrossValidationScores, SegmentClass
from napari_medunet.engine.examples import Example, check_image
from napari_medunet.engine.plan import Plan
from napari_medunet.engine.plan_file import check_plan
from napari_medunet.engine.planning import make_plan
from napari_medunet.engine.progress import Progress, Report, ignore
from napari_medunet.engine.segmenter import Segmenter
from napari_medunet.engine.settings import TrainSettings
from napari_medunet.engine.split import split_examples
from napari_medunet.engine.training.network import TrainedNetwork, train_network
from napari_medunet.engine.training.run_folder import RunFolder, kept_in


def train(
    examples: list[Example],
    settings: TrainSettings,
    report: Report = ignore,
    names: dict[int, str] | None = None,
    plan: Plan | None = None,
    run: RunFolder | None = None,
) -> Segmenter:
    """Train a segmenter of one network within a budget of time.

    `train_network` says how; `folds.cross_validate` is for settings with folds.

    Parameters
    ----------
    examples : non-empty list of Example
    settings : TrainSettings
    report : callable
        Called once a batch; `Progress.scores` is set once an epoch. Where it raises `StopRequested`
        the best segmenter so far is returned; any other exception, `Cancelled` among them, travels.
    names : dict of label to name
        For the card; a label without a name is called after its number.
    plan : Plan, optional
        Decided before, or edited; made by the rules of `planning` where none is given.
    run : RunFolder, optional
        That keeps plan, log, history and checkpoints, or from which a killed training is resumed. Call
        its `finish` when the segmenter is saved.

    Raises
    ------
    ValueError
        If the examples cannot be learned from, the plan is for others, they are not those of the run, or
        the loss is no longer a number.
    OSError
        If the run folder cannot be written.
    """
    if not examples:
        raise ValueError("There is nothing to train on: wanted at least one image with its labels.")
    if settings.folds:
        raise ValueError(
            "The settings ask for folds; wanted none, as one network is trained here: call cross_validate."
        )
    report(Progress(0, "Reading the examples"))
    for example in examples:
        check_image(example.image)
    plan = (run.plan if run else None) or plan or make_plan(examples, settings)
    check_plan(plan, examples)
    classes = name_classes(plan, names or {})
    training, validation = split_examples(examples, settings.validation, settings.seed, plan.axis)
    with kept_in(run, examples, plan, report) as (kept, going_on):
        trained = train_network(training, validation, plan, classes, settings, kept, going_on)
    return make_segmenter([trained], plan, classes, settings)


def name_classes(plan: Plan, names: Mapping[int, str]) -> tuple[SegmentClass, ...]:
    """The labels of a plan with their names; one without a name is called after its number."""
    return tuple(
        SegmentClass(value=value, name=names.get(value, f"label {value}"))
        for value in plan.labels[1:]
    )


def make_segmenter(
    trained: Sequence[TrainedNetwork],
    plan: Plan,
    classes: tuple[SegmentClass, ...],
    settings: TrainSettings,
    cross_validation: CrossValidationScores | None = None,
) -> Segmenter:
    """Put networks of one plan together, with the card that says how they came about."""
    card = Card(
        plan=plan,
        classes=classes,
        settings=settings,
        networks=tuple(one.card for one in trained),
        cross_validation=cross_validation,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        trained_with=_trained_with(settings),
    )
    return Segmenter(tuple(one.network for one in trained), card)


def _trained_with(settings: TrainSettings) -> dict[str, str]:
    from napari_medunet import __version__

    return {
        "napari-medunet": __version__,
        "backend": devices.backend_name(),
        "device": devices.describe(),
        "keras": devices.package_version("keras"),
        "again": _again(settings),
    }


def _again(settings: TrainSettings) -> str:
    """Say what could differ if the same were trained again."""
    reasons = []
    if settings.epochs is None:
        reasons.append("the learning rate follows the clock (give epochs)")
    if devices.gpus():
        reasons.append("a GPU adds in an order of its own")
    elif settings.threads != 1:
        reasons.append("several threads add in an order of their own (give 1 thread)")
    same = "the same seed, data, versions and machine"
    if not reasons:
        return f"{same} give the same weights"
    return f"{same} may give slightly other weights: {'; '.join(reasons)}"
