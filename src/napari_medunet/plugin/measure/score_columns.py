"""What a table of scores can show: a heading and a sentence for each metric."""

from __future__ import annotations

from typing import NamedTuple

from napari_medunet.engine.evaluation.metrics.label_scores import WHOLE_SHAPES


class Column(NamedTuple):
    """How a metric is shown: its heading (short, a unit below it), and what it says."""

    heading: str
    tooltip: str


_MM = "in mm; infinite where only one of them has the label."

COLUMNS = {
    "dice": Column("Dice", "Overlap: 2 TP / (2 TP + FP + FN), 0 to 1."),
    "iou": Column("IoU", "Intersection over union: TP / (TP + FP + FN), 0 to 1."),
    "precision": Column("Prec.", "Precision: share of the predicted voxels that are right."),
    "recall": Column("Recall", "Share of the true voxels that were found (sensitivity)."),
    "specificity": Column("Spec.", "Specificity: share of the voxels outside that stayed outside."),
    "accuracy": Column("Acc.", "Accuracy: share of all voxels that are right."),
    "f1": Column("F1", "The same as Dice."),
    "f_beta": Column("F-beta", "F-beta: recall counts more than precision (beta 2)."),
    "kappa": Column("Kappa", "Cohen's kappa: agreement beyond chance, -1 to 1."),
    "hd": Column("HD\nmm", f"Hausdorff distance: the largest distance between the surfaces, {_MM}"),
    "hd95": Column("HD95\nmm", f"The larger of the two directed percentiles of distance, {_MM}"),
    "assd": Column("ASSD\nmm", f"Average distance of both surfaces, pooled, {_MM}"),
    "masd": Column("MASD\nmm", f"Mean of the two directed average distances, {_MM}"),
    "nsd": Column("NSD", "Surface Dice: share of both surfaces within the tolerance, 0 to 1."),
    "boundary_iou": Column("B-IoU", "IoU of what lies near the surfaces, 0 to 1."),
    "centre_distance": Column("Centre\nmm", f"Distance between the centres of mass, {_MM}"),
    "volume_truth_ml": Column("V truth\nml", "Volume in the truth, in ml."),
    "volume_prediction_ml": Column("V pred.\nml", "Volume in the prediction, in ml."),
    "volume_difference_ml": Column("V diff.\nml", "Prediction minus truth, in ml."),
    "relative_volume_difference": Column("V diff.\nrel.", "Prediction minus truth, by the truth."),
    "volume_similarity": Column("V sim.", "1 - |Vp - Vt| / (Vp + Vt), 0 to 1."),
    "lesions_truth": Column("Lesions\ntruth", "Connected pieces in the truth."),
    "lesions_prediction": Column("Lesions\npred.", "Connected pieces in the prediction."),
    "lesions_matched": Column("Lesions\nfound", "Pieces of the truth that were found."),
    "lesion_sensitivity": Column("Lesion\nsens.", "Share of the truth's lesions that were found."),
    "lesion_precision": Column("Lesion\nprec.", "Share of the predicted lesions that are lesions."),
    "lesion_f1": Column("Lesion\nF1", "F1 of the detection of lesions, 0 to 1."),
    "segmentation_quality": Column("SQ", "Mean IoU of the lesions that were found."),
    "panoptic_quality": Column("PQ", "Panoptic quality: detection times segmentation, 0 to 1."),
}


def heading(metric: str, percentile: float = 95.0) -> str:
    """Heading of a metric; that of HD95 has the percentile that was measured."""
    return COLUMNS[metric].heading.replace("HD95", f"HD{percentile:g}")


# What fits a narrow dock: names of labels and of cases take the room of numbers.
ONE_CASE = ("dice", "iou", "precision", "recall", "hd", "hd95")
ONE_CASE_NAMED = ("dice", "iou", "hd", "hd95")
MANY_CASES = ("dice", "iou", "hd95")

# What `IncrementalScores` leaves out: it follows when the brush rests.
SLOW = WHOLE_SHAPES | {"nsd"}
