"""Voxels from the disk: checked against the file's size first, then straight into their array."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from napari_medunet.engine.errors import MedunetError
from napari_medunet.engine.files.nifti.files import opened
from napari_medunet.engine.memory import check_memory

_DEFLATE_LIMIT = 1032  # no byte of gzip unfolds into more than this many
_BOMB_RATIO, _BOMB_BYTES = 900, 2**31  # so much from so little is one value, over and over
_SPARE_BYTES = 2**24  # after the voxels, where some programs leave notes
_BLOCK = 2**22  # numbers that are converted at a time
_FLOAT32_STEP = 2.0**-23  # from 1 to the next number
_CACHED = 2**19  # bytes that are still in the cache when their checksum is computed


@dataclass(frozen=True)
class StoredVoxels:
    """Where voxels lie in a file, and how their numbers become values.

    Attributes
    ----------
    path : Path
    packed : bool
        Whether the file is gzip.
    offset : int
        Bytes before the first voxel, unpacked.
    dtype : dtype
        Of the numbers on disk, in the file's byte order.
    shape : tuple of int
        On disk, the fastest axis first; channels of colours before space.
    slope, inter : float
        Numbers times slope plus inter are the values.
    """

    path: Path
    packed: bool
    offset: int
    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    slope: float
    inter: float

    @property
    def count(self) -> int:
        """How many numbers there are."""
        return math.prod(self.shape)

    @property
    def nbytes(self) -> int:
        """Bytes of the numbers as they are stored."""
        return self.count * self.dtype.itemsize

    @property
    def is_scaled(self) -> bool:
        """Whether values differ from the numbers that are stored."""
        return (self.slope, self.inter) != (1.0, 0.0)

    @property
    def value_dtype(self) -> np.dtype[Any]:
        """Type of the values, in this machine's byte order; see `value_dtype`."""
        native = self.dtype.newbyteorder("=")
        return value_dtype(native, self.slope, self.inter) if self.is_scaled else native

    def values(self, stored: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Values of some of the numbers; the same array where nothing is to be done."""
        if not self.is_scaled:
            return stored.astype(self.value_dtype, copy=False)
        return scaled(stored, self.slope, self.inter, self.value_dtype)


def value_dtype(native: np.dtype[Any], slope: float, inter: float) -> np.dtype[Any]:
    """Type of scaled values: float32 for float32 and for one or two bytes, float64 for wider types.

    It is float64, too, where float32 would not tell neighbouring integers apart, so that they can be
    found again (`unscaled`).
    """
    if native.kind == "c":
        return native
    wide = native.itemsize > 2 and native != np.float32
    if native.kind in "iu" and not wide:
        limits = np.iinfo(native)
        largest = max(abs(slope * int(limit) + inter) for limit in (limits.min, limits.max))
        wide = bool(_FLOAT32_STEP * largest > abs(slope) / 2 and math.isfinite(largest))
    return np.dtype(np.float64 if wide else np.float32)


@np.errstate(over="ignore", invalid="ignore")  # what overflows is infinite
def scaled(
    stored: npt.NDArray[Any], slope: float, inter: float, dtype: np.dtype[Any]
) -> npt.NDArray[Any]:
    """Stored numbers times slope plus inter."""
    values: npt.NDArray[Any] = np.multiply(stored, slope, dtype=dtype)
    values += inter
    return values


@np.errstate(over="ignore", invalid="ignore")
def unscaled(
    values: npt.NDArray[Any], slope: float, inter: float, dtype: np.dtype[Any]
) -> npt.NDArray[Any] | None:
    """Find the stored integers that become exactly these values: `scaled` undone.

    Parameters
    ----------
    values : array
    slope, inter : float
    dtype : dtype
        Of the integers.

    Returns
    -------
    stored : array of the same shape, or None
        None where some value comes from no integer of that type: it was changed.
    """
    native = dtype.newbyteorder("=")
    if values.dtype != value_dtype(native, slope, inter):
        return None
    stored, limits = np.empty(values.shape, native), np.iinfo(native)
    for target, part in zip(stored, values, strict=True):  # a copy of the whole is never made
        numbers = np.rint((part.astype(np.float64) - inter) / slope)
        # float64 rounds the largest integers up, out of their type
        inside = (numbers >= float(limits.min)) & (numbers < float(limits.max) + 1)
        if not inside.all():
            return None
        target[...] = numbers.astype(native)
        if not np.array_equal(scaled(target, slope, inter, values.dtype), part):
            return None
    return stored


def check_size(stored: StoredVoxels) -> None:
    """Refuse what the file or this machine cannot hold, before anything is allocated.

    Raises
    ------
    OSError
        If unpacking it takes more memory than there is.
    MedunetError
        If the file is too small for its voxels, or packs billions of them into next to nothing.
    """
    path, wanted = stored.path, stored.offset + stored.nbytes
    on_disk = path.stat().st_size
    if wanted > on_disk * (_DEFLATE_LIMIT if stored.packed else 1):
        raise MedunetError(
            f"'{path}' is truncated, or its header is wrong: shape {stored.shape} needs {wanted} "
            f"bytes, and a file of {on_disk} bytes cannot hold them. Copy or export it again."
        )
    if not stored.packed:
        return
    claim = f"'{path}' has {on_disk} bytes and claims to unpack into {wanted / 2**30:.1f} GiB"
    remedy = "unpack it with gunzip: an unpacked file is read piece by piece."
    if wanted > _BOMB_BYTES and wanted > _BOMB_RATIO * on_disk:
        raise MedunetError(
            f"{claim} of a single value: it is broken or a trap. If it is not, {remedy}"
        )
    if wanted > _memory_bytes():
        raise OSError(f"{claim}, more than this machine's memory. To open it, {remedy}")


def read_whole(stored: StoredVoxels) -> npt.NDArray[Any]:
    """Values of all voxels, flat, in the order of the disk.

    Never more in memory than the values and a few MB. A plain file whose numbers are its values is
    mapped, so that it costs nothing until it is looked at; writing into the array leaves the file
    alone.

    Raises
    ------
    MedunetError
        If the file is truncated or damaged, or the values do not fit into the free memory.
    """
    native = stored.dtype.newbyteorder("=")
    if not stored.packed and not stored.is_scaled and stored.dtype == native:
        return map_numbers(stored)
    check_memory(stored.count * stored.value_dtype.itemsize, f"'{stored.path}'")
    values = np.empty(stored.count, stored.value_dtype)
    with voxel_stream(stored) as stream:
        if stored.is_scaled:
            _fill_converted(stream, stored, values)
        else:
            fill(stream, values.view(np.uint8).data, stored.path)
        if stored.packed:
            read_to_the_end(stream, stored.path)
    if not stored.is_scaled and stored.dtype != native:
        values.byteswap(inplace=True)
    return values


def map_numbers(stored: StoredVoxels) -> npt.NDArray[Any]:
    """Stored numbers of a plain file, flat, mapped into memory; writing leaves the file alone."""
    return np.asarray(
        np.memmap(stored.path, stored.dtype, "c", offset=stored.offset, shape=(stored.count,))
    )


@contextmanager
def voxel_stream(stored: StoredVoxels) -> Iterator[BinaryIO]:
    """Open the file at its first voxel."""
    with opened(stored.path) as (stream, _):
        stream.seek(stored.offset)
        yield stream


def fill(stream: BinaryIO, target: memoryview, path: Path) -> None:
    """Read as many bytes as the target has.

    Raises
    ------
    MedunetError
        If there are fewer.
    """
    filled = 0
    while filled < len(target):
        filled += read_some(stream, target, filled, path)


def read_some(stream: BinaryIO, target: memoryview, filled: int, path: Path) -> int:
    """Read the next bytes into ``target[filled:]``, as many as a CPU's cache holds; count them.

    Raises
    ------
    MedunetError
        If there are no more.
    """
    count: int = stream.readinto(target[filled : filled + _CACHED])  # type: ignore[attr-defined]
    if not count:
        raise MedunetError(
            f"'{path}' is truncated: {filled} of {len(target)} bytes are there. "
            "Copy or export it again."
        )
    return count


def read_to_the_end(stream: BinaryIO, path: Path) -> None:
    """Go on behind the voxels: only at the end does gzip compare its checksum.

    Raises
    ------
    MedunetError
        If there is much more: damage often unfolds into more than was packed.
    """
    rest = 0
    while chunk := stream.read(2**20):
        rest += len(chunk)
        if rest > _SPARE_BYTES:
            raise MedunetError(
                f"'{path}' is damaged: it holds far more than its header claims. Export it again."
            )


def _fill_converted(stream: BinaryIO, stored: StoredVoxels, values: npt.NDArray[Any]) -> None:
    numbers = np.empty(min(_BLOCK, stored.count), stored.dtype)
    for start in range(0, stored.count, _BLOCK):
        block = numbers[: stored.count - start]
        fill(stream, block.view(np.uint8).data, stored.path)
        values[start : start + _BLOCK] = stored.values(block)


def _memory_bytes() -> float:
    """Memory of this machine or container; infinite where the system does not overcommit it.

    Where it does (Linux, macOS) an array that is too large is handed out, and the process is killed
    while filling it.
    """
    if not hasattr(os, "sysconf"):
        return math.inf
    machine = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    try:
        return min(machine, int(Path("/sys/fs/cgroup/memory.max").read_text(encoding="ascii")))
    except (OSError, ValueError):  # no container, or none with a limit
        return machine
