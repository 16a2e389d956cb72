"""Lesion by lesion: which connected components of the truth were found, and how well.

A lesion is a connected component of one label. Each lesion of the truth is matched to at most one of
the prediction, the pair of highest IoU first, and a pair counts where its IoU is above a threshold. From
a threshold of 0.5 on no other matching is possible (Kirillov et al., "Panoptic Segmentation", CVPR 2019,
section 4.1). Lesions without a partner are missed (truth) or false (prediction).

Empty masks: where there are no lesions on either side all ratios are NaN; where there are none in the
truth sensitivity is NaN and the others are 0; where there are none in the prediction precision is NaN
and the others are 0. Segmentation quality is NaN where nothing is matched.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import nan
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from napari_medunet.engine.evaluation.metrics.regions import LabelMasks
from napari_medunet.engine.settings import EvaluateSettings

IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class LesionMatch:
    """Lesions of truth and prediction, and which of them belong together.

    Attributes
    ----------
    truth, prediction : int
        How many lesions each has.
    iou : (k,) float64 array
        IoU of the matched pairs, highest first.
    """

    truth: int
    prediction: int
    iou: npt.NDArray[np.float64]

    @property
    def matched(self) -> int:
        """Lesions of the truth that were found."""
        return len(self.iou)


def match_lesions(masks: LabelMasks, threshold: float, diagonal: bool = True) -> LesionMatch:
    """Find the lesions of truth and prediction, and match them.

    Parameters
    ----------
    masks : LabelMasks
    threshold : float
        A pair counts where its IoU is above this, 0..1 (strictly, as in the paper).
    diagonal : bool
        Whether voxels that touch at an edge or a corner are one lesion (26 neighbours, 8 in 2D); else
        only those that share a face (6, 4).
    """
    reach = ndimage.generate_binary_structure(masks.truth.ndim, masks.truth.ndim if diagonal else 1)
    truth, truths = ndimage.label(masks.truth, structure=reach)
    prediction, predictions = ndimage.label(masks.prediction, structure=reach)
    first, second, iou = _overlaps(truth, prediction, predictions)
    taken_truth, taken_prediction = np.zeros(truths + 1, bool), np.zeros(predictions + 1, bool)
    kept = []
    for i in np.argsort(-iou, kind="stable"):
        if iou[i] <= threshold:
            break
        if not (taken_truth[first[i]] or taken_prediction[second[i]]):
            taken_truth[first[i]] = taken_prediction[second[i]] = True
            kept.append(iou[i])
    return LesionMatch(int(truths), int(predictions), np.array(kept, dtype=np.float64))


def lesion_metrics(masks: LabelMasks, settings: EvaluateSettings) -> dict[str, float]:
    """Give all metrics of lesions, by name."""
    match = match_lesions(masks, settings.lesion_iou, settings.lesion_neighbours == "corners")
    return {
        "lesions_truth": float(match.truth),
        "lesions_prediction": float(match.prediction),
        "lesions_matched": float(match.matched),
        "lesion_sensitivity": detection_sensitivity(match),
        "lesion_precision": detection_precision(match),
        "lesion_f1": detection_f1(match),
        "segmentation_quality": segmentation_quality(match),
        "panoptic_quality": panoptic_quality(match),
    }


def detection_sensitivity(match: LesionMatch) -> float:
    """Share of the truth's lesions that were found, 0..1."""
    return match.matched / match.truth if match.truth else nan


def detection_precision(match: LesionMatch) -> float:
    """Share of the prediction's lesions that are lesions of the truth, 0..1."""
    return match.matched / match.prediction if match.prediction else nan


def detection_f1(match: LesionMatch) -> float:
    """F1 of the detection, TP / (TP + FP / 2 + FN / 2), 0..1: the paper's recognition quality."""
    lesions = match.truth + match.prediction
    return 2 * match.matched / lesions if lesions else nan


def segmentation_quality(match: LesionMatch) -> float:
    """Mean IoU of the matched pairs, 0..1; NaN where nothing is matched."""
    return float(match.iou.mean()) if match.matched else nan


def panoptic_quality(match: LesionMatch) -> float:
    """Panoptic quality, sum of the matched IoU / (TP + FP / 2 + FN / 2), 0..1.

    Kirillov et al., section 4.1: segmentation quality times recognition quality.
    """
    lesions = match.truth + match.prediction
    return 2 * float(match.iou.sum()) / lesions if lesions else nan


def _overlaps(
    truth: npt.NDArray[Any], prediction: npt.NDArray[Any], predictions: int
) -> tuple[IntArray, IntArray, npt.NDArray[np.float64]]:
    """Pairs of components that share a voxel, and their IoU."""
    both = (truth != 0) & (prediction != 0)
    keys, shared = np.unique(
        truth[both].astype(np.int64) * (predictions + 1) + prediction[both], return_counts=True
    )
    first, second = np.divmod(keys, predictions + 1)
    sizes = np.bincount(truth.reshape(-1)), np.bincount(prediction.reshape(-1))
    return first, second, shared / (sizes[0][first] + sizes[1][second] - shared)
