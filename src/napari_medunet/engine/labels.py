"""Labels: whole numbers, one a voxel, in whatever type they are stored."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_medunet.engine.errors import MedunetError
from napari_medunet.engine.volume import Volume

LabelArray = npt.NDArray[Any]


def label_name(label: int | str, names: Mapping[int, str] | None = None) -> str:
    """Give the name of a label, its number where it has none, or that of a group of labels."""
    if isinstance(label, str):
        return label
    return (names or {}).get(label, "background" if label == 0 else str(label))


def as_labels(array: npt.ArrayLike, name: str = "Labels") -> LabelArray:
    """Give an array as integers, whatever type they are stored in; negative ones are labels too.

    Parameters
    ----------
    array : array of integers, of bool, or of floats that hold integers
    name : str
        What to call the array in an error.

    Returns
    -------
    labels : array of the same shape
        The array itself where it holds integers already; of floats the smallest type that holds them.

    Raises
    ------
    MedunetError
        Where a value is not an integer, or too large to be kept exactly.
    """
    labels = np.asarray(array)
    if labels.dtype == bool:
        return labels.view(np.uint8)
    if labels.dtype.kind == "f":
        return _float_labels(labels, name)
    if labels.dtype.kind not in "iu":
        raise MedunetError(f"{name}: values of type {labels.dtype}; wanted integers, one a label.")
    if labels.dtype == np.uint64:
        if labels.size and int(labels.max()) > np.iinfo(np.int64).max:
            raise MedunetError(
                f"{name}: the label {labels.max()}; the largest allowed is 2**63 - 1. Renumber it."
            )
        return labels.astype(np.int64)
    return labels


def as_class_labels(array: npt.ArrayLike, name: str = "Labels") -> LabelArray:
    """Give an array as `as_labels` does, where 0 is background and no label is negative.

    Raises
    ------
    MedunetError
        As `as_labels`, and where a label is negative.
    """
    labels = as_labels(array, name)
    if labels.dtype.kind == "i" and labels.size and labels.min() < 0:
        raise MedunetError(
            f"{name}: the negative label {labels.min()}; wanted 0 for background and positive numbers. "
            "Renumber it."
        )
    return labels


def holds_class_labels(array: npt.ArrayLike) -> bool:
    """Whether an array holds what `as_class_labels` gives."""
    try:
        as_class_labels(array)
    except MedunetError:
        return False
    return True


def integer_labels(labels: Volume) -> LabelArray:
    """Labels of a volume as integers, one a voxel (z, y, x).

    Raises
    ------
    MedunetError
        As `as_class_labels`, and where the volume has other axes.
    """
    if labels.leading_axes:
        raise MedunetError(
            f"Labels '{labels.name}' have the axes {(*labels.leading_axes, 'z', 'y', 'x')}; wanted one "
            "label per voxel (z, y, x). Save them as a single-channel image."
        )
    return as_class_labels(labels.voxels, f"Labels '{labels.name}'")


def smallest_dtype(labels: npt.ArrayLike, name: str) -> np.dtype[Any]:
    """Find the smallest unsigned type that holds all labels of an image of this name.

    Raises
    ------
    MedunetError
        As `as_class_labels`.

    Examples
    --------
    >>> smallest_dtype(np.array([0, 300]), "organ")
    dtype('uint16')
    """
    values = as_class_labels(labels, f"Labels for '{name}'")
    if values.dtype == np.uint8:  # nothing is smaller
        return values.dtype
    return np.min_scalar_type(int(values.max()) if values.size else 0)


def _float_labels(values: LabelArray, name: str) -> LabelArray:
    if values.size == 0:
        return values.astype(np.uint8)
    low, high = float(values.min()), float(values.max())  # NaN passes through both
    if not (np.isfinite(low) and np.isfinite(high)):
        raise _no_integers(values, ~np.isfinite(values), name)
    if max(-low, high) >= 2.0**53:
        raise MedunetError(f"{name}: {high:g} is, as a float, too large to be an exact label.")
    target = np.result_type(np.min_scalar_type(int(low)), np.min_scalar_type(int(high)))
    labels = values.astype(target)
    odd = labels != values
    if odd.any():
        raise _no_integers(values, odd, name)
    return labels


def _no_integers(values: LabelArray, odd: npt.NDArray[np.bool_], name: str) -> MedunetError:
    return MedunetError(
        f"{name}: {int(odd.sum())} voxels are no integers, such as {values[odd].flat[0]:g}; wanted whole "
        "numbers, 0 for background. Is this an image or a probability map?"
    )
