"""What is drawn where there are too many labels for a plot: the worst."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from napari_medunet.engine.evaluation.evaluation import Evaluation
from napari_medunet.engine.evaluation.metrics.confusion import Confusion

MOST_DRAWN = 50  # labels of a plot: no eye takes in more, and a plot of 5,000 takes gigabytes


def worst_labels(evaluation: Evaluation, most: int) -> list[int]:
    """Name the labels of the lowest mean Dice over cases, ascending; all where there are no more."""
    labels = evaluation.labels
    if len(labels) <= most:
        return labels
    dice = np.array(
        [[case.labels[label].dice for label in labels] for case in evaluation.cases.values()]
    )
    defined = np.isfinite(dice)
    sums = np.where(defined, dice, 0.0).sum(axis=0)
    means = np.where(defined.any(axis=0), sums / np.maximum(defined.sum(axis=0), 1), np.inf)
    return sorted(labels[place] for place in np.argsort(means, kind="stable")[:most])


def of_labels(evaluation: Evaluation, labels: list[int]) -> Evaluation:
    """Leave out all other labels; groups stay, and so does what counts voxels."""
    cases = {
        name: replace(case, labels={label: case.labels[label] for label in labels})
        for name, case in evaluation.cases.items()
    }
    return replace(evaluation, cases=cases)


def confusion_to_draw(confusion: Confusion) -> tuple[Confusion, bool]:
    """The labels of the lowest Dice, and all others as one, the last.

    Returns
    -------
    confusion : Confusion
        As it is where there are few labels; the last label is else one more than the largest.
    cut : bool
        Whether there are others.
    """
    if confusion.labels.size <= 1 + MOST_DRAWN:
        return confusion, False
    both, truth, prediction = confusion.by_label
    dice = 2 * both[1:] / np.maximum(truth[1:] + prediction[1:], 1)
    worst = np.sort(1 + np.argsort(dice, kind="stable")[:MOST_DRAWN])
    kept = np.concatenate([[0], worst])
    place = np.full(confusion.labels.size, kept.size)
    place[kept] = np.arange(kept.size)
    keys, inverse = np.unique(place[confusion.pairs] @ [kept.size + 1, 1], return_inverse=True)
    voxels = np.zeros(keys.size, dtype=np.int64)
    np.add.at(voxels, inverse, confusion.voxels)
    labels = np.concatenate([confusion.labels[kept], [confusion.labels.max() + 1]])
    return Confusion(labels, np.stack(np.divmod(keys, kept.size + 1), axis=1), voxels), True
