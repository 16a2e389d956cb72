"""The patch that the network sees at once, and how its levels halve it."""

from __future__ import annotations

from typing import Literal

import numpy as np

from napari_medunet.engine.errors import MedunetError
from napari_medunet.engine.planning.rules.facts import DataFacts, by
from napari_medunet.engine.settings import TrainSettings

_DEEPEST: dict[int, int] = {2: 5, 3: 4}
_PATCH_VOXELS: dict[int, int] = {2: 256**2, 3: 64**3}
_LONGEST_PATCH = 1024  # of a side, as in `Plan`: a strip of 60 x 1100 is shown in parts
# A block needs not hold the whole volume: with four fifths of each side twice as many are seen in the same
# minutes. Hippocampus, two minutes on two cores: Dice 0.898 and 0.881, whole volumes 0.890 and 0.876.
_BLOCK_SHARE = 0.8
_SMALLEST_LEVEL = 4  # voxels across: one level fewer cost 0.01 of Dice on slices of 50 x 35
# Voxels across that are halved once more. A slice is shown whole: what it is rounded up by is empty. A
# block is smaller than its volume, which has the room for what 6.5 is rounded up to.
_HALVED_FROM: dict[int, float] = {2: 8, 3: 6.5}
Pools = tuple[tuple[Literal[1, 2], ...], ...]


def patch(data: DataFacts, axes: list[int], dims: int) -> tuple[tuple[int, ...], str]:
    """Voxels of a patch along `axes`, before `rounded_up`."""
    if data.settings.patch:
        if len(data.settings.patch) != dims:
            raise MedunetError(
                f"The patch {by(data.settings.patch)} has {len(data.settings.patch)} sizes; wanted {dims} "
                f"for a {dims}D network. Give as many, or leave it out."
            )
        return data.settings.patch, "as set"
    sizes = [min(data.sizes[axis], _LONGEST_PATCH) for axis in axes]
    if dims == 3:
        sizes = [max(_SMALLEST_LEVEL, round(_BLOCK_SHARE * size)) for size in sizes]
    if np.prod(sizes) <= _PATCH_VOXELS[dims]:
        if max(data.sizes[axis] for axis in axes) > _LONGEST_PATCH:
            return tuple(
                sizes
            ), f"a side is {_LONGEST_PATCH} voxels at most: a part is seen at a time"
        part = (
            "three in four images" if dims == 2 else f"{_BLOCK_SHARE:.0%} of three in four volumes"
        )
        return tuple(sizes), f"{part} fit whole"
    while np.prod(sizes) > _PATCH_VOXELS[dims]:
        extents = [size * data.spacing_mm[axis] for size, axis in zip(sizes, axes, strict=True)]
        longest = int(np.argmax(extents))
        sizes[longest] = max(1, min(sizes[longest] - 1, int(sizes[longest] * 0.97)))
    return tuple(
        sizes
    ), f"about as long in mm on each side, of at most {_PATCH_VOXELS[dims]} voxels"


def pools(
    patch: tuple[int, ...], spacing_mm: list[float], dims: int, settings: TrainSettings
) -> tuple[Pools, str]:
    """Halve what is fine enough and large enough, level by level (as nnU-Net does)."""
    sizes, spacing = np.asarray(patch, float), np.asarray(spacing_mm)
    deepest = settings.depth or _DEEPEST[dims]
    pools: list[tuple[Literal[1, 2], ...]] = []
    while len(pools) < deepest - 1:
        large = sizes >= _HALVED_FROM[dims]
        if not large.any():
            if len(pools) and not settings.depth:
                break
            # So many levels were asked for, or two are the fewest. The first axis never gets 2 voxels.
            large = np.array([dims == 2 or sizes[0] > _SMALLEST_LEVEL, *[True] * (dims - 1)])
        fine = spacing < 2 * spacing[large].min()
        factors = np.where(large & fine, 2, 1)
        pools.append(tuple(2 if factor == 2 else 1 for factor in factors))
        sizes, spacing = sizes / factors, spacing * factors
    if settings.depth:
        return tuple(pools), "as set"
    why = f"until the deepest sees the patch as about {_SMALLEST_LEVEL} voxels, {deepest} at most"
    if any(1 in factors for factors in pools):
        why += "; a coarse or short axis is halved less often"
    return tuple(pools), why


def rounded_up(patch: tuple[int, ...], pools: Pools) -> tuple[int, ...]:
    """A patch that each level divides."""
    steps = [int(np.prod(factors)) for factors in zip(*pools, strict=True)]
    return tuple(-(-size // step) * step for size, step in zip(patch, steps, strict=True))
