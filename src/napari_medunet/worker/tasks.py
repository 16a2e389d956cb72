"""How the viewer sends each kind of job to the child, and how it reads the results."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Generic, TypeVar
from uuid import uuid4

import numpy.typing as npt
from pydantic import BaseModel

from napari_medunet.engine.examples.example import Example
from napari_medunet.engine.plan import Plan
from napari_medunet.engine.settings import PredictSettings
from napari_medunet.engine.volume import Volume
from napari_medunet.worker.handover import ExampleFiles, VolumeFiles
from napari_medunet.worker.requests import (
    CrossValidateRequest,
    CrossValidateResult,
    PredictRequest,
    PredictResult,
    TrainRequest,
    TrainResult,
)

ResultT = TypeVar("ResultT", bound=BaseModel)


@dataclass(frozen=True)
class Task(Generic[ResultT]):
    """One piece of work for the child.

    Attributes
    ----------
    title : str
        What errors call it: "Training".
    pack : callable
        Given the job's folder, writes the arrays there and returns the request that goes with them.
    makes : type
        What the child describes each result with.
    take : callable
        Given the job's folder and such a description, returns the result. Files that are to outlive the
        job must leave the folder: it is removed when the job ends.
    run : str
        Name of the folder, beside the job's, with which the same task goes on where it broke off; empty
        for a task that cannot.
    """

    title: str
    pack: Callable[[Path], BaseModel]
    makes: type[ResultT]
    take: Callable[[Path, ResultT], object]
    run: str = ""

    def take_result(self, folder: Path, file: str) -> object:
        """Take the result that a file in the job's folder describes.

        Raises
        ------
        OSError, MedunetError
            If a file is missing or damaged.
        """
        path = folder / file
        content = path.read_bytes()
        if path.parent != folder:  # in a person's folder: see `Room`
            path.unlink()
        return self.take(folder, self.makes.model_validate_json(content))


@dataclass(frozen=True, eq=False)
class CrossValidated:
    """The result of a cross-validation.

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
    plan: Plan,
    names: dict[int, str] | None = None,
    start_from: Path | None = None,
) -> Task[TrainResult]:
    """Train on examples; the result is the path of a ``.medunet`` file in the worker's folder.

    `names` of labels are for the segmenter's card; a segmenter in `start_from` is
    fine-tuned.
    """
    run, frozen = _new_run(), _as_they_are_now(examples)

    def pack(folder: Path) -> TrainRequest:
        return TrainRequest(
            examples=_save_examples(folder, frozen),
            plan=plan,
            names=names or {},
            run=folder.with_name(run),
            start_from=start_from.absolute() if start_from else None,
        )

    return Task("Training", pack, TrainResult, _keep_segmenter, run)


def cross_validation(
    examples: list[Example], plan: Plan, names: dict[int, str] | None = None
) -> Task[CrossValidateResult]:
    """Cross-validate on examples, with the folds of the plan; the result is a `CrossValidated`."""
    run, frozen = _new_run(), _as_they_are_now(examples)

    def pack(folder: Path) -> CrossValidateRequest:
        return CrossValidateRequest(
            examples=_save_examples(folder, frozen),
            plan=plan,
            names=names or {},
            run=folder.with_name(run),
        )

    def take(folder: Path, result: CrossValidateResult) -> CrossValidated:
        labels = {index: file.take(folder) for index, file in result.labels.items()}
        return CrossValidated(_keep_segmenter(folder, result), labels)

    return Task("Training", pack, CrossValidateResult, take, run)


def prediction(
    segmenter: Path, volumes: list[Volume], settings: PredictSettings
) -> Task[PredictResult]:
    """Segment volumes; a result is (position in `volumes`, (z, y, x) labels array)."""

    def pack(folder: Path) -> PredictRequest:
        files = tuple(VolumeFiles.save(folder, str(i), v) for i, v in enumerate(volumes))
        return PredictRequest(segmenter=segmenter.absolute(), volumes=files, settings=settings)

    def take(folder: Path, result: PredictResult) -> tuple[int, npt.NDArray[Any]]:
        return result.index, result.labels.take(folder)

    return Task("Segmentation", pack, PredictResult, take)


def _new_run() -> str:
    """Name of a run folder that no other task has."""
    return f"run-{uuid4().hex}"


def _as_they_are_now(examples: list[Example]) -> list[Example]:
    """Copy the labels: the user paints on while the job waits. Nobody paints on images."""
    return [replace(e, labels=e.labels.copy(), annotated=e.annotated.copy()) for e in examples]


def _save_examples(folder: Path, examples: list[Example]) -> tuple[ExampleFiles, ...]:
    return tuple(ExampleFiles.save(folder, str(i), e) for i, e in enumerate(examples))


def _keep_segmenter(folder: Path, result: TrainResult) -> Path:
    """Take the segmenter out of the job's folder, which goes with the job; elsewhere it stays."""
    made = folder / result.segmenter
    if made.parent != folder:
        return made
    kept = folder.with_suffix(".medunet")
    made.replace(kept)
    return kept
