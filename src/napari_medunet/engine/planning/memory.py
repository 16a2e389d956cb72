"""How much memory a training takes, estimated before anything is built, and a plan that fits into it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

from napari_medunet.engine.errors import MedunetError
from napari_medunet.engine.hardware import devices, machine
from napari_medunet.engine.plan import Plan
from napari_medunet.engine.planning.network_size import weight_count
from napari_medunet.engine.settings import TrainSettings

MIB = 2**20

# Tensors of a level's size and filters that live at once, counted from `unet` and confirmed by
# `benchmarks/memory.py`: on each way two convolutions with their normalisation and rectifier, what is
# upsampled and joined on the way up, and what the gradients need beside them.
_FEATURES = 16.5
# Tensors of classes x voxels in float32: logits, probabilities, truth and their gradients.
_LOGITS = 10.0
# Bytes: weight, gradient, momentum, the step, average, best epoch, copy in 16 bits.
_PER_WEIGHT = 7 * 4
_SHARE = 0.8  # of the free memory: the estimate may be wrong by a tenth, and others want some, too
_SMALLEST_PATCH = {2: 64, 3: 32}  # voxels of a side
_FEWEST_FILTERS = 8
_BATCHES = 3  # learned from, drawn ahead and waiting, beside one on each thread that draws
_FIXED_MIB = 150.0  # compiled graphs, and the libraries' own buffers


class Memory(NamedTuple):
    """Parts of the memory that a training takes, in MiB."""

    examples: float
    network: float
    step: float

    @property
    def total(self) -> float:
        """All parts, and what libraries take whatever the plan is."""
        return self.examples + self.network + self.step + _FIXED_MIB


def training_memory(plan: Plan, voxels: int, feature_bytes: int) -> Memory:
    """Estimate what training by a plan takes.

    Parameters
    ----------
    plan : Plan
    voxels : int
        Of all examples together, on the network's grid, without channels.
    feature_bytes : 2 or 4
        Of a number in the network: 2 where it computes in 16 bits.
    """
    patch = math.prod(plan.grid.patch)
    sizes, filters = (
        [float(patch)],
        [plan.network.filters * 2**level for level in range(plan.network.depth)],
    )
    for factors in plan.network.pools:
        sizes.append(sizes[-1] / math.prod(factors))
    features = sum(size * count for size, count in zip(sizes, filters, strict=True))
    step = plan.schedule.batch * (
        _FEATURES * features * feature_bytes
        + _LOGITS * patch * plan.classes * 4
        + (_BATCHES + machine.loader_threads()) * patch * (plan.inputs + 1) * 4
    )
    return Memory(
        examples=voxels * (plan.channels * 4 + _classes_bytes(plan)) / MIB,
        network=weight_count(plan) * _PER_WEIGHT / MIB,
        step=step / MIB,
    )


def _classes_bytes(plan: Plan) -> int:
    """Of a voxel: its annotation; in self-training its pseudo-label, too, and the guess with its odds."""
    return 8 if plan.schedule.self_training else 2


def needed_mib(plan: Plan, voxels: int) -> float:
    """Estimate what training by a plan takes on this machine; see `training_memory`."""
    return training_memory(plan, voxels, feature_bytes()).total


def fitting_plan(
    plan: Plan, voxels: int, free_mib: float, settings: TrainSettings | None
) -> tuple[Plan, str]:
    """Make a plan smaller until its training fits into the free memory: batch, then patch, then filters.

    What training takes is estimated. Where that is more than `_SHARE` of what is free, batches are made
    smaller, then patches, then filters; what the user has set stays as it is. Where even the smallest does
    not fit, training is refused.

    Parameters
    ----------
    plan : Plan
    voxels : int
        As for `training_memory`.
    free_mib : float
    settings : TrainSettings or None
        What the user has set stays as it is; where none are given, all of the plan does.

    Returns
    -------
    plan : Plan
    why : str
        Of the memory that is needed.

    Raises
    ------
    MedunetError
        If even the smallest does not fit.
    """
    first = needed = training_memory(plan, voxels, feature_bytes())
    for smaller in (plan, *(_ever_smaller(plan, settings) if settings else ())):
        needed = training_memory(smaller, voxels, feature_bytes())
        if needed.total <= _SHARE * free_mib:
            why = f"estimated, of {_gib(free_mib)} free"
            if smaller != plan:
                patch = " x ".join(map(str, smaller.grid.patch))
                why += (
                    f"; {_gib(first.total)} were too much: now batches of {smaller.schedule.batch}, "
                    f"patches of {patch}, {smaller.network.filters} filters"
                )
            return smaller, why
    raise MedunetError(
        f"Training needs about {_gib(needed.total)} of memory at the least, {_gib(needed.examples)} of "
        f"them for the images, and {_gib(free_mib)} are free. Close other programs, set a coarser spacing "
        "or a smaller batch, or train on fewer or smaller images."
    )


def _ever_smaller(plan: Plan, settings: TrainSettings) -> Iterator[Plan]:
    while plan.schedule.batch > 2 and settings.schedule.batch is None:
        plan = plan.changed(batch=plan.schedule.batch // 2)
        yield plan
    while settings.grid.patch is None:
        patch = plan.grid.patch
        longest = max(range(plan.spatial_dims), key=patch.__getitem__)
        side = patch[longest] // 2 // plan.multiples[longest] * plan.multiples[longest]
        if side < _SMALLEST_PATCH[plan.spatial_dims]:
            break
        plan = plan.changed(patch=(*patch[:longest], side, *patch[longest + 1 :]))
        yield plan
    while plan.network.filters // 2 >= _FEWEST_FILTERS and settings.network.filters is None:
        plan = plan.changed(filters=plan.network.filters // 2)
        yield plan


def _gib(mib: float) -> str:
    return f"{mib / 1024:.2g} GiB"


def feature_bytes() -> int:
    """Bytes of a number in the network on this machine. Imports no backend."""
    in_16_bits = devices.backend_name() == "tensorflow" and machine.cpu_has_bfloat16()
    return 2 if in_16_bits else 4
