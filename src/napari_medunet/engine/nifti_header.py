"""What a NIfTI header says, checked before a single voxel is read or a byte is allocated."""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import nibabel as nib
import numpy as np
import numpy.typing as npt
from nibabel.spatialimages import HeaderDataError

if TYPE_CHECKING:
    from napari_medunet.engine.volume import FloatArray

HEADER_BYTES = 540  # of NIfTI-2; a NIfTI-1 header has 348
AffineFrom = Literal["sform", "qform", "voxel size"]
Header: TypeAlias = Any  # nibabel's Nifti1Header or Nifti2Header, which carry no types

_COLOUR_CHANNELS = {128: 3, 2304: 4}  # data type codes RGB24 and RGBA32
_MM_PER_UNIT = {1: 1000.0, 2: 1.0, 3: 0.001}  # xyzt_units: metre, millimetre, micron
_SECONDS_PER_UNIT = {8: 1.0, 16: 1e-3, 24: 1e-6}
_NOT_NIFTI = {
    b"version https://git-lfs": "it is a Git LFS pointer, not the data: run 'git lfs pull'",
    b"<": "it holds HTML or XML, as when a login page was downloaded: download it again",
    b"\x1f\x8b": "it was compressed twice: decompress it once",
}


def parse_header(start: bytes, path: Path) -> Header:
    """Header of a single-file NIfTI-1 or NIfTI-2 image, in either byte order.

    Parameters
    ----------
    start : bytes
        The file's first 540 bytes, decompressed; fewer where it has fewer.
    path : Path
        For the error's text.

    Raises
    ------
    ValueError
        If it is something else.
    """
    for kind, size, magic in (
        (nib.Nifti1Header, 348, slice(344, 348)),
        (nib.Nifti2Header, 540, slice(4, 8)),
    ):
        for order in "<>":
            if start[:4] != struct.pack(f"{order}i", size):
                continue
            if len(start) < size:
                raise ValueError(
                    f"'{path}' is truncated: it ends inside its header. Copy it again."
                )
            if start[magic][:3] not in (b"n+1", b"n+2"):
                raise ValueError(
                    f"'{path}' is the header of an Analyze image or a .hdr/.img pair; wanted NIfTI "
                    "with header and voxels in one file. Convert it to .nii.gz."
                )
            return kind(start[:size], endianness=order, check=False)
    if not start:
        raise ValueError(f"'{path}' is empty. Copy or export it again.")
    for beginning, reason in _NOT_NIFTI.items():
        if start.lstrip().startswith(beginning):
            raise ValueError(f"'{path}' is not a NIfTI file: {reason}.")
    raise ValueError(
        f"'{path}' is not a NIfTI file: it begins with {start[:4]!r}. "
        "Choose a .nii or .nii.gz file."
    )


def disk_shape(header: Header, path: Path) -> tuple[int, ...]:
    """Lengths of the axes on disk, the fastest first.

    Raises
    ------
    ValueError
        If there are none, some is not positive, or there are more than space, time and components.
    """
    count = int(header["dim"][0])
    if not 1 <= count <= 7:
        raise ValueError(f"'{path}' is broken: its header claims {count} axes; wanted 1 to 7.")
    shape = tuple(int(length) for length in header["dim"][1 : count + 1])
    if min(shape) < 1:
        raise ValueError(f"'{path}' is broken: its header claims the shape {shape}.")
    if math.prod(shape[5:]) > 1:
        raise ValueError(
            f"'{path}' has the shape {shape}; wanted space, time and components (five axes). "
            "Surface and connectivity files (CIFTI) are not images: export a volume."
        )
    return shape


def disk_dtype(header: Header, path: Path) -> tuple[np.dtype[Any], int]:
    """Type of the numbers on disk, in the file's byte order, and how many make one voxel.

    Raises
    ------
    ValueError
        If no image has voxels of that type.
    """
    code = int(header["datatype"])
    order = header.endianness
    if code in _COLOUR_CHANNELS:
        return np.dtype(np.uint8), _COLOUR_CHANNELS[code]
    try:
        dtype = header.get_data_dtype()
    except (HeaderDataError, KeyError, TypeError):
        dtype = np.dtype(np.void)
    if dtype.kind not in "iufc" or dtype.itemsize > (16 if dtype.kind == "c" else 8):
        raise ValueError(
            f"'{path}' has voxels of data type {code}, which cannot be read; wanted integers, "
            "float32 or float64. Convert it, to float32 say."
        )
    return dtype.newbyteorder(order), 1


def data_offset(header: Header, path: Path) -> int:
    """Count the bytes before the first voxel.

    Raises
    ------
    ValueError
        If the voxels would begin inside the header.
    """
    smallest = int(header.sizeof_hdr) + 4
    offset = float(header["vox_offset"])
    if offset == 0:  # written by some programs for "directly after the header"
        return smallest
    if not smallest - 4 <= offset < 2**40:
        raise ValueError(
            f"'{path}' is broken: its header says that voxels begin at byte {offset:g}."
        )
    return int(offset)


def scaling(header: Header) -> tuple[float, float]:
    """Slope and intercept of the voxels' values; (1, 0) where the file states none."""
    if int(header["datatype"]) in _COLOUR_CHANNELS:
        return 1.0, 0.0
    slope, inter = float(header["scl_slope"]), float(header["scl_inter"])
    if slope == 0 or not math.isfinite(slope):
        return 1.0, 0.0
    return slope, inter if math.isfinite(inter) else 0.0


