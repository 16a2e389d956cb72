"""Probe: how fast this machine trains, by a few steps of a network of the usual size."""

from __future__ import annotations

import time
from statistics import median

import numpy as np

from napari_medunet.engine.hardware import devices
from napari_medunet.engine.hardware.data_parallel import all_devices
from napari_medunet.engine.plan import Plan
from napari_medunet.engine.planning.network_size import step_gflop

# Small, but as wide as what is planned: narrower networks are slower by the same arithmetic.
_PATCH, _FILTERS = {2: (128, 128), 3: (32, 32, 32)}, {2: 32, 3: 16}
_LARGER_ON_GPU = 2  # times each side: smaller patches keep no GPU busy
_DEPTH, _BATCH = {2: 4, 3: 3}, {2: 4, 3: 2}
_SECONDS, _FEWEST, _MOST = 1.0, 3, 200  # of all steps, and how many there are


def measure(dims: int, threads: int | None = None) -> float:
    """Train a small network on noise for a second beyond compiling; its Gflop/s, counted as in plans.

    Parameters
    ----------
    dims : 2 or 3
        Axes of the network's patches.
    threads : int, optional
        All of the machine's if not given.

    Raises
    ------
    MedunetError
        If the backend has begun to compute with another number of threads.
    """
    devices.set_up_backend()
    devices.use_threads(threads)

    from napari_medunet.engine.training.learning.steps import compile_steps, new_learner

    plan, group = _plan(dims, _LARGER_ON_GPU if devices.gpus() else 1), all_devices()
    learn, _ = compile_steps(new_learner(plan, devices.precision(), group))
    size = (plan.schedule.batch * group.count, *plan.grid.patch)
    images = np.random.default_rng(0).normal(size=(*size, 1)).astype(np.float32)
    classes = (images[..., 0] > 0).astype(np.int32)
    float(learn(images, classes))  # compiles it
    taken: list[float] = []
    while len(taken) < _FEWEST or (sum(taken) < _SECONDS and len(taken) < _MOST):
        start = time.monotonic()
        float(learn(images, classes))
        taken.append(time.monotonic() - start)
    return step_gflop(plan) * group.count / median(taken)


def _plan(dims: int, larger: int) -> Plan:
    return Plan.of(
        dims=f"{dims}d",
        spacing_mm=(1.0, 1.0, 1.0),
        patch=tuple(larger * size for size in _PATCH[dims]),
        labels=(0, 1),
        depth=_DEPTH[dims],
        filters=_FILTERS[dims],
        batch=_BATCH[dims],
    )
