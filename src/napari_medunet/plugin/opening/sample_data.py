"""Sample data for File > Open Sample."""

from __future__ import annotations

from dataclasses import replace
from typing import Any


def phantoms() -> list[tuple[Any, ...]]:
    """Make one of the demo's synthetic volumes, and its truth as labels."""
    from napari_medunet.engine.examples.phantoms import make_phantom
    from napari_medunet.plugin.opening.layers import layer_data_from_volume

    image, truth = make_phantom(seed=0)
    named = replace(truth, name=f"{image.name} truth")
    return [layer_data_from_volume(image, "image"), layer_data_from_volume(named, "labels")]
