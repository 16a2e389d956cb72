"""Size of a plan's network as `unet` builds it: its weights, and the arithmetic of a step."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

from napari_medunet.engine.plan import Plan

# Multiplication and addition, of the way there and of the two ways back: gradients of what came in and of
# the weights.
_PER_PRODUCT = 2 * 3


class _Level(NamedTuple):
    """One level's share of the patch, and of the weights."""

    voxels: float  # of one patch
    convolved: int  # weights of convolutions: each voxel meets all of them
    upsampled: int  # weights of what fills this level from the one below
    pooled: int  # voxels that become one below: each meets its own share of what is upsampled


def weight_count(plan: Plan) -> int:
    """Weights of the network of a plan, but for the few of its normalisation."""
    count = sum(level.convolved + level.upsampled for level in _levels(plan))
    return count + plan.network.filters * plan.classes


def step_gflop(plan: Plan) -> float:
    """Billions of operations with which a network learns from one batch, as far as convolutions go."""
    products = sum(
        level.voxels * (level.convolved + level.upsampled / level.pooled) for level in _levels(plan)
    )
    return _PER_PRODUCT * plan.schedule.batch * products / 1e9


def _levels(plan: Plan) -> Iterator[_Level]:
    voxels, before = float(math.prod(plan.grid.patch)), plan.inputs
    for number in range(plan.network.depth):
        here, kernel = plan.network.filters * 2**number, math.prod(plan.kernel(number))
        convolved = kernel * here * (before + here)  # down
        upsampled, pooled = 0, 1
        if number < plan.network.depth - 1:
            pooled = math.prod(plan.network.pools[number])
            upsampled = pooled * 2 * here * here
            convolved += kernel * here * 3 * here  # up: what comes from below and from the side
        yield _Level(voxels, convolved, upsampled, pooled)
        voxels, before = voxels / pooled, here
