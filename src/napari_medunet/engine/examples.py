"""Example: an image with its annotation, checked, ready to be learned from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_medunet.engine.settings import TrainSettings
from napari_medunet.engine.volume import Volume, same_grid

BoolArray = npt.NDArray[np.bool_]

AXES = "zyx"  # names of a volume's axes, in array order


@dataclass(frozen=True, eq=False)
class Example:
    """What training takes: a volume, a label per voxel, and which voxels were looked at at all.

    Attributes
    ----------
    image : Volume
        One channel, (z, y, x), or several, (c, z, y, x); every voxel is finite.
    labels : (z, y, x) integer array
        0 is background; other values are the user's own.
    annotated : (z, y, x) bool array
        Voxels outside it touch neither loss nor metrics.
    """

    image: Volume
    labels: npt.NDArray[np.integer[Any]]
    annotated: BoolArray

    @property
    def name(self) -> str:
        """The case's name."""
        return self.image.name


def make_example(image: Volume, labels: Volume, settings: TrainSettings) -> Example:
    """Pair an image with its labels.

    Parameters
    ----------
    image : Volume
    labels : Volume
        On the image's grid. Floating-point voxels are accepted where they hold integers.
    settings : TrainSettings
        `annotated` and `background_label` say which voxels count.

    Raises
    ------
    ValueError
        If the grids differ, the image has voxels that are not finite, labels are no integers, or
        nothing was painted where only what was painted counts.
    """
    check_image(image)
    _check_grids(image, labels)
    values = integer_labels(labels)
    if settings.annotated != "all" and not values.any():
        raise ValueError(
            f"Labels '{labels.name}' hold no label: every voxel is 0. Paint at least one slice, or "
            f"leave '{image.name}' out."
        )
    annotated = annotated_voxels(values, settings.annotated, settings.axis)
    if settings.annotated == "voxels":
        values = _background_to_zero(values, labels.name, settings.background_label)
    return Example(image, values, annotated)


def check_image(image: Volume) -> None:
    """Refuse what a network cannot see: further axes, and voxels that are not finite numbers.

    Raises
    ------
    ValueError
    """
    if image.leading_axes not in ((), ("c",)):
        raise ValueError(
            f"Image '{image.name}' has the axes {(*image.leading_axes, 'z', 'y', 'x')}; wanted one "
            "volume (z, y, x), or channels before it. Choose one time point and save it as a volume."
        )
    if np.iscomplexobj(image.voxels):
        raise ValueError(
            f"Image '{image.name}' holds complex numbers; wanted real ones. Save its magnitude."
        )
    if 0 in image.voxels.shape:
        raise ValueError(f"Image '{image.name}' has no voxels: its shape is {image.voxels.shape}.")
    if image.voxels.dtype.kind == "f":
        bad = image.voxels.size - int(np.count_nonzero(np.isfinite(image.voxels)))
        if bad:
            raise ValueError(
                f"Image '{image.name}' has {bad} voxels that are NaN or infinite; wanted numbers. "
                "Replace them (with 0, say) and save the image again."
            )


def integer_labels(labels: Volume) -> npt.NDArray[np.integer[Any]]:
    """Labels as integers, whatever type the file stored them in.

    Raises
    ------
    ValueError
        If some voxel is no integer, or is negative.
    """
    values = labels.voxels
    if labels.leading_axes:
        raise ValueError(
            f"Labels '{labels.name}' have the axes {(*labels.leading_axes, 'z', 'y', 'x')}; wanted one "
            "label per voxel (z, y, x). Save them as a single-channel image."
        )
    if values.dtype.kind == "b":
        return values.astype(np.uint8)
    if values.dtype.kind not in "iu":
        with np.errstate(invalid="ignore"):  # NaN and infinity fail the comparison below
            whole = values.astype(np.int64)
        odd = whole != values
        if odd.any():
            example = values[odd].flat[0]
            raise ValueError(
                f"Labels '{labels.name}' hold {int(odd.sum())} voxels that are no integers, such as "
                f"{example:g}; wanted 0 for background and whole numbers. Is this an image or a "
                "probability map?"
            )
        values = whole
    if values.size and values.min() < 0:
        raise ValueError(
            f"Labels '{labels.name}' hold the negative label {values.min()}; wanted 0 for background "
            "and positive numbers. Renumber it."
        )
    return values


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
    found = [np.zeros(size, bool) for size in labels.shape]
    across = annotated_axis(labels) if axis == "auto" else AXES.index(axis)
    rest = painted
    if axis == "auto":
        others = [other for other in range(3) if other != across]
        alone = {other: _painted_alone(painted, other, across) for other in others}
        rest = painted.copy()
        for other in others:
            rest &= ~_along(alone[other], other)
        held = _held(rest, across)
        for other in others:
            found[other] = alone[other] & _reaches_beyond(painted, other, across, held)
        rest = painted.copy()
        for other in others:
            rest &= ~_along(found[other], other)
    found[across] = _held(rest, across)
    return found[0], found[1], found[2]


