"""What chance does to a patch's intensities: the same for all of its channels, in place."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from napari_medunet.engine.augment.chance import Variation
from napari_medunet.engine.grid import Float32Array


def vary_intensity(image: Float32Array, variation: Variation, rng: np.random.Generator) -> None:
    """Apply a variation's intensities to an image (*patch, c)."""
    if variation.blur or variation.coarser:
        smooth(image, variation.blur, variation.coarser)
    if variation.gamma != 1:
        bend_intensities(image, variation.gamma)
    if variation.contrast != 1:
        image *= np.float32(variation.contrast)
    if variation.brightness:
        image += np.float32(variation.brightness)
    if variation.noise:
        add_noise(image, variation.noise, rng)


def smooth(image: Float32Array, blur: tuple[float, ...], coarser: tuple[float, ...]) -> None:
    """Blur an image, and look at it through larger voxels.

    Both are linear and done axis by axis, so that one matrix per axis does both.

    Parameters
    ----------
    image : (*patch, c) array
    blur : a float for each axis of the patch, or nothing
        Standard deviation of a Gaussian, in voxels.
    coarser : a float for each axis of the patch, or nothing
        How many voxels go into a larger one, at least 1; between their centres it is interpolated.
    """
    smoothed = image
    for axis, size in enumerate(image.shape[:-1]):
        matrix = _blur(size, blur[axis]) if blur else np.eye(size, dtype=np.float32)
        if coarser:
            matrix = _larger_voxels(size, max(1, round(size / coarser[axis]))) @ matrix
        # The first axis goes, and comes back as the last: after all of them only channels lead.
        smoothed = np.tensordot(smoothed, matrix, (0, 1))
    image[...] = np.moveaxis(smoothed, 0, -1)


def bend_intensities(image: Float32Array, gamma: float) -> None:
    """Raise intensities to a power, between the image's own lowest and highest."""
    low, high = image.min(), image.max()
    if high > low:
        image -= low
        image /= high - low
        np.power(image, np.float32(gamma), out=image)
        image *= high - low
        image += low


def add_noise(image: Float32Array, deviation: float, rng: np.random.Generator) -> None:
    """Add normal noise."""
    noise = rng.standard_normal(image.shape, dtype=np.float32)
    noise *= np.float32(deviation)
    image += noise


def _blur(size: int, deviation: float) -> Float32Array:
    """Weights of a Gaussian; at the border what is left of them counts for all: (size, size)."""
    distance = np.subtract.outer(np.arange(size), np.arange(size, dtype=np.float32))
    weights = np.exp(distance**2 / (-2 * max(deviation, 1e-3) ** 2))
    return np.asarray(weights / weights.sum(axis=1, keepdims=True), dtype=np.float32)


@lru_cache(maxsize=256)
def _larger_voxels(size: int, count: int) -> Float32Array:
    """Average into `count` voxels, and interpolate between their centres: (size, size)."""
    edges = np.linspace(0, size, count + 1)
    start, stop = np.arange(size), np.arange(1, size + 1)
    shared = np.minimum(stop, edges[1:, None]) - np.maximum(start, edges[:-1, None])
    down = shared.clip(0) * count / size
    centres = (edges[1:] + edges[:-1]) / 2
    up = np.stack([np.interp(start + 0.5, centres, row) for row in np.eye(count)], axis=1)
    return np.asarray(up @ down, dtype=np.float32)
