"""How intensities are normalised."""

from __future__ import annotations

from typing import Literal

import numpy as np

from napari_medunet.engine.examples.example import Example
from napari_medunet.engine.settings import TrainSettings

_AIR = -200.0  # CT has absolute units, and air at -1000 HU; nothing else goes so far below 0
_LABELLED = (0.5, 99.5)  # percentiles of what is labelled, between which CT is clipped

Intensity = tuple[Literal["zscore", "ct"], tuple[float, float, float, float]]


def intensity(examples: list[Example], settings: TrainSettings) -> tuple[Intensity, str]:
    """Normalisation, and the window of intensities that CT is clipped to.

    Each image by its own mean and standard deviation, since the units of MR are its own. CT, told by air
    below `_AIR`, has one mean and deviation for all images, and is clipped to the percentiles
    `_LABELLED[0]` to `_LABELLED[1]` of what is labelled.
    """
    whole: Intensity = ("zscore", (0.0, 1.0, 0.0, 1.0))
    if settings.grid.intensity == "zscore":
        return whole, "as set"
    if settings.grid.intensity == "auto" and not _looks_like_ct(examples):
        return whole, "each image by its own mean and deviation: its units are its own"
    inside = np.concatenate([_labelled_intensities(e) for e in examples])
    low, high = np.percentile(inside, _LABELLED)
    clipped = np.clip(inside, low, high)
    window = (float(low), float(high), float(clipped.mean()), float(max(clipped.std(), 1e-3)))
    found = "as set" if settings.grid.intensity == "ct" else "air lies far below 0, as in CT"
    return ("ct", window), f"{found}: clipped to {low:.0f} ... {high:.0f}, 99 % of what is labelled"


def _looks_like_ct(examples: list[Example]) -> bool:
    """Whether one voxel in a hundred is air, in the units of CT."""
    samples = [e.image.voxels.ravel()[:: max(1, e.image.voxels.size // 10_000)] for e in examples]
    grey = not examples[0].image.leading_axes
    return bool(grey and np.percentile(np.concatenate(samples), 1) < _AIR)


def _labelled_intensities(example: Example) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    values = (
        example.image.voxels[..., (example.labels > 0) & example.annotated]
        .ravel()
        .astype(np.float64)
    )
    return values[:: max(1, values.size // 10_000)]
