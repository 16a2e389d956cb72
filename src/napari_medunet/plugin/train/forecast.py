"""Outlook: what can be said of a training before it starts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from napari.layers import Image, Labels, Layer

from napari_medunet.engine.examples.coverage import Coverage, coverage
from napari_medunet.engine.examples.example import Example, make_example
from napari_medunet.engine.plan import Plan
from napari_medunet.engine.planning.fine_tuning_plan import reasoned_extension
from napari_medunet.engine.planning.plan_maker import Reason, reasoned_plan
from napari_medunet.engine.prediction.model_file import read_card
from napari_medunet.engine.settings import TrainSettings
from napari_medunet.plugin.opening.layers import volume_from_layer

Pairs = Sequence[tuple[Image, Labels]]


@dataclass(frozen=True)
class Outlook:
    """What can be said of a training before it starts.

    Attributes
    ----------
    coverage : tuple of Coverage
        Of each labels layer.
    settings : TrainSettings
        With the voxels that count, where that was left open.
    plan : Plan or None
        None where nobody asked.
    reasons : tuple of Reason
        Of the plan.
    """

    coverage: tuple[Coverage, ...]
    settings: TrainSettings
    plan: Plan | None = None
    reasons: tuple[Reason, ...] = ()


def forecast(
    pairs: Pairs,
    layers: Sequence[Layer],
    settings: TrainSettings,
    annotated: str,
    plan: bool,
    start_from: Path | None = None,
) -> Outlook:
    """Look at layers as training would; takes seconds for large ones, so call it in a thread.

    Parameters
    ----------
    pairs : sequence of (Image, Labels)
    layers : sequence of layers
        All of the viewer, see `volume_from_layer`.
    settings : TrainSettings
    annotated : "auto", "all", "slices" or "voxels"
        What the user chose; see `settled`.
    plan : bool
        Whether to make a plan, too.
    start_from : Path, optional
        Of the segmenter that goes on learning.

    Raises
    ------
    ValueError
        If the layers cannot be learned from, or not by that segmenter.
    OSError
        If its file cannot be read.
    """
    found = _coverage(pairs, layers, settings)
    which = _by_coverage(found) if annotated == "auto" else annotated
    settings = settings.model_copy(update={"annotated": which})
    known = None if start_from is None else read_card(start_from).plan
    if not plan:
        return Outlook(found, settings)
    examples = examples_of(pairs, layers, settings)
    if known is not None:
        made, reasons = reasoned_extension(known, examples, settings)
    else:
        made, reasons = reasoned_plan(examples, settings.of_fold(0))
    return Outlook(found, settings, made, tuple(reasons))


def settled(
    pairs: Pairs, layers: Sequence[Layer], settings: TrainSettings, annotated: str
) -> TrainSettings:
    """Settings with the voxels that count, where that was left open.

    If every slice holds a label *all* count, which makes no difference to the voxels that count but lets
    the plan choose blocks; else *slices*.
    """
    if annotated != "auto":
        return settings
    which = _by_coverage(_coverage(pairs, layers, settings))
    return settings.model_copy(update={"annotated": which})


def _coverage(
    pairs: Pairs, layers: Sequence[Layer], settings: TrainSettings
) -> tuple[Coverage, ...]:
    volumes = [volume_from_layer(labels, layers) for _, labels in pairs]
    return tuple(coverage(labels.voxels, settings.axis) for labels in volumes)


def _by_coverage(found: Sequence[Coverage]) -> str:
    return "all" if all(one.everywhere for one in found) else "slices"


def examples_of(pairs: Pairs, layers: Sequence[Layer], settings: TrainSettings) -> list[Example]:
    """Examples of pairs of layers.

    Raises
    ------
    ValueError
        As `volume_from_layer` and `make_example`.
    """
    return [
        make_example(volume_from_layer(image, layers), volume_from_layer(labels, layers), settings)
        for image, labels in pairs
    ]
