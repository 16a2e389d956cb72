"""Truth and prediction prepared for measuring: checked, cropped, and with small codes for labels.

Labels may be any integers (3 and 200, 65535, a million, integers stored as floats). What measures
works on codes 0..k-1 in the smallest box that holds both foregrounds, and in the order in which the
voxels lie in memory, so that neither a large label nor an array in Fortran order costs anything.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from math import inf, prod

import numpy as np
import numpy.typing as npt

from napari_medunet.engine.errors import MedunetError
from napari_medunet.engine.evaluation.metrics.threads import in_threads
from napari_medunet.engine.labels import LabelArray, as_labels

IntArray = npt.NDArray[np.int64]
Box = tuple[slice, ...]

_SLAB_VOXELS = 1 << 19  # what one step works on: small enough for a processor's cache


@dataclass(frozen=True, eq=False)
class LabelPair:
    """Truth and prediction prepared for measuring: cropped, and with small codes for labels.

    Attributes
    ----------
    truth, prediction : arrays of one shape and one unsigned type
        Codes of the labels, in the smallest box that holds both foregrounds. Axes of length 1 are
        dropped and the others are in the order in which they lie in memory.
    labels : (k,) int64 array
        The label of each code; code 0 is background.
    spacing_mm : tuple of float
        Distance between voxels along each axis of the box, in mm.
    voxel_ml : float
        Volume of a voxel, in ml. Dropped axes count with their spacing.
    voxels : int
        Size of the whole array, before cropping.
    annotated : bool array or None
        Which voxels of the box count; None for all.
    partial : bool
        Whether some voxel of the array does not count: not all of the surfaces is known then.
    """

    truth: LabelArray
    prediction: LabelArray
    labels: IntArray
    spacing_mm: tuple[float, ...]
    voxel_ml: float
    voxels: int
    annotated: npt.NDArray[np.bool_] | None = None
    partial: bool = False

    def together(self, members: Iterable[int]) -> LabelPair:
        """Give the same pair with several labels as one, the label 1; the others are background."""
        inside = np.isin(self.labels, list(members))
        inside[0] = False  # background is nobody's member
        return replace(
            self,
            truth=inside[self.truth].view(np.uint8),
            prediction=inside[self.prediction].view(np.uint8),
            labels=np.arange(2),
        )


def pair_labels(
    truth: npt.ArrayLike,
    prediction: npt.ArrayLike,
    spacing_mm: Sequence[float] | None = None,
    annotated: npt.NDArray[np.bool_] | None = None,
) -> LabelPair:
    """Prepare truth and prediction for measuring.

    Parameters
    ----------
    truth, prediction : (z, y, x) or (y, x) arrays of labels
    spacing_mm : sequence of float
        Distance between voxels along each axis, in mm; 1 where it is not given.
    annotated : bool array of the same shape, optional
        Which voxels count for overlap; all where it is not given.

    Raises
    ------
    MedunetError
        Shapes that differ, more than three axes, a spacing that is not positive, labels that are
        not integers, nothing annotated.
    """
    truth, prediction = as_labels(truth, "Truth"), as_labels(prediction, "Prediction")
    spacing = checked_spacing(truth, prediction, spacing_mm, annotated)
    voxel_ml = prod(spacing) / 1000
    kept = axes_in_memory_order(truth)
    truth, prediction = only_axes(truth, kept), only_axes(prediction, kept)
    box = joined(in_threads(foreground_box, (truth, prediction)))
    partial = annotated is not None and not annotated.all()
    if partial:  # whether the background around a label counts says whether its surface is known
        box = grown(box, truth.shape)
    labels, truth_codes, prediction_codes = _encode(truth[box], prediction[box])
    return LabelPair(
        truth=truth_codes,
        prediction=prediction_codes,
        labels=labels,
        spacing_mm=tuple(spacing[axis] for axis in kept),
        voxel_ml=voxel_ml,
        voxels=truth.size if annotated is None else int(np.count_nonzero(annotated)),
        annotated=None if annotated is None else only_axes(annotated, kept)[box],
        partial=partial,
    )


def foreground_box(*arrays: LabelArray) -> Box:
    """Find the smallest box that holds every voxel other than 0; empty where there is none."""
    box: list[slice] = [slice(None)] * arrays[0].ndim
    # The last axes first: reducing along the first one runs through memory in order, and what it
    # leaves is small.
    for axis in reversed(range(arrays[0].ndim)):
        others = tuple(other for other in range(arrays[0].ndim) if other != axis)
        used = np.zeros(arrays[0].shape[axis], dtype=bool)
        for array in arrays:
            used |= np.bitwise_or.reduce(array[tuple(box)], axis=others) != 0
        found = np.flatnonzero(used)
        box[axis] = slice(int(found[0]), int(found[-1]) + 1) if found.size else slice(0, 0)
    return tuple(box)


def joined(boxes: Sequence[Box]) -> Box:
    """Find the smallest box that holds several; empty ones count for nothing."""
    full = [box for box in boxes if all(side.stop > side.start for side in box)] or boxes[:1]
    return tuple(
        slice(min(side.start for side in sides), max(side.stop for side in sides))
        for sides in zip(*full, strict=True)
    )


def grown(box: Box, shape: tuple[int, ...]) -> Box:
    """Make a box larger by a voxel on all sides, within an array; an empty one stays empty."""
    if any(side.stop <= side.start for side in box):
        return box
    sides = zip(box, shape, strict=True)
    return tuple(slice(max(0, side.start - 1), min(n, side.stop + 1)) for side, n in sides)


def slabs(shape: tuple[int, ...]) -> list[Box]:
    """Cut the first axis into runs of planes that fit a processor's cache together."""
    planes = max(1, _SLAB_VOXELS // max(1, prod(shape[1:])))
    return [(slice(start, min(start + planes, shape[0])),) for start in range(0, shape[0], planes)]


def checked_spacing(
    truth: LabelArray,
    prediction: LabelArray,
    spacing_mm: Sequence[float] | None,
    annotated: npt.NDArray[np.bool_] | None,
) -> tuple[float, ...]:
    """Give the spacing in mm, 1 where there is none; what does not fit raises as in `pair_labels`."""
    for name, array in (("prediction", prediction), ("annotated mask", annotated)):
        if array is not None and array.shape != truth.shape:
            raise MedunetError(
                f"The {name} is {_by(array.shape)} voxels, the truth {_by(truth.shape)}: "
                "resample one of them, or pair the right arrays."
            )
    if not 1 <= truth.ndim <= 3:
        raise MedunetError(f"Labels have {truth.ndim} axes; wanted (z, y, x) or (y, x).")
    spacing = (1.0,) * truth.ndim if spacing_mm is None else tuple(float(s) for s in spacing_mm)
    if len(spacing) != truth.ndim or not all(0 < s < inf for s in spacing):
        raise MedunetError(
            f"Spacing is {spacing} mm; wanted {truth.ndim} positive numbers, one for each axis."
        )
    if annotated is not None and not annotated.any():
        raise MedunetError("No voxel is annotated: there is nothing to measure against.")
    return spacing


def axes_in_memory_order(array: LabelArray) -> list[int]:
    """Axes longer than 1 (one at least), the one with the largest step in memory first."""
    axes = [axis for axis in range(array.ndim) if array.shape[axis] != 1] or [0]
    return sorted(axes, key=lambda axis: -abs(array.strides[axis]))


def only_axes(array: LabelArray, axes: list[int]) -> LabelArray:
    """Give an array with only these axes, in this order; the others have length 1."""
    dropped = [axis for axis in range(array.ndim) if axis not in axes]
    return array.transpose(axes + dropped).reshape([array.shape[axis] for axis in axes])


def _by(shape: tuple[int, ...]) -> str:
    return " x ".join(str(n) for n in shape)


def _encode(truth: LabelArray, prediction: LabelArray) -> tuple[IntArray, LabelArray, LabelArray]:
    """Labels and, in their place, small unsigned codes with 0 for background."""
    low = min((int(a.min()) for a in (truth, prediction) if a.size), default=0)
    high = max((int(a.max()) for a in (truth, prediction) if a.size), default=0)
    if low >= 0 and high < 256:  # labels serve as their own codes: nothing to look up
        truth = truth.astype(np.uint8, order="C", copy=False)
        return np.arange(high + 1), truth, prediction.astype(np.uint8, order="C", copy=False)
    planes = [plane for array in (truth, prediction) for plane in array]
    present = np.unique(np.concatenate([np.unique(p).astype(np.int64) for p in planes]))
    labels = np.concatenate([[0], present[present != 0]])
    # searchsorted wants ascending labels; background comes first whatever its rank is.
    order = np.argsort(labels)
    code_of_rank = order.astype(np.min_scalar_type(labels.size - 1))
    codes = tuple(
        np.stack([code_of_rank[np.searchsorted(labels[order], plane)] for plane in array])
        for array in (truth, prediction)
    )
    return labels, codes[0], codes[1]
