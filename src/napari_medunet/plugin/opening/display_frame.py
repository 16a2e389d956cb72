"""Where in napari's world a volume is shown."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from napari_medunet.engine.volume import TO_DISPLAY, FloatArray, is_oblique, spacing_of

_DISPLAY_STEP_MM = 2.0**-20  # napari floors (stop - start) / step: steps must be exact in binary


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
    to_world = TO_DISPLAY @ affine[:3, :3]
    origin = TO_DISPLAY @ affine[:3, 3]
    centre_index = (np.asarray(shape) - 1) / 2
    if is_oblique(affine, shape):
        translate = np.linalg.solve(to_world / spacing, origin)
    else:
        translate = origin + to_world @ centre_index - spacing * centre_index
    scale = np.maximum(_exact(spacing), _DISPLAY_STEP_MM)
    z, y, x = (float(value) for value in scale)
    tz, ty, tx = (float(value) for value in _exact(translate))
    return (z, y, x), (tz, ty, tx)


def _exact(values_mm: npt.ArrayLike) -> FloatArray:
    rounded: FloatArray = np.round(np.asarray(values_mm) / _DISPLAY_STEP_MM) * _DISPLAY_STEP_MM
    return rounded
