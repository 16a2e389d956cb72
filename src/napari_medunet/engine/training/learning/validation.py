"""What a network in training is measured on, and the weights that were best there."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from napari_medunet.engine.patches.batches import Batch


@dataclass(frozen=True)
class HeldOut:
    """What is measured after each epoch: batches, drawn from so many cases.

    Once it is learned from it says nothing more, and the last scores stay.
    """

    batches: list[Batch]
    cases: int
    learned: bool = False

    @property
    def voxels(self) -> int:
        """Of all patches together."""
        return sum(classes.size for _, classes in self.batches)


@dataclass
class Best:
    """The epoch whose weights are kept, and the highest score of all epochs so far."""

    epoch: int = 0
    score: float = -1.0
    dice: list[float] = field(default_factory=list)
    recall: tuple[float, ...] = ()
    weights: list[Any] = field(default_factory=list)
