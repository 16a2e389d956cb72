"""Tiles of an image that is larger than the network's input: their places, and their weights."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

_OVERLAP = 0.5  # of a tile with its neighbour


def tile_corners(extent: tuple[int, ...], tile: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
    """First voxel of each tile, so that every voxel is covered and no tile leaves the extent.

    Parameters
    ----------
    extent, tile : tuples of int
        Sizes; no tile may be larger than the extent.

    Examples
    --------
    Ten voxels, tiles of four: neighbours overlap by half, and the last ends with the extent.

    >>> list(tile_corners((10,), (4,)))
    [(0,), (2,), (4,), (6,)]
    """
    starts = []
    for n, size in zip(extent, tile, strict=True):
        count = int(np.ceil((n - size) / (size * (1 - _OVERLAP)))) + 1
        starts.append(np.linspace(0, n - size, count).round().astype(int).tolist())
    return itertools.product(*starts)


def tile_weight(tile: tuple[int, ...]) -> npt.NDArray[np.float32]:
    """Weight of a tile's voxels: a Gaussian with a standard deviation of an eighth of the size.

    The middle of a tile sees most of its surroundings and counts most, as in nnU-Net (Isensee et al.
    2021, Nature Methods 18, 203-211, Methods). Never 0, so that the blend can be divided by it.
    """
    weight = np.ones(tile, np.float32)
    for axis, size in enumerate(tile):
        distance = (np.arange(size) - (size - 1) / 2) / (size / 8)
        profile = np.maximum(np.exp(-0.5 * distance**2), 1e-3).astype(np.float32)
        weight *= profile.reshape([-1 if a == axis else 1 for a in range(len(tile))])
    return weight
