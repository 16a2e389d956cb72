"""Volume: voxels on a regular grid, with an affine to world millimetres.

World millimetres are RAS+ (x to the patient's right, y to anterior, z to superior), as in NIfTI.
Spatial axes of every array are (z, y, x) and, for volumes that were read from a file, run toward
Inferior, Posterior and Left.

napari shows a volume in a world of its own, (-S, -A, -R) in mm, for which only a scale and a
translation are used (napari 0.9 draws sheared or rotated layers wrongly in 2D). An oblique volume is
shown in its own scanner frame: its axes are taken for the world's axes, see `display_frame`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from napari_medunet.engine.nifti import NiftiSource

FloatArray = npt.NDArray[np.float64]

_TO_DISPLAY = -np.eye(3)[::-1]  # ras -> (-S, -A, -R), and its own inverse
_DISPLAY_STEP_MM = 2.0**-20  # napari floors (stop - start) / step: steps must be exact in binary


@dataclass(frozen=True, eq=False)
class Volume:
    """Voxels on a regular grid.

    Parameters
    ----------
    voxels : (..., z, y, x) array
        The last three axes are spatial; `leading_axes` names those before them. A 2D image has
        z of length 1.
    affine : (4, 4) float64 array
        From a homogeneous array index (z, y, x, 1) to (right, anterior, superior, 1) in mm.
    name : str
        What the user calls it: the file's name without its suffix, or the layer's name.
    leading_axes : tuple of str
        "t" for time, "c" for channels, "v" for the components of a vector, in array order.
    leading_scale : tuple of float
        Step along each leading axis: seconds for "t", 1 otherwise.
    source : NiftiSource or None
        How the voxels lay in the file that they were read from; None for volumes made in memory.
    """

    voxels: npt.NDArray[Any]
    affine: FloatArray
    name: str = "volume"
    leading_axes: tuple[str, ...] = ()
    leading_scale: tuple[float, ...] = ()
    source: NiftiSource | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if self.voxels.ndim != 3 + len(self.leading_axes):
            raise ValueError(
                f"Volume '{self.name}' has {self.voxels.ndim} axes; wanted {len(self.leading_axes)} "
                f"leading axes {self.leading_axes} and (z, y, x)."
            )
        if self.affine.shape != (4, 4):
            raise ValueError(f"Affine of '{self.name}' is {self.affine.shape}; wanted (4, 4).")

    @property
    def shape(self) -> tuple[int, int, int]:
        """Number of voxels along (z, y, x)."""
        z, y, x = self.voxels.shape[-3:]
        return z, y, x

    @property
    def spacing_mm(self) -> tuple[float, float, float]:
        """Distance between neighbouring voxels along (z, y, x), in mm."""
        return spacing_of(self.affine)


def spacing_of(affine: FloatArray) -> tuple[float, float, float]:
    """Voxel spacing in mm along the array's axes: the norms of the affine's columns.

    Parameters
    ----------
    affine : (4, 4) array
        From array index to mm. Its diagonal is not the spacing where axes are swapped or tilted.
    """
    z, y, x = np.linalg.norm(np.asarray(affine, dtype=np.float64)[:3, :3], axis=0)
    return float(z), float(y), float(x)


def affine_from_spacing(
    spacing_mm: tuple[float, float, float], origin_mm: tuple[float, float, float] = (0.0, 0.0, 0.0)
) -> FloatArray:
    """Affine of an aligned volume whose axes run toward Inferior, Posterior and Left.

    Parameters
    ----------
    spacing_mm : (z, y, x) spacing in mm
    origin_mm : (z, y, x) position of the first voxel's centre in napari's world (-S, -A, -R), in mm
    """
    affine = np.eye(4)
    affine[:3, :3] = _TO_DISPLAY @ np.diag(spacing_mm)
    affine[:3, 3] = _TO_DISPLAY @ np.asarray(origin_mm, dtype=np.float64)
    return affine


def display_frame(
    affine: FloatArray, shape: tuple[int, int, int]
) -> tuple[tuple[float, float, float], tuple[float, float, float]]:
    """Scale and translation, in mm, with which napari shows a volume.

    With the direction matrix D (columns of unit length) and the origin t, both in napari's world
    (-S, -A, -R), the translation is inverse(D) t: volumes of one session with the same directions
    overlay exactly. Where the tilt moves no corner by a tenth of a voxel the volume counts as aligned
    and its centre is kept in place.

    Parameters
    ----------
    affine : (4, 4) array
        From array index (z, y, x) to RAS+ mm; its axes run roughly toward Inferior, Posterior, Left.
    shape : (z, y, x) number of voxels

    Returns
    -------
    scale, translate : (z, y, x) tuples of float
        Multiples of 2**-20 mm, since napari loses the last slice to rounding otherwise.
    """
    spacing = np.asarray(spacing_of(affine))
    to_world = _TO_DISPLAY @ affine[:3, :3]
    origin = _TO_DISPLAY @ affine[:3, 3]
    centre_index = (np.asarray(shape) - 1) / 2
    if is_oblique(affine, shape):
        translate = np.linalg.solve(to_world / spacing, origin)
    else:
        translate = origin + to_world @ centre_index - spacing * centre_index
    scale = np.maximum(_exact(spacing), _DISPLAY_STEP_MM)
    z, y, x = (float(value) for value in scale)
    tz, ty, tx = (float(value) for value in _exact(translate))
    return (z, y, x), (tz, ty, tx)


def is_oblique(affine: FloatArray, shape: tuple[int, int, int]) -> bool:
    """Whether the tilt against the world's axes moves some corner by a tenth of a voxel or more."""
    spacing = np.asarray(spacing_of(affine))
    tilt = _TO_DISPLAY @ affine[:3, :3] - np.diag(spacing)
    half = (np.asarray(shape) - 1) / 2
    corners = np.array(np.meshgrid(*[(-h, h) for h in half], indexing="ij")).reshape(3, -1)
    return bool((np.abs(tilt @ corners) >= 0.1 * spacing[:, None]).any())


def same_grid(first: Volume, second: Volume) -> bool:
    """Whether two volumes have the same shape and the same affine.

    Corners may differ by a hundredth of a voxel: headers are float32, and programs round.
    """
    if first.shape != second.shape:
        return False
    corners = np.array(
        np.meshgrid(*[(0, max(n - 1, 1)) for n in first.shape], [1], indexing="ij"),
        dtype=np.float64,
    ).reshape(4, -1)
    apart = np.abs((first.affine - second.affine) @ corners)
    return bool((apart <= 0.01 * min(first.spacing_mm)).all())


def _exact(values_mm: npt.ArrayLike) -> FloatArray:
    rounded: FloatArray = np.round(np.asarray(values_mm) / _DISPLAY_STEP_MM) * _DISPLAY_STEP_MM
    return rounded
