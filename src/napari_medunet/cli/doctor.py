"""What will run here, and what is slow or missing: the facts and the advice of `doctor`."""

from __future__ import annotations

import platform

from napari_medunet.engine import memory
from napari_medunet.engine.hardware import devices, machine
from napari_medunet.engine.planning import compute_budget
from napari_medunet.engine.settings.budget import BudgetSettings


def examine() -> tuple[dict[str, str], list[str]]:
    """Facts about this machine and installation, and advice where something is slow or missing.

    Imports the backend.

    Returns
    -------
    facts : dict of name to value, in words
    advice : list of sentences
    """
    found = devices.gpus()
    free_gib = memory.free_memory_mib() / 1024
    facts = {
        "backend": f"{devices.backend_name()} {devices.package_version(devices.backend_name())}",
        "device": devices.describe_devices(),
        "precision": devices.precision(),
        "processor": f"{machine.describe()} ({machine.processor()})",
        "speed in training": _speed(),
        "free memory": f"{free_gib:.1f} GiB",
        "python": platform.python_version(),
        **{
            name: devices.package_version(name)
            for name in ("napari-medunet", "napari", "keras", "numpy")
        },
    }
    return facts, _advice(found, free_gib)


def _speed() -> str:
    """What this machine does in 2D and in 3D, and whether that was measured."""
    budget = BudgetSettings()
    return "; ".join(compute_budget.describe(budget, dims) for dims in (2, 3))


def _advice(found: list[devices.Gpu], free_gib: float) -> list[str]:
    advice = []
    if not found:
        advice.append("No GPU is used: expect minutes, not seconds, for a first good segmentation.")
        if platform.system() == "Windows":
            advice.append(
                "TensorFlow has no GPU on Windows: install torch for CUDA and set KERAS_BACKEND=torch."
            )
        elif machine.has_nvidia_driver():
            advice.append(
                f"NVIDIA's driver is installed, but {devices.backend_name()} finds no GPU: pip install "
                "'jax[cuda13]' and set KERAS_BACKEND=jax, which trains fastest, or pip install "
                "'tensorflow[and-cuda]'."
            )
        if not machine.cpu_has_bfloat16():
            advice.append(
                "This processor has no bfloat16 (AVX-512 BF16 or AMX), or does not tell: training runs in "
                f"float32, at about {machine.share_of_fastest():.0%} of the speed."
            )
    if devices.backend_name() == "torch" and len(found) > 1:
        advice.append(
            f"torch trains on one of the {len(found)} GPUs: to train on all, install JAX for CUDA and set "
            "KERAS_BACKEND=jax."
        )
    if free_gib < 2:
        advice.append("Less than 2 GiB of memory is free: close other programs before training.")
    return advice
