"""What a NIfTI header says, checked before a single voxel is read or a byte is allocated."""

from __future__ import annotations

import math
import struct
from pathlib import Path
from typing import Any, TypeAlias

import nibabel as nib
import numpy as np
from nibabel.spatialimages import HeaderDataError

from napari_medunet.engine.errors import MedunetError
from napari_medunet.engine.files.nifti.analyze import header_from_analyze
from napari_medunet.engine.files.nifti.files import is_pair_name

HEADER_BYTES = 540  # of NIfTI-2; a NIfTI-1 header has 348
Header: TypeAlias = Any  # nibabel's Nifti1Header or Nifti2Header, which carry no types

_COLOUR_CHANNELS = {128: 3, 2304: 4}  # data type codes RGB24 and RGBA32
_SECONDS_PER_UNIT = {8: 1.0, 16: 1e-3, 24: 1e-6}  # Hz, ppm and rad/s are no time
_LAST_OFFSET = 2**28  # bytes; notes before the voxels are never that long
_CIFTI_INTENTS = range(3000, 3100)
_NIFTI2_END = b"\0\r\n\x1a\n"  # changed by programs that copy text
_SINGLE, _PAIR = (b"n+1", b"n+2"), (b"ni1", b"ni2")
_NOT_NIFTI = {
    b"version https://git-lfs": "it is a Git LFS pointer, not the data: run 'git lfs pull'",
    b"<": "it holds HTML or XML, as when a login page was downloaded: download it again",
    b"ENVI": "it is an ENVI header: open it with a program for remote sensing",
    b"\x1f\x8b": "it was compressed twice: decompress it once",
}


def parse_header(start: bytes, path: Path) -> Header:
    """Header of a NIfTI-1, NIfTI-2 or, where the name is that of a pair, Analyze 7.5 image.

    Parameters
    ----------
    start : bytes
        The file's first 540 bytes, decompressed; fewer where it has fewer.
    path : Path
        Its name decides what is accepted, and is in the error's text.

    Returns
    -------
    header : Nifti1Header, Nifti2Header or AnalyzeHeader
        In the file's byte order.

    Raises
    ------
    MedunetError
        If it is something else.
    """
    for kind, size in ((nib.Nifti1Header, 348), (nib.Nifti2Header, 540)):
        for order in "<>":
            if start[:4] != struct.pack(f"{order}i", size):
                continue
            if len(start) < size:
                raise MedunetError(
                    f"'{path}' is truncated: it ends inside its header. Copy it again."
                )
            if _is_analyze(start, size, path):
                return header_from_analyze(start[:size], order)
            return kind(start[:size], endianness=order, check=False)
    if not start:
        raise MedunetError(f"'{path}' is empty. Copy or export it again.")
    for beginning, reason in _NOT_NIFTI.items():
        if start.lstrip().startswith(beginning):
            raise MedunetError(f"'{path}' is not a NIfTI file: {reason}.")
    raise MedunetError(
        f"'{path}' is not a NIfTI file: it begins with {start[:4]!r}. "
        "Choose a .nii or .nii.gz file."
    )


def states_a_pair(header: Header) -> bool:
    """Whether the header says that the voxels are in a file of their own."""
    return bytes(header["magic"])[:3] in _PAIR


def disk_shape(header: Header, path: Path) -> tuple[int, ...]:
    """Lengths of the axes on disk, the fastest first; one to seven.

    Raises
    ------
    MedunetError
        If there are none, some is not positive, or it is no image that has these axes.
    """
    if int(header["intent_code"]) in _CIFTI_INTENTS:
        raise MedunetError(
            f"'{path}' is CIFTI: values on a surface or connections, not a volume. Export a volume, "
            "with wb_command -cifti-separate say."
        )
    count = int(header["dim"][0])
    if not 1 <= count <= 7:
        raise MedunetError(
            f"'{path}' is broken: its header claims {count} axes; wanted 1 to 7. Export it again."
        )
    shape = tuple(int(length) for length in header["dim"][1 : count + 1])
    if min(shape) < 1:
        raise MedunetError(
            f"'{path}' is broken: its header claims the shape {shape}; wanted positive lengths. "
            "Export it again."
        )
    return shape


