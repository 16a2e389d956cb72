"""Speed: what this machine was measured to do in training, kept in the user's cache folder.

A figure is of one machine, backend, precision, number of threads and kind of network (2D or 3D). The last
few are kept, and the best of them counts: a training that a neighbour slowed says nothing of the machine.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any

from napari_medunet.engine.errors import MedunetError
from napari_medunet.engine.files.saving import atomic_write
from napari_medunet.engine.hardware import devices, machine

Probe = Callable[[int, int | None], float]
"""Measures Gflop/s in training a network of so many spatial dimensions, on so many threads."""

_FILE = "speed.json"
_KEPT = 5  # figures of each kind
_MOST_BYTES = 2**20  # of the file: a larger one is not ours
# Where it is "guess", nothing is measured, read or kept: plans are made by the kind of the processor.
_SWITCH = "MEDUNET_SPEED"
_NOTHING: list[float] = []

_probe: Probe | None = None
_here: dict[str, list[float]] = {}  # measured in this process, which may not be able to keep it


@contextmanager
def measured_by(probe: Probe) -> Iterator[None]:
    """Context in which a speed that is asked for and not known is measured."""
    global _probe
    before, _probe = _probe, probe
    try:
        yield
    finally:
        _probe = before


def gflops(dims: int, threads: int | None) -> float | None:
    """What this machine does in training, in Gflop/s, as it was measured; None where it was not.

    Parameters
    ----------
    dims : 2 or 3
        Axes of the network's patches.
    threads : int or None
        Of the computation; all where there is none.
    """
    if not is_kept():
        return None
    key = _key(dims, threads)
    found = _read().get(key) or _here.get(key)
    if not found and _probe is not None:
        remember(_probe(dims, threads), dims, threads)
        found = _here.get(key)
    return max(found or _NOTHING, default=None)


def remember(gflops: float, dims: int, threads: int | None) -> None:
    """Keep what was measured; where that is impossible, plans do without it."""
    if not is_kept() or not (math.isfinite(gflops) and gflops > 0):
        return
    known, key = _read(), _key(dims, threads)
    known[key] = _here[key] = [*known.get(key, _NOTHING), gflops][-_KEPT:]
    with suppress(OSError, MedunetError, RuntimeError), atomic_write(_path()) as stream:
        stream.write(json.dumps(known, indent=1).encode())


def is_kept() -> bool:
    """Whether speeds are measured and kept at all."""
    return os.environ.get(_SWITCH) != "guess"


def _path() -> Path:
    return machine.cache_folder() / _FILE


def _read() -> dict[str, list[float]]:
    """Everything that is kept; nothing where the file is missing, damaged or not ours."""
    try:
        path = _path()
        if path.stat().st_size > _MOST_BYTES:
            return {}
        found = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError, RuntimeError):
        return {}
    if not isinstance(found, dict):
        return {}
    return {key: figures for key, figures in found.items() if _are_figures(figures)}


def _are_figures(found: Any) -> bool:
    return isinstance(found, list) and all(
        isinstance(one, float | int) and math.isfinite(one) and one > 0 for one in found
    )


def _key(dims: int, threads: int | None) -> str:
    """What a figure is of, as far as it is known without importing the backend."""
    name = devices.backend_name()
    half = "half precision" if devices.expects_half_precision() else "float32"
    limits = map(os.environ.get, ("TF_NUM_INTRAOP_THREADS", "OMP_NUM_THREADS"))
    used = threads or next((limit for limit in limits if limit), "all")
    return ", ".join(
        (
            _devices(),
            f"{name} {devices.package_version(name)}",
            f"Keras {devices.package_version('keras')}",
            half,
            f"{used} threads",
            f"{dims}D",
        )
    )


def _devices() -> str:
    """Processor and cores; where GPUs are expected, these."""
    if not devices.expects_gpu():
        return f"{machine.processor()}, {machine.cores()} cores"
    chosen = os.environ.get("CUDA_VISIBLE_DEVICES", "all")
    return f"{', '.join(_nvidia_gpus()) or 'GPU'}, {chosen} of them"


@cache
def _nvidia_gpus() -> tuple[str, ...]:
    """The names of NVIDIA's GPUs, from its driver on Linux; elsewhere none are told."""
    names = []
    for file in sorted(Path("/proc/driver/nvidia/gpus").glob("*/information")):
        with suppress(OSError):
            lines = file.read_text(encoding="utf-8", errors="replace").splitlines()
            names += [line.partition(":")[2].strip() for line in lines if line.startswith("Model:")]
    return tuple(names)
