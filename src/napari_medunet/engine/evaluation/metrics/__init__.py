"""What is measured: pure functions on arrays, each with its definition and source.

`label_pairs` makes truth and prediction ready; `confusion` counts voxels and `overlap` makes ratios of the
counts; `surfaces` measures distances, `regions` boundaries and centres, `lesions` components; `agreement`
shows where two label volumes differ. `scores` asks all of them about one case.
"""

from napari_medunet.engine.evaluation.metrics.overlap import (
    accuracy,
    dice,
    f1,
    f_beta,
    iou,
    kappa,
    overall_accuracy,
    overall_kappa,
    precision,
    ratios,
    recall,
    relative_volume_difference,
    specificity,
    volume_similarity,
)

__all__ = [
    "accuracy",
    "dice",
    "f1",
    "f_beta",
    "iou",
    "kappa",
    "overall_accuracy",
    "overall_kappa",
    "precision",
    "ratios",
    "recall",
    "relative_volume_difference",
    "specificity",
    "volume_similarity",
]
