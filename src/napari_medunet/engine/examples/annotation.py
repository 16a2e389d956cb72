"""Annotation: which voxels of a label volume somebody has annotated, as far as the labels show."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

BoolArray = npt.NDArray[np.bool_]

AXES = "zyx"  # names of a volume's axes, in array order


def annotated_voxels(
    labels: npt.NDArray[np.integer[Any]], rule: str, axis: str = "auto"
) -> BoolArray:
    """Which voxels of an annotation count.

    Parameters
    ----------
    labels : (z, y, x) integer array
    rule : "all", "slices" or "voxels"
        "slices" takes whole slices that hold a label.
    axis : "auto", "z", "y" or "x"
        Across the slices; "auto" finds the one on which they were painted, see `annotated_axis`.
    """
    if rule == "all":
        return np.ones(labels.shape, bool)
    if rule == "voxels":
        return labels > 0
    across_z, across_y, across_x = painted_slices(labels, axis)
    return across_z[:, None, None] | across_y[:, None] | across_x


def painted_slices(
    labels: npt.NDArray[Any], axis: str = "auto"
) -> tuple[BoolArray, BoolArray, BoolArray]:
    """Which slices somebody painted, across z, y and x.

    Parameters
    ----------
    labels : (z, y, x) array of numbers
    axis : "auto", "z", "y" or "x"
        Across the slices; "auto" finds it, see `annotated_axis`, and slices that were painted alone across
        another axis besides. A slice that holds no label but where it meets one of those was not
        painted.

    Returns
    -------
    tuple of bool arrays
        One entry per slice across each axis.
    """
    painted = labels > 0
    across = annotated_axis(labels) if axis == "auto" else AXES.index(axis)
    others = _other_axes(across) if axis == "auto" else ()
    alone = {other: _painted_alone(painted, other, across) for other in others}
    held = slices_held(_outside(painted, alone), across)
    found = {
        other: slices & _reach_beyond(painted, other, across, held)
        for other, slices in alone.items()
    }
    found[across] = slices_held(_outside(painted, found), across)
    z, y, x = (found.get(a, np.zeros(size, bool)) for a, size in enumerate(labels.shape))
    return z, y, x


def annotated_axis(labels: npt.NDArray[np.integer[Any]] | BoolArray) -> int:
    """Axis across the slices that were painted: along it labels are thinnest.

    A slice that was painted alone is one voxel thick. What counts is the mean length of unbroken runs of
    painted voxels: how many slices hold a label would mislead, since a small structure on a few
    scattered slices is held by even fewer of the planes across them. Where all axes are alike it is 0.
    """
    painted = labels > 0
    starts = []
    for axis in range(3):
        first = np.take(painted, [0], axis=axis)
        before, here = np.delete(painted, -1, axis), np.delete(painted, 0, axis)
        starts.append(np.count_nonzero(first) + np.count_nonzero(here & ~before))
    return int(np.argmax(starts))  # of runs, all as many voxels: most runs are the shortest


def annotated_slices(annotated: BoolArray, axis: int) -> list[tuple[int, int]]:
    """Slices that are completely annotated, each as (axis across it, index).

    Parameters
    ----------
    annotated : (z, y, x) bool array
    axis : int
        Across the slices where every voxel is annotated. Where no slice is annotated throughout (voxels
        were painted), those with an annotated voxel, across the axis along which these are thinnest.
    """
    if annotated.all():
        return [(axis, index) for index in range(annotated.shape[axis])]
    whole = [
        (a, i)
        for a in range(3)
        for i in np.flatnonzero(annotated.all(axis=_other_axes(a))).tolist()
    ]
    if whole:
        return whole
    across = annotated_axis(annotated)
    return [(across, index) for index in np.flatnonzero(slices_held(annotated, across)).tolist()]


def annotated_across(annotated: BoolArray) -> int:
    """Axis across most of the completely annotated slices; see `annotated_slices`."""
    across = [axis for axis, _ in annotated_slices(annotated, 0)]
    return max(range(3), key=across.count)


def nearly_whole(annotated: BoolArray) -> bool:
    """Whether a volume is annotated but for some holes: across each axis some slice is annotated whole."""
    return all(annotated.all(axis=_other_axes(axis)).any() for axis in range(3))


def slices_held(labels: npt.NDArray[Any], axis: int) -> BoolArray:
    """Which slices across an axis hold something: one entry per slice."""
    return np.asarray(labels.any(axis=_other_axes(axis)))


def _painted_alone(painted: BoolArray, axis: int, across: int) -> BoolArray:
    """Slices across an axis that look painted alone, while most were painted across another one.

    Most of what such a slice holds has nothing beside it along `axis` and something along `across`, and it
    is wider than a line.
    """
    alone = _without_neighbours(painted, axis) & ~_without_neighbours(painted, across)
    most = 2 * _count(alone, axis) > _count(painted, axis)
    wide = _count(np.asarray(painted.any(axis=across, keepdims=True)), axis) > 1
    return most & wide


def _reach_beyond(painted: BoolArray, axis: int, across: int, held: BoolArray) -> BoolArray:
    """Which slices across an axis hold most of their lines where none across `across` was painted.

    What looks like a slice painted alone may be a thin structure in slices that were painted side by side.
    """
    (third,) = set(_other_axes(axis)) - {across}
    lines = np.asarray(painted.any(axis=third, keepdims=True))
    beyond = lines & ~_spread(held, across)
    return (2 * _count(beyond, axis) > _count(lines, axis)) & held.any()


def _outside(painted: BoolArray, slices: Mapping[int, BoolArray]) -> BoolArray:
    """What was painted outside some slices across each axis."""
    rest = painted
    for axis, inside in slices.items():
        rest = rest & ~_spread(inside, axis)
    return rest


def _without_neighbours(painted: BoolArray, axis: int) -> BoolArray:
    """The painted voxels that have no painted one before or behind them along an axis."""
    lines = np.moveaxis(painted, axis, 0)
    alone = lines.copy()
    alone[1:] &= ~lines[:-1]
    alone[:-1] &= ~lines[1:]
    return np.moveaxis(alone, 0, axis)


def _other_axes(axis: int) -> tuple[int, ...]:
    return tuple(other for other in range(3) if other != axis)


def _count(painted: BoolArray, axis: int) -> npt.NDArray[np.intp]:
    """Voxels in each slice across an axis."""
    return np.asarray(painted.sum(axis=_other_axes(axis)))


def _spread(slices: BoolArray, axis: int) -> BoolArray:
    """One entry per slice, as an array that fits to volumes."""
    return np.expand_dims(slices, _other_axes(axis))
