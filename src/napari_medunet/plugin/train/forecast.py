"""Forecast: the plan of a training before it starts, as it is shown and handed on."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from napari.layers import Image, Labels, Layer

from napari_medunet.engine.examples.coverage import Coverage, coverage
from napari_medunet.engine.examples.example import Example, make_example
from napari_medunet.engine.examples.plausibility import find_oddities
from napari_medunet.engine.plan import Plan
from napari_medunet.engine.planning.fine_tuning_plan import extend_plan
from napari_medunet.engine.planning.plan_maker import make_plan
from napari_medunet.engine.prediction.model_file import read_card
from napari_medunet.engine.settings import AnnotationSettings, TrainSettings
from napari_medunet.plugin.opening.layers import volume_from_layer


@dataclass(frozen=True, eq=False)
class Choice:
    """What a user has chosen to train on, and how.

    Attributes
    ----------
    pairs : sequence of (Image, Labels)
    layers : sequence of layers
        All of the viewer, see `volume_from_layer`.
    settings : TrainSettings
    which_open : bool
        Whether nobody has said which voxels count: then every slice that holds a label does.
    start_from : Path or None
        Of the segmenter that goes on learning.
    """

    pairs: Sequence[tuple[Image, Labels]]
    layers: Sequence[Layer]
    settings: TrainSettings
    which_open: bool
    start_from: Path | None = None

    def settled(self) -> TrainSettings:
        """Settings with the voxels that count, where that was left open.

        If every slice holds a label *all* count, which makes no difference to the voxels that count but
        lets the plan choose blocks; else *slices*.
        """
        return self._settled(self._coverage()) if self.which_open else self.settings

    def forecast(self, with_plan: bool) -> Forecast:
        """Plan a training on layers; takes seconds for large ones, so call it in a thread.

        Raises
        ------
        MedunetError
            If the layers cannot be learned from, or not by that segmenter.
        OSError
            If its file cannot be read.
        """
        found = self._coverage()
        settings = self._settled(found) if self.which_open else self.settings
        examples = self.examples(settings.annotation)
        odd = tuple(find_oddities(examples))
        decision = self.decide(examples, settings) if with_plan else None
        return Forecast(found, settings, odd, decision)

    def examples(self, annotation: AnnotationSettings) -> list[Example]:
        """Examples of the pairs.

        Raises
        ------
        MedunetError
            As `volume_from_layer` and `make_example`.
        """
        return [
            make_example(
                volume_from_layer(image, self.layers),
                volume_from_layer(labels, self.layers),
                annotation,
            )
            for image, labels in self.pairs
        ]

    def planned(self, shown: Decision | None) -> tuple[list[Example], Plan]:
        """Examples, and the plan to train by: the one that was shown, if it is still valid.

        What was shown may be of the pairs that were ticked a moment ago, or of what was painted until then.
        """
        settings = self.settled()
        examples = self.examples(settings.annotation)
        if shown is None or not shown.holds(self, settings, examples):
            shown = self.decide(examples, settings)
        return examples, shown.plan

    def decide(self, examples: list[Example], settings: TrainSettings) -> Decision:
        """Make the plan of these examples."""
        if self.start_from is None:
            plan = make_plan(examples, settings)
        else:
            plan = extend_plan(read_card(self.start_from).plan, examples, settings)
        return Decision(plan, settings, self.start_from, _painted(examples))

    def _coverage(self) -> tuple[Coverage, ...]:
        volumes = [volume_from_layer(labels, self.layers) for _, labels in self.pairs]
        across = self.settings.annotation.painted_across
        return tuple(coverage(labels.voxels, across) for labels in volumes)

    def _settled(self, found: Sequence[Coverage]) -> TrainSettings:
        which = "all" if all(one.everywhere for one in found) else "slices"
        return self.settings.changed(annotated=which)


@dataclass(frozen=True)
class Decision:
    """A plan, and what it was made from: it is valid as long as that stays the same.

    Attributes
    ----------
    plan : Plan
    settings : TrainSettings
    start_from : Path or None
    painted : tuple
        What tells labels apart that were painted further.
    """

    plan: Plan
    settings: TrainSettings
    start_from: Path | None
    painted: tuple[tuple[str, int], ...]

    def holds(self, choice: Choice, settings: TrainSettings, examples: list[Example]) -> bool:
        """Whether the plan is still valid for these examples and settings."""
        same = (self.settings, self.start_from) == (settings, choice.start_from)
        return same and self.painted == _painted(examples)


@dataclass(frozen=True)
class Forecast:
    """A training before it starts: its plan, or why there is none.

    Attributes
    ----------
    coverage : tuple of Coverage
        Of each labels layer.
    settings : TrainSettings
        With the voxels that count, where that was left open.
    oddities : tuple of str
        What is odd about the layers, one sentence each.
    decision : Decision or None
        None where nobody asked for a plan.
    """

    coverage: tuple[Coverage, ...]
    settings: TrainSettings
    oddities: tuple[str, ...] = ()
    decision: Decision | None = None


def _painted(examples: list[Example]) -> tuple[tuple[str, int], ...]:
    """Name and checksum of each annotation."""
    return tuple((e.name, zlib.crc32(np.ascontiguousarray(e.labels).data)) for e in examples)
