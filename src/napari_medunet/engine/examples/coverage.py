"""Coverage: how much of a volume somebody has annotated, as far as its labels show."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_medunet.engine.examples.annotation import AXES, annotated_axis, painted_slices

_MUCH = 1 / 3  # of the slices: seldom does anybody paint so many one beside the other and stop
_LONG_RUN = 3  # slices: longer ones are organs side by side, each of them annotated whole


@dataclass(frozen=True)
class Coverage:
    """Which slices hold a label.

    Attributes
    ----------
    axis : 0, 1 or 2
        Array axis (of z, y, x) across the slices.
    held, slices : int
        How many were painted, of how many.
    others : int
        Slices that were painted across another axis.
    runs : int
        In how many runs of neighbouring slices those lie.
    """

    axis: int
    held: int
    slices: int
    runs: int
    others: int = 0

    @property
    def everywhere(self) -> bool:
        """Whether every slice holds a label: it makes no difference which slices count."""
        return self.held == self.slices

    @property
    def unbroken(self) -> bool:
        """Whether they lie side by side, as in a volume that is annotated whole."""
        return self.runs == 1

    @property
    def scattered(self) -> bool:
        """Whether they lie apart, as a few painted slices do, and two whole organs with a gap do not."""
        return self.runs > 1 and self.held < _LONG_RUN * self.runs


def coverage(labels: npt.NDArray[Any], axis: str = "auto") -> Coverage:
    """Count the slices that hold a label.

    Parameters
    ----------
    labels : (z, y, x) array of numbers
    axis : "auto", "z", "y" or "x"
        Across the slices; "auto" finds it as training does.
    """
    across = annotated_axis(labels) if axis == "auto" else AXES.index(axis)
    found = painted_slices(labels, axis)
    where = np.flatnonzero(found[across])
    runs = int(np.count_nonzero(np.diff(where, prepend=-2) > 1))
    others = sum(int(found[other].sum()) for other in range(3) if other != across)
    return Coverage(across, where.size, found[across].size, runs, others)


def advice(found: Sequence[Coverage], annotated: str) -> str:
    """Say what "all" or "slices" means for these labels, and whether the other looks meant.

    Parameters
    ----------
    found : sequence of Coverage
        Of the labels to train on, none of them empty.
    annotated : "all", "slices" or "voxels"
        As in `TrainSettings`.
    """
    if not found or annotated == "voxels":
        return ""
    if all(one.everywhere for one in found):
        return "Every slice holds a label: all voxels count."
    held, slices = sum(one.held for one in found), sum(one.slices for one in found)
    names = " and ".join(sorted({AXES[one.axis] for one in found}, reverse=True))
    if annotated == "all":
        if not any(one.scattered for one in found):
            return ""
        return (
            f"{slices - held} of {slices} slices hold no label and are learned as background. Choose "
            "slices if they are not annotated yet."
        )
    whole = all(one.unbroken and one.held >= _MUCH * one.slices for one in found)
    others = sum(one.others for one in found)
    also = f", and {others} across another axis" if others else ""
    return f"{held} of {slices} slices across {names} hold a label{also}, and count." + (
        " If the volumes are annotated whole, choose all." if whole and not others else ""
    )
