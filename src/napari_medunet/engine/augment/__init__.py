"""Augmentation: chance is drawn once, and applied to image and labels alike.

`chance` says how far each part goes and draws a `Variation`. Its geometry becomes part of the one
interpolation with which `samples` cuts a patch out of its volume (`warp`), so that nothing is interpolated
twice and nothing is cut off; its intensities come after (`intensity`).
"""

from napari_medunet.engine.augment.chance import (
    NO_AUGMENTATION,
    PARTS,
    Augmentation,
    Variation,
    augmentation_by_share,
    augmentation_of,
    draw_variation,
    unvaried,
)
from napari_medunet.engine.augment.intensity import vary_intensity

__all__ = [
    "NO_AUGMENTATION",
    "PARTS",
    "Augmentation",
    "Variation",
    "augmentation_by_share",
    "augmentation_of",
    "draw_variation",
    "unvaried",
    "vary_intensity",
]
