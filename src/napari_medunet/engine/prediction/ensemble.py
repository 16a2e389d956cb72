"""Several segmenters as one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from napari_medunet.engine.errors import MedunetError
from napari_medunet.engine.examples.statistics import DataStatistics
from napari_medunet.engine.patches.preprocessing import Float32Array
from napari_medunet.engine.plan import Plan
from napari_medunet.engine.prediction.painted import PaintedImage
from napari_medunet.engine.prediction.segmenter import Segmenter
from napari_medunet.engine.prediction.sliding_window import TrainedPredictor


class Ensemble:
    """Several segmenters as one: the mean of their probabilities.

    Parameters
    ----------
    members : non-empty sequence of Segmenter

    Raises
    ------
    MedunetError
        If they see volumes on different grids, of other intensities or otherwise mirrored, or know
        different labels.
    """

    def __init__(self, members: Sequence[TrainedPredictor]) -> None:
        self._members = members
        first, *others = (_seen(member.plan) for member in members)
        for other in others:
            differing = [name for name, value in first.items() if other[name] != value]
            if differing:
                raise MedunetError(
                    f"The segmenters differ in {', '.join(differing)}; wanted the same in all, to average "
                    "them. Predict with each alone, or train them on the same data."
                )

    @property
    def plan(self) -> Plan:
        """The plan of the first member, whose grid and labels are those of all."""
        return self._members[0].plan

    @property
    def statistics(self) -> DataStatistics | None:
        """Of what the first member was trained on: all were trained on the same, or nearly."""
        return self._members[0].statistics

    @property
    def recall(self) -> tuple[float, ...]:
        """Share of each class's voxels that the first member found in training."""
        return self._members[0].recall

    @property
    def painted(self) -> tuple[PaintedImage, ...]:
        """What was painted on images of the first member's training."""
        return self._members[0].painted

    def probabilities(self, images: Float32Array) -> Float32Array:
        """Mean class probabilities (batch, *size, classes) of images (batch, *size, channels)."""
        total = sum(member.probabilities(images) for member in self._members)
        return np.asarray(total / np.float32(len(self._members)), dtype=np.float32)


def load_segmenters(paths: list[Path]) -> TrainedPredictor:
    """Read one `.medunet` file, or several as their mean.

    Raises
    ------
    OSError, MedunetError
        One line, if one cannot be read or they do not go together.
    """
    segmenters = [Segmenter.load(path) for path in paths]
    return segmenters[0] if len(segmenters) == 1 else Ensemble(segmenters)


def _seen(plan: Plan) -> dict[str, object]:
    """The part of a plan that all members of an ensemble must share."""
    grid = plan.grid.model_dump(exclude={"patch"})
    kinds = {"labels": plan.labels, "channels": plan.channels}
    return grid | kinds | {"pools": plan.network.pools, "flip_axes": plan.schedule.flip_axes}
