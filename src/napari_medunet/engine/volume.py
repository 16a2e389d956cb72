"""Volume: voxels on a regular grid, with an affine to world millimetres.

World millimetres are RAS+ (x to the patient's right, y to anterior, z to superior), as in NIfTI.
Spatial axes of every array are (z, y, x) and, for volumes that were read from a file, run toward
Inferior, Posterior and Left.

napari shows a volume in a world of its own, (-S, -A, -R) in mm, for which only a scale and a
translation are used (napari 0.9 draws sheared or rotated layers wrongly in 2D). An oblique volume is
shown in its own scanner frame: its axes are taken for the world's axes, see `display_frame`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from napari_medunet.engine.errors import MedunetError

FloatArray = npt.NDArray[np.float64]

LABEL_INTENT = 1002  # NIFTI_INTENT_LABEL
TO_DISPLAY = -np.eye(3)[::-1]  # ras -> (-S, -A, -R), and its own inverse


class Source(Protocol):
    """The file that a volume was read from, without what only writing it needs."""

    @property
    def path(self) -> Path:
        """Where it is."""
        ...

    @property
    def notes(self) -> tuple[str, ...]:
        """Notes for the user."""
        ...

    @property
    def channels(self) -> int:
        """Numbers of a voxel: 3 or 4 for colours, else 1."""
        ...

    @property
    def calibration(self) -> tuple[float, float] | None:
        """Values that it wants shown as black and white."""
        ...

    @property
    def intent(self) -> int:
        """NIfTI's intent code: 1002 for labels, 0 for none."""
        ...


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
    source : Source or None
        The file that the voxels were read from, a `NiftiSource`; None for volumes made in memory.
    names : mapping of label to str
        What labels are called, where the voxels are labels and somebody has said so.
    scale_known : bool
        Whether somebody has said how large voxels are; those of a picture are taken for 1 mm.
    doubts : tuple of str
        What of its file cannot be meant, or may be read in two ways; a sentence each, for the user.
    """

    voxels: npt.NDArray[Any]
    affine: FloatArray
    name: str = "volume"
    leading_axes: tuple[str, ...] = ()
    leading_scale: tuple[float, ...] = ()
    source: Source | None = field(default=None, repr=False)
    names: Mapping[int, str] = field(default_factory=dict, repr=False)
    scale_known: bool = True
    doubts: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.voxels.ndim != 3 + len(self.leading_axes):
            raise MedunetError(
                f"Volume '{self.name}' has {self.voxels.ndim} axes; wanted {len(self.leading_axes)} "
                f"leading axes {self.leading_axes} and (z, y, x)."
            )
        if self.affine.shape != (4, 4):
            raise MedunetError(f"Affine of '{self.name}' is {self.affine.shape}; wanted (4, 4).")

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

    Examples
    --------
    Slices of 3 mm, with pixels of 0.5 mm by 0.5 mm:

    >>> spacing_of(affine_from_spacing((3.0, 0.5, 0.5)))
    (3.0, 0.5, 0.5)
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

    Examples
    --------
    A step along the first axis goes 3 mm down, one along the last half a millimetre to the left:

    >>> affine = affine_from_spacing((3.0, 0.5, 0.5))
    >>> affine[:, 0].tolist(), affine[:, 2].tolist()
    ([0.0, 0.0, -3.0, 0.0], [-0.5, 0.0, 0.0, 0.0])
    """
    affine = np.eye(4)
    affine[:3, :3] = TO_DISPLAY @ np.diag(spacing_mm)
    affine[:3, 3] = TO_DISPLAY @ np.asarray(origin_mm, dtype=np.float64)
    return affine


def is_oblique(affine: FloatArray, shape: tuple[int, int, int]) -> bool:
    """Whether the tilt against the world's axes moves some corner by a tenth of a voxel or more."""
    spacing = np.asarray(spacing_of(affine))
    tilt = TO_DISPLAY @ affine[:3, :3] - np.diag(spacing)
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
