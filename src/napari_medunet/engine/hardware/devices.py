"""Which backend and device will run, in which precision, and why."""

from __future__ import annotations

import logging
import os
import sys
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from typing import Any

from napari_medunet.engine.errors import MedunetError
from napari_medunet.engine.hardware import machine

BACKENDS = ("tensorflow", "torch", "jax")
_MISSING = "not installed"
# What comes with a backend that was installed to compute on NVIDIA's GPUs.
_CUDA = {
    "tensorflow": ("nvidia-cuda-nvcc-cu12",),  # which torch does not need, and may share the rest
    "torch": ("nvidia-cudnn-cu12", "nvidia-cudnn-cu13"),
    "jax": ("jax-cuda12-plugin", "jax-cuda13-plugin"),
}


def backend_name() -> str:
    """Name of the backend that Keras uses, or will use once it is imported; imports nothing.

    Raises
    ------
    MedunetError
        If the backend that `KERAS_BACKEND` asks for is unknown or not installed, or if Keras was
        imported with one that cannot train.
    """
    running = _running_backend()
    name = running or _asked_for()
    if running and running not in BACKENDS:
        raise MedunetError(
            f"Keras was imported on '{running}', which cannot train; wanted one of {', '.join(BACKENDS)}. "
            "Set KERAS_BACKEND before the first import of Keras, in a new process."
        )
    if name not in BACKENDS or find_spec(name) is None:
        raise MedunetError(
            f"The Keras backend '{name}' (from KERAS_BACKEND) is not installed; wanted one of "
            f"{', '.join(BACKENDS)}. Install it, or unset KERAS_BACKEND to use tensorflow."
        )
    return name


def _running_backend() -> str | None:
    """Name of the backend that Keras was imported with; None before that."""
    backend: Any = getattr(sys.modules.get("keras"), "backend", None)
    return str(backend.backend()) if hasattr(backend, "backend") else None


def _asked_for() -> str:
    return os.environ.get("KERAS_BACKEND", "tensorflow")


def set_up_backend() -> None:
    """Choose the backend before the first import of Keras, and keep its start quick and quiet.

    A backend that was imported before, by a notebook say, is used as it is: neither the environment nor
    its logger are changed.

    Raises
    ------
    MedunetError
        See `backend_name`; and if Keras was imported to compute in other numbers than float32.
    """
    name = backend_name()
    if _running_backend() is None:
        os.environ["KERAS_BACKEND"] = name
    _check_number_type()
    if "tensorflow" not in sys.modules:
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
        os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
        # It warns that several networks are several functions to trace, which they are.
        logging.getLogger("tensorflow").setLevel(logging.ERROR)
    if name == "jax" and "jax" not in sys.modules and expects_gpu():
        # To compile a step takes half a minute, of which two seconds are left once it was compiled before.
        with suppress(RuntimeError):  # who has no home does without
            os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(machine.cache_folder() / "jax"))


def _check_number_type() -> None:
    """Refuse numbers of another type as Keras's default: the caller's process keeps its configuration."""
    config: Any = getattr(sys.modules.get("keras"), "config", None)
    floatx = config.floatx() if hasattr(config, "floatx") else "float32"
    if floatx != "float32":
        raise MedunetError(
            f"Keras computes in {floatx} by default in this process; wanted float32. Call "
            "keras.config.set_floatx('float32'), or change floatx in keras.json."
        )


def start_backend() -> None:
    """Import Keras and its backend and find the devices: seconds of work, done once in a process.

    Raises
    ------
    MedunetError
        If the backend that was asked for is not installed.
    """
    set_up_backend()
    import keras

    keras.backend.backend()
    gpus()


def use_threads(count: int | None) -> None:
    """Compute on so many threads; on as many as the backend chooses where none are given.

    Raises
    ------
    MedunetError
        If the backend has begun to compute with another number of threads.
    """
    if count is None or count == threads():
        return
    name = backend_name()
    if name == "torch":
        import torch

        torch.set_num_threads(count)
        return
    if name == "tensorflow":
        from tensorflow.config import threading

        with suppress(RuntimeError):
            threading.set_intra_op_parallelism_threads(count)
            threading.set_inter_op_parallelism_threads(count)
    if threads() != count:
        raise MedunetError(
            f"{name} computes on {threads() or 'all'} threads in this process, and cannot change to "
            f"{count} once it has begun (JAX never can). Train in a new process, or leave `threads` out."
        )


def threads() -> int:
    """Threads of the computation; 0 where the backend has as many as the machine."""
    name = backend_name()
    if name == "torch":
        import torch

        return torch.get_num_threads()  # type: ignore[no-any-return]
    if name == "tensorflow":
        from tensorflow.config import threading

        return threading.get_intra_op_parallelism_threads()  # type: ignore[no-any-return]
    return 0


