"""Where prediction and truth agree and where they do not: to look at, beside the numbers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from napari_medunet.engine.errors import MedunetError
from napari_medunet.engine.evaluation.metrics.confusion import Confusion
from napari_medunet.engine.evaluation.metrics.label_pairs import foreground_box, pair_labels
from napari_medunet.engine.evaluation.metrics.mask import evaluation_mask
from napari_medunet.engine.evaluation.metrics.surface.surface_points import surface_points
from napari_medunet.engine.evaluation.metrics.surface.surfaces import surface_distances
from napari_medunet.engine.grids import fit_labels
from napari_medunet.engine.labels import LabelArray, as_labels
from napari_medunet.engine.settings import EvaluateSettings
from napari_medunet.engine.volume import Volume

FloatArray = npt.NDArray[np.float64]
Index = tuple[int, ...]

BOTH, ONLY_PREDICTION, ONLY_TRUTH, OTHER_LABEL = 1, 2, 3, 4


@dataclass(frozen=True, eq=False)
class DistanceMesh:
    """Surface of a prediction, with the distance of each of its points to the truth's surface.

    Attributes
    ----------
    vertices : (n, axes) float64 array
        In voxels, in array axis order.
    faces : (m, 3) int array
        Rows of `vertices`.
    distance_mm : (n,) float64 array
        The distance that the metrics count for the surface voxel at the vertex.
    """

    vertices: FloatArray
    faces: npt.NDArray[np.intp]
    distance_mm: FloatArray


def comparable(
    truth: Volume,
    prediction: Volume,
    settings: EvaluateSettings | None = None,
    members: Sequence[int] | None = None,
) -> tuple[LabelArray, LabelArray]:
    """Truth and prediction as they are measured: on one grid, with only the voxels that count.

    Parameters
    ----------
    truth, prediction : Volume
    settings : EvaluateSettings, optional
    members : sequence of int, optional
        Labels that are measured as one, the label 1; the others are background. All labels as they are
        where it is not given.

    Returns
    -------
    truth, prediction : (z, y, x) integer arrays of one shape
        Background in both where a voxel does not count.

    Raises
    ------
    MedunetError
        Where the grids differ and the settings do not ask to resample, or the volumes hold no labels.
    """
    settings = settings or EvaluateSettings()
    prediction, _ = fit_labels(
        prediction, truth, resample=settings.resample, roles=("Prediction", "truth")
    )
    first, counted = evaluation_mask(as_labels(truth.voxels, f"'{truth.name}'"), settings)
    second = as_labels(prediction.voxels, f"'{prediction.name}'")
    if counted is not None:
        first, second = np.where(counted, first, 0), np.where(counted, second, 0)
    if members is not None:
        first, second = (np.isin(labels, members).view(np.uint8) for labels in (first, second))
    return first, second


def agreement(
    truth: LabelArray, prediction: LabelArray, label: int | None = None
) -> npt.NDArray[np.uint8]:
    """Which of truth and prediction has a label, voxel by voxel.

    Parameters
    ----------
    truth, prediction : integer arrays of one shape
    label : int, optional
        The label to look at; all labels where it is not given.

    Returns
    -------
    agreement : uint8 array of the same shape
        `BOTH`, `ONLY_PREDICTION`, `ONLY_TRUTH`; 0 for neither. With all labels `BOTH` means the same
        label, and `OTHER_LABEL` two that differ.
    """
    in_truth, in_prediction = (
        (labels != 0) if label is None else (labels == label) for labels in (truth, prediction)
    )
    found: npt.NDArray[np.uint8] = in_prediction.view(np.uint8) * np.uint8(ONLY_PREDICTION)
    found += in_truth.view(np.uint8) * np.uint8(ONLY_TRUTH)
    both = found == ONLY_PREDICTION + ONLY_TRUTH
    found[both] = BOTH
    if label is None:
        found[both & (truth != prediction)] = OTHER_LABEL
    return found


def worst_place(
    truth: LabelArray, prediction: LabelArray, label: int | None = None, axis: int = 0
) -> Index | None:
    """Find where a label is most wrong: a voxel in the slice with the most wrong voxels.

    Parameters
    ----------
    truth, prediction : integer arrays of one shape
    label : int, optional
        The label to look at; all labels where it is not given.
    axis : int
        The axis along which slices lie; of slices that are equally wrong the first one counts.

    Returns
    -------
    index : tuple of int or None
        The wrong voxel nearest the middle of that slice's wrong voxels. Where nothing is wrong, the
        same of the slice in which the label has most voxels; None where nobody has the label.
    """
    box = foreground_box(truth, prediction)
    cropped_truth, cropped_prediction = truth[box], prediction[box]
    if label is None:
        present = (cropped_truth != 0) | (cropped_prediction != 0)
        wrong = cropped_truth != cropped_prediction
    else:
        in_truth, in_prediction = cropped_truth == label, cropped_prediction == label
        present, wrong = in_truth | in_prediction, in_truth != in_prediction
    for mask in (wrong, present):
        place = _fullest_place(mask, axis)
        if place is not None:
            return tuple(part.start + at for part, at in zip(box, place, strict=True))
    return None


def distance_mesh(
    truth: LabelArray,
    prediction: LabelArray,
    spacing_mm: Sequence[float],
    labels: Iterable[int],
) -> DistanceMesh:
    """Wrap each label of a prediction, and measure how far its surface is from the truth's.

    Marching cubes halfway between voxels (Lewiner et al., J Graphics Tools 8(2), 2003). A vertex has
    the distance of its surface voxel, as defined in `surfaces`: the largest is the directed Hausdorff
    distance from prediction to truth.

    Parameters
    ----------
    truth, prediction : (z, y, x) integer arrays of one shape
    spacing_mm : (z, y, x) distance between voxels, in mm
    labels : iterable of int
        Labels that one of them does not have are left out: there is no distance.

    Raises
    ------
    MedunetError
        Where both have none of the labels.
    """
    wanted = list(labels)
    meshes = [
        mesh
        for label in wanted
        if (mesh := _label_mesh(truth == label, prediction == label, spacing_mm)) is not None
    ]
    if not meshes:
        names = ", ".join(map(str, wanted)) or "any"
        raise MedunetError(
            f"Prediction and truth do not both have the label {names}: there is no distance to show."
        )
    starts = np.cumsum([0, *(len(mesh.vertices) for mesh in meshes[:-1])])
    return DistanceMesh(
        np.concatenate([mesh.vertices for mesh in meshes]),
        np.concatenate([mesh.faces + first for mesh, first in zip(meshes, starts, strict=True)]),
        np.concatenate([mesh.distance_mm for mesh in meshes]),
    )


def shares_of_truth(confusion: Confusion) -> FloatArray:
    """Confusion matrix with each row divided by its sum, 0..1; NaN for labels the truth has not."""
    counts = confusion.matrix.astype(np.float64)
    rows = counts.sum(axis=1, keepdims=True)
    shares: FloatArray = np.divide(counts, rows, out=np.full_like(counts, np.nan), where=rows > 0)
    return shares


def _fullest_place(mask: npt.NDArray[np.bool_], axis: int) -> Index | None:
    """Of the slice with most voxels, the one that is nearest their middle."""
    if not mask.any():
        return None
    others = tuple(other for other in range(mask.ndim) if other != axis)
    fullest = int(np.argmax(np.count_nonzero(mask, axis=others) if others else mask))
    points = np.argwhere(np.take(mask, fullest, axis=axis))
    apart = ((points - points.mean(axis=0)) ** 2).sum(axis=1)
    place = [int(at) for at in points[np.argmin(apart)]]
    place.insert(axis, fullest)
    return tuple(place)


def _label_mesh(
    truth: npt.NDArray[np.bool_], prediction: npt.NDArray[np.bool_], spacing_mm: Sequence[float]
) -> DistanceMesh | None:
    from scipy.spatial import cKDTree
    from skimage.measure import marching_cubes

    if not (truth.any() and prediction.any()):
        return None
    masks = [mask.view(np.uint8) for mask in (truth, prediction)]
    box = foreground_box(*masks)
    # In C order and in their own box, so that the pair's box and axes are these.
    truth_mask, own_mask = (np.ascontiguousarray(mask[box]) for mask in masks)
    pair = pair_labels(truth_mask, own_mask, spacing_mm)
    points = surface_points(pair)[1]
    distances = surface_distances(*points, pair.spacing_mm).from_prediction
    vertices, faces, _, _ = marching_cubes(np.pad(own_mask, 1), level=0.5)
    vertices = vertices.astype(np.float64) - 1  # without the margin
    kept = [axis for axis, n in enumerate(own_mask.shape) if n > 1] or [0]
    _, nearest = cKDTree(points[1].index).query(vertices[:, kept])
    first = [part.start for part in box]
    return DistanceMesh(vertices + first, faces.astype(np.intp), distances[nearest])
