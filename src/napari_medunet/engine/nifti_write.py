"""Volume to NIfTI file: back onto the grid on disk that it came from, voxel for voxel."""

from __future__ import annotations

import gzip
import os
from pathlib import Path
from typing import Any, BinaryIO, cast

import nibabel as nib
import numpy as np
import numpy.typing as npt

from napari_medunet.engine import nifti_header as headers
from napari_medunet.engine.nifti_source import NiftiSource, is_nifti
from napari_medunet.engine.saving import saved_whole
from napari_medunet.engine.volume import Volume

_LABEL_INTENT = 1002
_GZIP_LEVEL = 4


def write_labels(path: str | os.PathLike[str], labels: npt.NDArray[Any], like: Volume) -> None:
    """Write labels onto the grid on disk that a volume came from, voxel for voxel.

    The source's affines, codes, units and description are kept. The file appears whole or not.

    Parameters
    ----------
    path : path ending in .nii or .nii.gz
        Folders that are missing are made.
    labels : (z, y, x) integer or bool array
        Written in the smallest unsigned type that holds them.
    like : Volume
        The image that the labels belong to; if it came from no NIfTI file, its affine is written.

    Raises
    ------
    ValueError
        If the labels are no integers, are negative, or have another shape than `like`.
    OSError
        If the file cannot be written.
    """
    labels = np.asarray(labels)
    if labels.shape != like.shape:
        raise ValueError(
            f"Labels for '{like.name}' have the shape {labels.shape}, the image has {like.shape}: "
            "choose the image that they were made on."
        )
    dtype = smallest_dtype(labels, like.name)
    _write(Path(path), Volume(labels, like.affine, like.name, source=like.source), dtype, True)


def write_volume(path: str | os.PathLike[str], volume: Volume) -> None:
    """Write an image, onto the grid on disk that it came from where it came from a NIfTI file.

    Voxels are written in their own type, without scaling; bool as uint8, float16 as float32. Time
    becomes the fourth axis, three or four uint8 channels become colours, other channels and
    components the fifth axis. The file appears whole or not at all.

    Raises
    ------
    ValueError
        If NIfTI has no place for the axes or the type.
    OSError
        If the file cannot be written.
    """
    dtype = volume.voxels.dtype
    if dtype.kind == "b":
        dtype = np.dtype(np.uint8)
    elif dtype == np.float16:
        dtype = np.dtype(np.float32)
    if dtype.kind not in "iufc" or dtype.itemsize > (16 if dtype.kind == "c" else 8):
        raise ValueError(f"'{volume.name}' has voxels of type {dtype}; wanted integers or floats.")
    _write(Path(path), volume, dtype, False)


def smallest_dtype(labels: npt.NDArray[Any], name: str) -> np.dtype[Any]:
    """Find the smallest unsigned type that holds all labels.

    Raises
    ------
    ValueError
        If they are no integers, or some is negative.
    """
    if labels.dtype.kind not in "bui":
        raise ValueError(
            f"Labels for '{name}' are {labels.dtype}; wanted whole numbers. Round them first."
        )
    lowest, highest = (int(labels.min()), int(labels.max())) if labels.size else (0, 0)
    if lowest < 0:
        raise ValueError(
            f"Labels for '{name}' hold {lowest}; wanted no negative number. Renumber it."
        )
    return np.min_scalar_type(highest)


def _write(path: Path, volume: Volume, dtype: np.dtype[Any], is_labels: bool) -> None:
    if not is_nifti(path):
        raise ValueError(f"'{path}' has the wrong ending; wanted .nii.gz or .nii. Rename it.")
    disk, colour = _disk_order(volume)
    space = disk.shape[1:] if colour else disk.shape
    header = _header_for(volume, space)
    header.set_data_shape(space)
    header.set_data_dtype(
        np.dtype([(c, "u1") for c in "RGBA"[: disk.shape[0]]]) if colour else dtype
    )
    header["vox_offset"] = header.sizeof_hdr + 4
    header["scl_slope"], header["scl_inter"] = 1, 0
    if "t" in volume.leading_axes:
        _set_time_step(header, volume.leading_scale[volume.leading_axes.index("t")])
    if is_labels:
        header["intent_code"] = _LABEL_INTENT
        header["cal_min"], header["cal_max"] = 0, 0
    with saved_whole(path) as stream:
        if path.suffix.lower() == ".gz":  # without name and time: equal voxels make equal files
            with gzip.GzipFile("", "wb", _GZIP_LEVEL, stream, mtime=0) as packed:
                _pour(cast(BinaryIO, packed), header, disk, dtype)
        else:
            _pour(stream, header, disk, dtype)


def _pour(
    stream: BinaryIO, header: headers.Header, disk: npt.NDArray[Any], dtype: np.dtype[Any]
) -> None:
    stream.write(header.binaryblock + b"\0\0\0\0")  # no extensions
    for plane in disk.T:  # one at a time: a copy of the whole is never made
        stream.write(np.ascontiguousarray(plane, dtype.newbyteorder("<")).data)


def _disk_order(volume: Volume) -> tuple[npt.NDArray[Any], bool]:
    """Voxels ([c,] i, j, k[, t[, v]]) in the order of the disk, and whether they are colours."""
    axes, voxels = volume.leading_axes, volume.voxels
    colour = axes[:1] == ("c",) and voxels.dtype == np.uint8 and voxels.shape[0] in (3, 4)
    rest = axes[1:] if colour else axes
    if rest not in ((), ("t",), ("v",), ("c",), ("v", "t"), ("c", "t")):
        raise ValueError(
            f"'{volume.name}' has the leading axes {axes}; NIfTI has a place for time and one "
            "more. Save its parts one by one."
        )
    source = _source_still_valid(volume)
    parts = [
        array.T if source is None else source.to_disk(array)
        for array in (voxels if colour else [voxels])
    ]
    if rest in (("v",), ("c",)):
        parts = [part[:, :, :, None] for part in parts]  # the fourth axis is time's
    elif source is not None and not rest:  # an image of one slice may have two axes on disk
        parts = [part.reshape(source.shape[:3]) for part in parts]
    return (np.stack(parts), True) if colour else (parts[0], False)


def _source_still_valid(volume: Volume) -> NiftiSource | None:
    """Find the volume's source, unless it was cropped, turned or moved since it was read."""
    source = volume.source
    if source is None or tuple(source.space[axis] for axis in source.axes) != volume.shape:
        return None
    return source if np.allclose(source.array_affine(), volume.affine, rtol=0, atol=1e-4) else None


def _header_for(volume: Volume, shape: tuple[int, ...]) -> headers.Header:
    source = _source_still_valid(volume)
    if source is not None:
        return headers.parse_header(source.header, source.path).as_byteswapped("<")
    kind = nib.Nifti1Header if max(shape) < 2**15 else nib.Nifti2Header
    header = kind(endianness="<")
    header.set_data_shape(shape)
    affine = volume.affine[:, [2, 1, 0, 3]]  # disk axes are (x, y, z)
    header.set_sform(affine, code="aligned")
    header.set_qform(affine, code="aligned", strip_shears=True)
    if not np.allclose(header.get_qform(), affine, rtol=0, atol=1e-3):
        header["qform_code"] = 0  # sheared: a quaternion cannot say so
    header.set_xyzt_units("mm", "sec")
    return header


def _set_time_step(header: headers.Header, seconds: float) -> None:
    header["pixdim"][4] = seconds
    header["xyzt_units"] = (int(header["xyzt_units"]) & 0x07) | 8