def time_step(header: Header) -> float:
    """Seconds between two time points; 1 where the header does not say."""
    unit = _SECONDS_PER_UNIT.get(int(header["xyzt_units"]) & 0x38, 1.0)
    step = float(header["pixdim"][4]) * unit
    return step if math.isfinite(step) and step > 0 else 1.0


@np.errstate(over="ignore", invalid="ignore")  # a broken header's numbers are looked at afterwards
def choose_affine(
    header: Header, shape: tuple[int, ...], path: Path
) -> tuple[FloatArray, AffineFrom, tuple[str, ...]]:
    """Choose the affine: the sform if stated and valid, else the qform, else the voxel size.

    Parameters
    ----------
    header : Header
    shape : disk shape, three axes or more
    path : Path

    Returns
    -------
    affine : (4, 4) float64 array
        From disk index (i, j, k) to RAS+ mm, whatever unit the header is in.
    affine_from : str
    notes : tuple of str
        What the user should be told.

    Raises
    ------
    ValueError
        If the voxel size is no positive number either.
    """
    unit = _MM_PER_UNIT.get(int(header["xyzt_units"]) & 0x07, 1.0)
    to_mm = np.diag(np.array([unit, unit, unit, 1.0]))
    valid: dict[AffineFrom, FloatArray] = {}
    notes = []
    for affine_from, matrix in _stated(header):
        affine = None if matrix is None else _usable(to_mm @ matrix, shape)
        if affine is None:
            notes.append(f"'{path.name}': its {affine_from} is not valid and is left out.")
        else:
            valid[affine_from] = affine
    if "sform" in valid and "qform" in valid:
        notes += _disagreement(valid["sform"], valid["qform"], shape, path)
    for affine_from, affine in valid.items():
        return affine, affine_from, tuple(notes)
    affine = _usable(to_mm @ _voxel_size_only(header, shape), shape)
    if affine is None:
        raise ValueError(
            f"'{path}' has no valid geometry: sform and qform are missing or singular, and its "
            f"voxel size is {[float(v) for v in header['pixdim'][1:4]]}. Repair its header."
        )
    notes.append(
        f"'{path.name}' states a voxel size but no direction: which side is left is unknown."
    )
    return affine, "voxel size", tuple(notes)


def _stated(header: Header) -> Iterator[tuple[AffineFrom, FloatArray | None]]:
    if header["sform_code"] > 0:
        yield "sform", header.get_sform()
    if header["qform_code"] > 0:
        try:
            yield "qform", header.get_qform()
        except (ValueError, HeaderDataError):
            yield "qform", None


def _voxel_size_only(header: Header, shape: tuple[int, ...]) -> FloatArray:
    """As nibabel does it: centred, the first axis running to the left."""
    sizes = np.abs(np.asarray(header["pixdim"][1:4], dtype=np.float64))
    step = sizes * (-1, 1, 1)
    affine = np.diag([*step, 1.0])
    affine[:3, 3] = -step * (np.asarray(shape[:3]) - 1) / 2
    return affine


def _usable(affine: FloatArray, shape: tuple[int, ...]) -> FloatArray | None:
    """Complete the axes of length one whose step is 0; None where the affine is singular."""
    affine = np.array(affine, dtype=np.float64)
    if not (np.abs(affine) < 1e9).all():  # nor NaN
        return None
    steps = affine[:3, :3]
    for axis in range(3):
        if shape[axis] == 1 and not steps[:, axis].any():
            normal = np.cross(steps[:, axis - 2], steps[:, axis - 1])
            length = np.linalg.norm(normal)
            steps[:, axis] = normal / length if length else 0
    sizes = np.linalg.norm(steps, axis=0)
    if sizes.min() < 1e-9:
        return None
    return affine if abs(np.linalg.det(steps / sizes)) > 1e-4 else None


def _disagreement(
    sform: FloatArray, qform: FloatArray, shape: tuple[int, ...], path: Path
) -> list[str]:
    corners = np.array(
        np.meshgrid(*[(0, length - 1) for length in shape[:3]], [1], indexing="ij"),
        dtype=np.float64,
    ).reshape(4, -1)
    apart = np.linalg.norm(((sform - qform) @ corners)[:3], axis=0).max()
    if apart < 0.5 * np.linalg.norm(sform[:3, :3], axis=0).min():
        return []
    return [f"'{path.name}': its sform and qform lie up to {apart:.3g} mm apart; the sform counts."]


@np.errstate(over="ignore", invalid="ignore")  # what overflows is infinite
def scaled(voxels: npt.NDArray[Any], slope: float, inter: float) -> npt.NDArray[Any]:
    """Voxels times slope plus intercept, float32 where that is exact enough; a view for (1, 0)."""
    if (slope, inter) == (1.0, 0.0):
        return voxels
    if voxels.dtype.kind == "c":
        complex_values: npt.NDArray[Any] = voxels * slope + inter
        return complex_values
    wide = voxels.dtype.itemsize > 2 and voxels.dtype != np.float32
    values: npt.NDArray[Any] = np.multiply(voxels, slope, dtype=np.float64 if wide else np.float32)
    values += inter
    return values
