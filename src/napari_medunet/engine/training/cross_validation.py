"""Cross-validation: a network for each fold, measured on the cases that it never saw.

The cases that a fold's network is measured on have no influence on it: neither on its weights nor on the
choice of the best epoch. That is chosen on a share of the *other* cases (`HoldOutSettings.validation`), as
in a training without folds, so that the scores are those of a procedure that can be repeated on new cases.
Only the plan (grid, patch, intensity window, list of labels) is made once from all cases, as in nnU-Net
(Isensee et al. 2021, doi:10.1038/s41592-020-01008-z): the networks must share one to be averaged.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy.typing as npt

from napari_medunet.engine.errors import MedunetError, printable
from napari_medunet.engine.evaluation.evaluation import Evaluation
from napari_medunet.engine.evaluation.metrics.scores import CaseScores, score_labels
from napari_medunet.engine.evaluation.summary import summarise_values
from napari_medunet.engine.examples.example import Example, case_labels, check_image
from napari_medunet.engine.examples.split import split_folds
from napari_medunet.engine.examples.statistics import measure_examples
from napari_medunet.engine.plan import Plan, grid_shape
from napari_medunet.engine.planning.given_plan import check_plan
from napari_medunet.engine.prediction.card import (
    CrossValidationScores,
    FoldScores,
    LabelMeans,
    SegmentClass,
)
from napari_medunet.engine.prediction.painted import remember
from napari_medunet.engine.prediction.predict import predict
from napari_medunet.engine.prediction.segmenter import Segmenter
from napari_medunet.engine.progress import Part, Progress, ProgressCallback, ignore
from napari_medunet.engine.settings import EvaluateSettings
from napari_medunet.engine.training.assembling import assemble_segmenter, name_classes
from napari_medunet.engine.training.ensemble import train_part
from napari_medunet.engine.training.learning.loss import LossNotFinite
from napari_medunet.engine.training.one_network import TrainedNetwork
from napari_medunet.engine.training.pacing import Promises
from napari_medunet.engine.training.part_progress import PartAborted, PartReport, StopLatch
from napari_medunet.engine.training.run.run_folder import RunFolder
from napari_medunet.engine.training.shares import Shares

_OVERLAP = 1.5  # times as many voxels are predicted as there are, about
_METRICS = tuple(LabelMeans.model_fields)


@dataclass(frozen=True, eq=False)
class CrossValidation:
    """The result of a cross-validation; after a stop, that of the finished folds.

    Attributes
    ----------
    segmenter : Segmenter
        The folds' networks together; its card has the scores of each fold.
    labels : dict of int to (z, y, x) array
        Out-of-fold predictions by position in the examples, each on its case's own grid.
    evaluation : Evaluation
        Of those predictions, case by case, on the voxels that were annotated.
    """

    segmenter: Segmenter
    labels: dict[int, npt.NDArray[Any]]
    evaluation: Evaluation


@dataclass(frozen=True, eq=False)
class Fold:
    """One fold: its network, and the out-of-fold labels and scores, by position in the examples."""

    segmenter: Segmenter
    labels: dict[int, npt.NDArray[Any]]
    scores: dict[int, CaseScores]


def cross_validate(
    examples: list[Example],
    plan: Plan,
    report: ProgressCallback = ignore,
    names: Mapping[int, str] | None = None,
    run: RunFolder | None = None,
) -> CrossValidation:
    """Divide cases into folds, train a network without each, and measure it on the fold.

    The folds share the minutes of the plan in equal parts, in which the left-out cases are predicted, too;
    each network trains for so many epochs as the plan says, from first weights of its own.

    Parameters
    ----------
    examples : list of Example
        With different names.
    plan : Plan
        With `folds`; of all networks.
    report : callable
        As in `train`; the scores of an epoch say in which "fold" it was, from 1. Where it raises
        `StopRequested` the finished folds are returned. An unfinished one is dropped, since half a training
        would speak for all of it; but the first is then ended like a training, as there is nothing else.
        A later one whose loss was never a number ends it, too, with a warning.
    names : dict of label to name
        For the card.
    run : RunFolder, optional
        As in `train`, with a folder in it for each fold: finished folds are only measured again.

    Raises
    ------
    MedunetError
        If there are fewer cases than folds, or the cases left to some fold cannot be learned from, or are
        not those of the run.
    OSError
        If the run folder cannot be written.
    """
    plan = (run.plan if run else None) or plan
    promises = Promises(Shares(plan.budget.minutes, plan.parts))
    report(Progress(0, "Reading the examples"))
    folds = choose_folds(examples, plan.hold_out.folds, plan.budget.seed)
    check_plan(plan, examples)
    if run:
        run.begin(examples, plan)
    classes = name_classes(plan, names or {})
    latch = StopLatch(report)
    finished: list[Fold] = []
    for number, left_out in enumerate(folds):
        listen = PartReport(latch, Part("fold", number + 1, len(folds)), shares=promises.shares)
        rest = [example for index, example in enumerate(examples) if index not in left_out]
        own_run = run.of_part(f"fold-{number + 1}") if run else None
        own = plan.of_part(number)
        promises.shares.voxels_after = _voxels_predicted(plan, [examples[i] for i in left_out])
        try:
            alone = train_part(rest, own, classes, listen.to_training, own_run, promises)
        except PartAborted:
            break
        except LossNotFinite:
            if not finished:
                raise
            listen.lost(run)
            break
        start = time.monotonic()
        finished.append(measure_fold(alone, examples, left_out, listen.to_predictions))
        promises.shares.predicted(time.monotonic() - start)
        promises.shares.next_part()
        if run:
            run.log(f"Fold {number + 1} of {len(folds)} is trained and measured")
            run.measured(alone.card.networks[0].pace)
        if latch.stop:
            break
    return _assemble(finished, examples, plan, classes)


def _voxels_predicted(plan: Plan, left_out: list[Example]) -> float:
    """How many voxels a network goes through to predict cases: in overlapping tiles, and mirrored."""
    voxels = sum(math.prod(grid_shape(example.image, plan)) for example in left_out)
    mirrored: int = 2 ** len(plan.schedule.flip_axes)
    return _OVERLAP * mirrored * voxels


def choose_folds(examples: list[Example], count: int | None, seed: int) -> list[list[int]]:
    """Divide cases into folds, and refuse examples with which a fold could not be trained.

    Parameters
    ----------
    examples : list of Example
        With different names.
    count : int or None
        Of the folds; there must be some.
    seed : int

    Returns
    -------
    folds : list of lists of int
        Positions in `examples` of the cases that each fold leaves out.

    Raises
    ------
    MedunetError
        As `cross_validate`.
    """
    if count is None:
        raise MedunetError("The plan has no folds; wanted 2 or more, or call train.")
    names = [example.name for example in examples]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise MedunetError(
            f"Two cases are called '{twice[0]}'; wanted different names, as scores are listed by them. "
            "Rename one."
        )
    for example in examples:
        check_image(example.image)
    held = [case_labels(example) for example in examples]
    folds = split_folds(held, count, seed)
    for number, left_out in enumerate(folds, 1):
        others = set().union(*(held[i] for i in range(len(held)) if i not in left_out))
        if len(others) < 2:
            without = ", ".join(names[index] for index in left_out)
            raise MedunetError(
                f"Fold {number} leaves out {without}, and the other cases hold the single class "
                f"{sorted(others)}; wanted two, to have something to tell apart. Annotate more cases, or "
                "train without folds."
            )
    return folds


def measure_fold(
    segmenter: Segmenter,
    examples: list[Example],
    left_out: Sequence[int],
    report: ProgressCallback = ignore,
) -> Fold:
    """Segment the cases that were left out and measure them on the voxels that were annotated."""
    labels, scores = {}, {}
    for done, index in enumerate(left_out):
        example = examples[index]

        def of_fold(progress: Progress, done: int = done) -> None:
            report(replace(progress, fraction=(done + progress.fraction) / len(left_out)))

        labels[index] = predict(segmenter, example.image, report=of_fold)
        scores[index] = score_labels(
            example.labels,
            labels[index],
            example.image.spacing_mm,
            annotated=example.annotated,
            name=example.name,
        )
    return Fold(segmenter, labels, scores)


def _assemble(
    finished: list[Fold], examples: list[Example], plan: Plan, classes: tuple[SegmentClass, ...]
) -> CrossValidation:
    """One segmenter and one evaluation of all folds."""
    # What `evaluate` is to be told to find the same scores in files of the predictions.
    annotation = plan.annotation
    measured = EvaluateSettings(
        annotated=annotation.annotated,
        background_label=annotation.background_label,
        ignore_label=annotation.ignore_label,
    )
    by_position = {index: case for fold in finished for index, case in fold.scores.items()}
    evaluation = Evaluation(
        {examples[index].name: by_position[index] for index in sorted(by_position)},
        settings=measured,
    )
    scores = _scores_of_folds(finished, classes)
    trained = [
        TrainedNetwork(fold.segmenter.networks[0], fold.segmenter.card.networks[0])
        for fold in finished
    ]
    data, painted = measure_examples(examples), remember(examples)
    segmenter = assemble_segmenter(trained, plan, classes, data, scores, painted)
    labels = {index: found for fold in finished for index, found in fold.labels.items()}
    return CrossValidation(segmenter, dict(sorted(labels.items())), evaluation)


def _scores_of_folds(folds: list[Fold], classes: tuple[SegmentClass, ...]) -> CrossValidationScores:
    """Means of each fold over its cases, and their mean and standard deviation over the folds."""
    found = []
    for fold in folds:
        cases = Evaluation({case.name: case for case in fold.scores.values()})
        scores = {
            one.value: _summarised([vars(s) for s in cases.of(one.value)])[0] for one in classes
        }
        found.append(FoldScores(cases=tuple(map(printable, cases.cases)), scores=scores))
    over_folds = {
        one.value: _summarised([dict(fold.scores[one.value]) for fold in found]) for one in classes
    }
    return CrossValidationScores(
        folds=tuple(found),
        mean={label: mean for label, (mean, _) in over_folds.items()},
        sd={label: sd for label, (_, sd) in over_folds.items()},
    )


def _summarised(rows: list[dict[str, float]]) -> tuple[LabelMeans, LabelMeans]:
    """Mean and standard deviation of each metric."""
    found = {metric: summarise_values([row[metric] for row in rows]) for metric in _METRICS}
    return (
        LabelMeans(**{metric: one.mean for metric, one in found.items()}),
        LabelMeans(**{metric: one.sd for metric, one in found.items()}),
    )
