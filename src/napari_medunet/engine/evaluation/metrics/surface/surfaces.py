"""Distances in mm between the surfaces of a label in truth and prediction.

Surfaces are the points of `surface_points`, in mm.
Hausdorff distances and averages of MONAI and MedPy, and those of "Metrics reloaded" (Maier-Hein,
Reinke et al., Nature Methods 21, 2024), are over the same points.

Empty masks, in every function here: a label that is absent in truth and in prediction gives NaN; one
that is absent in one of them gives infinity for a distance and 0 for a surface Dice.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import inf, nan

import numpy as np
import numpy.typing as npt

from napari_medunet.engine.evaluation.metrics.label_pairs import LabelPair
from napari_medunet.engine.evaluation.metrics.surface.nearest import Search, nearest
from napari_medunet.engine.evaluation.metrics.surface.surface_elements import (
    element_areas,
    element_codes,
)
from napari_medunet.engine.evaluation.metrics.surface.surface_points import Points
from napari_medunet.engine.settings import EvaluateSettings

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]

_SLACK = 1e-6  # relative: a spacing of 0.8 mm is 0.800000012 in a float32 header


@dataclass(frozen=True, eq=False)
class SurfaceDistances:
    """From each surface point to the nearest of the other surface, both ways.

    Attributes
    ----------
    from_truth, from_prediction : (n,), (m,) float64 arrays
        In mm; infinite where the other surface is empty, without a value where their own is.
    """

    from_truth: FloatArray
    from_prediction: FloatArray

    @property
    def absent(self) -> bool:
        """Whether neither side has a surface."""
        return self.from_truth.size + self.from_prediction.size == 0

    @property
    def one_sided(self) -> bool:
        """Whether only one side has a surface."""
        return not self.absent and 0 in (self.from_truth.size, self.from_prediction.size)


NOTHING = SurfaceDistances(np.zeros(0), np.zeros(0))  # of a label without a surface
ONE_SIDED = SurfaceDistances(np.array([inf]), np.zeros(0))  # of a label that one of them has not


def surface_distances(
    truth: Points, prediction: Points, spacing_mm: tuple[float, ...]
) -> SurfaceDistances:
    """Measure from each surface point to the nearest of the other surface.

    Exact Euclidean distances between voxel centres, in mm.

    Parameters
    ----------
    truth, prediction : Points
    spacing_mm : tuple of float
        That of the `LabelPair` the points are from.
    """
    return all_surface_distances({1: (truth, prediction)}, spacing_mm)[1]


def all_surface_distances(
    points: Mapping[int, tuple[Points, Points]], spacing_mm: tuple[float, ...]
) -> dict[int, SurfaceDistances]:
    """Measure the surfaces of many labels at once: as `surface_distances` of each, and faster.

    Parameters
    ----------
    points : mapping of label to (truth, prediction)
        From `surface_points`.
    spacing_mm : tuple of float
        That of the `LabelPair` the points are from.
    """
    found = nearest([search for pair in points.values() for search in _searches(*pair, spacing_mm)])
    sides = zip(found[::2], found[1::2], strict=True)
    return {label: SurfaceDistances(*both) for label, both in zip(points, sides, strict=True)}


def distance_metrics(distances: SurfaceDistances, settings: EvaluateSettings) -> dict[str, float]:
    """Give all metrics that follow from the distances between surface points, by name."""
    by_border = settings.nsd == "border"
    return {
        "hd": hausdorff(distances),
        "hd95": hausdorff(distances, settings.percentile),
        "assd": assd(distances),
        "masd": masd(distances),
        "nsd": border_dice(distances, settings.tolerance_mm) if by_border else nan,
    }


def hausdorff(distances: SurfaceDistances, percentile: float = 100.0) -> float:
    """Hausdorff distance, in mm: the larger of the two directed maxima.

    With a percentile below 100, the larger of the two directed percentiles, with linear
    interpolation. Huttenlocher et al., IEEE TPAMI 15(9), 1993, sections I (Hausdorff) and III
    (partial distances); "Metrics reloaded", supplement, HD95. NaN where the label is absent in both,
    infinity where it is absent in one.
    """
    if distances.absent:
        return nan
    if distances.one_sided:
        return inf
    sides = (distances.from_truth, distances.from_prediction)
    return max(float(np.percentile(side, percentile)) for side in sides)


def assd(distances: SurfaceDistances) -> float:
    """Average symmetric surface distance, in mm: both directions pooled, then averaged.

    Heimann et al., IEEE TMI 28(8), 2009, section II-C. NaN where the label is absent in both, infinity
    where it is absent in one.
    """
    if distances.absent:
        return nan
    return float(np.concatenate([distances.from_truth, distances.from_prediction]).mean())


def masd(distances: SurfaceDistances) -> float:
    """Mean average surface distance, in mm: the mean of the two directed means.

    "Metrics reloaded", supplement, MASD. NaN where the label is absent in both, infinity where it is
    absent in one.
    """
    if distances.absent:
        return nan
    if distances.one_sided:
        return inf
    return float(distances.from_truth.mean() + distances.from_prediction.mean()) / 2


def border_dice(distances: SurfaceDistances, tolerance_mm: float) -> float:
    """Share of both surfaces' voxels within a tolerance of the other surface, 0..1.

    The normalised surface distance (NSD) with each border voxel counted once: "Metrics reloaded",
    supplement, NSD. NaN where the label is absent in both, 0 where it is absent in one.
    """
    if distances.absent:
        return nan
    both = np.concatenate([distances.from_truth, distances.from_prediction])
    return float(np.mean(both <= tolerance_mm * (1 + _SLACK)))


def surface_dice(
    truth: BoolArray, prediction: BoolArray, spacing_mm: tuple[float, ...], tolerance_mm: float
) -> float:
    """Share of both surfaces within a tolerance of the other surface, by area, 0..1.

    The surface Dice of Nikolov et al., J Med Internet Res 23(7):e26151, 2021 ("Performance
    Metrics"): surface elements on the half-voxel grid, weighted by their area (their length in 2D).
    NaN where both masks are empty, 0 where one of them is.

    Parameters
    ----------
    truth, prediction : bool arrays of the same shape, one to three axes
    spacing_mm : tuple of float
        Distance between voxels along each axis, in mm.
    tolerance_mm : float
        Distance within which surfaces count as equal; a relative 1e-6 is added.
    """
    truth_codes, prediction_codes = element_codes(truth), element_codes(prediction)
    areas = element_areas(spacing_mm)
    full = np.uint8(areas.size - 1)
    on_truth, on_prediction = (
        (codes != 0) & (codes != full) for codes in (truth_codes, prediction_codes)
    )
    shared = on_truth & on_prediction
    sides = [(truth_codes, on_truth), (prediction_codes, on_prediction)]
    points = [Points(np.argwhere(border), shared[border]) for _, border in sides]
    limit = tolerance_mm * (1 + _SLACK)
    near = total = 0.0
    distances = nearest(_searches(points[0], points[1], spacing_mm))
    for (codes, border), apart in zip(sides, distances, strict=True):
        weights = areas[codes[border]]
        near += weights[apart <= limit].sum()
        total += weights.sum()
    return float(near / total) if total else nan


def label_surface_dice(
    pair: LabelPair, label: int, points: tuple[Points, Points], tolerance_mm: float
) -> float:
    """Give the surface Dice by area of one label, looking only at the box around its surfaces.

    Parameters
    ----------
    pair : LabelPair
    label : int
    points : (truth, prediction)
        The label's surface points, from `surface_points`.
    tolerance_mm : float
    """
    index = np.concatenate([points[0].index, points[1].index])
    code = np.flatnonzero(pair.labels == label)
    if len(index) == 0 or code.size == 0:
        return nan
    ends = zip(index.min(axis=0), index.max(axis=0), strict=True)
    box = tuple(slice(int(low), int(high) + 1) for low, high in ends)
    truth, prediction = pair.truth[box] == code[0], pair.prediction[box] == code[0]
    return surface_dice(truth, prediction, pair.spacing_mm, tolerance_mm)


def _searches(
    truth: Points, prediction: Points, spacing_mm: tuple[float, ...]
) -> tuple[Search, Search]:
    """Both directions; points that the surfaces share are at distance 0 and need no search."""
    spacing = np.asarray(spacing_mm, dtype=np.float64)
    here, there = truth.index * spacing, prediction.index * spacing
    return Search(here, there, ~truth.shared), Search(there, here, ~prediction.shared)
