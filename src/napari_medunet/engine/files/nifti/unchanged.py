"""Volumes that still are what their file holds: written as its numbers, slope and intercept."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_medunet.engine.errors import MedunetError
from napari_medunet.engine.files.nifti.files import errors_in_one_line
from napari_medunet.engine.files.nifti.read import arranged, inspect_file
from napari_medunet.engine.files.nifti.source import NiftiSource
from napari_medunet.engine.files.nifti.voxels import read_whole, unscaled, value_dtype
from napari_medunet.engine.volume import Volume

Numbers = npt.NDArray[Any]


def as_stored(volume: Volume) -> tuple[Numbers | None, tuple[float, float]]:
    """The stored numbers of a scaled image that was not changed, with slope and intercept.

    Returns
    -------
    numbers : array, or None
        None where the image was changed or is not scaled: its values are to be written.
    scaling : (slope, intercept)
    """
    source = volume.source
    if not is_scaled(volume) or not isinstance(source, NiftiSource) or _is_like_colours(volume):
        return None, (1.0, 0.0)
    dtype, scaling = np.dtype(source.dtype), (source.slope, source.inter)
    is_integer, values = dtype.kind in "iu", value_dtype(dtype.newbyteorder("="), *scaling)
    numbers = None
    if not is_integer or dtype.itemsize > 4 or volume.voxels.dtype != values:
        numbers = numbers_in_file(volume)  # several numbers may become the same value
    if numbers is None and is_integer:
        numbers = unscaled(np.asarray(volume.voxels), *scaling, dtype)
    return numbers, (1.0, 0.0) if numbers is None else scaling


def is_scaled(volume: Volume) -> bool:
    """Whether a volume was read from a file that scales its numbers."""
    source = volume.source
    return isinstance(source, NiftiSource) and (source.slope, source.inter) != (1.0, 0.0)


def numbers_in_file(volume: Volume) -> Numbers | None:
    """Numbers as the file of a volume stores them, where they still become its values.

    Returns
    -------
    numbers : (..., z, y, x) array, or None
        None where the volume was changed, came from no NIfTI file, or the file is another one by now.
    """
    source = volume.source
    if not isinstance(source, NiftiSource):
        return None
    try:
        with errors_in_one_line(source.path):
            again, stored, header = inspect_file(source.path)
            if again.header != source.header:
                return None
            plain = replace(stored, slope=1.0, inter=0.0)
            numbers = arranged(read_whole(plain), plain, again, header)
    except (OSError, MedunetError):  # it is gone, or there is no room for it
        return None
    values = np.asarray(volume.voxels)
    if numbers.shape != values.shape:
        return None
    has_nan = values.dtype.kind in "fc"
    for part, given in zip(numbers, values, strict=True):  # a copy of the whole is never made
        if not np.array_equal(stored.values(part), given, equal_nan=has_nan):
            return None
    return numbers


def _is_like_colours(volume: Volume) -> bool:
    """Whether stored bytes would be taken for colours, when they are written."""
    source = volume.source
    return {"c", "t"} <= set(volume.leading_axes) and (
        isinstance(source, NiftiSource) and np.dtype(source.dtype) == np.uint8
    )
