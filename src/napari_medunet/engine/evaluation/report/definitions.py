"""What each metric is called, its unit, and its definition in a sentence: for tables, tips and reports."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from napari_medunet.engine.settings import EvaluateSettings

# What a report shows at a glance.
MAIN = ("dice", "iou", "precision", "recall", "nsd", "hd95", "hd", "assd", "volume_similarity")


@dataclass(frozen=True)
class Definition:
    """One metric in words.

    Attributes
    ----------
    heading : str
        Short, for a column.
    unit : str
    better : "higher", "lower", "zero" or ""
        Which values are better.
    text : str
        The definition, with what the settings chose.
    """

    heading: str
    unit: str
    better: Literal["higher", "lower", "zero", ""]
    text: str


def definitions(settings: EvaluateSettings | None = None) -> dict[str, Definition]:
    """Define every metric of `LabelScores`, in its order, as the settings have it."""
    chosen = settings or EvaluateSettings()
    return {
        name: Definition(
            heading.format(s=chosen), unit, better, " ".join(text.format(s=chosen).split())
        )
        for name, (heading, unit, better, text) in _DEFINITIONS.items()
    }


_Better = Literal["higher", "lower", "zero", ""]
_DEFINITIONS: dict[str, tuple[str, str, _Better, str]] = {
    "dice": ("Dice", "0..1", "higher", "2 TP / (2 TP + FP + FN), in voxels."),
    "iou": ("IoU", "0..1", "higher", "TP / (TP + FP + FN)."),
    "precision": ("Precision", "0..1", "higher", "TP / (TP + FP)."),
    "recall": ("Recall", "0..1", "higher", "TP / (TP + FN); also called sensitivity."),
    "specificity": ("Specificity", "0..1", "higher", "TN / (TN + FP)."),
    "accuracy": ("Accuracy", "0..1", "higher", "(TP + TN) / all."),
    "f1": ("F1", "0..1", "higher", "Harmonic mean of precision and recall: the same as Dice."),
    "hd": ("HD", "mm", "lower", "Larger of the two directed maxima of the surface distances."),
    "hd95": (
        "HD{s.percentile:g}",
        "mm",
        "lower",
        "Larger of the two directed {s.percentile:g}th percentiles of the surface distances, linear "
        "interpolation.",
    ),
    "assd": ("ASSD", "mm", "lower", "Surface distances of both directions pooled, then averaged."),
    "masd": ("MASD", "mm", "lower", "Mean of the two directed mean surface distances."),
    "nsd": (
        "NSD",
        "0..1",
        "higher",
        "Share of both surfaces within {s.tolerance_mm:g} mm of the other, by {s.nsd} (Nikolov et al. "
        "2021).",
    ),
    "volume_truth_ml": ("Volume, truth", "ml", "", "Voxels times the volume of one."),
    "volume_prediction_ml": ("Volume, prediction", "ml", "", "Voxels times the volume of one."),
    "volume_similarity": (
        "Volume similarity",
        "0..1",
        "higher",
        "1 - |Vp - Vt| / (Vp + Vt) (Taha and Hanbury 2015).",
    ),
    "f_beta": (
        "F{s.beta:g}",
        "0..1",
        "higher",
        "(1 + b^2) TP / ((1 + b^2) TP + b^2 FN + FP), b = {s.beta:g} (van Rijsbergen 1979).",
    ),
    "kappa": (
        "Kappa",
        "-1..1",
        "higher",
        "Cohen's kappa of the label against the rest: agreement beyond chance (Cohen 1960).",
    ),
    "volume_difference_ml": ("Volume difference", "ml", "zero", "Vp - Vt."),
    "relative_volume_difference": (
        "Rel. volume difference",
        "-1..inf",
        "zero",
        "(Vp - Vt) / Vt (Heimann et al. 2009).",
    ),
    "centre_distance": ("Centre distance", "mm", "lower", "Between the two centres of mass."),
    "boundary_iou": (
        "Boundary IoU",
        "0..1",
        "higher",
        "IoU of what lies in each mask within {s.boundary_mm:g} mm of its own surface (Cheng et al. "
        "2021, with the distance in mm).",
    ),
    "lesions_truth": ("Lesions, truth", "count", "", "Connected components of the label."),
    "lesions_prediction": (
        "Lesions, prediction",
        "count",
        "",
        "Connected components of the label.",
    ),
    "lesions_matched": (
        "Lesions found",
        "count",
        "higher",
        "Pairs of lesions whose IoU is above {s.lesion_iou:g}, each in one pair.",
    ),
    "lesion_sensitivity": ("Lesion sensitivity", "0..1", "higher", "Found / lesions of the truth."),
    "lesion_precision": (
        "Lesion precision",
        "0..1",
        "higher",
        "Found / lesions of the prediction.",
    ),
    "lesion_f1": (
        "Lesion F1",
        "0..1",
        "higher",
        "TP / (TP + FP / 2 + FN / 2), in lesions; also called recognition quality.",
    ),
    "segmentation_quality": (
        "Segmentation quality",
        "0..1",
        "higher",
        "Mean IoU of the lesions found (Kirillov et al. 2019).",
    ),
    "panoptic_quality": (
        "Panoptic quality",
        "0..1",
        "higher",
        "Lesion F1 times segmentation quality (Kirillov et al. 2019).",
    ),
}
