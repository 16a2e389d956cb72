"""Volume to napari layer and back: data, scale, translate, units, axis labels, metadata."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from napari_medunet.engine.examples import integer_labels
from napari_medunet.engine.volume import FloatArray, Volume, affine_from_spacing, display_frame

if TYPE_CHECKING:
    from napari.layers import Image, Labels, Layer

LayerData = tuple[npt.NDArray[Any], dict[str, Any], str]
Kind = Literal["image", "labels"]

_UNITS = {"t": "s", "c": "pixel", "v": "pixel"}
_SAMPLE = 2**20  # voxels that are looked at to choose contrast limits


def layer_data_from_volume(volume: Volume, kind: Kind) -> LayerData:
    """Describe a volume as a napari layer.

    Parameters
    ----------
    volume : Volume
    kind : "image" or "labels"

    Returns
    -------
    data : (..., z, y, x) array; (..., z, y, x, 3) for a colour image
    attributes : dict
        Scale and translation in mm as in `display_frame`, and in `metadata` what leads back to the
        volume: "nifti" (its NiftiSource, or None), "affine" and "shape".
    kind : str

    Raises
    ------
    ValueError
        If labels are wanted and the voxels are no labels.
    """
    if kind == "labels":
        return integer_labels(volume), _attributes(volume, volume.leading_axes), kind
    voxels, leading = volume.voxels, volume.leading_axes
    if np.iscomplexobj(voxels):
        voxels = np.abs(voxels)
    if leading[:1] == ("c",) and voxels.dtype == np.uint8 and len(voxels) == 3:
        attributes = _attributes(volume, leading[1:]) | {"rgb": True}
        return np.moveaxis(voxels, 0, -1), attributes, kind
    limits = contrast_limits(voxels)
    return voxels, _attributes(volume, leading) | {"rgb": False, "contrast_limits": limits}, kind


def volume_from_layer(layer: Image | Labels, layers: Iterable[Layer] | None = None) -> Volume:
    """Take the voxels of a layer, with the affine that they have in the world.

    The affine of the file counts as long as the layer's shape, scale and translation are those that
    it was opened with. A Labels layer without an affine of its own lies on the image below it with
    the same shape, scale and translation; everything else is placed by scale and translation.

    Parameters
    ----------
    layer : Image or Labels
        2D layers get a z axis of length one; colours lead. Lengths are converted to mm; a layer in
        pixels has voxels of 1 mm.
    layers : layers or None
        Where to look for the image below labels; None for those of the current viewer.

    Raises
    ------
    ValueError
        If the layer is multiscale, rotated or sheared.
    """
    scale, translate = _scale_and_translate(layer)
    voxels = np.asarray(layer.data)
    names = _leading_names(layer)
    steps, scale, translate = scale[: len(names)], scale[len(names) :], translate[len(names) :]
    if layer.ndim - len(names) == 2:
        voxels = np.expand_dims(voxels, len(names))
    if getattr(layer, "rgb", False):
        voxels = np.moveaxis(voxels[..., :3], -1, 0)  # alpha has nothing to say about anatomy
        names, steps = ("c", *names), (1.0, *steps)
    bearer = layer
    if _is_labels(layer) and "affine" not in layer.metadata:
        bearer = source_layer(layer, _viewer_layers() if layers is None else layers) or layer
    affine = _affine_kept_by(bearer, voxels.shape[-3:])
    source = bearer.metadata.get("nifti") if affine is not None else None
    if affine is None:
        affine = affine_from_spacing(_last_three(scale, 1.0), _last_three(translate, 0.0))
    return Volume(voxels, affine, layer.name, names, tuple(map(float, steps)), source)


def source_layer(labels: Labels, layers: Iterable[Layer]) -> Image | None:
    """Find the image that a Labels layer was made on: same shape, scale and translation.

    Layers below the labels come first, the nearest of them; only space counts, so that labels of
    one time point belong to the series.
    """
    others = list(layers)
    place = others.index(labels) if labels in others else len(others)
    nearest = others[:place][::-1] + others[place + 1 :]
    for layer in nearest:
        if hasattr(layer, "contrast_limits") and _same_place(labels, layer):
            return layer
    return None


def contrast_limits(voxels: npt.NDArray[Any]) -> tuple[float, float]:
    """Limits that leave out half a percent of the finite voxels at either end."""
    stride = max(1, round((voxels.size / _SAMPLE) ** (1 / voxels.ndim)))
    sample = voxels[(slice(None, None, stride),) * voxels.ndim]
    sample = sample[np.isfinite(sample)]
    if not sample.size:
        return 0.0, 1.0
    low, high = (float(limit) for limit in np.percentile(sample, (0.5, 99.5)))
    if low == high:
        low, high = float(sample.min()), float(sample.max())
    return low, high if high > low else low + 1.0


def _attributes(volume: Volume, leading: tuple[str, ...]) -> dict[str, Any]:
    scale, translate = display_frame(volume.affine, volume.shape)
    steps = volume.leading_scale[len(volume.leading_scale) - len(leading) :]
    return {
        "name": volume.name,
        "scale": (*steps, *scale),
        "translate": (*[0.0] * len(leading), *translate),
        "units": (*(_UNITS.get(axis, "pixel") for axis in leading), "mm", "mm", "mm"),
        "axis_labels": (*leading, "z", "y", "x"),
        "metadata": {"nifti": volume.source, "affine": volume.affine, "shape": volume.shape},
    }


def _scale_and_translate(layer: Layer) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Scale and translation in mm (space) and seconds (time), the layer's `affine` included."""
    if layer.multiscale:
        raise ValueError(
            f"Layer '{layer.name}' is multiscale; wanted one resolution. Add the level to work on as "
            "a layer of its own."
        )
    placed = np.asarray(layer.affine)
    stretch = placed[:-1, :-1]
    turned = [stretch - np.diag(np.diag(stretch)), np.asarray(layer.rotate) - np.eye(layer.ndim)]
    if any(np.abs(part).max() > 1e-6 for part in [*turned, np.asarray(layer.shear)] if part.size):
        raise ValueError(
            f"Layer '{layer.name}' is rotated or sheared; wanted scale and translation only. Open "
            "its file with napari-medunet, or reset the layer's transform."
        )
    factor = np.array([_in_mm_or_seconds(unit) for unit in layer.units])
    scale = np.diag(stretch) * layer.scale * factor
    translate = (np.diag(stretch) * layer.translate + placed[:-1, -1]) * factor
    return tuple(map(float, scale)), tuple(map(float, translate))


