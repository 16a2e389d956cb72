"""Left over: a training whose viewer was killed, in the temporary folder that it could not remove.

As long as a job runs its folder holds its request and its arrays, and beside it lie the checkpoints: of a
viewer that did not end by closing, that is all there is of what was painted and of what was learned.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

import psutil

from napari_medunet.engine.examples.example import Example
from napari_medunet.engine.settings import TrainSettings
from napari_medunet.worker.handover import map_example
from napari_medunet.worker.messages import Message
from napari_medunet.worker.tasks import Task, cross_validation, training

_PREFIX = "napari-medunet-"
_REQUEST = "request.json"
_SAME_SECONDS = 2.0  # the system's clock may have been set right meanwhile


@dataclass(frozen=True)
class LeftOver:
    """A training that ended with its viewer.

    Attributes
    ----------
    folder : Path
        Of the job.
    name : str
        Of the task.
    request : dict
        As the child got it.
    """

    folder: Path
    name: str
    request: Message

    @property
    def began(self) -> datetime:
        """When the training began."""
        return datetime.fromtimestamp((self.folder / _REQUEST).stat().st_mtime).astimezone()

    @property
    def settings(self) -> TrainSettings:
        """What was asked for."""
        return TrainSettings.model_validate(self.request["settings"])

    def examples(self) -> list[Example]:
        """What is learned from, in memory.

        Raises
        ------
        OSError, ValueError
            If an array is missing or damaged.
        """
        mapped = [map_example(self.folder, message) for message in self.request["examples"]]
        return [
            Example(
                replace(one.image, voxels=one.image.voxels.copy()),
                one.labels.copy(),
                one.annotated.copy(),
            )
            for one in mapped
        ]

    def task(self, examples: list[Example]) -> Task:
        """Go on with it, on its `examples`; once that has begun, nothing is left over."""
        names = dict(self.request["names"])
        if self.name == "cross-validate":
            task = cross_validation(examples, self.settings, names)
        else:
            known = self.request.get("start_from")
            task = training(examples, self.settings, names, Path(known) if known else None)

        def pack(folder: Path) -> Message:
            request = task.pack(folder)
            if self._run.exists():
                shutil.move(self._run, request["run"])
            self.discard()
            return request

        return replace(task, pack=pack)

    def discard(self) -> None:
        """Delete it, with the viewer's folder where that holds nothing else."""
        for folder in (self.folder, self._run):
            shutil.rmtree(folder, ignore_errors=True)
        with suppress(OSError):
            self.folder.parent.rmdir()

    @property
    def _run(self) -> Path:
        return Path(self.request["run"])


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


def note_request(folder: Path, name: str, request: Message) -> None:
    """Keep what a training was asked for in its job's folder, beside the arrays.

    Raises
    ------
    OSError
        If it cannot be written.
    """
    told = {"name": name, "request": request}
    (folder / _REQUEST).write_text(json.dumps(told), encoding="utf-8")


def holds_training(folder: Path) -> bool:
    """Whether a training is under way in a folder that `new_folder` made."""
    return any(folder.glob(f"*/{_REQUEST}"))


def newest_left_over() -> LeftOver | None:
    """The last training of this user that ended with its viewer, if there is one."""
    found = []
    for path in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*/*/{_REQUEST}"):
        with suppress(OSError, ValueError, KeyError):  # damaged, or just being removed
            pid, began, _ = path.parents[1].name.removeprefix(_PREFIX).split("-", 2)
            if _is_own(path) and not _is_alive(int(pid), int(began)):
                told = json.loads(path.read_text(encoding="utf-8"))
                found.append(LeftOver(path.parent, told["name"], told["request"]))
    return max(found, key=lambda one: one.began, default=None)


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