def leading_axes(header: Header, shape: tuple[int, ...]) -> tuple[str, ...]:
    """Name the axes after the third that are longer than one, in their order on disk.

    The fourth is time, "t", where its unit is one of time or voxels are colours, and otherwise
    channels, "c"; the fifth holds components, "v"; the sixth and seventh, "d6" and "d7", are free.
    """
    fourth = "t" if _time_unit(header) or int(header["datatype"]) in _COLOUR_CHANNELS else "c"
    names = (fourth, "v", "d6", "d7")
    return tuple(n for n, length in zip(names, shape[3:], strict=False) if length > 1)


def disk_dtype(header: Header, path: Path) -> tuple[np.dtype[Any], int]:
    """Type of the numbers on disk, in the file's byte order, and how many make one voxel.

    Raises
    ------
    MedunetError
        If no image has voxels of that type.
    """
    code = int(header["datatype"])
    if code in _COLOUR_CHANNELS:
        return np.dtype(np.uint8), _COLOUR_CHANNELS[code]
    try:
        dtype = header.get_data_dtype()
    except (HeaderDataError, KeyError, TypeError):
        dtype = np.dtype(np.void)
    if dtype.kind not in "iufc" or dtype.itemsize > (16 if dtype.kind == "c" else 8):
        raise MedunetError(
            f"'{path}' has voxels of data type {code}{_name_of_type(code)}, which cannot be read; "
            "wanted integers, float32 or float64. Convert it, to float32 say."
        )
    return dtype.newbyteorder(header.endianness), 1


def data_offset(header: Header, path: Path, *, in_pair: bool) -> int:
    """Count the bytes before the first voxel.

    Raises
    ------
    MedunetError
        If the voxels would begin inside the header, or absurdly far behind it.
    """
    least = 0 if in_pair else int(header.sizeof_hdr)
    offset = float(header["vox_offset"])
    if offset == 0:  # written by some programs for "directly after the header"
        return 0 if in_pair else least + 4
    if not least <= offset < _LAST_OFFSET:
        raise MedunetError(
            f"'{path}' is broken: its header says that voxels begin at byte {offset:g}. "
            "Export it again."
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


def calibration(header: Header) -> tuple[float, float] | None:
    """Values to show as black and white (cal_min, cal_max); None where the file states none."""
    low, high = float(header["cal_min"]), float(header["cal_max"])
    return (low, high) if math.isfinite(low) and math.isfinite(high) and low < high else None


def time_step(header: Header) -> float:
    """Seconds between two time points; 1 where the header does not say."""
    step = float(header["pixdim"][4]) * _SECONDS_PER_UNIT.get(_time_unit(header), 1.0)
    return step if math.isfinite(step) and step > 0 else 1.0


def _is_analyze(start: bytes, size: int, path: Path) -> bool:
    """Whether it has Analyze's header; an error where the mark is neither's."""
    magic = start[344:348] if size == 348 else start[4:12]
    if size == 540 and magic[:3] in _SINGLE + _PAIR and magic[3:] != _NIFTI2_END:
        raise MedunetError(
            f"'{path}' was damaged by being copied as text. Copy it again as binary."
        )
    if magic[:3] in _SINGLE:
        return False
    if is_pair_name(path):
        if magic[:3] in _PAIR or size == 348:
            return magic[:3] not in _PAIR
    elif magic[:3] in _PAIR:
        raise MedunetError(
            f"'{path}' is the header of a .hdr/.img pair; wanted header and voxels in one file. "
            "Give it its name with .hdr again, beside its .img."
        )
    raise MedunetError(
        f"'{path}' has the mark {magic!r} in its header; wanted {_SINGLE[size == 540]!r}. If it is "
        "an Analyze image, name it .hdr beside its .img; else export it again."
    )


def _time_unit(header: Header) -> int:
    unit = int(header["xyzt_units"]) & 0x38
    return unit if unit in _SECONDS_PER_UNIT else 0


def _name_of_type(code: int) -> str:
    names = {1: "single bits", 1536: "float128", 2048: "complex256"}
    return f" ({names[code]})" if code in names else ""
