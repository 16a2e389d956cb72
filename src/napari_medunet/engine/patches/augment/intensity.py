"""Random changes of a patch's intensities: the same for all of its channels, in place."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np

from napari_medunet.engine.patches.augment.kernels import combine_lines
from napari_medunet.engine.patches.augment.parameters import AugmentationParams
from napari_medunet.engine.patches.preprocessing import Float32Array

_NEGLIGIBLE = 1e-4  # a weight of a Gaussian, of its largest


def vary_intensity(
    image: Float32Array, variation: AugmentationParams, rng: np.random.Generator
) -> None:
    """Apply the intensity changes of some parameters to an image (*patch, c)."""
    if variation.blur or variation.downsampling:
        smooth(image, variation.blur, variation.downsampling)
    if variation.gamma != 1:
        bend_intensities(image, variation.gamma)
    if variation.contrast != 1:
        image *= np.float32(variation.contrast)
    if variation.brightness:
        image += np.float32(variation.brightness)
    if variation.noise:
        add_noise(image, variation.noise, rng)


def smooth(image: Float32Array, blur: tuple[float, ...], downsampling: tuple[float, ...]) -> None:
    """Blur an image, and resample it to larger voxels and back.

    Both are linear and done axis by axis, so that one matrix per axis does both.

    Parameters
    ----------
    image : (*patch, c) array
    blur : a float for each axis of the patch, or nothing
        Standard deviation of a Gaussian, in voxels.
    downsampling : a float for each axis of the patch, or nothing
        How many voxels go into a larger one, at least 1; between their centres it is interpolated.
    """
    smoothed = image
    for axis, size in enumerate(image.shape[:-1]):
        if blur:
            smoothed = _combine(_gaussian(size, blur[axis]), smoothed, axis)
        if downsampling:
            for matrix in _larger_voxels(size, max(1, round(size / downsampling[axis]))):
                smoothed = _combine(matrix, smoothed, axis)
    image[...] = smoothed


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


def _combine(matrix: Float32Array, image: Float32Array, axis: int) -> Float32Array:
    """Multiply a matrix with an image along an axis.

    Not by BLAS: its threads wait for more work by spinning, and take the processor away from the training
    (M30 in `docs/decisions.md`).
    """
    shape = image.shape
    lines = image.reshape(math.prod(shape[:axis]), shape[axis], math.prod(shape[axis + 1 :]))
    combined = np.zeros((len(lines), len(matrix), lines.shape[2]), np.float32)
    combine_lines(matrix, lines, combined)
    return combined.reshape(*shape[:axis], len(matrix), *shape[axis + 1 :])


def _gaussian(size: int, deviation: float) -> Float32Array:
    """Weights of a Gaussian; at the border what is left of them counts for all: (size, size)."""
    distance = np.subtract.outer(np.arange(size), np.arange(size, dtype=np.float32))
    weights = np.exp(distance**2 / (-2 * max(deviation, 1e-3) ** 2))
    weights[weights < _NEGLIGIBLE] = 0
    return np.asarray(weights / weights.sum(axis=1, keepdims=True), dtype=np.float32)


@lru_cache(maxsize=256)
def _larger_voxels(size: int, count: int) -> tuple[Float32Array, Float32Array]:
    """Average into `count` voxels, (count, size); interpolate between their centres, (size, count)."""
    edges = np.linspace(0, size, count + 1)
    start, stop = np.arange(size), np.arange(1, size + 1)
    shared = np.minimum(stop, edges[1:, None]) - np.maximum(start, edges[:-1, None])
    down = shared.clip(0) * count / size
    centres = (edges[1:] + edges[:-1]) / 2
    up = np.stack([np.interp(start + 0.5, centres, row) for row in np.eye(count)], axis=1)
    return down.astype(np.float32), up.astype(np.float32)
