"""Training: examples in, segmenter out, in the minutes that the user gives."""

from __future__ import annotations

from collections.abc import Mapping

from napari_medunet.engine.errors import MedunetError
from napari_medunet.engine.examples.example import Example, check_image
from napari_medunet.engine.examples.split import split_examples
from napari_medunet.engine.examples.statistics import measure_examples
from napari_medunet.engine.plan import Plan
from napari_medunet.engine.planning.given_plan import check_plan
from napari_medunet.engine.planning.seen_speed import fitting_networks
from napari_medunet.engine.prediction.card import SegmentClass
from napari_medunet.engine.prediction.painted import remember
from napari_medunet.engine.prediction.segmenter import Segmenter
from napari_medunet.engine.progress import Progress, ProgressCallback, ignore
from napari_medunet.engine.training.assembling import assemble_segmenter, name_classes
from napari_medunet.engine.training.ensemble import train_networks
from napari_medunet.engine.training.one_network import TrainedNetwork, train_one_network
from napari_medunet.engine.training.pacing import Promises
from napari_medunet.engine.training.run.run_folder import RunFolder, run_context
from napari_medunet.engine.training.shares import Shares


def train(
    examples: list[Example],
    plan: Plan,
    report: ProgressCallback = ignore,
    names: Mapping[int, str] | None = None,
    run: RunFolder | None = None,
) -> Segmenter:
    """Train a segmenter within a budget of time: of one network, or of several that share it.

    The minutes are those on the clock on the wall, from this call on, or from where `counted_from` says.
    `train_one_network` says how, and the plan how many; `cross_validate` is for plans with folds.

    Parameters
    ----------
    examples : non-empty list of Example
    plan : Plan
        Made by `make_plan`, perhaps edited. It is trained by as it is, whatever this machine has free now.
    report : callable
        Called once a batch; `Progress.scores` is set once an epoch. Where it raises `StopRequested`
        the best segmenter so far is returned; any other exception, `Cancelled` among them, travels.
    names : dict of label to name
        For the card; a label without a name is called after its number.
    run : RunFolder, optional
        That keeps plan, log, history and checkpoints, or from which a killed training is resumed. Call
        its `finish` when the segmenter is saved.

    Raises
    ------
    MedunetError
        If the examples cannot be learned from, the plan is for others, they are not those of the run, or
        the loss is no longer a number.
    OSError
        If the run folder cannot be written.
    """
    if not examples:
        raise MedunetError(
            "There is nothing to train on: wanted at least one image with its labels."
        )
    if plan.hold_out.folds:
        raise MedunetError(
            "The plan has folds; wanted none, as nothing is left out here: call cross_validate."
        )
    plan = (run.plan if run else None) or plan
    shares = Shares(plan.budget.minutes, plan.parts)
    report(Progress(0, "Reading the examples"))
    for example in examples:
        check_image(example.image)
    check_plan(plan, examples)
    classes = name_classes(plan, names or {})
    if plan.network.networks > 1:
        promises = Promises(shares, fitting_networks(plan, examples))
        several = train_networks(examples, plan, classes, report, run, promises)
        as_many = plan.changed(networks=len(several))  # perhaps fewer than planned
        return _assembled(several, as_many, classes, examples)
    split = split_examples(examples, plan.hold_out.validation, plan.budget.seed, plan.axis)
    with run_context(run, examples, plan, report) as (logged, initial):
        trained = train_one_network(split, plan, classes, logged, initial, Promises(shares))
    if run:
        run.measured(trained.card.pace)
    return _assembled([trained], plan, classes, examples)


def _assembled(
    trained: list[TrainedNetwork],
    plan: Plan,
    classes: tuple[SegmentClass, ...],
    examples: list[Example],
) -> Segmenter:
    data, painted = measure_examples(examples), remember(examples)
    return assemble_segmenter(trained, plan, classes, data, painted=painted)
