"""Where a layer lies: its affine to world millimetres, and the image that labels belong to.

napari's coordinates of a volume are those of its scanner (see `display_frame`): a fixed
affine, the frame, leads from them to world millimetres. The frame of what came from a file is known
from its metadata, and goes with the layer when it is cropped, moved or converted.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_medunet.engine.errors import MedunetError
from napari_medunet.engine.volume import FloatArray, affine_from_spacing, is_oblique
from napari_medunet.plugin.opening.display_frame import display_frame

if TYPE_CHECKING:
    from napari.layers import Image, Labels, Layer

    from napari_medunet.engine.files.nifti import NiftiSource

Triple = tuple[float, float, float]
Shape = tuple[int, int, int]


def place_of(
    layer: Layer, spatial: Shape, leading: tuple[str, ...], layers: Iterable[Layer]
) -> tuple[FloatArray, NiftiSource | None]:
    """Find the affine of a layer, and its file's source if the layer still lies on the file's grid.

    Parameters
    ----------
    layer : Image or Labels
    spatial : (z, y, x) number of voxels; z is 1 for a layer of two axes
    leading : names of the layer's axes before space
    layers : layers among which labels without metadata find their image

    Raises
    ------
    MedunetError
        If its place in space is not known: an axis was projected or split away, or labels lie on no
        image's grid among images of different frames.
    """
    bearer: Layer = layer
    if is_labels(layer) and "affine" not in layer.metadata:
        bearer = source_layer(layer, layers) or layer
    scale, translate = (values[len(leading) :] for values in scale_and_translate(layer))
    now = affine_from_spacing(_last_three(scale, 1.0), _last_three(translate, 0.0))
    if "affine" not in bearer.metadata:
        frame = _common_frame(layer, layers) if is_labels(layer) else None
        return (now if frame is None else frame @ _display(now)), None
    affine, kept_shape = np.asarray(bearer.metadata["affine"]), tuple(bearer.metadata["shape"])
    if spatial == kept_shape and _as_opened(bearer, scale, translate):
        return affine, bearer.metadata.get("nifti")
    opened_with = 3 + len(bearer.metadata.get("leading_axes", ()))
    if len(scale) < 3 or bearer.ndim < opened_with:
        raise MedunetError(
            f"Layer '{layer.name}' has lost an axis of the volume that it was made from, and with it "
            "its place in space. Save the volume, or save the slice as TIFF or PNG."
        )
    return _frame(affine, kept_shape) @ _display(now), None


def source_layer(labels: Labels, layers: Iterable[Layer]) -> Image | None:
    """Find the image that a Labels layer was made on: same shape, scale and translation.

    Layers below the labels come first, the nearest of them; only space counts, so that labels of
    one time point belong to the series.
    """
    others = list(layers)
    place = others.index(labels) if labels in others else len(others)
    nearest = others[:place][::-1] + others[place + 1 :]
    for layer in nearest:
        if hasattr(layer, "rgb") and _same_place(labels, layer):  # an image, and no surface
            return layer
    return None


def scale_and_translate(layer: Layer) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Scale and translation in mm (space) and seconds (time), the layer's `affine` included.

    Raises
    ------
    MedunetError
        If the layer is multiscale, rotated or sheared.
    """
    if layer.multiscale:
        raise MedunetError(
            f"Layer '{layer.name}' is multiscale; wanted one resolution. Add the level to work on as "
            "a layer of its own."
        )
    placed = np.asarray(layer.affine)
    stretch = placed[:-1, :-1]
    turned = [stretch - np.diag(np.diag(stretch)), np.asarray(layer.rotate) - np.eye(layer.ndim)]
    if any(np.abs(part).max() > 1e-6 for part in [*turned, np.asarray(layer.shear)] if part.size):
        raise MedunetError(
            f"Layer '{layer.name}' is rotated or sheared; wanted scale and translation only. Open "
            "its file with napari-medunet, or reset the layer's transform."
        )
    factor = np.array([_in_mm_or_seconds(unit) for unit in layer.units])
    scale = np.diag(stretch) * layer.scale * factor
    translate = (np.diag(stretch) * layer.translate + placed[:-1, -1]) * factor
    return tuple(map(float, scale)), tuple(map(float, translate))


def is_labels(layer: Layer) -> bool:
    """Whether it is a Labels layer, seen through a viewer's proxy or not."""
    return hasattr(layer, "selected_label")


def _in_mm_or_seconds(unit: Any) -> float:
    for wanted in ("mm", "s"):
        if (1 * unit).is_compatible_with(wanted):
            return float((1 * unit).to(wanted).magnitude)
    return 1.0


def _as_opened(bearer: Layer, scale: tuple[float, ...], translate: tuple[float, ...]) -> bool:
    """Whether scale and translation (of the last two or three axes) are those of the opened file."""
    opened = display_frame(bearer.metadata["affine"], bearer.metadata["shape"])
    return np.allclose(scale, opened[0][-len(scale) :], rtol=1e-6) and np.allclose(
        translate, opened[1][-len(scale) :], rtol=0, atol=1e-3 * min(opened[0])
    )


def _display(affine: FloatArray) -> FloatArray:
    """From array index to napari's world (-S, -A, -R), for an aligned affine to RAS+ mm."""
    display = affine.copy()
    display[:3] = -affine[2::-1]
    return display


def _frame(affine: FloatArray, shape: tuple[int, ...]) -> FloatArray:
    """From napari's world to RAS+ mm, for a volume that was opened with this affine and shape."""
    z, y, x = shape
    opened = affine_from_spacing(*display_frame(affine, (z, y, x)))
    frame: FloatArray = affine @ np.linalg.inv(_display(opened))
    return frame


def _common_frame(labels: Layer, layers: Iterable[Layer]) -> FloatArray | None:
    """Frame of the images among which labels were drawn freely; None where all are aligned."""
    frames = []
    for layer in layers:
        affine = layer.metadata.get("affine")
        if affine is not None and not is_labels(layer):
            tilted = is_oblique(affine, layer.metadata["shape"])
            frames.append(_frame(affine, layer.metadata["shape"]) if tilted else None)
    if not frames or all(frame is None for frame in frames):
        return None
    first = frames[0]
    if first is None or any(f is None or not np.allclose(f, first, atol=1e-3) for f in frames):
        raise MedunetError(
            f"Labels '{labels.name}' lie on the grid of none of the images, which are tilted against "
            "each other: where the labels lie is not known. Draw on labels made with one image selected."
        )
    return first


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


def _last_three(values: tuple[float, ...], missing: float) -> Triple:
    z, y, x = (missing, *values)[-3:]
    return z, y, x
