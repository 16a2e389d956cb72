"""Facts about the examples that most rules need."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from napari_medunet.engine.examples.example import Example
from napari_medunet.engine.planning.compute_budget import budget_tflop
from napari_medunet.engine.settings import TrainSettings

MANY_LABELS = 10  # from so many on, some are told apart by their place alone, M14
_NEARLY_ALL = 0.95  # who ignores a few voxels has annotated the volume


@dataclass(frozen=True)
class DataFacts:
    """What most rules look at.

    Attributes
    ----------
    examples : list of Example
    settings : TrainSettings
    spacing_mm : (z, y, x) floats
        Of the network's grid.
    sizes : (z, y, x) ints
        Voxels on that grid of three in four volumes, at most.
    axis : int
        Across the slices.
    channels : int
        Of an image.
    label_values : tuple of int
        Ascending, background first.
    annotated_share : float
        Of the voxels of all examples, those that somebody annotated. How much is annotated is measured
        once, and here: rules do not ask what the user calls it.
    """

    examples: list[Example]
    settings: TrainSettings
    spacing_mm: tuple[float, float, float]
    sizes: tuple[int, int, int]
    axis: int
    channels: int
    label_values: tuple[int, ...]
    annotated_share: float

    @property
    def labels(self) -> int:
        """Number of labels, without background."""
        return len(self.label_values) - 1

    @property
    def partly_annotated(self) -> bool:
        """Whether more than a few voxels were left open."""
        return self.annotated_share < _NEARLY_ALL

    @property
    def annotated_slices(self) -> float:
        """How many slices of the images would hold as many voxels as are annotated."""
        return self.annotated_share * sum(e.image.shape[self.axis] for e in self.examples)

    @property
    def slices(self) -> int:
        """Slices of a volume."""
        return self.sizes[self.axis]

    @property
    def minutes(self) -> float:
        """Of the whole training, or of one fold of several."""
        return self.settings.budget.minutes / (self.settings.hold_out.folds or 1)

    @property
    def tflop(self) -> float:
        """What this machine computes in the minutes, in blocks."""
        return budget_tflop(self.settings.budget, 3) / (self.settings.hold_out.folds or 1)

    @property
    def anisotropy(self) -> float:
        """Coarsest to finest spacing."""
        return max(self.spacing_mm) / min(self.spacing_mm)


def annotated_share(examples: list[Example]) -> float:
    """Share of the voxels of all examples that are annotated."""
    annotated = sum(int(np.count_nonzero(e.annotated)) for e in examples)
    return annotated / sum(e.annotated.size for e in examples)


def by(sizes: Any) -> str:
    """Sizes in words: 64 x 64."""
    return " x ".join(str(size) for size in sizes)
