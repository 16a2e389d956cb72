"""Predictions: the labels layers that segmenting has made, as opposed to those that the user drew."""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import numpy.typing as npt
from napari.layers import Image, Labels

from napari_medunet.engine.files.label_names import LabelName
from napari_medunet.plugin.opening.label_features import features_of
from napari_medunet.plugin.session.made_layers import add_layer, placed_like

_GRID = ("nifti", "affine", "shape")  # of an image's metadata, what holds for labels on it, too


class Predictions:
    """Writes predictions as layers, and never over an annotation.

    A layer is known by itself and by the checksum of its voxels: whoever painted, filled, undid or
    replaced anything in it has made it their own.
    """

    def __init__(self) -> None:
        self._made: WeakKeyDictionary[Labels, int] = WeakKeyDictionary()

    def made(self, layers: Iterable[Labels]) -> list[Labels]:
        """Those layers that began as predictions, edited since or not."""
        return [layer for layer in layers if layer in self._made]

    def write(
        self,
        viewer: Any,
        image: Image,
        labels: npt.NDArray[Any],
        names: dict[int, str] | None = None,
        kind: str = "segmentation",
    ) -> Labels:
        """Show a prediction as "<image> segmentation".

        An earlier prediction of that name is replaced where nobody has edited it; otherwise a new
        layer with a number is added.

        Parameters
        ----------
        viewer : napari Viewer
        image : Image
            Gives scale, translation, units, axis labels and metadata.
        labels : (z, y, x) integer array
            On the image's grid; z of length 1 for a 2D image.
        names : dict of label to name
            Shown in the status bar, and saved with the layer.
        kind : str
            What to call the layer in place of "segmentation".

        Returns
        -------
        layer : Labels
        """
        name = f"{image.name} {kind}"
        voxels = labels if image.ndim >= 3 else labels[0]
        for layer in list(viewer.layers):
            if self._is_ours(layer, name) and layer.data.shape == voxels.shape:
                layer.data = voxels
                layer.features = _features(names)
                self._made[layer] = _checksum(voxels)
                return layer
        layer = Labels(
            voxels,
            name=name,
            visible=image.visible,
            features=_features(names),
            metadata={key: image.metadata[key] for key in _GRID if key in image.metadata},
            **placed_like(image, voxels.ndim),
        )
        add_layer(viewer, layer)
        self._made[layer] = _checksum(voxels)
        return layer

    def _is_ours(self, layer: Any, name: str) -> bool:
        """Whether a layer is a prediction of that name, or that name with a number, as it was made."""
        return (
            layer in self._made
            and (layer.name == name or layer.name.startswith(f"{name} ["))
            and self._made[layer] == _checksum(layer.data)
        )


def _features(names: dict[int, str] | None) -> dict[str, Any]:
    return features_of({i: LabelName(name) for i, name in names.items()}) if names else {}


def _checksum(voxels: npt.NDArray[Any]) -> int:
    return zlib.crc32(np.ascontiguousarray(voxels).view(np.uint8).data)
