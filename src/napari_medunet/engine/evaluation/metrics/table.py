"""The table of metrics: every metric of a label, with its heading, unit, direction and definition.

All tables, plots, files and reports read it. A new metric is an entry here and its number where it is
computed: `overlap_metrics`, `distance_metrics`, `region_metrics` or `lesion_metrics`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from math import nan
from typing import Annotated, get_type_hints

from napari_medunet.engine.evaluation.metrics.metric import Metric
from napari_medunet.engine.settings import EvaluateSettings

_share = partial(Metric, unit="0..1", better="higher")
_shape_share = partial(_share, needs="shape")
_distance = partial(Metric, unit="mm", better="lower", decimals=2, needs="surfaces")
_volume = partial(Metric, unit="ml", better="")
_lesions = partial(Metric, unit="count", better="", needs="shape")


# fmt: off
@dataclass(frozen=True)
class LabelScores:
    """Every metric of one label in one case, each described by the `Metric` beside it.

    NaN is "not defined" (the label is absent), infinity a distance to nothing.
    """

    dice: Annotated[float, _share(
        "Dice", text="Overlap: 2 TP / (2 TP + FP + FN), in voxels.")] = nan
    iou: Annotated[float, _share(
        "IoU", text="Intersection over union: TP / (TP + FP + FN).")] = nan
    precision: Annotated[float, _share(
        "Precision", short="Prec.",
        text="Share of the predicted voxels that are right: TP / (TP + FP).")] = nan
    recall: Annotated[float, _share(
        "Recall", text="Share of the true voxels that were found (sensitivity): TP / (TP + FN).")] = nan
    specificity: Annotated[float, _share(
        "Specificity", short="Spec.",
        text="Share of the voxels outside that stayed outside: TN / (TN + FP).")] = nan
    accuracy: Annotated[float, _share(
        "Accuracy", short="Acc.", text="Share of all voxels that are right: (TP + TN) / all.")] = nan
    f1: Annotated[float, _share(
        "F1", in_tables=False,
        text="Harmonic mean of precision and recall: the same as Dice.")] = nan
    hd: Annotated[float, _distance(
        "HD", text="Hausdorff distance: the larger of the two directed maxima of the surface distances.",
        )] = nan
    hd95: Annotated[float, _distance(
        "HD{s.percentile:g}",
        text="The larger of the two directed {s.percentile:g}th percentiles of the surface distances, "
        "linear interpolation.")] = nan
    assd: Annotated[float, _distance(
        "ASSD", text="Surface distances of both directions pooled, then averaged.")] = nan
    masd: Annotated[float, _distance(
        "MASD", text="Mean of the two directed mean surface distances.")] = nan
    nsd: Annotated[float, _shape_share(
        "NSD",
        text="Surface Dice: share of both surfaces within {s.tolerance_mm:g} mm of the other, by {s.nsd} "
        "(Nikolov et al. 2021).")] = nan
    volume_truth_ml: Annotated[float, _volume(
        "Volume, truth", short="V truth",
        text="Voxels of the truth times the volume of one.")] = 0.0
    volume_prediction_ml: Annotated[float, _volume(
        "Volume, prediction", short="V pred.",
        text="Voxels of the prediction times the volume of one.")] = 0.0
    volume_similarity: Annotated[float, _share(
        "Volume similarity", short="V sim.",
        text="1 - |Vp - Vt| / (Vp + Vt) (Taha and Hanbury 2015).")] = nan
    f_beta: Annotated[float, _share(
        "F{s.beta:g}",
        text="(1 + b^2) TP / ((1 + b^2) TP + b^2 FN + FP), b = {s.beta:g} (van Rijsbergen 1979).")] = nan
    kappa: Annotated[float, Metric(
        "Kappa", "-1..1", "higher",
        "Cohen's kappa of the label against the rest: agreement beyond chance (Cohen 1960).")] = nan
    volume_difference_ml: Annotated[float, _volume(
        "Volume difference", short="V diff.", better="zero",
        text="Prediction minus truth: Vp - Vt.")] = nan
    relative_volume_difference: Annotated[float, Metric(
        "Rel. volume difference", "-1..inf", "zero",
        "Prediction minus truth, by the truth: (Vp - Vt) / Vt (Heimann et al. 2009).",
        short="V diff.\nrel.")] = nan
    centre_distance: Annotated[float, _distance(
        "Centre distance", short="Centre", needs="shape",
        text="Distance between the two centres of mass.")] = nan
    boundary_iou: Annotated[float, _shape_share(
        "Boundary IoU", short="B-IoU",
        text="IoU of what lies in each mask within {s.boundary_mm:g} mm of its own surface (Cheng et al. "
        "2021, with the distance in mm).")] = nan
    lesions_truth: Annotated[float, _lesions(
        "Lesions, truth", short="Lesions\ntruth",
        text="Connected components of the label in the truth.")] = nan
    lesions_prediction: Annotated[float, _lesions(
        "Lesions, prediction", short="Lesions\npred.",
        text="Connected components of the label in the prediction.")] = nan
    lesions_matched: Annotated[float, _lesions(
        "Lesions found", short="Lesions\nfound", better="higher",
        text="Pairs of lesions whose IoU is above {s.lesion_iou:g}, each in one pair.")] = nan
    lesion_sensitivity: Annotated[float, _shape_share(
        "Lesion sensitivity", short="Lesion\nsens.",
        text="Found lesions / lesions of the truth.")] = nan
    lesion_precision: Annotated[float, _shape_share(
        "Lesion precision", short="Lesion\nprec.",
        text="Found lesions / lesions of the prediction.")] = nan
    lesion_f1: Annotated[float, _shape_share(
        "Lesion F1", short="Lesion\nF1",
        text="TP / (TP + FP / 2 + FN / 2), in lesions; also called recognition quality.")] = nan
    segmentation_quality: Annotated[float, _shape_share(
        "Segmentation quality", short="SQ",
        text="Mean IoU of the lesions found (Kirillov et al. 2019).")] = nan
    panoptic_quality: Annotated[float, _shape_share(
        "Panoptic quality", short="PQ",
        text="Lesion F1 times segmentation quality (Kirillov et al. 2019).")] = nan

    def as_dict(self) -> dict[str, float]:
        """Metric names and values, in the order of the fields."""
        return {name: getattr(self, name) for name in METRICS}
# fmt: on


def _declared() -> dict[str, Metric]:
    hints = get_type_hints(LabelScores, include_extras=True)
    return {name: replace(hint.__metadata__[0], name=name) for name, hint in hints.items()}


_DECLARED = _declared()
METRICS = tuple(_DECLARED)
SLOW = frozenset(metric.name for metric in _DECLARED.values() if metric.is_slow)
ABSENT = LabelScores()  # what a label gets that neither truth nor prediction has


def metric_table(settings: EvaluateSettings | None = None) -> dict[str, Metric]:
    """Describe every metric by name, in the order of `LabelScores`, as the settings have it."""
    chosen = settings or EvaluateSettings()
    return {
        name: replace(
            metric, heading=metric.heading.format(s=chosen), text=metric.text.format(s=chosen)
        )
        for name, metric in _DECLARED.items()
    }


def shown_metrics(settings: EvaluateSettings | None = None) -> dict[str, Metric]:
    """Describe the metrics that stand in tables, without those that repeat another."""
    return {name: metric for name, metric in metric_table(settings).items() if metric.in_tables}
