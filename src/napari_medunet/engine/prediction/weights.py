"""Weights of a network as the bytes of an HDF5 file, and back: Keras knows files only."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from napari_medunet.engine.files.scratch import scratch_folder

_FILE = "network.weights.h5"
_OVERHEAD = 2**22  # bytes, of the tables in an HDF5 file


def weights_to_bytes(network: Any, *folders: Path) -> bytes:
    """Weights of a Keras network, through a temporary file.

    HDF5 ends the process where a disk is full: it writes where there is room for all of it.

    Parameters
    ----------
    network : keras.Model
    folders : Path
        Where to write the temporary file if the usual place is full, before others are tried.

    Raises
    ------
    OSError
        If there is room nowhere.
    """
    size = sum(weight.nbytes for weight in network.get_weights())
    with scratch_folder(size + size // 4 + _OVERHEAD, *folders) as folder:
        network.save_weights(folder / _FILE)
        return (folder / _FILE).read_bytes()


def load_weights(network: Any, content: bytes) -> None:
    """Give a Keras network the weights that `weights_to_bytes` gave.

    Raises
    ------
    OSError
        If there is no room for a temporary file.
    """
    with scratch_folder(len(content)) as folder:
        (folder / _FILE).write_bytes(content)
        network.load_weights(folder / _FILE)
