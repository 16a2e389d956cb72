"""Left over: a training whose viewer was killed, in the temporary folder that it could not remove.

As long as a job runs, its folder holds its request and its arrays, and the checkpoints are beside it. If
the viewer was killed, the painted labels and the trained weights are in these files and nowhere else.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import psutil
from pydantic import BaseModel

from napari_medunet.engine.errors import MedunetError, one_line
from napari_medunet.engine.examples.example import Example
from napari_medunet.worker.requests import (
    REQUEST_FILE,
    CrossValidateRequest,
    PredictRequest,
    TrainRequest,
    read_request,
)
from napari_medunet.worker.tasks import Task, cross_validation, training

_PREFIX = "napari-medunet-"
_SAME_SECONDS = 2.0  # the system's clock may have been set right meanwhile


@dataclass(frozen=True)
class LeftOver:
    """A training that ended with its viewer.

    Attributes
    ----------
    folder : Path
        Of the job.
    request : TrainRequest or CrossValidateRequest
        As the child got it.
    """

    folder: Path
    request: TrainRequest | CrossValidateRequest

    @property
    def began(self) -> datetime:
        """When the training began."""
        return datetime.fromtimestamp((self.folder / REQUEST_FILE).stat().st_mtime).astimezone()

    def examples(self) -> list[Example]:
        """The training examples, in memory.

        Raises
        ------
        OSError
            If an array is missing.
        MedunetError
            If an array is damaged.
        """
        try:
            mapped = [files.map(self.folder) for files in self.request.examples]
        except (ValueError, EOFError) as error:
            raise MedunetError(
                f"An array in '{self.folder}' is damaged: {one_line(error)} Discard that training, and "
                "begin a new one."
            ) from error
        return [
            Example(
                replace(one.image, voxels=one.image.voxels.copy()),
                one.labels.copy(),
                one.annotated.copy(),
            )
            for one in mapped
        ]

    def task(self, examples: list[Example]) -> Task[Any]:
        """The task that resumes it, on its `examples`; once that has begun, nothing is left over."""
        asked = self.request
        task: Task[Any]
        if isinstance(asked, CrossValidateRequest):
            task = cross_validation(examples, asked.plan, asked.names)
        else:
            task = training(examples, asked.plan, asked.names, asked.start_from)

        def pack(folder: Path) -> BaseModel:
            request = task.pack(folder)
            if asked.run.exists():
                shutil.move(asked.run, folder.with_name(task.run))
            self.discard()
            return request

        return replace(task, pack=pack)

    def discard(self) -> None:
        """Delete it, with the viewer's folder where that holds nothing else."""
        for folder in (self.folder, self.request.run):
            shutil.rmtree(folder, ignore_errors=True)
        with suppress(OSError):
            self.folder.parent.rmdir()


def new_folder() -> Path:
    """Make a temporary folder of this process, by whose name others can tell that it is in use.

    Raises
    ------
    OSError
        If there is no room for it.
    """
    process = psutil.Process()
    began = round(process.create_time())
    return Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{process.pid}-{began}-"))


def holds_training(folder: Path) -> bool:
    """Whether a training is under way in a folder that `new_folder` made."""
    jobs = [path.parent for path in folder.glob(f"*/{REQUEST_FILE}")]
    return any(_read_training(job) is not None for job in jobs)


def newest_left_over() -> LeftOver | None:
    """The last training of this user that ended with its viewer, if there is one."""
    found = []
    for path in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*/*/{REQUEST_FILE}"):
        with suppress(OSError, ValueError):  # not of ours, or just being removed
            pid, began, _ = path.parents[1].name.removeprefix(_PREFIX).split("-", 2)
            if _is_own(path) and not _is_alive(int(pid), int(began)):
                request = _read_training(path.parent)
                if request is not None:
                    found.append(LeftOver(path.parent, request))
    return max(found, key=lambda one: one.began, default=None)


def _read_training(folder: Path) -> TrainRequest | CrossValidateRequest | None:
    """The request of the training in a job's folder, if there is one that can be read."""
    try:
        request = read_request(folder)
    except (OSError, ValueError):  # damaged, of another version, or just being removed
        return None
    return None if isinstance(request, PredictRequest) else request


def _is_own(path: Path) -> bool:
    user = getattr(
        os, "getuid", None
    )  # not on Windows, where temporary folders are each user's own
    return user is None or bool(path.stat().st_uid == user())


def _is_alive(pid: int, began: int) -> bool:
    try:
        found = psutil.Process(pid).create_time()
    except psutil.NoSuchProcess:
        return False
    return bool(abs(found - began) < _SAME_SECONDS)
