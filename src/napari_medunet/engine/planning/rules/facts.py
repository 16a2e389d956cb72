"""What most rules look at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from napari_medunet.engine.examples.example import Example
from napari_medunet.engine.planning.compute_budget import budget_tflop
from napari_medunet.engine.settings import TrainSettings

# From so many labels on, some are told apart by their place alone. CT with 40 organs, 2 minutes in 3D: Dice
# 0.05 with left and right mirrored, 0.09 without.
MANY_LABELS = 10


@dataclass(frozen=True)
class DataFacts:
    """What most rules look at.

    Attributes
    ----------
    spacing_mm : (z, y, x) floats
        Of the network's grid.
    sizes : (z, y, x) ints
        Voxels on that grid of three in four volumes, at most.
    axis : int
        Across the slices.
    labels : int
        Their number, without background.
    """

    examples: list[Example]
    settings: TrainSettings
    spacing_mm: tuple[float, float, float]
    sizes: tuple[int, int, int]
    axis: int
    labels: int

    @property
    def slices(self) -> int:
        """Slices of a volume."""
        return self.sizes[self.axis]

    @property
    def tflop(self) -> float:
        """What this machine computes in the minutes."""
        return budget_tflop(self.settings)

    @property
    def anisotropy(self) -> float:
        """Coarsest to finest spacing."""
        return max(self.spacing_mm) / min(self.spacing_mm)


def by(sizes: Any) -> str:
    """Sizes in words: 64 x 64."""
    return " x ".join(str(size) for size in sizes)
