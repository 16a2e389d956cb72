"""Requests and results of each kind of job: the one description that viewer and child read.

A request is in its job's folder, with its arrays: the viewer writes it, the child reads it, and so does the
next viewer if this one was killed. Results are there as well.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Protocol

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from napari_medunet.engine.files.paths import PathInJson
from napari_medunet.engine.plan import Plan
from napari_medunet.engine.settings import PredictSettings
from napari_medunet.worker.handover import ArrayFile, ExampleFiles, VolumeFiles

REQUEST_FILE = "request.json"
"""Name of a request's file in its job's folder."""


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class _TrainingRequest(_Frozen):
    """What all requests of a training have.

    Attributes
    ----------
    examples : tuple of ExampleFiles
    plan : Plan
        Decided in the viewer, and trained by as it is.
    names : dict of int to str
        What labels are called, for the segmenter's card.
    run : Path
        Of the run folder; what broke off in it is gone on with.
    """

    examples: tuple[ExampleFiles, ...]
    plan: Plan
    names: dict[int, str]
    run: Path


class TrainRequest(_TrainingRequest):
    """Train a segmenter, or fine-tune the one in the file `start_from`. It makes a `TrainResult`."""

    kind: Literal["train"] = "train"
    start_from: PathInJson | None = None


class CrossValidateRequest(_TrainingRequest):
    """Train a network for each fold of the plan. It makes a `CrossValidateResult`."""

    kind: Literal["cross-validate"] = "cross-validate"


class PredictRequest(_Frozen):
    """Segment volumes with the segmenter in a file. It makes a `PredictResult` of each volume."""

    kind: Literal["predict"] = "predict"
    segmenter: PathInJson
    volumes: tuple[VolumeFiles, ...]
    settings: PredictSettings


Request = TrainRequest | CrossValidateRequest | PredictRequest

_REQUESTS: TypeAdapter[Request] = TypeAdapter(Annotated[Request, Field(discriminator="kind")])


class TrainResult(_Frozen):
    """The name of the segmenter's file in the job's folder, or its path where it lies elsewhere."""

    segmenter: str


class CrossValidateResult(TrainResult):
    """A segmenter, and out-of-fold labels by position in the examples."""

    labels: dict[int, ArrayFile]


class PredictResult(_Frozen):
    """Labels of one volume, and its position in the request."""

    index: int
    labels: ArrayFile


class Deliver(Protocol):
    """Takes each result that a job has ready, once its files are written."""

    def __call__(self, result: BaseModel, place: Path | None = None) -> None:
        """Describe a result in a file of the job's folder, or of another one (`place`)."""
        ...


def write_request(folder: Path, request: BaseModel) -> None:
    """Write a request into its job's folder.

    Raises
    ------
    OSError
        If it cannot be written.
    """
    (folder / REQUEST_FILE).write_bytes(request.model_dump_json().encode())


def read_request(folder: Path) -> Request:
    """Read the request of a job from its folder.

    Raises
    ------
    OSError
        If there is no request.
    MedunetError
        If it is damaged, or of no kind that is known here.
    """
    return _REQUESTS.validate_json((folder / REQUEST_FILE).read_bytes())
