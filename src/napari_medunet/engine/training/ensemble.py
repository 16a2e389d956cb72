"""A training of several networks that share the minutes: parts, each with a run folder of its own."""

from __future__ import annotations

from napari_medunet.engine.examples.example import Example
from napari_medunet.engine.examples.split import split_examples
from napari_medunet.engine.plan import Plan
from napari_medunet.engine.prediction.card import SegmentClass
from napari_medunet.engine.prediction.segmenter import Segmenter
from napari_medunet.engine.progress import ProgressCallback
from napari_medunet.engine.settings import TrainSettings
from napari_medunet.engine.training.assembling import assemble_segmenter
from napari_medunet.engine.training.loop import LossNotFinite
from napari_medunet.engine.training.one_network import TrainedNetwork, train_one_network
from napari_medunet.engine.training.part_progress import PartAborted, PartReport, StopLatch
from napari_medunet.engine.training.run_folder import RunFolder, run_context


def train_networks(
    examples: list[Example],
    plan: Plan,
    classes: tuple[SegmentClass, ...],
    settings: TrainSettings,
    report: ProgressCallback,
    run: RunFolder | None = None,
) -> list[TrainedNetwork]:
    """Train the networks of a plan one after the other: each errs in other places, and their mean predicts.

    Each has its share of the minutes, and first weights and a split of its own.

    Parameters
    ----------
    examples, plan, classes, settings
        As in `train`.
    report : callable
        The scores of an epoch say of which "network" they are, from 1. Where it raises `StopRequested`
        the finished networks are returned, or the best of the first.
    run : RunFolder, optional
        With a folder in it for each network; a finished one is not trained again.

    Raises
    ------
    ValueError
        As `train`; where some network is finished, those are returned though a later one cannot be.
    """
    if run:
        run.begin(examples, plan)
    wish = StopLatch(report)
    finished: list[Segmenter] = []
    for number in range(plan.networks):
        own = settings.of_part(number, plan.networks)
        own_run = run.of_part(f"network-{number + 1}", own) if run else None
        listen = PartReport(wish, number, plan.networks, "network", 1.0)
        try:
            finished.append(train_part(examples, plan, classes, own, listen.to_training, own_run))
        except PartAborted:
            break
        except LossNotFinite:
            if not finished:
                raise
            listen.lost(run)
            break
        if wish.stop:
            break
    return [TrainedNetwork(one.networks[0], one.card.networks[0]) for one in finished]


def train_part(
    examples: list[Example],
    plan: Plan,
    classes: tuple[SegmentClass, ...],
    settings: TrainSettings,
    report: ProgressCallback,
    run: RunFolder | None = None,
) -> Segmenter:
    """Train one network of several; a finished one is taken from its run folder.

    It depends on nothing but what is given.

    Parameters
    ----------
    examples : list of Example
        Of a fold, without those that it leaves out.
    plan, classes
        Of all networks.
    settings : TrainSettings
        Of this part: see `TrainSettings.of_part`.
    report : callable
    run : RunFolder, optional
        Of this part: see `RunFolder.of_part`.
    """
    if run and run.network.exists():
        return Segmenter.load(run.network)
    training, validation = split_examples(examples, settings.validation, settings.seed, plan.axis)
    with run_context(run, examples, plan, report) as (logged, initial):
        trained = train_one_network(training, validation, plan, classes, settings, logged, initial)
    segmenter = assemble_segmenter([trained], plan, classes, settings)
    if run:
        segmenter.save(run.network)
        run.checkpoints.remove()
    return segmenter
