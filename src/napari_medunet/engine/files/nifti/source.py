"""NiftiSource: how voxels lie in a file, and the way to array axes (z, y, x) and back."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import nibabel as nib
import numpy as np
import numpy.typing as npt

from napari_medunet.engine.files.nifti import header as headers
from napari_medunet.engine.files.nifti.affine import (
    AffineFrom,
    choose_affine,
    doubts_of_unit,
)
from napari_medunet.engine.files.nifti.extensions import Extension
from napari_medunet.engine.volume import FloatArray


@dataclass(frozen=True, eq=False)
class NiftiSource:
    """How a volume's voxels lie in the file that they were read from.

    Attributes
    ----------
    path : Path
        Of a pair, the half that was asked for.
    shape : tuple of int
        On disk, the fastest axis first: (i, j, k), then time or channels, then components. Colours
        are no axis.
    channels : int
        Numbers of a voxel: 3 for RGB24, 4 for RGBA32, else 1.
    dtype : str
        On disk, with byte order, such as "<i2" or "|u1".
    slope, inter : float
        Stored numbers times slope plus inter are the values; (1, 0) where the file states none.
    header : bytes
        As it is in the file: 348 bytes (NIfTI-1) or 540 (NIfTI-2). What NIfTI-1 would say, where
        the file is Analyze 7.5.
    affine : (4, 4) float64 array
        From disk index (i, j, k) to RAS+ mm.
    affine_from : "sform", "qform", "voxel size" or "SPM origin"
    axes : tuple of int
        Which disk axis the array's z, y and x are.
    flips : tuple of bool
        Which of the array's z, y and x run against their disk axis.
    notes : tuple of str
        What the user should be told where the file is looked at.
    doubts : tuple of str
        What of it cannot be meant: to be told wherever the file is used.
    calibration : (float, float) or None
        Values that the file wants shown as black and white (cal_min and cal_max).
    intent : int
        NIfTI's intent code: 1002 for labels, 0 for none.
    extensions : tuple of (code, content)
        What other programs keep in the file; written back with it.
    """

    path: Path
    shape: tuple[int, ...]
    channels: int
    dtype: str
    slope: float
    inter: float
    header: bytes
    affine: FloatArray
    affine_from: AffineFrom
    axes: tuple[int, int, int]
    flips: tuple[bool, bool, bool]
    notes: tuple[str, ...] = ()
    doubts: tuple[str, ...] = ()
    calibration: tuple[float, float] | None = None
    intent: int = 0
    extensions: tuple[Extension, ...] = ()

    @property
    def space(self) -> tuple[int, int, int]:
        """Lengths of the three spatial axes on disk; 1 where the file has fewer."""
        i, j, k = (*self.shape, 1, 1)[:3]
        return i, j, k

    @property
    def states_scale(self) -> bool:
        """Whether the header says anything of geometry: no affine and voxels of 1 say nothing."""
        sizes = np.linalg.norm(self.affine[:3, :3], axis=0)
        return self.affine_from != "voxel size" or not np.allclose(sizes, 1.0)

    def array_affine(self) -> FloatArray:
        """(4, 4) affine from array index (z, y, x) to RAS+ mm."""
        to_disk = np.zeros((4, 4))
        to_disk[3, 3] = 1
        for array_axis, (disk_axis, flip) in enumerate(zip(self.axes, self.flips, strict=True)):
            to_disk[disk_axis, array_axis] = -1 if flip else 1
            to_disk[disk_axis, 3] = self.space[disk_axis] - 1 if flip else 0
        affine: FloatArray = self.affine @ to_disk
        return affine

    def to_array(self, disk: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """View of disk voxels (i, j, k, ...) as an array (..., z, y, x)."""
        leading = range(disk.ndim - 1, 2, -1)
        array: npt.NDArray[Any] = disk.transpose(*leading, *self.axes)[self._flipping()]
        return array

    def to_disk(self, array: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """View of an array (..., z, y, x) as disk voxels (i, j, k, ...): `to_array` undone."""
        first = array.ndim - 3
        spatial = (first + self.axes.index(axis) for axis in range(3))
        disk: npt.NDArray[Any] = array[self._flipping()].transpose(
            *spatial, *range(first - 1, -1, -1)
        )
        return disk

    def _flipping(self) -> tuple[Any, ...]:
        return (..., *(slice(None, None, -1 if flip else 1) for flip in self.flips))


def source_of(
    header: headers.Header, path: Path, extensions: tuple[Extension, ...] = ()
) -> NiftiSource:
    """Read from a header how voxels lie on disk, and how to turn them toward (I, P, L).

    Raises
    ------
    MedunetError
        If the shape, the type of the voxels or the geometry is not valid.
    """
    shape = headers.disk_shape(header, path)
    dtype, channels = headers.disk_dtype(header, path)
    slope, inter = headers.scaling(header)
    affine, affine_from, notes = choose_affine(header, (*shape, 1, 1)[: max(3, len(shape))], path)
    doubts = doubts_of_unit(header, affine, path)
    # for each disk axis: which of R, A, S it is, and its sign
    directions = nib.io_orientation(affine)
    axes = tuple(int(np.flatnonzero(directions[:, 0] == ras)[0]) for ras in (2, 1, 0))
    flips = tuple(bool(directions[axis, 1] > 0) for axis in axes)
    return NiftiSource(
        path=path,
        shape=shape,
        channels=channels,
        dtype=dtype.str,
        slope=slope,
        inter=inter,
        header=header.binaryblock,
        affine=affine,
        affine_from=affine_from,
        axes=cast(tuple[int, int, int], axes),
        flips=cast(tuple[bool, bool, bool], flips),
        notes=(*doubts, *notes, *_notes_on_axes(headers.leading_axes(header, shape), path)),
        doubts=doubts,
        calibration=headers.calibration(header),
        intent=int(header["intent_code"]),
        extensions=extensions,
    )


def _notes_on_axes(leading: tuple[str, ...], path: Path) -> tuple[str, ...]:
    if "c" not in leading:
        return ()
    return (f"'{path.name}': its fourth axis has no unit of time and is taken for channels.",)
