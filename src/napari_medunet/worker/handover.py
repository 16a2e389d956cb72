"""Arrays from one process to the other, as files in a temporary folder that the reader maps.

A file costs one copy into the system's page cache and, mapped, none out of it, which is what a block
of shared memory costs; but it has no second process that tracks it, is not limited to the 64 MB of
/dev/shm in a container, reports a full disk as an error instead of a bus error, may be dropped from
memory by the system while a training runs, and goes with its folder. `benchmarks/worker.py` compares.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_medunet.engine.examples.example import Example
from napari_medunet.engine.volume import Volume
from napari_medunet.worker.messages import Message


def save_array(path: Path, array: npt.NDArray[Any]) -> str:
    """Write an array for the other process.

    Parameters
    ----------
    path : Path
        A file that does not exist yet, ending in ``.npy``.
    array : array of numbers
        Of any shape and memory order.

    Returns
    -------
    name : str
        The file's name in its folder: what the message holds.
    """
    np.save(path, array, allow_pickle=False)
    return path.name


def map_array(path: Path) -> npt.NDArray[Any]:
    """Look at an array that `save_array` wrote, without reading it.

    Pages are private to the reader: writing into the array changes neither file nor sender.
    """
    return np.asarray(np.load(path, mmap_mode="c", allow_pickle=False))


def take_array(path: Path) -> npt.NDArray[Any]:
    """Read an array that `save_array` wrote into memory, and remove its file."""
    array: npt.NDArray[Any] = np.load(path, allow_pickle=False)
    path.unlink()
    return array


def save_volume(folder: Path, stem: str, volume: Volume) -> Message:
    """Write a volume's voxels into `folder` and describe the rest of it.

    Where it came from (`Volume.source`) stays behind: jobs compute, the viewer writes files.
    """
    return {
        "voxels": save_array(folder / f"{stem}.npy", volume.voxels),
        "affine": volume.affine.tolist(),
        "name": volume.name,
        "leading_axes": list(volume.leading_axes),
        "leading_scale": list(volume.leading_scale),
    }


def map_volume(folder: Path, message: Message) -> Volume:
    """Rebuild a volume that `save_volume` wrote; its voxels are mapped."""
    return Volume(
        voxels=map_array(folder / message["voxels"]),
        affine=np.asarray(message["affine"], dtype=np.float64),
        name=message["name"],
        leading_axes=tuple(message["leading_axes"]),
        leading_scale=tuple(message["leading_scale"]),
    )


def save_example(folder: Path, stem: str, example: Example) -> Message:
    """Write an example's three arrays into `folder` and describe the rest of it."""
    return {
        "image": save_volume(folder, f"{stem}-image", example.image),
        "labels": save_array(folder / f"{stem}-labels.npy", example.labels),
        "annotated": save_array(folder / f"{stem}-annotated.npy", example.annotated),
    }


def map_example(folder: Path, message: Message) -> Example:
    """Rebuild an example that `save_example` wrote; its arrays are mapped."""
    return Example(
        image=map_volume(folder, message["image"]),
        labels=map_array(folder / message["labels"]),
        annotated=map_array(folder / message["annotated"]),
    )
