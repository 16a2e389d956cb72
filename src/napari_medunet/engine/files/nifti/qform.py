"""The qform of a NIfTI header: a quaternion, read as the standard's own code does, and written exactly."""

from __future__ import annotations

import numpy as np
from nibabel.quaternions import quat2mat

from napari_medunet.engine.files.nifti.header import Header
from napari_medunet.engine.volume import FloatArray

_LONGEST = (
    1.002  # squared length of a quaternion: one that was rounded to three digits may reach it
)
_HALF_TURN = (
    1 - 1e-7
)  # squared, from where rounding alone keeps it from a half turn; the standard's own


def qform_of(header: Header) -> FloatArray | None:
    """Read the affine that a header's quaternion, voxel size and offset say, in the header's unit.

    A sign of 0 in pixdim[0] counts as 1, as the standard says, and a quaternion that is longer than 1 by
    rounding is one of length 1: ITK and FSL read both.

    Returns
    -------
    affine : (4, 4) float64 array, or None
        None where the numbers are no rotation, or a voxel size is negative.
    """
    sizes = np.asarray(header["pixdim"][1:4], dtype=np.float64)
    quaternion = _quaternion(header)
    if quaternion is None or not (sizes >= 0).all():
        return None
    affine = np.eye(4)
    affine[:3, :3] = quat2mat(quaternion) * (sizes * (1, 1, _sign(header)))
    affine[:3, 3] = [float(header[f"qoffset_{axis}"]) for axis in "xyz"]
    return affine


def mend_qform(header: Header) -> None:
    """Write sign and quaternion as every reader takes them, where `qform_of` was lenient."""
    quaternion = _quaternion(header)
    if header["qform_code"] <= 0 or quaternion is None:
        return
    if header["pixdim"][0] not in (-1, 1):
        header["pixdim"][0] = _sign(header)
    if _squared_length(header) > 1:
        for name, part in zip("bcd", quaternion[1:], strict=True):
            header[f"quatern_{name}"] = part


def _sign(header: Header) -> float:
    return -1.0 if header["pixdim"][0] < 0 else 1.0


def _squared_length(header: Header) -> float:
    return float(sum(float(header[f"quatern_{name}"]) ** 2 for name in "bcd"))


def _quaternion(header: Header) -> FloatArray | None:
    parts = np.array([float(header[f"quatern_{name}"]) for name in "bcd"])
    squared = _squared_length(header)
    if not squared <= _LONGEST:  # nor NaN
        return None
    if squared > _HALF_TURN:
        return np.array([0.0, *(parts / np.sqrt(squared))])
    return np.array([np.sqrt(1 - squared), *parts])
