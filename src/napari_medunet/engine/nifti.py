"""NIfTI file to Volume and back: axes are permuted and flipped, voxels are never interpolated."""

from __future__ import annotations

import gzip
import math
import os
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np
import numpy.typing as npt

from napari_medunet.engine import nifti_header as headers
from napari_medunet.engine.nifti_source import NiftiSource, is_nifti, source_of, without_suffix
from napari_medunet.engine.nifti_write import write_labels, write_volume
from napari_medunet.engine.volume import Volume

__all__ = [
    "NiftiSource",
    "is_nifti",
    "read_volume",
    "without_suffix",
    "write_labels",
    "write_volume",
]

_DEFLATE_LIMIT = 1032  # no byte of gzip unfolds into more than this many
_SPARE_BYTES = 2**24  # after the voxels, where some programs leave notes


def read_volume(path: str | os.PathLike[str]) -> Volume:
    """Read a single-file NIfTI-1 or NIfTI-2 image.

    Voxels keep the type they have on disk (in this machine's byte order) unless the header scales
    them: then they are float32 (float64 for types of more than two bytes that are not float32). An
    uncompressed file is mapped into memory, so that writing into the array leaves the file alone.

    Parameters
    ----------
    path : path of a .nii or .nii.gz file

    Returns
    -------
    volume : Volume
        Spatial axes run toward Inferior, Posterior and Left. Leading axes, where the file has them:
        "c" for the three channels of a colour image, "v" for components, "t" for time.

    Raises
    ------
    OSError
        If the file is missing or cannot be read.
    ValueError
        If it is no image, or is broken. Both are one line.
    """
    path = Path(path)
    with _errors_in_one_line(path):
        if not path.is_file():
            kind = "a folder or device, not a file" if path.exists() else "missing"
            raise OSError(f"'{path}' is {kind}. Choose a .nii or .nii.gz file.")
        with path.open("rb") as stream:
            packed = stream.read(2) == b"\x1f\x8b"
        with gzip.open(path) if packed else path.open("rb") as stream:
            header = headers.parse_header(stream.read(headers.HEADER_BYTES), path)
            source = source_of(header, path)
            disk = _read_disk(cast(BinaryIO, stream), header, source, packed)
    voxels, leading = _with_leading_axes(disk, source)
    return Volume(
        voxels=headers.scaled(voxels, source.slope, source.inter),
        affine=source.array_affine(),
        name=without_suffix(path),
        leading_axes=leading,
        leading_scale=tuple(headers.time_step(header) if a == "t" else 1.0 for a in leading),
        source=source,
    )


def _read_disk(
    stream: BinaryIO, header: headers.Header, source: NiftiSource, packed: bool
) -> npt.NDArray[Any]:
    """Voxels as they lie on disk: ([c,] i, j, k, ...), the first axis the fastest."""
    path = source.path
    dtype, channels = headers.disk_dtype(header, path)
    offset = headers.data_offset(header, path)
    shape = (channels,) * (channels > 1) + source.space + source.shape[3:]
    wanted = offset + math.prod(shape) * dtype.itemsize
    on_disk = path.stat().st_size
    if wanted > on_disk * (_DEFLATE_LIMIT if packed else 1):
        raise ValueError(
            f"'{path}' is truncated, or its header is wrong: shape {source.shape} needs {wanted} "
            f"bytes, and a file of {on_disk} bytes cannot hold them. Copy or export it again."
        )
    if packed:
        stored = np.empty(math.prod(shape), dtype)
        stream.seek(offset)
        _fill(stream, stored.view(np.uint8).data, path)
    else:
        stored = np.asarray(np.memmap(path, dtype, "c", offset, (math.prod(shape),)))
    if not dtype.isnative:
        stored = stored.byteswap(inplace=True).view(dtype.newbyteorder("="))
    return stored.reshape(shape, order="F")


def _fill(stream: BinaryIO, target: memoryview, path: Path) -> None:
    filled = 0
    while filled < len(target):
        count = stream.readinto(target[filled : filled + 2**24])  # type: ignore[attr-defined]
        if not count:
            raise ValueError(
                f"'{path}' is truncated: {filled} of {len(target)} bytes of voxels are there. "
                "Copy or export it again."
            )
        filled += count
    _read_to_the_end(stream, path, limit=len(target) + _SPARE_BYTES)


def _read_to_the_end(stream: BinaryIO, path: Path, limit: int) -> None:
    """Only there does gzip compare its checksum; damage often unfolds into more than was packed."""
    rest = 0
    while chunk := stream.read(2**20):
        rest += len(chunk)
        if rest > limit:
            raise ValueError(
                f"'{path}' is damaged: it holds far more than its header claims. Export it again."
            )


def _with_leading_axes(
    disk: npt.NDArray[Any], source: NiftiSource
) -> tuple[npt.NDArray[Any], tuple[str, ...]]:
    """Array (..., z, y, x) and the names of its leading axes; those of length one are dropped."""
    extra = source.shape[3:]
    names = tuple(name for name, length in zip("tv", extra, strict=False) if length > 1)[::-1]
    kept = source.space + tuple(length for length in extra if length > 1)
    if disk.ndim == 3 + len(extra):
        return source.to_array(disk.reshape(kept, order="F")), names
    colours = disk[:3].reshape((3, *kept), order="F")  # alpha has nothing to say about anatomy
    return source.to_array(np.moveaxis(colours, 0, -1)), ("c", *names)


@contextmanager
def _errors_in_one_line(path: Path) -> Iterator[None]:
    try:
        yield
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise ValueError(
            f"'{path}' is truncated or damaged ({error}). Copy or export it again."
        ) from error
    except MemoryError as error:
        raise OSError(
            f"'{path}' does not fit into memory. Crop it or close other programs."
        ) from error
    except OSError as error:
        if error.strerror is None:
            raise
        raise OSError(f"Cannot read '{path}': {error.strerror}. Check its permissions.") from error
