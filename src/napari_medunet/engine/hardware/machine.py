"""The machine, as far as it is known without importing a backend: processor, memory, speed."""

from __future__ import annotations

import os
import platform
import shutil
import time
from functools import cache
from pathlib import Path
from typing import Any

import psutil

# Billions of operations that one core does in a second of training. AMX multiplies fastest of all, but much
# of a step's time goes into gradients of kernels, which take longer so. M22
_GFLOPS_PER_CORE = {
    "bfloat16": 250.0,
    "bfloat16 with AMX": 150.0,
    "float32 with AVX-512": 150.0,
    "float32": 40.0,
}
_CORES_PER_DRAWING_THREAD = 4  # one thread draws faster than four cores learn, M24


@cache
def _about_processor() -> str:
    """What Linux says of the processor; elsewhere nothing."""
    try:
        return Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return ""


@cache
def _features() -> frozenset[str]:
    """What the processor can do, in the words of Linux; elsewhere nothing is known."""
    return frozenset(_about_processor().split())


def processor() -> str:
    """What the processor's maker calls it, as far as the system tells."""
    for line in _about_processor().splitlines():
        name, _, value = line.partition(":")
        if name.strip() == "model name":
            return value.strip()
    return platform.processor() or platform.machine()


def process_began() -> float:
    """When this process did, as `time.monotonic` would have told it then."""
    age = float(time.time() - psutil.Process().create_time())
    return time.monotonic() - max(0.0, age)


def cpu_has_bfloat16() -> bool:
    """Whether the processor multiplies bfloat16 in hardware (AVX-512 BF16 or AMX).

    Known on Linux only, where the kernel lists the processor's features; False elsewhere.
    """
    return bool(_features() & {"avx512_bf16", "amx_bf16"})


def has_nvidia_driver() -> bool:
    """Whether NVIDIA's driver is installed, with which its tool comes: a GPU may be there."""
    return shutil.which("nvidia-smi") is not None


def cache_folder() -> Path:
    """Where the user keeps what can be made again, on Linux; others must not be able to write there.

    Raises
    ------
    RuntimeError
        If the user has no home.
    """
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "napari-medunet")


def cores() -> int:
    """Cores of the processor that this process may use; two threads of one core count once."""
    usable: Any = getattr(os, "sched_getaffinity", None)  # not on macOS and Windows
    threads = len(usable(0)) if usable else os.cpu_count() or 1
    return min(threads, psutil.cpu_count(logical=False) or threads)


def loader_threads() -> int:
    """Threads that draw patches while the network computes on all cores."""
    return max(1, cores() // _CORES_PER_DRAWING_THREAD)


def gflops(threads: int | None = None) -> float:
    """About how many billions of operations a training does in a second on the processor.

    Guessed from its kind and its cores; `speed` knows what was measured.

    Parameters
    ----------
    threads : int, optional
        As many as there are cores if not given.
    """
    return _GFLOPS_PER_CORE[_arithmetic()] * min(threads or cores(), cores())


def share_of_fastest() -> float:
    """Speed of a core of this processor, in parts of that of the fastest kind."""
    return _GFLOPS_PER_CORE[_arithmetic()] / max(_GFLOPS_PER_CORE.values())


def describe() -> str:
    """Say what `gflops` goes by: "2 cores, bfloat16"."""
    count = cores()
    return f"{count} core{'s' if count > 1 else ''}, {_arithmetic()}"


def _arithmetic() -> str:
    if "amx_bf16" in _features():
        return "bfloat16 with AMX"
    if cpu_has_bfloat16():
        return "bfloat16"
    return "float32 with AVX-512" if "avx512f" in _features() else "float32"
