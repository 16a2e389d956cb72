"""Volume to napari layer and back: data, scale, translate, units, axis labels, metadata."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from napari_medunet.engine.files.nifti import LazyVoxels
from napari_medunet.engine.labels import integer_labels
from napari_medunet.engine.volume import FloatArray, Volume, affine_from_spacing
from napari_medunet.plugin.opening.channels import is_colour
from napari_medunet.plugin.opening.contrast import contrast_limits
from napari_medunet.plugin.opening.display_frame import display_frame
from napari_medunet.plugin.opening.layer_geometry import place_of, scale_and_translate
from napari_medunet.plugin.opening.shown_voxels import ShownVoxels

if TYPE_CHECKING:
    from napari.layers import Image, Labels, Layer

LayerData = tuple[npt.NDArray[Any] | ShownVoxels, dict[str, Any], str]
Kind = Literal["image", "labels"]

_UNITS = {"t": "s", "c": "pixel", "v": "pixel", "d6": "pixel", "d7": "pixel"}
_STEP = 2.0**-20  # napari floors (stop - start) / step: the last time point must be reached, too


def layer_data_from_volume(volume: Volume, kind: Kind) -> LayerData:
    """Describe a volume as a napari layer.

    Parameters
    ----------
    volume : Volume
        Real numbers; what `channels.split_volume` returns.
    kind : "image" or "labels"

    Returns
    -------
    data : (..., z, y, x) array, or ShownVoxels; (..., z, y, x, 3) for a colour image
    attributes : dict
        Scale and translation in mm as in `display_frame`, and in `metadata` what leads back to the
        volume: "nifti" (its NiftiSource, or None), "affine", "shape", "leading_axes" and
        "leading_scale".
    kind : str

    Raises
    ------
    MedunetError
        If labels are wanted and the voxels are no labels.
    """
    attributes = _attributes(volume)
    if kind == "labels":
        # The image stays visible under the darkest of napari's colours.
        return integer_labels(volume), {**attributes, "opacity": 0.5}, kind
    voxels = volume.voxels
    if is_colour(volume):
        names, steps = volume.leading_axes[1:], volume.leading_scale[1:]
        attributes = _attributes(volume, names, steps) | {"rgb": True}
        return np.moveaxis(np.asarray(voxels), 0, -1), attributes, kind
    stated = volume.source.calibration if volume.source is not None else None
    attributes["rgb"] = False
    if isinstance(voxels, LazyVoxels):
        attributes["contrast_limits"] = contrast_limits(voxels, stated, glance=True)
        return ShownVoxels(voxels), attributes, kind
    attributes["contrast_limits"] = contrast_limits(voxels, stated)
    return voxels, attributes, kind


def volume_from_layer(layer: Image | Labels, layers: Iterable[Layer] | None = None) -> Volume:
    """Take the voxels of a layer, with the affine that they have in the world.

    The affine of the file counts as long as the layer's shape, scale and translation are those that
    it was opened with; what was cropped or moved since lies where napari shows it, in the file's
    frame. A Labels layer without an affine of its own lies on the image below it with the same shape,
    scale and translation; everything else is placed by scale and translation.

    Parameters
    ----------
    layer : Image or Labels
        2D layers get a z axis of length one; colours lead. Lengths are converted to mm; a layer in
        pixels has voxels of 1 mm.
    layers : layers or None
        Where to look for the image below labels; None for those of the current viewer.

    Raises
    ------
    MedunetError
        If the layer is multiscale, rotated or sheared, or its place in space is not known.
    """
    scale, _ = scale_and_translate(layer)
    voxels = np.asarray(layer.data)
    names = _leading_names(layer)
    steps = _leading_steps(layer, names, scale[: len(names)])
    if layer.ndim - len(names) == 2:
        voxels = np.expand_dims(voxels, len(names))
    is_rgb = getattr(layer, "rgb", False)
    if is_rgb:
        voxels = np.moveaxis(voxels[..., :3], -1, 0)  # alpha has nothing to say about anatomy
    z, y, x = voxels.shape[-3:]
    others = list(_viewer_layers() if layers is None else layers)
    affine, source = place_of(layer, (z, y, x), names, others)
    if is_rgb:
        names, steps = ("c", *names), (1.0, *steps)
    known = source is not None or not _states_no_scale(layer, affine)
    return Volume(voxels, affine, layer.name, names, steps, source, scale_known=known)


def _states_no_scale(layer: Layer, affine: FloatArray) -> bool:
    """Whether a layer lies where napari puts a picture that says nothing: pixels, counted from 0."""
    in_pixels = all(str(unit) == "pixel" for unit in layer.units)
    is_plain = np.array_equal(affine, affine_from_spacing((1.0, 1.0, 1.0)))
    return in_pixels and is_plain and "affine" not in layer.metadata


def _attributes(
    volume: Volume,
    leading: tuple[str, ...] | None = None,
    steps: tuple[float, ...] | None = None,
) -> dict[str, Any]:
    leading = volume.leading_axes if leading is None else leading
    steps = volume.leading_scale if steps is None else steps
    scale, translate = display_frame(volume.affine, volume.shape)
    return {
        "name": volume.name,
        "scale": (*(_exact(step) for step in steps), *scale),
        "translate": (*[0.0] * len(leading), *translate),
        "units": (*(_UNITS.get(axis, "pixel") for axis in leading), "mm", "mm", "mm"),
        "axis_labels": (*leading, "z", "y", "x"),
        "metadata": {
            "nifti": volume.source,
            "affine": volume.affine,
            "shape": volume.shape,
            "leading_axes": leading,
            "leading_scale": steps,
        },
    }


def _exact(step: float) -> float:
    return max(round(step / _STEP), 1) * _STEP


def _leading_names(layer: Layer) -> tuple[str, ...]:
    """Names of the axes before space: its own labels where they are names of ours, else time."""
    count = max(layer.ndim - 3, 0)
    if layer.ndim == 3 and layer.axis_labels[0] in _UNITS:
        count = 1
    return tuple(name if name in _UNITS else "t" for name in layer.axis_labels[:count])


def _leading_steps(
    layer: Layer, names: tuple[str, ...], steps: tuple[float, ...]
) -> tuple[float, ...]:
    """Steps as the file has them, where they are those that the layer was opened with."""
    opened = layer.metadata.get("leading_scale", ())
    if layer.metadata.get("leading_axes") != names or len(opened) != len(steps):
        return steps
    return tuple(
        float(before) if abs(_exact(before) - now) < _STEP else now
        for before, now in zip(opened, steps, strict=True)
    )


def _viewer_layers() -> Iterable[Layer]:
    from napari.viewer import current_viewer

    viewer = current_viewer()
    return () if viewer is None else viewer.layers
