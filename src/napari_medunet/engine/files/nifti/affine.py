"""Which affine of a NIfTI header is used, and notes about it for the user."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import numpy as np

from napari_medunet.engine.errors import MedunetError
from napari_medunet.engine.files.nifti.analyze import AnalyzeHeader
from napari_medunet.engine.files.nifti.header import Header
from napari_medunet.engine.files.nifti.qform import qform_of
from napari_medunet.engine.volume import FloatArray

AffineFrom = Literal["sform", "qform", "voxel size", "SPM origin"]

_METRE = 1
_LARGEST_MM = 100.0  # of a voxel; no scan of anatomy has larger ones
_MM_PER_UNIT = {_METRE: 1000.0, 2: 1.0, 3: 0.001}  # xyzt_units


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
    MedunetError
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
    if not valid:
        valid["voxel size"] = _from_voxel_size(header, to_mm, shape, path)
    affine_from, affine = next(iter(valid.items()))
    if affine_from in ("voxel size", "SPM origin"):
        notes.append(
            f"'{path.name}' states no direction: its first axis is taken to run to the patient's "
            "left. Check left and right before you rely on them."
        )
    return affine, affine_from, tuple(notes)


def doubts_of_unit(header: Header, affine: FloatArray, path: Path) -> tuple[str, ...]:
    """Say that voxels are larger than those of any scan, where they are: their unit is another one.

    Parameters
    ----------
    header : Header
    affine : (4, 4) array
        In mm, as `choose_affine` gives it.
    path : Path
    """
    sizes = np.linalg.norm(affine[:3, :3], axis=0)
    if sizes.max() < _LARGEST_MM:
        return ()
    voxels = f"voxels of {' x '.join(f'{size:.4g}' for size in sizes)} mm"
    if int(header["xyzt_units"]) & 0x07 == _METRE:
        doubt = f"its header is in metres, which makes {voxels}. If its numbers are millimetres"
        return (f"'{path.name}': {doubt}, set its unit (xyzt_units) to mm.",)
    return (
        f"'{path.name}': its header says {voxels}. If its numbers are micrometres, set its unit "
        "(xyzt_units) to µm.",
    )


def _stated(header: Header) -> Iterator[tuple[AffineFrom, FloatArray | None]]:
    if header["sform_code"] > 0:
        is_analyze = isinstance(header, AnalyzeHeader)
        yield ("SPM origin" if is_analyze else "sform"), header.get_sform()
    if header["qform_code"] > 0:
        yield "qform", qform_of(header)


def _from_voxel_size(
    header: Header, to_mm: FloatArray, shape: tuple[int, ...], path: Path
) -> FloatArray:
    """As nibabel does it: centred, the first axis running to the left, signs left out."""
    sizes = np.abs(np.asarray(header["pixdim"][1:4], dtype=np.float64))
    step = sizes * (-1, 1, 1)
    affine = np.diag([*step, 1.0])
    affine[:3, 3] = -step * (np.asarray(shape[:3]) - 1) / 2
    usable = _usable(to_mm @ affine, shape)
    if usable is None:
        raise MedunetError(
            f"'{path}' has no valid geometry: sform and qform are missing or singular, and its "
            f"voxel size is {[float(v) for v in header['pixdim'][1:4]]}. Repair its header."
        )
    return usable


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
