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
from napari_medunet.engine.training.learning.loss import LossNotFinite
from napari_medunet.engine.training.one_network import TrainedNetwork, train_one_network
from napari_medunet.engine.training.pacing import Promises
from napari_medunet.engine.training.part_progress import PartAborted, PartReport, StopLatch
from napari_medunet.engine.training.run.run_folder import RunFolder, run_context
from napari_medunet.engine.training.shares import Shares

# Of the minutes that a network was to have, below which none is begun where the rules decided how many.
_LEAST_SHARE = 0.5


def train_networks(
    examples: list[Example],
    plan: Plan,
    classes: tuple[SegmentClass, ...],
    report: ProgressCallback,
    run: RunFolder | None = None,
    promises: Promises | None = None,
) -> list[TrainedNetwork]:
    """Train the networks of a plan one after the other; in prediction their probabilities are averaged.

    Each has its share of the minutes, and its own initial weights and split. Where steps are slower than
    the plan thought, and the rules decided how many networks there are, fewer share the minutes.

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
    promises : Promises, optional
        If the training began before this call, or may have fewer networks.

    Raises
    ------
    MedunetError
        As `train`; where some network is finished, those are returned though a later one cannot be.
    """
    if run:
        run.begin(examples, plan)
    latch = StopLatch(report)
    promises = promises or Promises(Shares(plan.budget.minutes, plan.parts))
    shares = promises.shares
    finished: list[Segmenter] = []
    while shares.number <= shares.count:
        number = shares.number
        own = plan.of_part(number - 1)
        own_run = run.of_part(f"network-{number}") if run else None
        listen = PartReport(latch, Part("network", number, shares.count), 1.0, shares)
        try:
            finished.append(
                train_part(examples, own, classes, listen.to_training, own_run, promises)
            )
        except PartAborted:
            break
        except LossNotFinite:
            if not finished:
                raise
            listen.lost(run)
            break
        shares.next_part()
        too_late = shares.seconds < _LEAST_SHARE * 60 * own.budget.minutes
        if latch.stop or (promises.fitting and too_late):
            break
    if run and finished:
        run.measured(finished[-1].card.networks[0].pace)
    return [TrainedNetwork(one.networks[0], one.card.networks[0]) for one in finished]


def train_part(
    examples: list[Example],
    plan: Plan,
    classes: tuple[SegmentClass, ...],
    report: ProgressCallback,
    run: RunFolder | None,
    promises: Promises,
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
    run : RunFolder or None
        Of this part: see `RunFolder.of_part`.
    promises : Promises
    """
    if run and run.network.exists():
        known = Segmenter.load(run.network)
        promises.shares.resume(60 * known.card.minutes)
        return known
    split = split_examples(examples, plan.hold_out.validation, plan.budget.seed, plan.axis)
    with run_context(run, examples, plan, report) as (logged, initial):
        trained = train_one_network(split, plan, classes, logged, initial, promises)
    segmenter = assemble_segmenter([trained], plan, classes, measure_examples(examples))
    if run:
        run.measured(trained.card.pace)
        try:
            segmenter.save(run.network)
        except OSError as error:  # it is in memory, and the others are still to come
            why = f"A training that breaks off begins with this part anew: {one_line(error)}"
            run.log(f"Warning: {why}")
            report(Progress(1.0, "", warning=why))
        else:
            run.checkpoints.remove()
    return segmenter
