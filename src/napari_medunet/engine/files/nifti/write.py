"""Volume to NIfTI file: back onto the grid on disk that it came from, voxel for voxel."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO, cast

import nibabel as nib
import numpy as np
import numpy.typing as npt
from isal import igzip

from napari_medunet.engine.errors import MedunetError
from napari_medunet.engine.files.marks import IMAGE, LABELS, is_mark, mark
from napari_medunet.engine.files.nifti import header as headers
from napari_medunet.engine.files.nifti.extensions import COMMENT, Extension, pack_extensions
from napari_medunet.engine.files.nifti.files import SINGLE_SUFFIXES
from napari_medunet.engine.files.nifti.qform import mend_qform
from napari_medunet.engine.files.nifti.source import NiftiSource
from napari_medunet.engine.files.nifti.unchanged import as_stored
from napari_medunet.engine.files.saving import Kind, write_target
from napari_medunet.engine.labels import smallest_dtype
from napari_medunet.engine.volume import LABEL_INTENT, Volume

_GZIP_LEVEL = 2  # of isal's 0 to 3; a label volume is as small as with gzip's level 3
_BLOCK_BYTES = 2**22
_PLACES = {"t": 4, "c": 4, "v": 5, "d6": 6, "d7": 7}  # which axis on disk, counted from 1


@dataclass(frozen=True)
class _Target:
    """Where a file is written, and what it may replace."""

    path: Path
    kind: Kind
    overwrite: bool


def write_labels(
    path: str | os.PathLike[str],
    labels: npt.NDArray[Any],
    like: Volume,
    overwrite: bool = False,
    kind: Kind = LABELS,
) -> None:
    """Write labels onto the grid on disk that a volume came from, voxel for voxel.

    The source's affines, codes, units, description and extensions are kept. The file appears whole or not.

    Parameters
    ----------
    path : path ending in .nii or .nii.gz
        Folders that are missing are made.
    labels : (z, y, x) integer or bool array
        Written in the smallest unsigned type that holds them.
    like : Volume
        The image that the labels belong to; if it came from no NIfTI file, its affine is written.
    overwrite : bool
        Replace a file of this kind.
    kind : Kind
        Which files may be replaced. The usual kind bears a mark, and is replaced where it does.

    Raises
    ------
    MedunetError
        If the labels are no integers, are negative, or have another shape than `like`, or the file is there
        and must not be replaced.
    OSError
        If the file cannot be written.
    """
    labels = np.asarray(labels)
    if labels.shape != like.shape:
        raise MedunetError(
            f"Labels for '{like.name}' have the shape {labels.shape}, the image has {like.shape}: "
            "choose the image that they were made on."
        )
    dtype = smallest_dtype(labels, like.name)
    volume = Volume(labels, like.affine, like.name, source=like.source)
    _write(_Target(Path(path), kind, overwrite), volume, dtype, True)


def write_volume(
    path: str | os.PathLike[str], volume: Volume, overwrite: bool = False, kind: Kind = IMAGE
) -> None:
    """Write an image, onto the grid on disk that it came from where it came from a NIfTI file.

    The values are written in their own type; bool as uint8, float16 as float32. What a header had scaled
    is written as the numbers, slope and intercept that the file has, where all values still are such (of
    floats the file is looked at again); else as the float32 or float64 that it was read as, with a slope of
    1. Time or channels become the fourth axis, components (and channels beside time) the fifth; three or
    four uint8 channels become colours, unless their file kept them otherwise. The file is little-endian,
    one file, NIfTI-2 where the source is or an axis is longer than 32767, and appears whole or not at all.
    `overwrite` and `kind` are those of `write_labels`.

    Raises
    ------
    MedunetError
        If NIfTI has no place for the axes, the type or the geometry, or the file is there and must not be
        replaced.
    OSError
        If the file cannot be written.
    """
    dtype = volume.voxels.dtype
    if dtype.kind == "b":
        dtype = np.dtype(np.uint8)
    elif dtype == np.float16:
        dtype = np.dtype(np.float32)
    if dtype.kind not in "iufc" or dtype.itemsize > (16 if dtype.kind == "c" else 8):
        raise MedunetError(
            f"'{volume.name}' has voxels of type {dtype}; wanted integers or floats."
        )
    numbers, scaling = as_stored(volume)
    if numbers is not None:
        volume, dtype = replace(volume, voxels=numbers), numbers.dtype
    _write(_Target(Path(path), kind, overwrite), volume, dtype, False, scaling)


def _write(
    target: _Target,
    volume: Volume,
    dtype: np.dtype[Any],
    is_labels: bool,
    scaling: tuple[float, float] = (1.0, 0.0),
) -> None:
    path = target.path
    if not path.name.lower().endswith(SINGLE_SUFFIXES):
        raise MedunetError(f"'{path}' has the wrong ending; wanted .nii.gz or .nii. Rename it.")
    if not np.isfinite(volume.affine).all() or abs(np.linalg.det(volume.affine)) < 1e-30:
        raise MedunetError(
            f"'{volume.name}' has an affine that is singular or not finite: NIfTI cannot say where "
            "its voxels lie. Give it a spacing."
        )
    disk, is_colour = _disk_order(volume)
    shape = disk.shape[1:] if is_colour else disk.shape
    header = _header_for(volume, shape)
    header.set_data_dtype(
        np.dtype([(c, "u1") for c in "RGBA"[: disk.shape[0]]]) if is_colour else dtype
    )
    header["scl_slope"], header["scl_inter"] = scaling
    _set_time(header, volume)
    if is_labels:
        header["intent_code"] = LABEL_INTENT
        header["cal_min"], header["cal_max"] = 0, 0
    notes = pack_extensions(_extensions(volume, target.kind, disk, dtype))
    header["vox_offset"] = header.sizeof_hdr + len(notes)
    with write_target(path, target.kind, target.overwrite) as stream:
        if path.suffix.lower() == ".gz":  # without name and time: equal voxels make equal files
            with igzip.IGzipFile("", "wb", _GZIP_LEVEL, stream, mtime=0) as packed:
                _pour(cast(BinaryIO, packed), header.binaryblock + notes, disk, dtype)
        else:
            _pour(stream, header.binaryblock + notes, disk, dtype)


def _extensions(
    volume: Volume, kind: Kind, disk: npt.NDArray[Any], dtype: np.dtype[Any]
) -> tuple[Extension, ...]:
    """What the source's file holds beside voxels, and the mark of ours."""
    source = _source_still_valid(volume)
    kept = [one for one in (source.extensions if source else ()) if not is_mark(one[1])]
    if kind.is_marked:
        kept.append((COMMENT, mark(kind, _blocks(disk, dtype)).encode()))
    return tuple(kept)


