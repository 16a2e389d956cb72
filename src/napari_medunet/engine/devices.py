"""Which backend and device will run, in which precision, and why."""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

BACKENDS = ("tensorflow", "torch", "jax")


def backend_name() -> str:
    """Name of the backend that Keras will use, without importing it.

    Raises
    ------
    ValueError
        If the backend that `KERAS_BACKEND` asks for is unknown or not installed.
    """
    name = os.environ.get("KERAS_BACKEND", "tensorflow")
    if name not in BACKENDS or find_spec(name) is None:
        raise ValueError(
            f"The Keras backend '{name}' (from KERAS_BACKEND) is not installed; wanted one of "
            f"{', '.join(BACKENDS)}. Install it, or unset KERAS_BACKEND to use tensorflow."
        )
    return name


def set_up_backend() -> None:
    """Choose the backend before the first import of Keras, and keep its start quiet."""
    os.environ["KERAS_BACKEND"] = backend_name()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")


def start_backend() -> None:
    """Import Keras and its backend and find the devices: seconds of work, done once in a process.

    Raises
    ------
    ValueError
        If the backend that was asked for is not installed.
    """
    set_up_backend()
    import keras

    keras.backend.backend()
    gpus()


def cpu_has_bfloat16() -> bool:
    """Whether the processor multiplies bfloat16 in hardware (AVX-512 BF16 or AMX).

    Told on Linux only, where the kernel lists the processor's features; False elsewhere.
    """
    try:
        features = Path("/proc/cpuinfo").read_text(encoding="utf-8").split()
    except OSError:
        return False
    return "avx512_bf16" in features or "amx_bf16" in features


def gpus() -> list[str]:
    """Names of the GPUs that the backend sees. Imports the backend."""
    set_up_backend()
    name = backend_name()
    if name == "tensorflow":
        import tensorflow

        return [device.name for device in tensorflow.config.list_physical_devices("GPU")]
    if name == "torch":
        import torch

        return [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    import jax

    return [str(device) for device in jax.devices() if device.platform == "gpu"]


def precision() -> str:
    """Precision of the computation: bfloat16 where the hardware multiplies it, else float32.

    On torch and CPU it is float32: Keras's layers gain little there. Imports the backend.
    """
    if gpus():
        return "mixed_bfloat16"
    return "mixed_bfloat16" if backend_name() == "tensorflow" and cpu_has_bfloat16() else "float32"


def describe() -> str:
    """Say in one line what will run: backend, its version, device and precision. Imports the backend."""
    name = backend_name()
    found = gpus()
    device = ", ".join(found) if found else f"CPU ({os.cpu_count()} threads)"
    return f"Keras on {name} {package_version(name)}, {device}, {precision()}"


def package_version(name: str) -> str:
    """Version of an installed package, or "not installed"."""
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"


def free_memory_mib() -> float | None:
    """Memory that a new process could take, in MiB; None where the system does not tell (not Linux)."""
    if platform.system() != "Linux":
        return None
    for line in Path("/proc/meminfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) / 1024
    return None


def examine() -> tuple[dict[str, str], list[str]]:
    """Facts about this machine and installation, and advice where something is slow or missing.

    Imports the backend.

    Returns
    -------
    facts : dict of name to value, in words
    advice : list of sentences
    """
    from napari_medunet.engine.metrics.nearest import COMPILED

    found = gpus()
    free = free_memory_mib()
    facts = {
        "backend": f"{backend_name()} {package_version(backend_name())}",
        "device": ", ".join(found) or f"CPU, {os.cpu_count()} threads",
        "precision": precision(),
        "free memory": "not told by this system" if free is None else f"{free / 1024:.1f} GiB",
        "python": platform.python_version(),
        "surface distances": "compiled (numba)" if COMPILED else "scipy (numba is not installed)",
        **{name: package_version(name) for name in ("napari-medunet", "napari", "keras", "numpy")},
    }
    advice = _advice(found, free)
    if not COMPILED:
        advice.append("numba is not installed: surface distances are the same, and take longer.")
    return facts, advice


def _advice(found: list[str], free: float | None) -> list[str]:
    advice = []
    if not found:
        advice.append("No GPU is used: expect minutes, not seconds, for a first good segmentation.")
        if platform.system() == "Windows":
            advice.append(
                "TensorFlow has no GPU on Windows: install torch for CUDA and set KERAS_BACKEND=torch."
            )
        if not cpu_has_bfloat16():
            advice.append(
                "This processor has no bfloat16 (AVX-512 BF16 or AMX), or does not tell: training runs in "
                "float32, at about two thirds of the speed."
            )
    if free is not None and free < 2048:
        advice.append("Less than 2 GiB of memory is free: close other programs before training.")
    return advice