def expects_gpu() -> bool:
    """Whether an NVIDIA GPU will train, as far as that is known without importing the backend.

    It checks the driver and the packages that a backend needs beside it. False if CUDA was installed in
    another way, as in some images of containers; `gpus` knows.
    """
    name = _running_backend() or _asked_for()
    packages = [package_version(package) for package in _CUDA.get(name, ())]
    has_cuda = set(packages) != {_MISSING} or "+cu" in package_version(name)
    hidden = os.environ.get("CUDA_VISIBLE_DEVICES") in ("", "-1")
    return has_cuda and machine.has_nvidia_driver() and not hidden


@dataclass(frozen=True)
class Gpu:
    """A GPU that the backend sees.

    Attributes
    ----------
    name : str
        As its maker calls it, or the backend where it does not tell.
    capability : (int, int) or None
        NVIDIA's compute capability; None where there is none to be told.
    """

    name: str
    capability: tuple[int, int] | None = None


def gpus() -> list[Gpu]:
    """The GPUs that the backend sees. Imports the backend."""
    set_up_backend()
    find = {"tensorflow": _tensorflow_gpus, "torch": _torch_gpus, "jax": _jax_gpus}
    return find[backend_name()]()


def _tensorflow_gpus() -> list[Gpu]:
    import tensorflow as tf

    found = tf.config.list_physical_devices("GPU")
    details = [tf.config.experimental.get_device_details(device) for device in found]
    return [
        Gpu(about.get("device_name", device.name), about.get("compute_capability"))
        for device, about in zip(found, details, strict=True)
    ]


def _torch_gpus() -> list[Gpu]:
    import torch

    if torch.backends.mps.is_available():
        return [Gpu("Apple GPU")]
    return [
        Gpu(torch.cuda.get_device_name(i), torch.cuda.get_device_capability(i))
        for i in range(torch.cuda.device_count())
    ]


def _jax_gpus() -> list[Gpu]:
    import jax

    found = [device for device in jax.devices() if device.platform == "gpu"]
    return [
        Gpu(device.device_kind, _numbers(str(getattr(device, "compute_capability", ""))))
        for device in found
    ]


def _numbers(version_text: str) -> tuple[int, int] | None:
    major, _, minor = version_text.partition(".")
    return (int(major), int(minor)) if major.isdecimal() and minor.isdecimal() else None


def devices_that_train() -> list[str]:
    """Keras's names of the devices that train together. Imports Keras and the backend.

    All GPUs, or all CPU devices, of which there is one unless the backend was told otherwise. torch
    would need a process for each, and trains on one.
    """
    set_up_backend()
    if backend_name() == "torch":
        return ["the default"]
    from keras.distribution import list_devices

    return list(list_devices())


def precision() -> str:
    """Precision of the computation: half of float32's where the hardware multiplies it faster.

    Imports the backend.

    Returns
    -------
    "mixed_bfloat16", "mixed_float16" or "float32"
        A policy of Keras. NVIDIA's GPUs have bfloat16 from compute capability 8.0 (Ampere) on, float16
        from 7.0 (Volta). On CPUs JAX gains nothing by it, TensorFlow and torch do where the processor
        has bfloat16.
    """
    found = gpus()
    if not found:
        return "mixed_bfloat16" if _has_bfloat16_on_cpu() else "float32"
    capabilities = [gpu.capability for gpu in found if gpu.capability is not None]
    if not capabilities or min(capabilities) < (7, 0):
        return "float32"
    return "mixed_bfloat16" if min(capabilities) >= (8, 0) else "mixed_float16"


def expects_half_precision() -> bool:
    """Whether `precision` will be less than float32, as far as is known without the backend."""
    return expects_gpu() or _has_bfloat16_on_cpu()


def _has_bfloat16_on_cpu() -> bool:
    return backend_name() != "jax" and machine.cpu_has_bfloat16()


def describe() -> str:
    """Say in one line what will run: backend, its version, device and precision. Imports the backend."""
    name = backend_name()
    return f"Keras on {name} {package_version(name)}, {describe_devices()}, {precision()}"


def describe_devices() -> str:
    """Say what trains: "2 x NVIDIA H200" or "CPU (8 threads)". Imports the backend."""
    found, count = gpus(), len(devices_that_train())
    if not found:
        several = f"{count} x " if count > 1 else ""
        return f"{several}CPU ({os.cpu_count()} threads)"
    counted = Counter(gpu.name for gpu in found[:count])
    return ", ".join(f"{n} x {name}" if n > 1 else name for name, n in counted.items())


def package_version(name: str) -> str:
    """Version of an installed package, or "not installed"."""
    try:
        return version(name)
    except PackageNotFoundError:
        return _MISSING
