"""PaintedLayers: which labels layers somebody has painted in."""

from __future__ import annotations

from weakref import WeakSet

import numpy as np
from napari.layers import Labels


class PaintedLayers:
    """The layers that hold a label; each is searched once.

    Once painted is enough: a look at every voxel after every stroke would be felt. A layer whose voxels
    lie on disk is taken at its word.
    """

    def __init__(self) -> None:
        self._known: WeakSet[Labels] = WeakSet()

    def __contains__(self, layer: Labels) -> bool:
        if layer not in self._known and (
            not isinstance(layer.data, np.ndarray) or layer.data.any()
        ):
            self._known.add(layer)
        return layer in self._known
