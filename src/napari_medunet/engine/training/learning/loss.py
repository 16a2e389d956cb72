"""The loss as a number, which it may cease to be."""

from __future__ import annotations

import math

from napari_medunet.engine.errors import MedunetError


class LossNotFinite(MedunetError):
    """The loss is no finite number, and going back to earlier weights did not help."""

    def __init__(self) -> None:
        super().__init__(
            "The loss is no longer a number; wanted a finite one. Check the images for extreme "
            "intensities, or train again with another seed."
        )


def finite(loss: float) -> float:
    """The loss; raises `LossNotFinite` where it is no finite number."""
    if not math.isfinite(loss):
        raise LossNotFinite
    return loss
