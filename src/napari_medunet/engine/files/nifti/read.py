"""NIfTI file to Volume and back: axes are permuted and flipped, voxels are never interpolated."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from napari_medunet.engine.files.nifti import header as headers
from napari_medunet.engine.files.nifti.analyze import AnalyzeHeader
from napari_medunet.engine.files.nifti.extensions import holds_cifti, parse_extensions
from napari_medunet.engine.files.nifti.files import (
    Parts,
    errors_in_one_line,
    find_parts,
    opened,
    without_suffix,
)
from napari_medunet.engine.files.nifti.lazy import LazyVoxels, Unpacking
from napari_medunet.engine.files.nifti.source import NiftiSource, source_of
from napari_medunet.engine.files.nifti.voxels import (
    StoredVoxels,
    check_size,
    map_numbers,
    read_whole,
)
from napari_medunet.engine.files.paths import readable
from napari_medunet.engine.volume import Volume

_AnyPath = str | os.PathLike[str]
_LAZY_BYTES = 2**25  # smaller files are read in less than the blink of an eye
_EXTENSION_BYTES = 2**24


def read_volume(path: _AnyPath) -> Volume:
    """Read a NIfTI-1, NIfTI-2 or Analyze 7.5 image: one file, or a .hdr/.img pair.

    Voxels keep the type they have on disk (in this machine's byte order) unless the header scales
    them: then they are float32 (float64 for types of more than two bytes that are not float32). An
    uncompressed file is mapped into memory, so that writing into the array leaves the file alone.

    Parameters
    ----------
    path : path of a .nii or .nii.gz file, or of either half of a pair, packed or not

    Returns
    -------
    volume : Volume
        Spatial axes run toward Inferior, Posterior and Left. Leading axes, where the file has them:
        "c" for the three channels of a colour image or for channels, "v" for components, "t" for
        time, "d6" and "d7" for the sixth and seventh; those of length one are dropped.

    Raises
    ------
    OSError
        If the file is missing, cannot be read, or needs more memory than there is.
    MedunetError
        If it is no image, or is broken. Both are one line.
    """
    path = Path(path)
    with errors_in_one_line(path):
        source, stored, header = inspect_file(path)
        values = read_whole(stored)
    return _volume(arranged(values, stored, source, header), source, header)


def open_volume(path: _AnyPath) -> Volume:
    """Open an image for the viewer: as `read_volume`, but big files are read where they are indexed.

    Voxels of more than 32 MiB that are packed or have to be converted become `LazyVoxels`: a .nii.gz
    is unpacked by a thread while its first slices are already there, and values of a scaled image
    are computed for the part that is indexed, so that memory holds numbers in the type of the file
    and an uncompressed series may be larger than memory. Damage that shows later is raised by
    ``volume.voxels[index]`` and by ``volume.voxels.complete()``, in one line.
    """
    path = Path(path)
    with errors_in_one_line(path):
        source, stored, header = inspect_file(path)
        is_plain = not stored.packed and not stored.is_scaled and stored.dtype.isnative
        if is_plain or stored.count * stored.value_dtype.itemsize <= _LAZY_BYTES:
            return _volume(arranged(read_whole(stored), stored, source, header), source, header)
        unpacking = Unpacking(stored) if stored.packed else None
        numbers = map_numbers(stored) if unpacking is None else unpacking.numbers
    lazy = LazyVoxels(arranged(numbers, stored, source, header), stored, unpacking)
    return _volume(cast(npt.NDArray[Any], lazy), source, header)


def inspect_file(path: Path) -> tuple[NiftiSource, StoredVoxels, headers.Header]:
    """Read the header and check it against the file, before any voxel is read.

    Returns
    -------
    source : NiftiSource
    stored : StoredVoxels
    header : Header
    """
    parts = find_parts(path)
    with opened(parts.header) as (stream, _):
        header = headers.parse_header(stream.read(headers.HEADER_BYTES), parts.header)
        in_pair = parts.is_pair and (
            isinstance(header, AnalyzeHeader) or headers.states_a_pair(header)
        )
        parts = parts if in_pair else Parts(parts.header, parts.header)
        offset = headers.data_offset(header, path, in_pair=in_pair)
        end = _EXTENSION_BYTES if in_pair else min(offset, _EXTENSION_BYTES)
        stream.seek(int(header.sizeof_hdr))
        block = stream.read(max(0, end - int(header.sizeof_hdr)))
    extensions = parse_extensions(block, header.endianness)
    if isinstance(header, AnalyzeHeader):
        extensions = ()
    if holds_cifti(extensions):
        header["intent_code"] = 3000
    source = source_of(header, path, extensions)
    with opened(parts.voxels) as (_, packed):
        pass
    stored = StoredVoxels(
        path=parts.voxels,
        packed=packed,
        offset=offset,
        dtype=np.dtype(source.dtype),
        shape=(source.channels,) * (source.channels > 1) + source.space + source.shape[3:],
        slope=source.slope,
        inter=source.inter,
    )
    check_size(stored)
    return source, stored, header


def arranged(
    flat: npt.NDArray[Any], stored: StoredVoxels, source: NiftiSource, header: headers.Header
) -> npt.NDArray[Any]:
    """View of voxels in the order of the disk as an array (..., z, y, x)."""
    disk = flat.reshape(stored.shape, order="F")
    kept = tuple(0 if length == 1 else slice(None) for length in source.shape[3:])
    if source.channels == 1:
        return source.to_array(disk[(..., *kept)] if kept else disk)
    colours = disk[(slice(3), ..., *kept)]  # alpha has nothing to say about anatomy
    return source.to_array(np.moveaxis(colours, 0, -1))


def _volume(voxels: npt.NDArray[Any], source: NiftiSource, header: headers.Header) -> Volume:
    leading = headers.leading_axes(header, source.shape)[::-1]
    if source.channels > 1:
        leading = ("c", *leading)
    return Volume(
        voxels=voxels,
        affine=source.array_affine(),
        name=readable(without_suffix(source.path)),
        leading_axes=leading,
        leading_scale=tuple(headers.time_step(header) if a == "t" else 1.0 for a in leading),
        source=source,
        doubts=source.doubts,
        scale_known=source.states_scale,
    )
