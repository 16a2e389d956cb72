"""Where the surface of each label lies, for all labels at once.

The surface of a label is its voxels that have a face neighbour (6 in 3D, 4 in 2D) which is not the
label; outside the array counts as not the label. Its points are the centres of those voxels. Where some
voxels do not count, a surface is known only between two that do, and at the border of the array.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_medunet.engine.evaluation.metrics.label_pairs import Box, LabelPair, slabs
from napari_medunet.engine.evaluation.metrics.threads import in_threads
from napari_medunet.engine.labels import LabelArray

BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Points:
    """Surface points of one label.

    Attributes
    ----------
    index : (n, axes) int array
        Where the points lie in the array that they were found in, in voxels.
    shared : (n,) bool array
        Which of them are surface points of the label in the other labels too.
    """

    index: npt.NDArray[np.intp]
    shared: BoolArray

    @classmethod
    def none(cls, axes: int) -> Points:
        """Give the points of a surface that is not there."""
        return cls(np.zeros((0, axes), dtype=np.intp), np.zeros(0, dtype=bool))

    def outside(self, box: Box) -> Points:
        """Leave out the points that lie in a box; themselves where none does."""
        low, high = ([getattr(side, end) for side in box] for end in ("start", "stop"))
        inside = ((self.index >= low) & (self.index < high)).all(axis=1)
        return Points(self.index[~inside], self.shared[~inside]) if inside.any() else self

    def with_(self, others: Points) -> Points:
        """Add points; themselves where there is nothing to add."""
        if len(others.index) == 0:
            return self
        return Points(
            np.concatenate([self.index, others.index]),
            np.concatenate([self.shared, others.shared]),
        )


def surface_points(pair: LabelPair) -> dict[int, tuple[Points, Points]]:
    """Find the surfaces of all labels at once.

    Returns
    -------
    points : dict of int to (truth, prediction)
        The surface points of every label that is present in either, background left out.
    """
    boxes = slabs(pair.truth.shape)
    found = points_in(pair.truth, pair.prediction, boxes, pair.annotated)
    return {int(pair.labels[code]): points for code, points in found.items()}


def points_in(
    truth: LabelArray,
    prediction: LabelArray,
    boxes: Sequence[Box],
    annotated: BoolArray | None = None,
) -> dict[int, tuple[Points, Points]]:
    """Find the surface points of all labels that lie in some boxes.

    Parameters
    ----------
    truth, prediction : integer arrays of one shape
    boxes : sequence of tuple of slice
        That do not overlap; a first slice alone takes all of the other axes.
    annotated : bool array of the same shape, optional
        Which voxels count; all where it is not given.

    Returns
    -------
    points : dict of int to (truth, prediction)
        Indices are those of the whole arrays.
    """
    found = in_threads(lambda box: _box_points(truth, prediction, box, annotated), boxes)
    nothing = Points.none(truth.ndim)
    if not found:
        return {}
    of_truth, of_prediction = (
        _by_value(*map(np.concatenate, zip(*(both[side] for both in found), strict=True)))
        for side in (0, 1)
    )
    return {
        value: (of_truth.get(value, nothing), of_prediction.get(value, nothing))
        for value in sorted({*of_truth, *of_prediction})
    }


def _box_points(
    truth: LabelArray, prediction: LabelArray, box: Box, annotated: BoolArray | None
) -> list[tuple[npt.NDArray[Any], ...]]:
    """Surface points of a box, for truth and prediction: index, value, whether shared."""
    box = (*box, *(slice(0, n) for n in truth.shape[len(box) :]))
    borders = _border(truth, box, annotated), _border(prediction, box, annotated)
    shared = borders[0] & borders[1] & (truth[box] == prediction[box])
    first = [side.start for side in box]
    sides: list[tuple[npt.NDArray[Any], ...]] = []
    for values, border in zip((truth, prediction), borders, strict=True):
        where = np.flatnonzero(border)
        index = np.stack(np.unravel_index(where, border.shape), axis=1) + first
        sides.append((index, values[box].reshape(-1)[where], shared.reshape(-1)[where]))
    return sides


def _border(labels: LabelArray, box: Box, annotated: BoolArray | None) -> BoolArray:
    """Where a box's voxels are the surface of their label; background has none."""
    # a voxel more on all sides, for the neighbours
    wide = tuple(slice(max(0, side.start - 1), side.stop + 1) for side in box)
    around = labels[wide]
    counts = None if annotated is None else annotated[wide]
    border = np.zeros(around.shape, dtype=bool)
    for axis, side in enumerate(box):
        values, edges = np.moveaxis(around, axis, 0), np.moveaxis(border, axis, 0)
        differs = values[1:] != values[:-1]
        if counts is not None:
            known = np.moveaxis(counts, axis, 0)
            differs &= known[1:] & known[:-1]
        edges[1:] |= differs
        edges[:-1] |= differs
        if side.start == 0:
            edges[0] = True
        if side.stop >= labels.shape[axis]:
            edges[-1] = True
    border &= around != 0
    if counts is not None:
        border &= counts
    inner = zip(box, wide, strict=True)
    return border[tuple(slice(s.start - w.start, s.stop - w.start) for s, w in inner)]


def _by_value(
    index: npt.NDArray[np.intp], values: LabelArray, shared: BoolArray
) -> dict[int, Points]:
    if values.size == 0:
        return {}
    order = np.argsort(values, kind="stable")
    present, starts = np.unique(values[order], return_index=True)
    return {
        int(value): Points(part, common)
        for value, part, common in zip(
            present,
            np.split(index[order], starts[1:]),
            np.split(shared[order], starts[1:]),
            strict=True,
        )
    }
