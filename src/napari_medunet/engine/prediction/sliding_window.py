"""Sliding window: class probabilities of a volume on the network's grid, from overlapping tiles."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Protocol

import numpy as np

from napari_medunet.engine.examples.statistics import DataStatistics
from napari_medunet.engine.patches.preprocessing import Float32Array, slices_around
from napari_medunet.engine.plan import Plan
from napari_medunet.engine.prediction.painted import PaintedImage
from napari_medunet.engine.prediction.tiles import tile_corners, tile_weight

# Times the training patch along each side: fewer seams, and memory allows.
_WIDEST_TILE = {2: 2.0, 3: 1.5}
_SLAB_BYTES = 256 * 2**20  # of probabilities that are held at once in 2D


class Predictor(Protocol):
    """What prediction needs of a segmenter."""

    @property
    def plan(self) -> Plan:
        """The plan that the network was trained from."""
        ...

    def probabilities(self, images: Float32Array) -> Float32Array:
        """Class probabilities (batch, *size, classes) of images (batch, *size, channels)."""
        ...


class TrainedPredictor(Predictor, Protocol):
    """A predictor that knows what it was trained on."""

    @property
    def statistics(self) -> DataStatistics | None:
        """Of what it was trained on, where they were kept."""
        ...

    @property
    def recall(self) -> tuple[float, ...]:
        """Share of each class's voxels that was found in training; empty where it was not measured."""
        ...

    @property
    def painted(self) -> tuple[PaintedImage, ...]:
        """What was painted on the images that it was trained on in part."""
        ...


def blended_slabs(
    network: Predictor, grid: Float32Array, tta: bool, advance: Callable[[float], None]
) -> Iterator[tuple[int, Float32Array]]:
    """Predict a volume: in 2D slab by slab, in 3D as one slab.

    Parameters
    ----------
    network : Predictor
    grid : (c, slices, rows, columns) array
        As from `image_to_grid`.
    tta : bool
        Average over copies mirrored as in training.
    advance : callable
        Given the share that is done after each batch of tiles.

    Yields
    ------
    first slice of the slab, and its probabilities (classes, slices, rows, columns)
    """
    slabs = _slabs(grid.shape[1:], network.plan)
    for number, (start, stop) in enumerate(slabs):
        slab = slices_around(grid, start, stop, network.plan.grid.context)

        def so_far(share: float, number: int = number) -> None:
            advance((number + share) / len(slabs))

        yield start, _blend(network, slab, tta, so_far)


def _slabs(extent: tuple[int, ...], plan: Plan) -> list[tuple[int, int]]:
    """Ranges of slices that are predicted together: whole batches in 2D, everything in 3D."""
    if plan.spatial_dims == 3:
        return [(0, extent[0])]
    plane_bytes = 4 * plan.classes * extent[1] * extent[2]
    batch = _batch(plan)
    size = max(1, _SLAB_BYTES // (plane_bytes * batch)) * batch
    return [(start, min(start + size, extent[0])) for start in range(0, extent[0], size)]


def _batch(plan: Plan) -> int:
    """Tiles per call: about the voxels of a training batch, since tiles may be wider than patches."""
    return max(1, plan.schedule.batch // 2)


def _tile(extent: tuple[int, ...], plan: Plan) -> tuple[int, ...]:
    """The whole extent, rounded up to what the network divides, but bounded."""
    widest = _WIDEST_TILE[plan.spatial_dims]
    return tuple(
        min(-(-n // step) * step, int(widest * size) // step * step)
        for n, step, size in zip(extent, plan.multiples, plan.grid.patch, strict=True)
    )


def _blend(
    network: Predictor, image: Float32Array, tta: bool, advance: Callable[[float], None]
) -> Float32Array:
    """Predict overlapping tiles and blend their probabilities.

    Parameters
    ----------
    image : (c, slices, rows, columns) array
        With `context` more slices on either side than are to be predicted.

    Returns
    -------
    (classes, slices, rows, columns) array
    """
    plan = network.plan
    slices = image.shape[1] - 2 * plan.grid.context
    extent = image.shape[4 - plan.spatial_dims :]
    tile = _tile(extent, plan)
    # Padding with 0, the mean, as training does where a patch is larger than its image.
    padding = [
        (max(0, t - n) // 2, -(-max(0, t - n) // 2)) for n, t in zip(extent, tile, strict=True)
    ]
    untouched = [(0, 0)] * (4 - plan.spatial_dims)
    padded = np.pad(image, untouched + padding)
    corners = list(tile_corners(padded.shape[4 - plan.spatial_dims :], tile))
    leading = range(slices) if plan.spatial_dims == 2 else (0,)
    places = list(itertools.product(leading, corners))
    weight = tile_weight(tile)
    within = (slices,) if plan.spatial_dims == 2 else ()
    total = np.zeros((plan.classes, *within, *padded.shape[4 - plan.spatial_dims :]), np.float32)
    weights = np.zeros(padded.shape[4 - plan.spatial_dims :], np.float32)
    for corner in corners:
        weights[_box(corner, tile)] += weight
    batch = _batch(plan)
    for start in range(0, len(places), batch):
        here = places[start : start + batch]
        tiles = np.zeros((batch, *tile, plan.inputs), np.float32)
        for slot, place in enumerate(here):
            seen = padded[_window(place, tile, plan, 2 * plan.grid.context + 1)]
            tiles[slot] = np.moveaxis(seen.reshape(-1, *tile), 0, -1)
        found = _probabilities(network, tiles, tta)
        for slot, place in enumerate(here):
            blended = np.moveaxis(found[slot], -1, 0) * weight
            window = _window(place, tile, plan)
            total[window] += blended.reshape(total[window].shape)
        advance(min(1.0, (start + batch) / len(places)))
    total /= weights
    inner = tuple(slice(low, low + n) for (low, _), n in zip(padding, extent, strict=True))
    return total[(slice(None),) * (4 - plan.spatial_dims) + inner]


def _box(corner: tuple[int, ...], tile: tuple[int, ...]) -> tuple[slice, ...]:
    return tuple(slice(start, start + size) for start, size in zip(corner, tile, strict=True))


def _window(
    place: tuple[int, tuple[int, ...]], tile: tuple[int, ...], plan: Plan, slices: int = 1
) -> tuple[slice, ...]:
    """Index of a tile, of so many slices, in an array (channels or classes, slices, rows, columns)."""
    index, corner = place
    box = _box(corner, tile)
    return (
        (slice(None), slice(index, index + slices), *box)
        if plan.spatial_dims == 2
        else (slice(None), *box)
    )


def _probabilities(network: Predictor, tiles: Float32Array, tta: bool) -> Float32Array:
    """Probabilities of a batch; with `tta` the mean over copies mirrored as in training."""
    axes = network.plan.schedule.flip_axes if tta else ()
    flips = [
        tuple(1 + axis for axis in chosen)
        for count in range(len(axes) + 1)
        for chosen in itertools.combinations(axes, count)
    ]
    total = np.zeros((), np.float32)
    for flip in flips:
        found = network.probabilities(np.flip(tiles, flip) if flip else tiles)
        total = total + np.flip(found, flip)
    return np.asarray(total / len(flips), dtype=np.float32)
