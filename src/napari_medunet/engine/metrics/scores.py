"""All metrics of one case: each label of a prediction against the truth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from math import nan

import numpy as np
import numpy.typing as npt

from napari_medunet.engine import metrics
from napari_medunet.engine.metrics import lesions, surfaces
from napari_medunet.engine.metrics.confusion import Confusion, Counts, confusion_matrix
from napari_medunet.engine.metrics.counted import what_counts
from napari_medunet.engine.metrics.label_pairs import LabelPair, as_labels, pair_labels
from napari_medunet.engine.metrics.regions import (
    LabelMasks,
    boundary_iou,
    centre_distance,
    label_masks,
)
from napari_medunet.engine.regrid import grid_difference, labels_on_grid_of
from napari_medunet.engine.settings import EvaluateSettings
from napari_medunet.engine.volume import Volume, same_grid


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
    """

    name: str
    labels: dict[int, LabelScores]
    confusion: Confusion
    groups: dict[str, LabelScores] = field(default_factory=dict)
    resampled: str = ""

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


def score_labels(
    truth: npt.ArrayLike,
    prediction: npt.ArrayLike,
    spacing_mm: Sequence[float] | None = None,
    settings: EvaluateSettings | None = None,
    annotated: npt.NDArray[np.bool_] | None = None,
    name: str = "case",
) -> CaseScores:
    """Measure every label of a prediction against the truth.

    Parameters
    ----------
    truth, prediction : (z, y, x) or (y, x) arrays of labels
        Integers, or floats that hold integers; 0 is background.
    spacing_mm : sequence of float, optional
        Distance between voxels along each axis, in mm; 1 where it is not given.
    settings : EvaluateSettings, optional
    annotated : bool array of the same shape, optional
        Which voxels count, beside what the settings say. Where some do not, surfaces are not known: what
        depends on where voxels lie (distances, NSD, boundary, centres, lesions) is NaN.
    name : str
        What to call the case.

    Raises
    ------
    ValueError
        See `label_pairs.pair_labels`.
    """
    settings = settings or EvaluateSettings()
    truth, annotated = what_counts(as_labels(truth, "Truth"), settings, annotated)
    pair = pair_labels(truth, prediction, spacing_mm, annotated)
    confusion = confusion_matrix(pair)
    labels = _label_scores(pair, confusion, settings)
    groups = {
        group: _group_scores(pair, members, settings) for group, members in settings.groups.items()
    }
    return CaseScores(name, labels, confusion, groups)


def quick_scores(
    truth: npt.ArrayLike,
    prediction: npt.ArrayLike,
    spacing_mm: Sequence[float] | None = None,
    settings: EvaluateSettings | None = None,
    annotated: npt.NDArray[np.bool_] | None = None,
    name: str = "case",
) -> CaseScores:
    """Measure what follows from voxel counts and surface distances: for numbers that follow a brush.

    As `score_labels`, whose values these are; NSD by area, boundary IoU, centres, lesions and groups are
    left out (NaN), since they take longer than all the rest.
    """
    settings = settings or EvaluateSettings()
    truth, annotated = what_counts(as_labels(truth, "Truth"), settings, annotated)
    pair = pair_labels(truth, prediction, spacing_mm, annotated)
    confusion = confusion_matrix(pair)
    overlap = _overlap_scores(pair, confusion, settings)
    if pair.partial:
        return CaseScores(name, overlap, confusion)
    distances = surfaces.all_surface_distances(surfaces.surface_points(pair), pair.spacing_mm)
    labels = {
        label: _with_distances(scores, distances[label], settings)
        for label, scores in overlap.items()
    }
    return CaseScores(name, labels, confusion)


def evaluate_case(
    truth: Volume,
    prediction: Volume,
    settings: EvaluateSettings | None = None,
    annotated: npt.NDArray[np.bool_] | None = None,
) -> CaseScores:
    """Measure a prediction against the truth; the case is called what the truth is called.

    Parameters
    ----------
    truth, prediction : Volume
        Labels on one grid, without axes before (z, y, x); where the settings ask for it the prediction
        is brought to the truth's grid, and `CaseScores.resampled` says so.
    settings : EvaluateSettings, optional
    annotated : (z, y, x) bool array, optional
        Which voxels count, as in `score_labels`; all where it is not given.

    Raises
    ------
    ValueError
        Where the grids differ and the settings do not ask to resample, or what the volumes hold are
        not labels.
    """
    for role, volume in (("Truth", truth), ("Prediction", prediction)):
        if volume.leading_axes:
            axes = ", ".join(volume.leading_axes)
            raise ValueError(
                f"{role} '{volume.name}' has the axes ({axes}) before (z, y, x); wanted labels of "
                "one volume: measure each of its volumes on its own."
            )
    settings = settings or EvaluateSettings()
    resampled = ""
    if not same_grid(truth, prediction):
        difference = grid_difference(prediction, truth)
        if not settings.resample:
            raise ValueError(
                f"Prediction '{prediction.name}' is on another grid than truth '{truth.name}' "
                f"({difference}): resample one of them, or pair the right files."
            )
        prediction = labels_on_grid_of(prediction, truth)
        resampled = f"prediction brought to the truth's grid, nearest voxel ({difference})"
    scores = score_labels(
        truth.voxels, prediction.voxels, truth.spacing_mm, settings, annotated, truth.name
    )
    return replace(scores, resampled=resampled)


def _label_scores(
    pair: LabelPair, confusion: Confusion, settings: EvaluateSettings
) -> dict[int, LabelScores]:
    overlap = _overlap_scores(pair, confusion, settings)
    if pair.partial:
        return overlap
    points = surfaces.surface_points(pair)
    distances = surfaces.all_surface_distances(points, pair.spacing_mm)
    scores = {}
    for label, found in overlap.items():
        found = _with_distances(found, distances[label], settings)
        if settings.nsd == "area":
            nsd = surfaces.label_surface_dice(pair, label, points[label], settings.tolerance_mm)
            found = replace(found, nsd=nsd)
        scores[label] = _with_regions(found, label_masks(pair, label, points[label]), settings)
    return scores


def _group_scores(
    pair: LabelPair, members: tuple[int, ...], settings: EvaluateSettings
) -> LabelScores:
    """Measure several labels as if they were one."""
    together = pair.together(members)
    confusion = confusion_matrix(together)
    return _label_scores(together, confusion, settings).get(1, ABSENT)


def _overlap_scores(
    pair: LabelPair, confusion: Confusion, settings: EvaluateSettings
) -> dict[int, LabelScores]:
    return {
        label: _overlap(confusion.counts(label), pair.voxel_ml, settings.beta)
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


def _with_distances(
    scores: LabelScores, distances: surfaces.SurfaceDistances, settings: EvaluateSettings
) -> LabelScores:
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


def _with_regions(
    scores: LabelScores, masks: LabelMasks, settings: EvaluateSettings
) -> LabelScores:
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
