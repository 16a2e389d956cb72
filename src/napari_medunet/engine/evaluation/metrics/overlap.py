"""Overlap of a prediction with the truth: the ratios made from counts of voxels.

Labels are arbitrary integers; 0 is background. Every ratio is one-vs-rest: a voxel is the label or
it is not. Nothing is sized by the largest label: tables have the labels that are present.

Empty masks, everywhere: a label that is absent in truth and in prediction gives NaN, to be left out
of means; a label absent in one of them gives what each docstring says, and never raises.

Distances between surfaces are in `surfaces`. Definitions are those of Taha and Hanbury, "Metrics
for evaluating 3D medical image segmentation: analysis, selection, and tool", BMC Medical Imaging
15:29 (2015), called T&H below: where a docstring names no other place, those of "Spatial overlap
based metrics" there. Maier-Hein, Reinke et al., "Metrics reloaded", Nature Methods 21 (2024), says
which to choose.
"""

from __future__ import annotations

from math import inf, nan

from napari_medunet.engine.evaluation.metrics.confusion import Confusion, Counts


def ratios(counts: Counts, beta: float) -> dict[str, float]:
    """Give all ratios that follow from counts alone, by name."""
    return {
        "dice": dice(counts),
        "iou": iou(counts),
        "precision": precision(counts),
        "recall": recall(counts),
        "specificity": specificity(counts),
        "accuracy": accuracy(counts),
        "f1": f1(counts),
        "f_beta": f_beta(counts, beta),
        "kappa": kappa(counts),
    }


def overlap_metrics(counts: Counts, voxel_ml: float, beta: float) -> dict[str, float]:
    """Give all metrics that follow from counts, by name; the volume of a voxel is in ml."""
    return {
        **ratios(counts, beta),
        "volume_truth_ml": counts.truth * voxel_ml,
        "volume_prediction_ml": counts.prediction * voxel_ml,
        "volume_similarity": volume_similarity(counts),
        "volume_difference_ml": (counts.prediction - counts.truth) * voxel_ml,
        "relative_volume_difference": relative_volume_difference(counts),
    }


def dice(counts: Counts) -> float:
    """Dice coefficient, 2 TP / (2 TP + FP + FN), 0..1; the same as F1.

    NaN where the label is absent in both, 0 where it is absent in one.
    """
    return _ratio(2 * counts.true_positive, counts.truth + counts.prediction)


def f1(counts: Counts) -> float:
    """F1, the harmonic mean of precision and recall, 0..1; the same as Dice."""
    return dice(counts)


def f_beta(counts: Counts, beta: float) -> float:
    """F-beta, (1 + b^2) TP / ((1 + b^2) TP + b^2 FN + FP), 0..1: recall counts b times precision.

    Van Rijsbergen, "Information Retrieval", 2nd ed. 1979, chapter 7; Dice at beta = 1. NaN where the
    label is absent in both, 0 where it is absent in one.

    Parameters
    ----------
    counts : Counts
    beta : float
        Positive.
    """
    weight = beta * beta
    both = (1 + weight) * counts.true_positive
    return _ratio(both, both + weight * counts.false_negative + counts.false_positive)


def kappa(counts: Counts) -> float:
    """Cohen's kappa of the label against the rest, (po - pe) / (1 - pe), -1..1.

    Agreement beyond chance: Cohen, Educational and Psychological Measurement 20(1), 1960; T&H,
    "Probabilistic metrics". It depends on how much background the array holds. NaN where the label
    is absent in both, and where both fill the array: chance alone agrees there.
    """
    if counts.absent:
        return nan
    chance = _ratio(counts.truth, counts.total) * counts.prediction
    chance += _ratio(counts.total - counts.truth, counts.total) * (counts.total - counts.prediction)
    return _beyond_chance(counts.true_positive + counts.true_negative, chance, counts.total)


def overall_kappa(confusion: Confusion) -> float:
    """Cohen's kappa over all labels at once, background among them, -1..1; NaN where there is one label."""
    agree = confusion.pairs[:, 0] == confusion.pairs[:, 1]
    counts = [confusion.counts(label) for label in confusion.labels.tolist()]
    chance = sum(one.truth / confusion.total * one.prediction for one in counts)
    return _beyond_chance(int(confusion.voxels[agree].sum()), chance, confusion.total)


def iou(counts: Counts) -> float:
    """Intersection over union (Jaccard), TP / (TP + FP + FN), 0..1.

    NaN where the label is absent in both, 0 where it is absent in one.
    """
    return _ratio(counts.true_positive, counts.truth + counts.false_positive)


def precision(counts: Counts) -> float:
    """Precision, TP / (TP + FP), 0..1.

    NaN where the prediction does not have the label, 0 where only the prediction has it.
    """
    return _ratio(counts.true_positive, counts.prediction)


def recall(counts: Counts) -> float:
    """Recall or sensitivity, TP / (TP + FN), 0..1.

    NaN where the truth does not have the label, 0 where only the truth has it.
    """
    return _ratio(counts.true_positive, counts.truth)


def specificity(counts: Counts) -> float:
    """Specificity, TN / (TN + FP), 0..1.

    NaN where the label is absent in both, and where the truth has nothing else.
    """
    negatives = counts.true_negative + counts.false_positive
    return nan if counts.absent else _ratio(counts.true_negative, negatives)


def accuracy(counts: Counts) -> float:
    """Share of voxels that are rightly called the label or not, (TP + TN) / all, 0..1.

    NaN where the label is absent in both.
    """
    right = counts.true_positive + counts.true_negative
    return nan if counts.absent else _ratio(right, counts.total)


def overall_accuracy(confusion: Confusion) -> float:
    """Share of voxels with the right label: trace of the confusion matrix over its sum, 0..1."""
    agree = confusion.pairs[:, 0] == confusion.pairs[:, 1]
    return _ratio(int(confusion.voxels[agree].sum()), confusion.total)


def volume_similarity(counts: Counts) -> float:
    """Volume similarity, 1 - |Vp - Vt| / (Vp + Vt), 0..1 (T&H, "Volume based metrics").

    NaN where the label is absent in both, 0 where it is absent in one. Other programs call
    2 (Vp - Vt) / (Vp + Vt) by this name.
    """
    apart = abs(counts.prediction - counts.truth)
    return 1 - _ratio(apart, counts.prediction + counts.truth)


def relative_volume_difference(counts: Counts) -> float:
    """Relative volume difference, (Vp - Vt) / Vt, -1..inf (Heimann et al., IEEE TMI 28(8), 2009).

    NaN where the label is absent in both, inf where only the prediction has it, -1 where only the
    truth has it.
    """
    if counts.truth == 0:
        return inf if counts.prediction else nan
    return (counts.prediction - counts.truth) / counts.truth


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole else nan


def _beyond_chance(agreed: int, chance: float, total: int) -> float:
    """Cohen's kappa from the voxels that agree and those that would by chance."""
    return (agreed - chance) / (total - chance) if chance < total else nan
