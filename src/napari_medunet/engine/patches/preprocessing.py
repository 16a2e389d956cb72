"""Preprocessing: from a volume to the network's grid, and back.

The network's grid has the plan's spacing, normalised intensities and, in front, the axis across the
slices. Training and prediction both come through here, so they cannot drift apart.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from napari_medunet.engine.examples.annotation import slices_held
from napari_medunet.engine.plan import Plan, grid_shape
from napari_medunet.engine.volume import Volume

Float32Array = npt.NDArray[np.float32]

# Standard deviations: farther away are broken voxels or metal, which must not set the scale of all others.
_OUTLIER = 20.0
_LARGEST = 1e30  # beyond it squares, and then differences, are no numbers in float32


def image_to_grid(image: Volume, plan: Plan) -> Float32Array:
    """Normalise and resample an image.

    Returns
    -------
    (c, slices, rows, columns) float32 array
        `plan.axis` first among the spatial axes.
    """
    channels = image.voxels if image.leading_axes else image.voxels[None]
    shape = grid_shape(image, plan)
    grid = np.empty((len(channels), *shape), np.float32)
    for target, channel in zip(grid, channels, strict=True):
        target[...] = _resampled(_normalised(channel, plan), shape)
    return np.ascontiguousarray(np.moveaxis(grid, 1 + plan.axis, 1))


def grid_spacing_mm(plan: Plan) -> tuple[float, ...]:
    """Spacing of the network's grid in mm, across the slices first."""
    spacing_mm = list(plan.grid.spacing_mm)
    return (spacing_mm.pop(plan.axis), *spacing_mm)


def slices_around(image: Float32Array, start: int, stop: int, context: int) -> Float32Array:
    """Some slices and their neighbours; beyond the first and the last these are repeated.

    Parameters
    ----------
    image : (c, slices, rows, columns) array
    start, stop : int
        Of the slices.
    context : int
        Neighbours on each side.

    Returns
    -------
    (c, context + stop - start + context, rows, columns) array
    """
    wanted = np.arange(start - context, stop + context).clip(0, image.shape[1] - 1)
    return image[:, wanted] if context else image[:, start:stop]


def classes_to_grid(
    labels: npt.NDArray[np.integer[Any]],
    annotated: npt.NDArray[np.bool_],
    image: Volume,
    plan: Plan,
) -> npt.NDArray[np.int16]:
    """Turn labels into class numbers on the network's grid, -1 where nothing was annotated.

    Parameters
    ----------
    labels, annotated : (z, y, x) arrays on the grid of `image`

    Returns
    -------
    (slices, rows, columns) int16 array
    """
    known = np.asarray(plan.labels, dtype=np.int64)
    classes = np.searchsorted(known, labels).clip(0, len(known) - 1).astype(np.int16)
    classes[known[classes] != labels] = -1  # a label that the plan does not know teaches nothing
    classes[~annotated] = -1
    shape = grid_shape(image, plan)
    if shape != classes.shape:
        seen = np.asarray(classes >= 0)
        sources = [_nearest(seen, axis, size) for axis, size in enumerate(shape)]
        classes = classes[np.ix_(*sources)]
    return np.ascontiguousarray(np.moveaxis(classes, plan.axis, 0))


def _nearest(seen: npt.NDArray[np.bool_], axis: int, size: int) -> npt.NDArray[np.intp]:
    """Index along an axis for each of fewer or more: the nearest, or one that is annotated beside it.

    Where every second slice is left out, those that were painted must not be.
    """
    old = seen.shape[axis]
    nearest = np.asarray((np.arange(size) + 0.5) * old / size, dtype=np.intp)
    held = slices_held(seen, axis)
    for index in np.flatnonzero(held):
        place = int((index + 0.5) * size / old)
        if not held[nearest[place]]:
            nearest[place] = index
    return nearest


def most_probable(
    probabilities: Float32Array, shape: tuple[int, int, int]
) -> npt.NDArray[np.int16]:
    """Resample class probabilities to a shape and take the most probable class of each voxel.

    Parameters
    ----------
    probabilities : (classes, slices, rows, columns) float32 array
    shape : (slices, rows, columns) wanted

    Returns
    -------
    (slices, rows, columns) int16 array of class numbers
    """
    if probabilities.shape[1:] == shape:
        return np.asarray(probabilities.argmax(axis=0), dtype=np.int16)
    best = np.array(_resampled(probabilities[0], shape))
    classes = np.zeros(shape, np.int16)
    for number in range(1, len(probabilities)):  # one class at a time, for the memory
        probability = _resampled(probabilities[number], shape)
        better = probability > best
        classes[better] = number
        best[better] = probability[better]
    return classes


def labels_from_classes(classes: npt.NDArray[np.int16], plan: Plan) -> npt.NDArray[Any]:
    """Turn class numbers into labels, in the volume's own order of axes.

    Parameters
    ----------
    classes : (slices, rows, columns) array

    Returns
    -------
    (z, y, x) array of the smallest unsigned type that holds the labels
    """
    values = np.asarray(plan.labels)
    labels = values.astype(np.min_scalar_type(values.max()))[np.moveaxis(classes, 0, plan.axis)]
    return np.ascontiguousarray(labels)


def _normalised(channel: npt.NDArray[Any], plan: Plan) -> Float32Array:
    if channel.dtype.kind == "f" and channel.dtype.itemsize >= 4:
        channel = channel.clip(-_LARGEST, _LARGEST)  # one broken voxel is not to empty the image
    values = channel.astype(np.float32)
    if plan.grid.intensity == "ct":
        low, high, mean, deviation = plan.grid.window
        np.clip(values, low, high, out=values)
    else:
        mean, deviation = _mean_and_deviation(values)
        if np.abs(values - mean).max() > _OUTLIER * deviation:
            low, high = np.percentile(values, (0.05, 99.95))
            inner = _mean_and_deviation(values[(values >= low) & (values <= high)])
            if inner[1]:  # else nearly all is one value, and what differs is the image
                mean, deviation = inner
                far = _OUTLIER * deviation
                np.clip(values, mean - far, mean + far, out=values)
    values -= mean
    # A constant image is all zeros, not NaN; one in small units, as of diffusion in m^2/s, is none.
    values /= deviation if deviation > np.finfo(np.float32).tiny else 1.0
    return values


def _mean_and_deviation(values: Float32Array) -> tuple[float, float]:
    return float(values.mean(dtype=np.float64)), float(values.std(dtype=np.float64))


def _resampled(values: Float32Array, shape: tuple[int, int, int]) -> Float32Array:
    if values.shape == shape:
        return values
    factors = [new / old for new, old in zip(shape, values.shape, strict=True)]
    smaller = [max(0.0, (1 / factor - 1) / 2) for factor in factors]
    if any(smaller):  # averaging before taking fewer samples: no aliasing
        values = ndimage.gaussian_filter(values, smaller, mode="nearest")
    zoomed: Float32Array = ndimage.zoom(values, factors, order=1, mode="nearest", grid_mode=True)
    return zoomed
