"""Channels: a volume of several split into layers, or several volumes stacked into one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from napari_medunet.engine.errors import MedunetError
from napari_medunet.engine.grids import lay_on
from napari_medunet.engine.volume import Volume

_MOST_LAYERS = 8  # more than that is a series, to be scrolled through
_WORDS = {"c": "channel", "v": "component"}


def is_colour(volume: Volume) -> bool:
    """Whether it is a colour picture: RGB24, RGBA32, or three channels of bytes from no NIfTI file."""
    if volume.leading_axes[:1] != ("c",) or volume.voxels.dtype != np.uint8:
        return False
    return len(volume.voxels) == 3 and (volume.source is None or volume.source.channels > 1)


def split_volume(volume: Volume, channels: Literal["layers", "axis"] = "layers") -> list[Volume]:
    """Split a volume into volumes that are shown as layers of their own.

    Channels and the components of vectors become volumes of their own, if `channels` says so and as long
    as there are at most eight; more stay an axis to scroll through, and so do time and the sixth and
    seventh axis. Colours stay together. Complex numbers become their magnitude.

    Returns
    -------
    volumes : list of Volume
        On the grid, and with the source, of the one that was given.
    """
    apart = {"v"} if channels == "axis" or is_colour(volume) else {"v", "c"}
    if channels == "axis" and volume.leading_axes == ("v",):
        apart = set()  # components are channels as well, to train on all at once
    for axis, name in enumerate(volume.leading_axes):
        if name in apart and volume.voxels.shape[axis] <= _MOST_LAYERS:
            voxels = np.moveaxis(np.asarray(volume.voxels), axis, 0)
            return [
                split
                for number, channel in enumerate(voxels, start=1)
                for split in split_volume(_one_channel(volume, axis, channel, number), channels)
            ]
    if volume.voxels.dtype.kind == "c":
        magnitude = np.abs(np.asarray(volume.voxels))
        return [replace(volume, voxels=magnitude, name=f"{volume.name} magnitude")]
    return [volume]


def stack_volumes(volumes: Sequence[Volume]) -> Volume:
    """Stack volumes of one grid as channels, in their order.

    Raises
    ------
    MedunetError
        If they are on different grids, or have axes other than space.
    """
    first, *_ = volumes
    laid = []
    for volume in volumes:
        if volume.leading_axes:
            raise MedunetError(
                f"'{volume.name}' has the axes {(*volume.leading_axes, 'z', 'y', 'x')} and cannot be "
                "stacked; wanted (z, y, x). Open it by itself."
            )
        on_first = lay_on(volume, first)
        if on_first is None:
            raise MedunetError(
                f"'{volume.name}' is on another grid than '{first.name}' and cannot be stacked with "
                "it. Resample it, or open them as layers."
            )
        laid.append(on_first[0])
    voxels = np.stack([np.asarray(volume.voxels) for volume in laid])
    name = f"{first.name} and {len(volumes) - 1} more"
    return Volume(voxels, first.affine, name, ("c",), (1.0,), first.source)


def _one_channel(volume: Volume, axis: int, voxels: npt.NDArray[Any], number: int) -> Volume:
    def without(values: tuple[Any, ...]) -> tuple[Any, ...]:
        return values[:axis] + values[axis + 1 :]

    return replace(
        volume,
        voxels=voxels,
        name=f"{volume.name} {_WORDS[volume.leading_axes[axis]]} {number}",
        leading_axes=without(volume.leading_axes),
        leading_scale=without(volume.leading_scale),
    )
