"""All metrics of one case: each label of a prediction against the truth."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields, replace
from math import nan

import numpy as np
import numpy.typing as npt

from napari_medunet.engine import metrics, surfaces
from napari_medunet.engine.label_pairs import LabelPair, pair_labels
from napari_medunet.engine.settings import EvaluateSettings
from napari_medunet.engine.volume import Volume, same_grid


@dataclass(frozen=True)
class LabelScores:
    """Every metric of one label in one case, defined in `metrics` and `surfaces`.

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

    def as_dict(self) -> dict[str, float]:
        """Metric names and values, in the order of the fields."""
        return {name: getattr(self, name) for name in METRICS}


METRICS = tuple(field.name for field in fields(LabelScores))
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
    """

    name: str
    labels: dict[int, LabelScores]
    confusion: metrics.Confusion

    @property
    def accuracy(self) -> float:
        """Share of voxels with the right label, 0..1: over all labels, background among them."""
        return metrics.overall_accuracy(self.confusion)


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
        Which voxels count. Where some do not, surfaces are not known: distances and NSD are NaN.
    name : str
        What to call the case.

    Raises
    ------
    ValueError
        See `label_pairs.pair_labels`.
    """
    pair = pair_labels(truth, prediction, spacing_mm, annotated)
    confusion = metrics.confusion_matrix(pair)
    overlap = {
        label: _overlap(confusion.counts(label), pair.voxel_ml)
        for label in sorted(confusion.labels.tolist())
        if label != 0
    }
    if annotated is not None and not annotated.all():
        return CaseScores(name, overlap, confusion)
    points = surfaces.surface_points(pair)
    settings = settings or EvaluateSettings()
    scores = {
        label: _with_surfaces(scores, pair, label, points[label], settings)
        for label, scores in overlap.items()
    }
    return CaseScores(name, scores, confusion)


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
        Labels on one grid, without axes before (z, y, x).
    settings : EvaluateSettings, optional
    annotated : (z, y, x) bool array, optional
        Which voxels count, as in `score_labels`; all where it is not given.

    Raises
    ------
    ValueError
        Where the grids differ, or what the volumes hold are not labels.
    """
    for role, volume in (("Truth", truth), ("Prediction", prediction)):
        if volume.leading_axes:
            axes = ", ".join(volume.leading_axes)
            raise ValueError(
                f"{role} '{volume.name}' has the axes ({axes}) before (z, y, x); wanted labels of "
                "one volume: measure each of its volumes on its own."
            )
    if not same_grid(truth, prediction):
        raise ValueError(
            f"Prediction '{prediction.name}' is on another grid than truth '{truth.name}' "
            f"({_difference(prediction, truth)}): resample one of them, or pair the right files."
        )
    return score_labels(
        truth.voxels, prediction.voxels, truth.spacing_mm, settings, annotated, truth.name
    )


def _overlap(counts: metrics.Counts, voxel_ml: float) -> LabelScores:
    return LabelScores(
        dice=metrics.dice(counts),
        iou=metrics.iou(counts),
        precision=metrics.precision(counts),
        recall=metrics.recall(counts),
        specificity=metrics.specificity(counts),
        accuracy=metrics.accuracy(counts),
        f1=metrics.f1(counts),
        volume_truth_ml=counts.truth * voxel_ml,
        volume_prediction_ml=counts.prediction * voxel_ml,
        volume_similarity=metrics.volume_similarity(counts),
    )


def _with_surfaces(
    scores: LabelScores,
    pair: LabelPair,
    label: int,
    points: tuple[surfaces.Points, surfaces.Points],
    settings: EvaluateSettings,
) -> LabelScores:
    distances = surfaces.surface_distances(*points, pair.spacing_mm)
    nsd = (
        surfaces.border_dice(distances, settings.tolerance_mm)
        if settings.nsd == "border"
        else surfaces.label_surface_dice(pair, label, points, settings.tolerance_mm)
    )
    return replace(
        scores,
        hd=surfaces.hausdorff(distances),
        hd95=surfaces.hausdorff(distances, settings.percentile),
        assd=surfaces.assd(distances),
        masd=surfaces.masd(distances),
        nsd=nsd,
    )


def _difference(first: Volume, second: Volume) -> str:
    """Say what is different about two grids: shapes, else spacings, else where they lie."""
    if first.shape != second.shape:
        return f"{_by(first.shape)} against {_by(second.shape)} voxels"
    if not np.allclose(first.spacing_mm, second.spacing_mm, rtol=1e-3):
        return f"{_by(first.spacing_mm)} against {_by(second.spacing_mm)} mm a voxel"
    if not np.allclose(first.affine[:3, 3], second.affine[:3, 3], atol=1e-3):
        origins = (_by(volume.affine[:3, 3], ", ") for volume in (first, second))
        return "first voxel at ({}) against ({}) mm".format(*origins)
    axes = (np.round(volume.affine[:3, :3], 4).tolist() for volume in (first, second))
    return "axes of the affine {} against {}".format(*axes)


def _by(numbers: Iterable[float], between: str = " x ") -> str:
    return between.join(f"{number:.6g}" for number in numbers)