def annotated_slices(annotated: BoolArray, axis: int) -> list[tuple[int, int]]:
    """Slices that are annotated throughout, each as (axis across it, index).

    Parameters
    ----------
    annotated : (z, y, x) bool array
    axis : int
        Across the slices where every voxel is annotated. Where no slice is annotated throughout (voxels
        were painted), those with an annotated voxel, across the axis along which these are thinnest.
    """
    if annotated.all():
        return [(axis, index) for index in range(annotated.shape[axis])]
    whole = [(a, i) for a in range(3) for i in np.flatnonzero(_whole(annotated, a)).tolist()]
    if whole:
        return whole
    across = annotated_axis(annotated)
    return [(across, index) for index in np.flatnonzero(_held(annotated, across)).tolist()]


def _held(painted: BoolArray, axis: int) -> BoolArray:
    """Which slices across an axis hold something."""
    return np.asarray(painted.any(axis=tuple(other for other in range(3) if other != axis)))


def _whole(annotated: BoolArray, axis: int) -> BoolArray:
    """Which slices across an axis are full."""
    return np.asarray(annotated.all(axis=tuple(other for other in range(3) if other != axis)))


def _reaches_beyond(painted: BoolArray, axis: int, across: int, held: BoolArray) -> BoolArray:
    """Which slices across an axis hold most of their planes where no slice across `across` was painted.

    What looks like a slice painted alone may be a thin structure in slices that were painted side by side.
    """
    (third,) = {0, 1, 2} - {axis, across}
    spread = np.asarray(painted.any(axis=third))
    lines = spread if across < axis else spread.T  # (across, axis)
    beyond = lines[~held].sum(axis=0)
    return np.asarray((2 * beyond > lines.sum(axis=0)) & held.any())


def _painted_alone(painted: BoolArray, axis: int, across: int) -> BoolArray:
    """Slices across an axis that were painted alone, while most were painted across another one.

    Most of what such a slice holds has nothing beside it along `axis` and something along `across`.
    """
    (third,) = {0, 1, 2} - {axis, across}
    alone = _without_neighbours(painted, axis) & ~_without_neighbours(painted, across)
    of_slice = (across, third)
    spread = painted.any(axis=across)  # over the axis and the third one
    wide = spread.sum(axis=spread.ndim - 1 if third > axis else 0) > 1
    return np.asarray((2 * alone.sum(axis=of_slice) > painted.sum(axis=of_slice)) & wide)


def _without_neighbours(painted: BoolArray, axis: int) -> BoolArray:
    """The painted voxels that have no painted one before or behind them along an axis."""
    lines = np.moveaxis(painted, axis, 0)
    alone = lines.copy()
    alone[1:] &= ~lines[:-1]
    alone[:-1] &= ~lines[1:]
    return np.moveaxis(alone, 0, axis)


def _along(slices: BoolArray, axis: int) -> BoolArray:
    """One entry per slice, as an array that fits to volumes."""
    return np.expand_dims(slices, tuple(other for other in range(3) if other != axis))


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


def case_labels(example: Example) -> set[int]:
    """The labels of one example's annotated voxels, background among them where it is there."""
    return set(np.unique(example.labels[example.annotated]).tolist())


def channel_count(examples: list[Example]) -> int:
    """Channels of each image.

    Raises
    ------
    ValueError
        If they differ.
    """
    counts = {e.image.voxels.shape[0] if e.image.leading_axes else 1: e.name for e in examples}
    if len(counts) > 1:
        (first, one), (second, other), *_ = sorted(counts.items())
        raise ValueError(
            f"Image '{one}' has {first} channels and image '{other}' has {second}; wanted the same "
            "number in all. Convert them to the same kind, grey or colour."
        )
    return next(iter(counts))


def label_values(examples: list[Example]) -> tuple[int, ...]:
    """The labels of all examples in ascending order, background first.

    Raises
    ------
    ValueError
        If the annotated voxels hold a single class: there is nothing to tell apart.
    """
    found: set[int] = set()
    for example in examples:
        found |= case_labels(example)
    if found == {0}:
        raise ValueError(
            f"No label is painted in any of {len(examples)} examples: every voxel is 0. Paint at least "
            "one slice."
        )
    if len(found) < 2:
        raise ValueError(
            f"The annotated voxels hold the single class {sorted(found)}; wanted at least two, to have "
            "something to tell apart. Paint another class, or choose which voxels count as annotated."
        )
    return (0, *sorted(found - {0}))


def _check_grids(image: Volume, labels: Volume) -> None:
    if image.shape != labels.shape:
        raise ValueError(
            f"Labels '{labels.name}' are on another grid than image '{image.name}' "
            f"({_by(labels.shape)} against {_by(image.shape)} voxels): resample one of them, or pair the "
            "right files."
        )
    if not same_grid(image, labels):
        raise ValueError(
            f"Labels '{labels.name}' lie elsewhere than image '{image.name}' (spacing "
            f"{_by(labels.spacing_mm)} against {_by(image.spacing_mm)} mm, first voxel at "
            f"{_by(labels.affine[:3, 3])} against {_by(image.affine[:3, 3])} mm): resample one of them, "
            "or pair the right files."
        )


def _by(values: Any) -> str:
    return " x ".join(f"{value:.6g}" for value in values)


def _background_to_zero(
    values: npt.NDArray[np.integer[Any]], name: str, background: int | None
) -> npt.NDArray[np.integer[Any]]:
    if background is None:
        return values
    if not (values == background).any():
        raise ValueError(
            f"Labels '{name}' hold no voxel of the background label {background}. Paint background with "
            "it, or choose the label that was used."
        )
    return np.where(values == background, 0, values)
