"""Save napari's image and labels layers as NIfTI files, on the grid that they came from."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_medunet.engine import nifti
from napari_medunet.engine.nifti_write import smallest_dtype

if TYPE_CHECKING:
    from napari_medunet.engine.volume import Volume


def write_labels(path: str, data: Any, attributes: dict[str, Any]) -> list[str]:
    """Save a Labels layer in the smallest unsigned type that holds its labels.

    Parameters
    ----------
    path : str
        ".nii.gz" is added where it ends in neither .nii nor .nii.gz.
    data, attributes
        As napari describes a layer.

    Returns
    -------
    paths : list of str
        The file that was written.

    Raises
    ------
    OSError
        One line, whatever the reason: napari takes a writer's ValueError for "not my kind of file".
    """
    target = _with_suffix(path)
    with _as_os_error():
        volume = _volume(data, attributes, "labels")
        if volume.leading_axes:  # labels of a series: one set for each time point
            dtype = smallest_dtype(volume.voxels, volume.name)
            nifti.write_volume(target, replace(volume, voxels=volume.voxels.astype(dtype)))
        else:
            nifti.write_labels(target, volume.voxels, like=volume)
    return [str(target)]


def write_image(path: str, data: Any, attributes: dict[str, Any]) -> list[str]:
    """Save an Image layer in its own type; parameters and errors as in `write_labels`."""
    target = _with_suffix(path)
    with _as_os_error():
        nifti.write_volume(target, _volume(data, attributes, "image"))
    return [str(target)]


def _volume(data: Any, attributes: dict[str, Any], kind: str) -> Volume:
    from napari.layers import Layer

    from napari_medunet.plugin.layers import volume_from_layer

    return volume_from_layer(Layer.create(data, attributes, kind))


def _with_suffix(path: str) -> Path:
    return Path(path) if nifti.is_nifti(Path(path)) else Path(f"{path}.nii.gz")


@contextmanager
def _as_os_error() -> Iterator[None]:
    try:
        yield
    except ValueError as error:
        raise OSError(str(error)) from error