def _pour(stream: BinaryIO, start: bytes, disk: npt.NDArray[Any], dtype: np.dtype[Any]) -> None:
    stream.write(start)
    for block in _blocks(disk, dtype):
        stream.write(block)


def _blocks(disk: npt.NDArray[Any], dtype: np.dtype[Any]) -> Iterator[memoryview]:
    """Voxels as the bytes of a file, a few planes at a time."""
    voxels, little = disk.T, dtype.newbyteorder("<")
    per_plane = max(1, math.prod(voxels.shape[1:]) * dtype.itemsize)
    planes = max(1, _BLOCK_BYTES // per_plane)  # a copy of the whole is never made
    for first in range(0, len(voxels), planes):
        yield np.ascontiguousarray(voxels[first : first + planes], little).data


def _disk_order(volume: Volume) -> tuple[npt.NDArray[Any], bool]:
    """Voxels ([c,] i, j, k[, t[, v ...]]) in the order of the disk, and whether they are colours."""
    axes, voxels = volume.leading_axes, np.asarray(volume.voxels)  # lazy ones are read here
    source = _source_still_valid(volume)
    is_colour = (
        axes[:1] == ("c",)
        and voxels.dtype == np.uint8
        and voxels.shape[0] in (3, 4)
        and (source is None or source.channels > 1 or "t" in axes)
    )
    parts = [
        _spread(array, axes[1:] if is_colour else axes, volume.name, source)
        for array in (voxels if is_colour else [voxels])
    ]
    return (np.stack(parts), True) if is_colour else (parts[0], False)


def _spread(
    array: npt.NDArray[Any], axes: tuple[str, ...], name: str, source: NiftiSource | None
) -> npt.NDArray[Any]:
    """View with each leading axis where NIfTI keeps it; axes between them have length one."""
    places = [_PLACES.get(axis, 0) for axis in axes]
    if "c" in axes and "t" in axes:  # the fourth axis is time's
        places[axes.index("c")] = 5
    if len(set(places)) < len(places) or 0 in places:
        raise MedunetError(
            f"'{name}' has the leading axes {axes}; NIfTI has a place for time, one for channels or "
            "components, and two more ('d6', 'd7'). Save its parts one by one."
        )
    last_first = np.argsort(places)[::-1]
    ordered = array.transpose(*last_first, *range(len(axes), array.ndim))
    disk = ordered.T if source is None else source.to_disk(ordered)
    shape = list(disk.shape[:3])
    for place, length in zip(sorted(places), disk.shape[3:], strict=True):
        shape += [1] * (place - 1 - len(shape)) + [length]
    if source is not None and _without_ones(shape) == _without_ones(source.shape):
        shape = list(source.shape)  # two axes of a single slice, four of a single frame
    return disk.reshape(shape)


def _without_ones(shape: Sequence[int]) -> list[int]:
    """Lengths of axes up to the last that is longer than one."""
    last = max((axis for axis, length in enumerate(shape, 1) if length > 1), default=0)
    return list(shape[:last])


def _source_still_valid(volume: Volume) -> NiftiSource | None:
    """Find the volume's source, unless it was cropped, turned or moved since it was read."""
    source = volume.source
    if not isinstance(source, NiftiSource):
        return None
    if tuple(source.space[axis] for axis in source.axes) != volume.shape:
        return None
    return source if np.allclose(source.array_affine(), volume.affine, rtol=0, atol=1e-4) else None


def _header_for(volume: Volume, shape: tuple[int, ...]) -> headers.Header:
    """A little-endian header of one file, with the source's fields where they still hold."""
    source = _source_still_valid(volume)
    fits = max(shape) < 2**15
    if source is not None:
        header = headers.parse_header(source.header, source.path).as_byteswapped("<")
        mend_qform(header)
        if not fits and isinstance(header, nib.Nifti1Header):
            header = nib.Nifti2Header.from_header(header, check=False)
            header["sizeof_hdr"] = header.sizeof_hdr
    else:
        header = (nib.Nifti1Header if fits else nib.Nifti2Header)(endianness="<")
        _set_geometry(header, volume, shape)
    header.set_data_shape(shape)
    header["magic"] = b"n+1" if header.sizeof_hdr == 348 else b"n+2"
    return header


def _set_geometry(header: headers.Header, volume: Volume, shape: tuple[int, ...]) -> None:
    header.set_data_shape(shape)
    affine = volume.affine[:, [2, 1, 0, 3]]  # disk axes are (x, y, z)
    header.set_sform(affine, code="aligned")
    header.set_qform(affine, code="aligned", strip_shears=True)
    if not np.allclose(header.get_qform(), affine, rtol=0, atol=1e-3):
        header["qform_code"] = 0  # sheared: a quaternion cannot say so
    header.set_xyzt_units("mm", "sec")


def _set_time(header: headers.Header, volume: Volume) -> None:
    """Say how far time points lie apart; or, of a fourth axis of channels, that it is not time."""
    space = int(header["xyzt_units"]) & 0x07
    if "t" in volume.leading_axes:
        seconds = volume.leading_scale[volume.leading_axes.index("t")]
        if not math.isclose(headers.time_step(header), seconds, rel_tol=1e-6):
            header["pixdim"][4] = seconds
            header["xyzt_units"] = space | 8
    elif "t" in headers.leading_axes(header, header.get_data_shape()):
        header["xyzt_units"] = space
