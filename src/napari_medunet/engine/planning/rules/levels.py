"""The levels of the network: how each halves the patch."""

from __future__ import annotations

from typing import Literal

import numpy as np

from napari_medunet.engine.settings.bounds import Pools

_DEEPEST: dict[int, int] = {2: 5, 3: 4}
_SMALLEST_LEVEL = 4  # voxels across: one level fewer learns less, M1
# Voxels across that are halved once more. A slice is shown whole: what it is rounded up by is empty. A
# block is smaller than its volume, which has the room for what 6.5 is rounded up to.
_HALVED_FROM: dict[int, float] = {2: 8, 3: 6.5}


def pools(patch: tuple[int, ...], spacing_mm: list[float], depth: int | None) -> tuple[Pools, str]:
    """Halve what is fine enough and large enough, level by level (as nnU-Net does).

    Halved until the deepest level sees the patch as about `_SMALLEST_LEVEL` voxels (M1), `_DEEPEST[2]`
    levels at most in 2D and `_DEEPEST[3]` in 3D. An axis of thick slices waits until the others are as
    coarse, and a short one stops earlier. The patch is rounded up to what the levels divide.

    Parameters
    ----------
    patch : tuple of int
    spacing_mm : list of float
        Along the axes of the patch.
    depth : int, optional
        That was asked for.
    """
    dims = len(patch)
    sizes, spacing = np.asarray(patch, float), np.asarray(spacing_mm)
    deepest = depth or _DEEPEST[dims]
    pools: list[tuple[Literal[1, 2], ...]] = []
    while len(pools) < deepest - 1:
        large = sizes >= _HALVED_FROM[dims]
        if not large.any():
            if len(pools) and not depth:
                break
            # So many levels were asked for, or two are the fewest. The first axis never gets 2 voxels.
            large = np.array([dims == 2 or sizes[0] > _SMALLEST_LEVEL, *[True] * (dims - 1)])
        fine = spacing < 2 * spacing[large].min()
        factors = np.where(large & fine, 2, 1)
        pools.append(tuple(2 if factor == 2 else 1 for factor in factors))
        sizes, spacing = sizes / factors, spacing * factors
    if depth:
        return tuple(pools), "as set"
    why = f"until the deepest sees the patch as about {_SMALLEST_LEVEL} voxels, {deepest} at most"
    if any(1 in factors for factors in pools):
        why += "; a coarse or short axis is halved less often"
    return tuple(pools), why


def rounded_up(patch: tuple[int, ...], pools: Pools) -> tuple[int, ...]:
    """A patch that each level divides."""
    steps = [int(np.prod(factors)) for factors in zip(*pools, strict=True)]
    return tuple(-(-size // step) * step for size, step in zip(patch, steps, strict=True))
