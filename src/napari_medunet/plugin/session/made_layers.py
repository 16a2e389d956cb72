"""Layers that the plugin makes: marked as such, and added without changing the view."""

from __future__ import annotations

from typing import Any

from napari.layers import Layer

MADE_HERE = "napari-medunet"  # in a layer's metadata: made here, to look at


def is_comparison(layer: Layer) -> bool:
    """Whether a layer was made to show a comparison, and not to train on or to measure."""
    return MADE_HERE in layer.metadata


def placed_like(layer: Layer, ndim: int) -> dict[str, Any]:
    """Place another layer on the last axes of this one: leading channels carry no labels.

    Returns
    -------
    attributes : dict
        "scale", "translate", "units" and "axis_labels" of so many axes.
    """
    names = ("scale", "translate", "units", "axis_labels")
    return {name: getattr(layer, name)[-ndim:] for name in names}


def add_layer(viewer: Any, layer: Layer) -> None:
    """Add a layer, and let the active one stay active: who is painting goes on where they are."""
    active = viewer.layers.selection.active
    viewer.add_layer(layer)
    if active is not None and active in viewer.layers:
        viewer.layers.selection.active = active
