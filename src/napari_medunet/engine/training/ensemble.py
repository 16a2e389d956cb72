"""An ensemble: several networks that share the minutes, each with a run folder of its own."""

from __future__ import annotations

from napari_medunet.engine.errors import one_line
from napari_medunet.engine.examples.example import Example
from napari_medunet.engine.examples.split import split_examples
from napari_medunet.engine.examples.statistics import measure_examples
from napari_medunet.engine.plan import Plan
from napari_medunet.engine.prediction.card import SegmentClass
from napari_medunet.engine.prediction.segmenter import Segmenter
from napari_medunet.engine.progress import Part, Progress, ProgressCallback
from napari_medunet.engine.training.assembling import assemble_segmenter
from napari_medunet.engine.training.learning.loop import LossNotFinite
from napari_medunet.engine.training.one_network import TrainedNetwork, train_one_network
from napari_medunet.engine.training.part_progress import PartAborted, PartReport, StopLatch
from napari_medunet.engine.training.run.run_folder import RunFolder, run_context


def train_networks(
    examples: list[Example],
    plan: Plan,
    classes: tuple[SegmentClass, ...],
    report: ProgressCallback,
    run: RunFolder | None = None,
) -> list[TrainedNetwork]:
    """Train the networks of a plan one after the other; in prediction their probabilities are averaged.

    Each has its share of the minutes, and its own initial weights and split.

    Parameters
    ----------
    examples, plan
        As in `train`.
    classes : tuple of SegmentClass
        Of the plan's labels.
    report : callable
        The scores of an epoch say of which "network" they are, from 1. Where it raises `StopRequested`
        the finished networks are returned, or the best of the first.
    run : RunFolder, optional
        With a folder in it for each network; a finished one is not trained again.

    Raises
    ------
    MedunetError
        As `train`; where some network is finished, those are returned though a later one cannot be.
    """
    if run:
        run.begin(examples, plan)
    latch = StopLatch(report)
    finished: list[Segmenter] = []
    for number in range(plan.network.networks):
        own = plan.of_part(number)
        own_run = run.of_part(f"network-{number + 1}") if run else None
        listen = PartReport(latch, Part("network", number + 1, plan.parts), training=1.0)
        try:
            finished.append(train_part(examples, own, classes, listen.to_training, own_run))
        except PartAborted:
            break
        except LossNotFinite:
            if not finished:
                raise
            listen.lost(run)
            break
        if latch.stop:
            break
    return [TrainedNetwork(one.networks[0], one.card.networks[0]) for one in finished]


def train_part(
    examples: list[Example],
    plan: Plan,
    classes: tuple[SegmentClass, ...],
    report: ProgressCallback,
    run: RunFolder | None = None,
) -> Segmenter:
    """Train one network of several; a finished one is taken from its run folder.

    Parameters
    ----------
    examples : list of Example
        Of a fold, without those that it leaves out.
    plan : Plan
        Of this part: see `Plan.of_part`.
    classes : tuple of SegmentClass
    report : callable
    run : RunFolder, optional
        Of this part: see `RunFolder.of_part`.
    """
    if run and run.network.exists():
        return Segmenter.load(run.network)
    split = split_examples(examples, plan.hold_out.validation, plan.budget.seed, plan.axis)
    with run_context(run, examples, plan, report) as (logged, initial):
        trained = train_one_network(split, plan, classes, logged, initial)
    segmenter = assemble_segmenter([trained], plan, classes, measure_examples(examples))
    if run:
        try:
            segmenter.save(run.network)
        except OSError as error:  # it is in memory, and the others are still to come
            why = f"A training that breaks off begins with this part anew: {one_line(error)}"
            run.log(f"Warning: {why}")
            report(Progress(1.0, "", warning=why))
        else:
            run.checkpoints.remove()
    return segmenter
