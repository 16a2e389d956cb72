"""Where the voxels of a label lie: boundary IoU and the distance of centres, in mm.

`LabelMasks` is one label of a pair in the smallest box around it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from math import inf, nan

import numpy as np
import numpy.typing as npt

from napari_medunet.engine.evaluation.metrics.label_pairs import LabelPair
from napari_medunet.engine.evaluation.metrics.surface.surface_points import Points
from napari_medunet.engine.settings import EvaluateSettings

BoolArray = npt.NDArray[np.bool_]

_SLACK = 1e-6  # relative, as in `surfaces`: headers are float32


@dataclass(frozen=True, eq=False)
class LabelMasks:
    """One label in truth and prediction, in the smallest box that holds both.

    Attributes
    ----------
    truth, prediction : bool arrays of one shape, one to three axes
    surfaces : (truth, prediction)
        Their surface points, in voxels of the box.
    spacing_mm : tuple of float
        Distance between voxels along each axis of the box, in mm.
    """

    truth: BoolArray
    prediction: BoolArray
    surfaces: tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]
    spacing_mm: tuple[float, ...]

    @cached_property
    def absent(self) -> bool:
        """Whether neither truth nor prediction has the label."""
        return all(len(points) == 0 for points in self.surfaces)

    @cached_property
    def one_sided(self) -> bool:
        """Whether only one of them has the label."""
        return not self.absent and any(len(points) == 0 for points in self.surfaces)


def label_masks(pair: LabelPair, label: int, points: tuple[Points, Points]) -> LabelMasks:
    """Cut one label out of a pair.

    Parameters
    ----------
    pair : LabelPair
    label : int
    points : (truth, prediction)
        The label's surface points, from `surface_points.surface_points`.
    """
    index = np.concatenate([points[0].index, points[1].index])
    low = index.min(axis=0) if len(index) else np.zeros(pair.truth.ndim, dtype=np.intp)
    high = index.max(axis=0) if len(index) else low - 1
    box = tuple(slice(int(a), int(b) + 1) for a, b in zip(low, high, strict=True))
    code = np.flatnonzero(pair.labels == label)
    own = code[0] if code.size else -1
    return LabelMasks(
        truth=pair.truth[box] == own,
        prediction=pair.prediction[box] == own,
        surfaces=(points[0].index - low, points[1].index - low),
        spacing_mm=pair.spacing_mm,
    )


def region_metrics(masks: LabelMasks, settings: EvaluateSettings) -> dict[str, float]:
    """Give the metrics of boundaries and centres, by name."""
    return {
        "centre_distance": centre_distance(masks),
        "boundary_iou": boundary_iou(masks, settings.boundary_mm),
    }


def boundary_iou(masks: LabelMasks, distance_mm: float) -> float:
    """IoU of the two boundaries, 0..1: of what lies in each mask near its own surface.

    Cheng et al., "Boundary IoU: Improving Object-Centric Image Segmentation Evaluation", CVPR 2021,
    section 3: |(Gd & G) & (Pd & P)| / |(Gd & G) | (Pd & P)|. Gd holds the voxels whose centre is at
    most `distance_mm` from the centre of the nearest surface voxel of G, Euclidean and in mm; at 0 it is
    the surface itself. (The paper takes a distance in pixels, 2 % of the image's diagonal.) NaN
    where the label is absent in both, 0 where it is absent in one.

    Parameters
    ----------
    masks : LabelMasks
    distance_mm : float
        How thick the boundary is, in mm; a relative 1e-6 is added.
    """
    if masks.absent:
        return nan
    if masks.one_sided:
        return 0.0
    truth = _boundary(masks.truth, masks.surfaces[0], masks.spacing_mm, distance_mm)
    prediction = _boundary(masks.prediction, masks.surfaces[1], masks.spacing_mm, distance_mm)
    return float(np.count_nonzero(truth & prediction) / np.count_nonzero(truth | prediction))


def centre_distance(masks: LabelMasks) -> float:
    """Distance between the centres of mass of the two masks, in mm.

    The mean of the voxel centres of each; Euclidean. NaN where the label is absent in both, infinity
    where it is absent in one.
    """
    if masks.absent:
        return nan
    if masks.one_sided:
        return inf
    apart = (_centre(masks.truth) - _centre(masks.prediction)) * masks.spacing_mm
    return float(np.sqrt((apart**2).sum()))


def _boundary(
    mask: BoolArray,
    surface: npt.NDArray[np.intp],
    spacing_mm: tuple[float, ...],
    distance_mm: float,
) -> BoolArray:
    from scipy.ndimage import distance_transform_edt

    inner = np.ones(mask.shape, dtype=bool)
    inner[tuple(surface.T)] = False
    limit = distance_mm * (1 + _SLACK)
    if limit < min(spacing_mm):
        return ~inner  # no other voxel is as near
    return mask & (distance_transform_edt(inner, sampling=spacing_mm) <= limit)


def _centre(mask: BoolArray) -> npt.NDArray[np.float64]:
    """Mean index of a mask's voxels along each axis."""
    voxels = np.count_nonzero(mask)
    centre = np.zeros(mask.ndim)
    for axis in range(mask.ndim):
        others = tuple(other for other in range(mask.ndim) if other != axis)
        along = np.count_nonzero(mask, axis=others) if others else mask.astype(np.intp)
        centre[axis] = along @ np.arange(mask.shape[axis]) / voxels
    return centre
