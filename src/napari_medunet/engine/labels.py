"""Labels: whole numbers, one a voxel, in whatever type they are stored."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_medunet.engine.errors import MedunetError
from napari_medunet.engine.volume import Volume


def integer_labels(labels: Volume) -> npt.NDArray[np.integer[Any]]:
    """Labels as integers, whatever type the file stored them in.

    Raises
    ------
    ValueError
        If some voxel is no integer, or is negative.
    """
    values = labels.voxels
    if labels.leading_axes:
        raise MedunetError(
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
            raise MedunetError(
                f"Labels '{labels.name}' hold {int(odd.sum())} voxels that are no integers, such as "
                f"{example:g}; wanted 0 for background and whole numbers. Is this an image or a "
                "probability map?"
            )
        values = whole
    if values.size and values.min() < 0:
        raise MedunetError(
            f"Labels '{labels.name}' hold the negative label {values.min()}; wanted 0 for background "
            "and positive numbers. Renumber it."
        )
    return values


LabelArray = npt.NDArray[Any]


def label_name(label: int | str, names: Mapping[int, str] | None = None) -> str:
    """Give the name of a label, its number where it has none, or that of a group of labels."""
    if isinstance(label, str):
        return label
    return (names or {}).get(label, "background" if label == 0 else str(label))


def as_labels(array: npt.ArrayLike, name: str = "labels") -> LabelArray:
    """Take an array as labels: integers as they are, floats where they hold integers.

    Parameters
    ----------
    array : array of bool, integers, or floats that hold integers
    name : str
        What to call the array in an error.

    Raises
    ------
    ValueError
        Where a value is not an integer.
    """
    labels = np.asarray(array)
    if labels.dtype == bool:
        return labels.view(np.uint8)
    if labels.dtype.kind == "f":
        return _float_labels(labels, name)
    if labels.dtype.kind not in "iu":
        raise MedunetError(
            f"{name} has values of type {labels.dtype}; wanted integers, one a label."
        )
    if labels.dtype == np.uint64:
        if labels.size and int(labels.max()) > np.iinfo(np.int64).max:
            raise MedunetError(
                f"{name} has the label {labels.max()}; the largest allowed is 2**63 - 1."
            )
        return labels.astype(np.int64)
    return labels


def _float_labels(values: LabelArray, name: str) -> LabelArray:
    if values.size == 0:
        return values.astype(np.uint8)
    low, high = float(values.min()), float(values.max())  # NaN passes through both
    if not (np.isfinite(low) and np.isfinite(high)):
        raise MedunetError(f"{name} holds NaN or infinity; wanted integers, one a label.")
    if max(-low, high) >= 2.0**53:
        raise MedunetError(f"{name} holds {high:g}: as a float, too large to be an exact label.")
    target = np.result_type(np.min_scalar_type(int(low)), np.min_scalar_type(int(high)))
    labels = values.astype(target)
    wrong = labels != values
    if wrong.any():
        raise MedunetError(
            f"{name} holds {values[wrong].flat[0]:g}; wanted integers, one a label: "
            "is this an image or a probability map?"
        )
    return labels


def smallest_dtype(labels: npt.NDArray[Any], name: str) -> np.dtype[Any]:
    """Find the smallest unsigned type that holds all labels.

    Raises
    ------
    ValueError
        If they are no integers, or some is negative.

    Examples
    --------
    >>> smallest_dtype(np.array([0, 300]), "organ")
    dtype('uint16')
    """
    if labels.dtype.kind not in "bui":
        raise MedunetError(
            f"Labels for '{name}' are {labels.dtype}; wanted whole numbers. Round them first."
        )
    if labels.dtype.itemsize == 1 and labels.dtype.kind in "bu":  # nothing is smaller
        return np.dtype(np.uint8)
    lowest, highest = (int(labels.min()), int(labels.max())) if labels.size else (0, 0)
    if lowest < 0:
        raise MedunetError(
            f"Labels for '{name}' hold {lowest}; wanted no negative number. Renumber it."
        )
    return np.min_scalar_type(highest)