def _in_mm_or_seconds(unit: Any) -> float:
    for wanted in ("mm", "s"):
        if (1 * unit).is_compatible_with(wanted):
            return float((1 * unit).to(wanted).magnitude)
    return 1.0


def _leading_names(layer: Layer) -> tuple[str, ...]:
    """Names of the axes before space: its own labels where they say "t", "c" or "v", else time."""
    count = max(layer.ndim - 3, 0)
    if layer.ndim == 3 and layer.axis_labels[0] in _UNITS:
        count = 1
    return tuple(name if name in _UNITS else "t" for name in layer.axis_labels[:count])


def _affine_kept_by(layer: Layer, shape: tuple[int, ...]) -> FloatArray | None:
    """The affine in a layer's metadata, if the layer still lies where that affine says."""
    affine = layer.metadata.get("affine")
    if affine is None or tuple(layer.metadata.get("shape", ())) != tuple(shape):
        return None
    scale, translate = display_frame(affine, layer.metadata["shape"])
    now = _scale_and_translate(layer)
    kept = np.allclose(now[0][-3:], scale, rtol=1e-6) and np.allclose(
        now[1][-3:], translate, rtol=0, atol=1e-3 * min(scale)
    )
    return np.asarray(affine) if kept else None


def _same_place(labels: Layer, image: Layer) -> bool:
    if image.multiscale or labels.multiscale or labels.ndim > image.ndim:
        return False
    shape = image.data.shape[: image.ndim]
    count = labels.ndim
    return (
        tuple(labels.data.shape) == tuple(shape[-count:])
        and np.allclose(labels.scale, image.scale[-count:], rtol=1e-6)
        and np.allclose(
            labels.translate,
            image.translate[-count:],
            rtol=0,
            atol=1e-3 * np.abs(labels.scale).min(),
        )
    )


def _last_three(values: tuple[float, ...], missing: float) -> tuple[float, float, float]:
    z, y, x = (missing, *values)[-3:]
    return z, y, x


def _is_labels(layer: Layer) -> bool:
    return hasattr(layer, "selected_label")


def _viewer_layers() -> Iterable[Layer]:
    from napari.viewer import current_viewer

    viewer = current_viewer()
    return () if viewer is None else viewer.layers
