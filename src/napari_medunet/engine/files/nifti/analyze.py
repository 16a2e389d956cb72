"""Analyze 7.5 headers in NIfTI-1's terms.

The two share their layout as far as shape, type, voxel size and scale go. Analyze states no
direction: its first axis is taken to run to the patient's left (its "transverse unflipped"), as SPM
and nibabel do. SPM keeps two things in fields that Analyze has no use for: the scale, and the voxel
that is the origin.
"""

from __future__ import annotations

import math
import struct

import nibabel as nib
import numpy as np
import numpy.typing as npt

_SHARED_FIELDS = (
    "dim", "datatype", "bitpix", "pixdim", "vox_offset", "scl_slope", "cal_max", "cal_min", "descrip",
)  # fmt: skip
_SPM_ORIGIN = 253  # five 16-bit integers, counted from 1


class AnalyzeHeader(nib.Nifti1Header):  # type: ignore[misc]
    """A NIfTI-1 header that was made from an Analyze 7.5 header.

    Its sform is set where SPM states an origin.
    """


def header_from_analyze(start: bytes, order: str) -> AnalyzeHeader:
    """Read an Analyze 7.5 header.

    Parameters
    ----------
    start : bytes
        348 bytes.
    order : "<" or ">"
    """
    same_layout = nib.Nifti1Header(start, endianness=order, check=False)
    header = AnalyzeHeader(endianness=order)
    for name in _SHARED_FIELDS:
        header[name] = same_layout[name]
    header["magic"] = b"n+1"
    origin = np.array(struct.unpack_from(f"{order}3h", start, _SPM_ORIGIN), dtype=np.float64)
    sizes = np.abs(header["pixdim"][1:4].astype(np.float64))
    if _is_origin(origin, header["dim"][1:4]) and math.isfinite(sizes.sum()):
        steps = sizes * (-1, 1, 1)
        header["srow_x"][0], header["srow_y"][1], header["srow_z"][2] = steps
        for row, offset in zip("xyz", -steps * (origin - 1), strict=True):
            header[f"srow_{row}"][3] = offset
        header["sform_code"] = 2
    return header


def _is_origin(origin: npt.NDArray[np.float64], shape: npt.NDArray[np.integer]) -> bool:
    """Whether it is set at all, and lies in the image or near it: SPM's own test."""
    lengths = np.asarray(shape, dtype=np.float64)
    return bool(origin.any() and (origin > -lengths).all() and (origin < 2 * lengths).all())
