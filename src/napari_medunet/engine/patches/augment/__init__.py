"""Augmentation: chance is drawn once, and applied to image and labels alike.

`chance` says how far each part goes and draws a `AugmentationParams`. Its geometry becomes part of the one
interpolation with which `samples` cuts a patch out of its volume (`warp`), so that nothing is interpolated
twice and nothing is cut off; its intensities come after (`intensity`).
"""

from napari_medunet.engine.patches.augment.intensity import vary_intensity
from napari_medunet.engine.patches.augment.parameters import (
    CHANCES,
    NO_AUGMENTATION,
    ONLY_MIRRORED,
    Augmentation,
    AugmentationParams,
    augmentation_by_share,
    augmentation_of,
    draw_params,
    identity_params,
)

__all__ = [
    "CHANCES",
    "NO_AUGMENTATION",
    "ONLY_MIRRORED",
    "Augmentation",
    "AugmentationParams",
    "augmentation_by_share",
    "augmentation_of",
    "draw_params",
    "identity_params",
    "vary_intensity",
]
