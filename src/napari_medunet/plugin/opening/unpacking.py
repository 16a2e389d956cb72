"""What happens to a layer that was shown while its file was being unpacked, when that is done."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from napari_medunet.engine.errors import MedunetError
from napari_medunet.engine.files.nifti import LazyVoxels
from napari_medunet.plugin.opening.contrast import contrast_limits
from napari_medunet.plugin.opening.shown_voxels import ShownVoxels


def finish_in_background(shown: Any, limits: tuple[float, float]) -> None:
    """Wait in a thread for the end of a file, then complete the layer that shows it.

    The layer gets a plain array, which napari's own operations can copy and convert, and contrast
    limits of the whole, unless somebody has changed them. A file that turns out to be damaged is told
    in one line, and its layer is taken out again, as if it had been refused at once.

    Parameters
    ----------
    shown : array or ShownVoxels
        The layer's data; nothing is to be done for an array, nor without a viewer.
    limits : (float, float)
        Contrast limits that the layer is opened with.
    """
    from napari.viewer import current_viewer

    if not isinstance(shown, ShownVoxels) or current_viewer() is None:
        return
    from napari.qt.threading import create_worker

    worker = create_worker(_damage, shown.voxels, _start_thread=False)
    worker.returned.connect(lambda damage: _finish(shown, limits, damage))
    worker.start()


def _damage(voxels: LazyVoxels) -> str:
    try:
        voxels.complete()
    except (OSError, MedunetError) as error:
        return str(error)
    return ""


def _finish(shown: ShownVoxels, limits: tuple[float, float], damage: str) -> None:
    from napari.utils.notifications import show_error
    from napari.viewer import current_viewer

    if damage:
        show_error(damage)
    viewer = current_viewer()
    for layer in [one for one in (viewer.layers if viewer else ()) if one.data is shown]:
        if damage:
            viewer.layers.remove(layer)
            continue
        untouched = tuple(layer.contrast_limits) == tuple(limits)
        with suppress(ValueError):  # where values are computed as they are looked at
            layer.data = shown.voxels.__array__(copy=False)
        if untouched:
            layer.contrast_limits = contrast_limits(
                shown.voxels, layer.metadata["nifti"].calibration
            )
