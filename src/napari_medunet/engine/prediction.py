"""Prediction: a volume in, labels on its own grid out."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from napari_medunet.engine.examples import check_image
from napari_medunet.engine.grid import (
    Float32Array,
    image_to_grid,
    labels_from_classes,
    most_probable,
    slices_around,
)
from napari_medunet.engine.plan import Plan
from napari_medunet.engine.progress import Progress, Report, ignore
from napari_medunet.engine.settings import PredictSettings
from napari_medunet.engine.tiles import tile_corners, tile_weight
from napari_medunet.engine.volume import Volume

# Times the training patch along each side: fewer seams, and memory allows.
_WIDEST_TILE = {2: 2.0, 3: 1.5}
_SLAB_BYTES = 256 * 2**20  # of probabilities that are held at once in 2D


class Network(Protocol):
    """What prediction needs of a segmenter."""

    @property
    def plan(self) -> Plan:
        """The plan that the network was trained from."""
        ...

    def probabilities(self, images: Float32Array) -> Float32Array:
        """Class probabilities (batch, *size, classes) of images (batch, *size, channels)."""
        ...


class Ensemble:
    """Several segmenters as one: the mean of their probabilities.

    Parameters
    ----------
    members : non-empty sequence of Segmenter

    Raises
    ------
    ValueError
        If they see volumes on different grids, or know different labels.
    """

    def __init__(self, members: Sequence[Network]) -> None:
        self._members = members
        shared = [
            member.plan.model_dump(
                include={"dims", "axis", "context", "spacing_mm", "labels", "channels"}
            )
            for member in members
        ]
        for other in shared[1:]:
            if other != shared[0]:
                differing = [name for name, value in shared[0].items() if other[name] != value]
                raise ValueError(
                    f"The segmenters differ in {', '.join(differing)}; wanted the same in all, to average "
                    "them. Predict with each alone, or train them on the same data."
                )

    @property
    def plan(self) -> Plan:
        """The plan of the first member, whose grid and labels are those of all."""
        return self._members[0].plan

    def probabilities(self, images: Float32Array) -> Float32Array:
        """Mean class probabilities (batch, *size, classes) of images (batch, *size, channels)."""
        total = sum(member.probabilities(images) for member in self._members)
        return np.asarray(total / np.float32(len(self._members)), dtype=np.float32)


def load_segmenters(paths: list[Path]) -> Network:
    """Read one `.medunet` file, or several as their mean.

    Raises
    ------
    OSError, ValueError
        One line, if one cannot be read or they do not go together.
    """
    from napari_medunet.engine.segmenter import Segmenter

    segmenters = [Segmenter.load(path) for path in paths]
    return segmenters[0] if len(segmenters) == 1 else Ensemble(segmenters)


def predict(
    segmenter: Network,
    volume: Volume,
    settings: PredictSettings | None = None,
    report: Report = ignore,
) -> npt.NDArray[Any]:
    """Label every voxel of a volume.

    Parameters
    ----------
    segmenter : Segmenter
    volume : Volume
        (z, y, x) voxels, or (c, z, y, x) with as many channels as the segmenter was trained on;
        resampled and normalised as in training.
    settings : PredictSettings
    report : callable
        Called after each batch; raise `Cancelled` in it to stop.

    Returns
    -------
    (z, y, x) array
        On the volume's own grid, of the smallest unsigned type that holds the labels; 0 is background.

    Raises
    ------
    ValueError
        If the volume has other channels than the segmenter expects, or voxels that are no numbers.
    """
    settings = settings or PredictSettings()
    plan = segmenter.plan
    check_image(volume)
    channels = volume.voxels.shape[0] if volume.leading_axes else 1
    if channels != plan.channels:
        raise ValueError(
            f"Image '{volume.name}' has {channels} channels; the segmenter was trained on "
            f"{plan.channels}. Convert the image, or choose another segmenter."
        )
    report(Progress(0, f"Preparing {volume.name}"))
    grid = image_to_grid(volume, plan)
    own_shape = tuple(np.moveaxis(np.empty(volume.shape, bool), plan.axis, 0).shape)
    classes = np.empty(own_shape, np.int16)
    slabs = _slabs(grid.shape[1:], plan)
    for number, (start, stop) in enumerate(slabs):

        def advance(share: float, number: int = number) -> None:
            fraction = (number + share) / len(slabs)
            report(Progress(fraction, f"Segmenting {volume.name}"))

        slab = slices_around(grid, start, stop, plan.context)
        probabilities = _blend(segmenter, slab, settings.tta, advance)
        # A slab of slices is never resampled across them, a whole 3D volume may be.
        depth = own_shape[0] if plan.dims == 3 else stop - start
        own = (depth, own_shape[1], own_shape[2])
        classes[start : start + depth] = most_probable(probabilities, own)
    if settings.largest_component:
        keep_largest_components(classes, plan.classes)
    return labels_from_classes(classes, plan)


def keep_largest_components(classes: npt.NDArray[np.int16], count: int) -> None:
    """Set to background all but the largest face-connected piece of each class, in place."""
    for number in range(1, count):
        pieces, found = ndimage.label(classes == number)
        if found > 1:
            sizes = np.bincount(pieces.ravel())
            sizes[0] = 0
            classes[(pieces > 0) & (pieces != sizes.argmax())] = 0


def _slabs(extent: tuple[int, ...], plan: Plan) -> list[tuple[int, int]]:
    """Ranges of slices that are predicted together: whole batches in 2D, everything in 3D."""
    if plan.dims == 3:
        return [(0, extent[0])]
    plane_bytes = 4 * plan.classes * extent[1] * extent[2]
    batch = _batch(plan)
    size = max(1, _SLAB_BYTES // (plane_bytes * batch)) * batch
    return [(start, min(start + size, extent[0])) for start in range(0, extent[0], size)]


def _batch(plan: Plan) -> int:
    """Tiles per call: about the voxels of a training batch, since tiles may be wider than patches."""
    return max(1, plan.batch // 2)


def _tile(extent: tuple[int, ...], plan: Plan) -> tuple[int, ...]:
    """The whole extent, rounded up to what the network divides, but bounded."""
    widest = _WIDEST_TILE[plan.dims]
    return tuple(
        min(-(-n // step) * step, int(widest * size) // step * step)
        for n, step, size in zip(extent, plan.steps, plan.patch, strict=True)
    )


def _blend(
    segmenter: Network, image: Float32Array, tta: bool, advance: Callable[[float], None]
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
    plan = segmenter.plan
    slices = image.shape[1] - 2 * plan.context
    extent = image.shape[4 - plan.dims :]
    tile = _tile(extent, plan)
    # Padding with 0, the mean, as training does where a patch is larger than its image.
    padding = [
        (max(0, t - n) // 2, -(-max(0, t - n) // 2)) for n, t in zip(extent, tile, strict=True)
    ]
    untouched = [(0, 0)] * (4 - plan.dims)
    padded = np.pad(image, untouched + padding)
    corners = list(tile_corners(padded.shape[4 - plan.dims :], tile))
    leading = range(slices) if plan.dims == 2 else (0,)
    places = list(itertools.product(leading, corners))
    weight = tile_weight(tile)
    within = (slices,) if plan.dims == 2 else ()
    total = np.zeros((plan.classes, *within, *padded.shape[4 - plan.dims :]), np.float32)
    weights = np.zeros(padded.shape[4 - plan.dims :], np.float32)
    for corner in corners:
        weights[_box(corner, tile)] += weight
    batch = _batch(plan)
    for start in range(0, len(places), batch):
        here = places[start : start + batch]
        tiles = np.zeros((batch, *tile, plan.inputs), np.float32)
        for slot, place in enumerate(here):
            seen = padded[_window(place, tile, plan, 2 * plan.context + 1)]
            tiles[slot] = np.moveaxis(seen.reshape(-1, *tile), 0, -1)
        found = _probabilities(segmenter, tiles, tta)
        for slot, place in enumerate(here):
            blended = np.moveaxis(found[slot], -1, 0) * weight
            window = _window(place, tile, plan)
            total[window] += blended.reshape(total[window].shape)
        advance(min(1.0, (start + batch) / len(places)))
    total /= weights
    inner = tuple(slice(low, low + n) for (low, _), n in zip(padding, extent, strict=True))
    return total[(slice(None),) * (4 - plan.dims) + inner]


def _box(corner: tuple[int, ...], tile: tuple[int, ...]) -> tuple[slice, ...]:
    return tuple(slice(start, start + size) for start, size in zip(corner, tile, strict=True))


def _window(
    place: tuple[int, tuple[int, ...]], tile: tuple[int, ...], plan: Plan, slices: int = 1
) -> tuple[slice, ...]:
    """Index of a tile, of so many slices, in an array (channels or classes, slices, rows, columns)."""
    index, corner = place
    box = _box(corner, tile)
    return (
        (slice(None), slice(index, index + slices), *box) if plan.dims == 2 else (slice(None), *box)
    )


def _probabilities(segmenter: Network, tiles: Float32Array, tta: bool) -> Float32Array:
    """Probabilities of a batch; with `tta` the mean over the mirrorings that training saw."""
    axes = segmenter.plan.flip_axes if tta else ()
    flips = [
        tuple(1 + axis for axis in chosen)
        for count in range(len(axes) + 1)
        for chosen in itertools.combinations(axes, count)
    ]
    total = np.zeros((), np.float32)
    for flip in flips:
        found = segmenter.probabilities(np.flip(tiles, flip) if flip else tiles)
        total = total + np.flip(found, flip)
    return np.asarray(total / len(flips), dtype=np.float32)
