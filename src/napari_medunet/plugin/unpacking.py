"""What happens to a layer, shown while its file is still being unpacked, once that has been read."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from napari_medunet.engine.contrast import contrast_limits
from napari_medunet.engine.nifti import LazyVoxels


def finish_in_background(voxels: Any, limits: tuple[float, float]) -> None:
    """Wait in a thread for the end of a file, then complete the layer that shows it.

    The layer gets a plain array, which napari's own operations can copy and convert, and contrast
    limits of the whole, unless somebody has changed them. A file that turns out to be damaged is told
    in one line, and its layer is taken out again, as if it had been refused at once.

    Parameters
    ----------
    voxels : array or LazyVoxels
        Nothing is to be done for an array, nor without a viewer.
    limits : (float, float)
        Contrast limits that the layer is opened with.
    """
    from napari.viewer import current_viewer

    if not isinstance(voxels, LazyVoxels) or current_viewer() is None:
        return
    from napari.qt.threading import create_worker

    worker = create_worker(_damage, voxels, _start_thread=False)
    worker.returned.connect(lambda damage: _finish(voxels, limits, damage))
    worker.start()


def _damage(voxels: LazyVoxels) -> str:
    try:
        voxels.complete()
    except (OSError, ValueError) as error:
        return str(error)
    return ""


def _finish(voxels: LazyVoxels, limits: tuple[float, float], damage: str) -> None:
    from napari.utils.notifications import show_error
    from napari.viewer import current_viewer

    if damage:
        show_error(damage)
    viewer = current_viewer()
    shown = [layer for layer in (viewer.layers if viewer else ()) if layer.data is voxels]
    for layer in shown:
        if damage:
            viewer.layers.remove(layer)
            continue
        untouched = tuple(layer.contrast_limits) == tuple(limits)
        stated = layer.metadata["nifti"].calibration
        whole = contrast_limits(voxels, stated)
        with suppress(ValueError):  # where values are computed as they are looked at
            layer.data = voxels.__array__(copy=False)
        if untouched:
            layer.contrast_limits = whole
