"""Layers that the plugin made to look at, which are nobody's annotation."""

from __future__ import annotations

from napari.layers import Layer

MADE_HERE = "napari-medunet"  # in a layer's metadata: made here, to look at


def is_comparison(layer: Layer) -> bool:
    """Whether a layer was made here, to look at: nobody wants to train on it, or measure it."""
    return MADE_HERE in layer.metadata
