"""What each kind of job sends to the child, and what comes back: the viewer's side of `jobs`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy.typing as npt

from napari_medunet.engine.examples.example import Example
from napari_medunet.engine.settings import PredictSettings, TrainSettings
from napari_medunet.engine.volume import Volume
from napari_medunet.worker.handover import save_example, save_volume, take_array
from napari_medunet.worker.messages import Message


@dataclass(frozen=True)
class Task:
    """One piece of work for the child.

    Attributes
    ----------
    name : str
        Key in the table of `jobs`.
    title : str
        What errors call it: "Training".
    pack : callable
        Given the job's folder, writes the arrays there and returns the request that goes with them.
    unpack : callable
        Given the job's folder and a result's message, returns the result. Files that are to outlive
        the job must leave the folder: it is removed when the job ends.
    run : str
        Name of the folder, beside the job's, with which the same task goes on where it broke off; empty
        for a task that cannot.
    """

    name: str
    title: str
    pack: Callable[[Path], Message]
    unpack: Callable[[Path, Message], object]
    run: str = ""


@dataclass(frozen=True, eq=False)
class CrossValidated:
    """What a cross-validation leaves.

    Attributes
    ----------
    segmenter : Path
        Of a ``.medunet`` file in the worker's folder, whose card has the scores of each fold.
    labels : dict of int to (z, y, x) array
        Out-of-fold predictions by position in the examples; after a stop, of the finished folds.
    """

    segmenter: Path
    labels: dict[int, npt.NDArray[Any]]


def training(
    examples: list[Example],
    settings: TrainSettings,
    names: dict[int, str] | None = None,
    start_from: Path | None = None,
) -> Task:
    """Train on examples; the result is the path of a ``.medunet`` file in the worker's folder.

    `names` says what labels are called, for the segmenter's card; a segmenter in `start_from` is
    fine-tuned.
    """
    run = _new_run()
    pack_examples = _pack_examples(examples, settings, names, run)

    def pack(folder: Path) -> Message:
        known = {"start_from": str(start_from.absolute())} if start_from else {}
        return pack_examples(folder) | known

    return Task("train", "Training", pack, _keep_segmenter, run)


def cross_validation(
    examples: list[Example], settings: TrainSettings, names: dict[int, str] | None = None
) -> Task:
    """Cross-validate on examples, with the folds of the settings; the result is a `CrossValidated`."""

    def unpack(folder: Path, result: Message) -> CrossValidated:
        labels = {index: take_array(folder / name) for index, name in result["labels"]}
        return CrossValidated(_keep_segmenter(folder, result), labels)

    run = _new_run()
    pack = _pack_examples(examples, settings, names, run)
    return Task("cross-validate", "Training", pack, unpack, run)


def prediction(segmenter: Path, volumes: list[Volume], settings: PredictSettings) -> Task:
    """Segment volumes; a result is (position in `volumes`, (z, y, x) labels array)."""

    def pack(folder: Path) -> Message:
        return {
            "segmenter": str(segmenter.absolute()),
            "volumes": [save_volume(folder, str(i), volume) for i, volume in enumerate(volumes)],
            "settings": settings.model_dump(mode="json"),
        }

    def unpack(folder: Path, result: Message) -> object:
        return result["index"], take_array(folder / result["labels"])

    return Task("predict", "Segmentation", pack, unpack)


def _new_run() -> str:
    """Name of a run folder that no other task has."""
    return f"run-{uuid4().hex}"


def _pack_examples(
    examples: list[Example], settings: TrainSettings, names: dict[int, str] | None, run: str
) -> Callable[[Path], Message]:
    """Hand over what is learned from, as it is now, and the name of the run folder."""
    # The user paints on while the job waits: labels are copied now. Nobody paints on images.
    frozen = [replace(e, labels=e.labels.copy(), annotated=e.annotated.copy()) for e in examples]

    def pack(folder: Path) -> Message:
        return {
            "examples": [save_example(folder, str(i), e) for i, e in enumerate(frozen)],
            "settings": settings.model_dump(mode="json"),
            "names": [[label, name] for label, name in (names or {}).items()],
            "run": str(folder.with_name(run)),
        }

    return pack


def _keep_segmenter(folder: Path, result: Message) -> Path:
    """Take the segmenter out of the job's folder, which goes with the job."""
    kept = folder.with_suffix(".medunet")
    (folder / result["segmenter"]).replace(kept)
    return kept
