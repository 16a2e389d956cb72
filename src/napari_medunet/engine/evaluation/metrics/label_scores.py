"""Scores: the metrics of each label of a case, and how they are filled in, part by part."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from math import nan

from napari_medunet.engine.evaluation import metrics
from napari_medunet.engine.evaluation.metrics import lesions, surfaces
from napari_medunet.engine.evaluation.metrics.confusion import Confusion, Counts
from napari_medunet.engine.evaluation.metrics.regions import (
    LabelMasks,
    boundary_iou,
    centre_distance,
)
from napari_medunet.engine.settings import EvaluateSettings


@dataclass(frozen=True)
class LabelScores:
    """Every metric of one label in one case, defined in `metrics`, `surfaces`, `regions` and `lesions`.

    NaN is "not defined" (the label is absent), infinity a distance to nothing.

    Attributes
    ----------
    dice, iou, precision, recall, specificity, accuracy, f1 : float
        0..1.
    hd, hd95, assd, masd : float
        In mm. `hd95` is at the percentile of the settings, 95 by default.
    nsd : float
        Surface Dice at the tolerance of the settings, 0..1.
    volume_truth_ml, volume_prediction_ml : float
    volume_similarity : float
        0..1.
    f_beta, kappa : float
        0..1 at the beta of the settings; -1..1.
    volume_difference_ml, relative_volume_difference : float
        Prediction minus truth, in ml; and by the truth's volume, -1..inf.
    centre_distance : float
        In mm.
    boundary_iou : float
        At the thickness of the settings, 0..1.
    lesions_truth, lesions_prediction, lesions_matched : float
        How many; NaN where surfaces are not known.
    lesion_sensitivity, lesion_precision, lesion_f1, segmentation_quality, panoptic_quality : float
        At the IoU threshold of the settings, 0..1.
    """

    dice: float = nan
    iou: float = nan
    precision: float = nan
    recall: float = nan
    specificity: float = nan
    accuracy: float = nan
    f1: float = nan
    hd: float = nan
    hd95: float = nan
    assd: float = nan
    masd: float = nan
    nsd: float = nan
    volume_truth_ml: float = 0.0
    volume_prediction_ml: float = 0.0
    volume_similarity: float = nan
    f_beta: float = nan
    kappa: float = nan
    volume_difference_ml: float = nan
    relative_volume_difference: float = nan
    centre_distance: float = nan
    boundary_iou: float = nan
    lesions_truth: float = nan
    lesions_prediction: float = nan
    lesions_matched: float = nan
    lesion_sensitivity: float = nan
    lesion_precision: float = nan
    lesion_f1: float = nan
    segmentation_quality: float = nan
    panoptic_quality: float = nan

    def as_dict(self) -> dict[str, float]:
        """Metric names and values, in the order of the fields."""
        return {name: getattr(self, name) for name in METRICS}


METRICS = tuple(one.name for one in fields(LabelScores))
# What takes whole shapes: NaN where some voxels do not count.
WHOLE_SHAPES = frozenset(
    {
        "boundary_iou",
        "centre_distance",
        "lesions_truth",
        "lesions_prediction",
        "lesions_matched",
        "lesion_sensitivity",
        "lesion_precision",
        "lesion_f1",
        "segmentation_quality",
        "panoptic_quality",
    }
)
ABSENT = LabelScores()  # what a label gets that neither truth nor prediction has


@dataclass(frozen=True, eq=False)
class CaseScores:
    """The scores of one case.

    Attributes
    ----------
    name : str
    labels : dict of int to LabelScores
        Ascending; the labels that truth or prediction have, background left out.
    confusion : Confusion
        Of all labels, background among them.
    groups : dict of str to LabelScores
        Labels measured together, by the name of the group.
    resampled : str
        From which grid to which the prediction was brought, for the user; empty where it was not.
    partial : bool
        Whether some voxels did not count: what takes whole shapes is then NaN for every label.
    """

    name: str
    labels: dict[int, LabelScores]
    confusion: Confusion
    groups: dict[str, LabelScores] = field(default_factory=dict)
    resampled: str = ""
    partial: bool = False

    @property
    def rows(self) -> dict[int | str, LabelScores]:
        """Labels, then groups."""
        rows: dict[int | str, LabelScores] = dict(self.labels.items())
        rows.update(self.groups)
        return rows

    @property
    def accuracy(self) -> float:
        """Share of voxels with the right label, 0..1: over all labels, background among them."""
        return metrics.overall_accuracy(self.confusion)

    @property
    def kappa(self) -> float:
        """Cohen's kappa over all labels, background among them."""
        return metrics.overall_kappa(self.confusion)


def overlap_scores(
    confusion: Confusion, voxel_ml: float, settings: EvaluateSettings
) -> dict[int, LabelScores]:
    """Score the overlap of each label, background left out; the volume of a voxel is in ml."""
    return {
        label: _overlap(confusion.counts(label), voxel_ml, settings.beta)
        for label in sorted(confusion.labels.tolist())
        if label != 0
    }


def _overlap(counts: Counts, voxel_ml: float, beta: float) -> LabelScores:
    return LabelScores(
        **metrics.ratios(counts, beta),
        volume_truth_ml=counts.truth * voxel_ml,
        volume_prediction_ml=counts.prediction * voxel_ml,
        volume_similarity=metrics.volume_similarity(counts),
        volume_difference_ml=(counts.prediction - counts.truth) * voxel_ml,
        relative_volume_difference=metrics.relative_volume_difference(counts),
    )


def with_distances(
    scores: LabelScores, distances: surfaces.SurfaceDistances, settings: EvaluateSettings
) -> LabelScores:
    """Fill in what follows from the distances of the surfaces."""
    nsd = nan
    if settings.nsd == "border":
        nsd = surfaces.border_dice(distances, settings.tolerance_mm)
    return replace(
        scores,
        hd=surfaces.hausdorff(distances),
        hd95=surfaces.hausdorff(distances, settings.percentile),
        assd=surfaces.assd(distances),
        masd=surfaces.masd(distances),
        nsd=nsd,
    )


def with_known_distances(
    scores: LabelScores, distances: surfaces.SurfaceDistances, settings: EvaluateSettings
) -> LabelScores:
    """Fill in distances where some voxels do not count: between what is known of the two surfaces.

    NaN where nothing is known of one of them, and between scribbles; infinite where only one of truth
    and prediction has the label among the voxels that count.
    """
    if settings.annotated == "voxels":
        return scores
    if 0 in (scores.volume_truth_ml, scores.volume_prediction_ml):
        distances = surfaces.ONE_SIDED
    elif distances.one_sided:
        return scores
    return with_distances(scores, distances, settings)


def with_regions(scores: LabelScores, masks: LabelMasks, settings: EvaluateSettings) -> LabelScores:
    """Fill in what follows from where the voxels lie: boundaries, centres, lesions."""
    match = lesions.match_lesions(
        masks, settings.lesion_iou, settings.lesion_neighbours == "corners"
    )
    return replace(
        scores,
        centre_distance=centre_distance(masks),
        boundary_iou=boundary_iou(masks, settings.boundary_mm),
        lesions_truth=float(match.truth),
        lesions_prediction=float(match.prediction),
        lesions_matched=float(match.matched),
        lesion_sensitivity=lesions.detection_sensitivity(match),
        lesion_precision=lesions.detection_precision(match),
        lesion_f1=lesions.detection_f1(match),
        segmentation_quality=lesions.segmentation_quality(match),
        panoptic_quality=lesions.panoptic_quality(match),
    )
