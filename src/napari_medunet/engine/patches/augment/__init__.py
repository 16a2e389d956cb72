"""Augmentation: parameters are drawn once for a patch, and applied to image and labels alike.

`parameters` draws `AugmentationParams`. Their geometry is part of the one interpolation with which
`PatchSampler` cuts a patch out of its volume (`warp`), so that nothing is interpolated twice and nothing is
cut off. Intensities are changed afterwards (`intensity`).
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
