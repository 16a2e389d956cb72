"""LazyVoxels: voxels of big files, read and converted where they are indexed."""

from __future__ import annotations

import math
import threading
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_medunet.engine.errors import MedunetError
from napari_medunet.engine.files.nifti.files import errors_in_one_line
from napari_medunet.engine.files.nifti.voxels import (
    StoredVoxels,
    read_some,
    read_to_the_end,
    voxel_stream,
)


class Unpacking:
    """A gzip file that a thread of its own unpacks, from the first voxel to the last.

    Parameters
    ----------
    stored : StoredVoxels

    Attributes
    ----------
    numbers : (count,) array
        As stored; valid up to where `wait` has waited for.
    """

    def __init__(self, stored: StoredVoxels) -> None:
        self.numbers: npt.NDArray[Any] = np.empty(stored.count, stored.dtype)
        self._stored = stored
        self._filled = 0
        self._checked = False
        self._error: Exception | None = None
        self._news = threading.Condition()
        threading.Thread(target=self._unpack, name=f"read {stored.path.name}", daemon=True).start()

    def wait(self, nbytes: float) -> None:
        """Wait until so many bytes are there; with infinity, until the checksum has been compared.

        Raises
        ------
        OSError, MedunetError
            One line, if the file ends before or is damaged.
        """
        with self._news:
            self._news.wait_for(
                lambda: self._checked or self._error is not None or self._filled >= nbytes
            )
            if self._error is not None:
                kind = OSError if isinstance(self._error, OSError) else MedunetError
                raise kind(str(self._error))

    def _unpack(self) -> None:
        path = self._stored.path
        target = self.numbers.view(np.uint8).data
        try:
            with errors_in_one_line(path), voxel_stream(self._stored) as stream:
                while self._filled < len(target):
                    count = read_some(stream, target, self._filled, path)
                    with self._news:
                        self._filled += count
                        self._news.notify_all()
                read_to_the_end(stream, path)
        except (OSError, MedunetError) as error:
            self._error = error
        with self._news:
            self._checked = True
            self._news.notify_all()


class LazyVoxels:
    """An array-like over stored numbers: an index gives values, converted then and there.

    It has what viewers ask of an array: shape, dtype, indexing, and `np.asarray` for the whole. What
    is still being unpacked is waited for, and no longer than until the part that is asked for is
    there.

    Parameters
    ----------
    numbers : array
        A view, with the axes of the volume, of numbers as they are stored.
    stored : StoredVoxels
    unpacking : Unpacking or None
        The thread that fills them; None where they are mapped from the disk.
    """

    def __init__(
        self, numbers: npt.NDArray[Any], stored: StoredVoxels, unpacking: Unpacking | None = None
    ) -> None:
        self.shape = numbers.shape
        self.ndim = numbers.ndim
        self.size = numbers.size
        self.dtype = stored.value_dtype
        self._numbers = numbers
        self._stored = stored
        self._unpacking = unpacking

    @property
    def nbytes(self) -> int:
        """Bytes of the values, if all were in memory."""
        return self.size * self.dtype.itemsize

    def complete(self) -> None:
        """Wait until everything has been read and its checksum compared.

        Raises
        ------
        OSError, MedunetError
            One line, if the file is truncated or damaged.
        """
        if self._unpacking is not None:
            self._unpacking.wait(math.inf)

    def __len__(self) -> int:
        return int(self.shape[0])

    def __getitem__(self, index: Any) -> npt.NDArray[Any]:
        part: npt.NDArray[Any] = self._numbers[index]
        if self._unpacking is not None:
            if isinstance(part, np.ndarray) and np.may_share_memory(part, self._numbers):
                self._unpacking.wait(_end_of(part) - _start_of(self._unpacking.numbers))
            else:  # a copy, of what was there by then
                self.complete()
                part = self._numbers[index]
        return self._stored.values(part)

    def __array__(
        self, dtype: npt.DTypeLike | None = None, copy: bool | None = None
    ) -> npt.NDArray[Any]:
        """All values; a view of what was read, where nothing is to be converted."""
        self.complete()
        values = self._stored.values(self._numbers)
        wanted = self.dtype if dtype is None else np.dtype(dtype)
        if copy is False and not (values is self._numbers and wanted == self.dtype):
            raise MedunetError("Values are computed when they are looked at: they must be copied.")
        return values.astype(wanted, copy=bool(copy) and values is self._numbers)

    def __repr__(self) -> str:
        return f"LazyVoxels(shape={self.shape}, dtype={self.dtype})"


def _start_of(array: npt.NDArray[Any]) -> int:
    return int(array.__array_interface__["data"][0])


def _end_of(view: npt.NDArray[Any]) -> int:
    """Address behind the last byte that a view looks at."""
    reach = sum(
        max(stride, 0) * (n - 1) for stride, n in zip(view.strides, view.shape, strict=True)
    )
    return _start_of(view) + int(reach) + view.itemsize
