"""Augmentation: chance is drawn once, and applied to image and labels alike.

A `Variation` is one such draw. Its geometry becomes part of the one interpolation with which a patch is
cut out of its volume (`samples.py`), so that nothing is interpolated twice and nothing is cut off.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from napari_medunet.engine.plan import Plan
from napari_medunet.engine.volume import FloatArray

_STRENGTH = {"none": 0.0, "light": 0.5, "standard": 1.0, "strong": 1.5}

_TURN = np.radians(20)  # either way
_SCALE = 0.2  # log of the factor, either way
_SHIFT = 0.08  # of the patch, either way
_NOISE = 0.12  # highest standard deviation, in units of the image's own
_BRIGHTNESS = 0.25  # standard deviations, either way
_CONTRAST = 0.25  # log of the factor, either way


@dataclass(frozen=True, eq=False)
class Variation:
    """One draw of chance.

    Attributes
    ----------
    matrix : (d, d) array
        From patch to volume coordinates, both counted from the patch's centre: turn, scale and flip.
    shift : (d,) array
        Of the patch's centre, as a share of the patch's size.
    noise, brightness, contrast : float
        Intensities become (value * contrast + brightness) + a normal deviate * noise.
    """

    matrix: FloatArray
    shift: FloatArray
    noise: float = 0.0
    brightness: float = 0.0
    contrast: float = 1.0


def unvaried(dims: int) -> Variation:
    """The variation that changes nothing."""
    return Variation(np.eye(dims), np.zeros(dims))


def draw_variation(rng: np.random.Generator, plan: Plan, augmentation: str) -> Variation:
    """Draw how the next patch is varied.

    Parameters
    ----------
    plan : Plan
        `dims`, and `flip_axes`, along which the patch is mirrored with even chance.
    augmentation : "none", "light", "standard" or "strong"
        Scales every range.
    """
    strength = _STRENGTH[augmentation]
    dims = plan.dims
    if strength == 0:
        return unvaried(dims)
    matrix = np.diag(np.exp(rng.uniform(-_SCALE, _SCALE, dims) * strength * (rng.random() < 0.5)))
    if rng.random() < 0.5:
        for first in range(dims - 1):
            for second in range(first + 1, dims):
                matrix = _turn(dims, first, second, rng.uniform(-_TURN, _TURN) * strength) @ matrix
    for axis in plan.flip_axes:
        if rng.random() < 0.5:
            matrix[:, axis] *= -1
    return Variation(
        matrix=matrix,
        shift=rng.uniform(-_SHIFT, _SHIFT, dims) * strength,
        noise=rng.uniform(0, _NOISE) * strength if rng.random() < 0.3 else 0.0,
        brightness=rng.uniform(-_BRIGHTNESS, _BRIGHTNESS) * strength,
        contrast=float(np.exp(rng.uniform(-_CONTRAST, _CONTRAST) * strength)),
    )


def vary_intensity(
    image: npt.NDArray[np.float32], variation: Variation, rng: np.random.Generator
) -> None:
    """Apply a variation's intensities to an image, in place."""
    image *= variation.contrast
    image += variation.brightness
    if variation.noise:
        image += rng.standard_normal(image.shape, dtype=np.float32) * np.float32(variation.noise)


def _turn(dims: int, first: int, second: int, angle: float) -> FloatArray:
    matrix = np.eye(dims)
    matrix[[first, second], [first, second]] = np.cos(angle)
    matrix[first, second], matrix[second, first] = -np.sin(angle), np.sin(angle)
    return matrix
