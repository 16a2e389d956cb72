"""Room for what took minutes: a job's own folder, or one that a person names where its disk is full."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar
from uuid import uuid4

import numpy.typing as npt

from napari_medunet.engine.errors import one_line
from napari_medunet.engine.files.saving import free_name
from napari_medunet.engine.progress import Elsewhere, Progress, ProgressCallback, StopRequested
from napari_medunet.worker.handover import ArrayFile

_TRY_AGAIN_SECONDS = 2.0
T = TypeVar("T")


class Room:
    """Where the results of a job are written.

    Parameters
    ----------
    folder : Path
        Of the job.
    report : callable
        Told where there is no room. It raises `Elsewhere` where somebody has named another folder, and
        `Cancelled` to drop the result.

    Attributes
    ----------
    place : Path
        Where results are written now: the job's folder, or the one that was named.
    """

    def __init__(self, folder: Path, report: ProgressCallback) -> None:
        self.place = self._own = folder
        self._report = report

    def write(self, write: Callable[[], T]) -> T:
        """Write into `place`; keep it in memory and try until there is room, here or elsewhere."""
        kept = "The result is kept in memory, and saved once there is space."
        tried = 0
        while True:
            try:
                return write()
            except OSError as error:
                message = f"Trained, and waiting for space: {one_line(error)}"
            warning = "" if tried else f"{message} {kept}"
            try:
                self._report(Progress(1.0, message, warning=warning, wants_folder=not tried))
            except StopRequested:  # there is no more to stop
                pass
            except Elsewhere as named:
                self.place, tried = named.folder, 0
                continue
            tried += 1
            time.sleep(_TRY_AGAIN_SECONDS)

    def path_of(self, name: str) -> Path:
        """Where a file that is to stay goes: in a person's folder, to a name that is free."""
        path = self.place / name
        return path if self.place == self._own else free_name(path)

    def name_of(self, path: Path) -> str:
        """How a result calls a file: by its name in the job's folder, elsewhere by its path."""
        return path.name if path.parent == self._own else str(path.absolute())

    def save_array(self, name: str, array: npt.NDArray[Any]) -> ArrayFile:
        """Write an array for the viewer, which removes the file when it has read it."""
        own = self.place == self._own
        path = self.place / (name if own else f".{uuid4().hex}-{name}")
        try:
            ArrayFile.save(path, array)
        except OSError:
            with suppress(OSError):
                path.unlink()
            raise
        return ArrayFile(name=self.name_of(path))
