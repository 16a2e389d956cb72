"""Listener and Job: the callbacks of a job, and the handle with which the viewer stops or cancels it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from napari_medunet.engine.progress import Progress
from napari_medunet.worker.tasks import Task


def ignore(*_: object) -> None:
    """Take what is reported and do nothing."""


@dataclass(frozen=True)
class Listener:
    """Who hears of a job. Every function is called from the worker's thread, in order.

    `failed` or `cancelled` is called at most once, and `finished` always, last. A job that was stopped
    before it had anything to keep is `cancelled`. After `Job.cancel` nothing more is heard of progress
    and results.

    Attributes
    ----------
    progress : callable
        Takes a `Progress`.
    result : callable
        Takes each result: see `Worker.train` and `Worker.predict`.
    failed : callable
        Takes the error, one line for the user; `Job.details` holds what a report of a bug needs.
    cancelled, finished : callable
        Take nothing.
    asked : float
        When the user asked for the job, by `time.monotonic`: the minutes of a training count from then.
    """

    progress: Callable[[Progress], None] = ignore
    result: Callable[[Any], None] = ignore
    failed: Callable[[str], None] = ignore
    cancelled: Callable[[], None] = ignore
    finished: Callable[[], None] = ignore
    asked: float = field(default_factory=time.monotonic)


@dataclass(frozen=True)
class JobCalls:
    """How a job reaches the worker's thread: each function takes the job, and returns at once."""

    stop: Callable[[Job], None]
    cancel: Callable[[Job], None]
    place: Callable[[Job, Path], None]


class Job:
    """A job that was handed to a worker; `Worker.train` and `Worker.predict` make it.

    Parameters
    ----------
    number : int
        By which messages to and from the child name it.
    task : Task
    listener : Listener
    calls : JobCalls

    Attributes
    ----------
    folder_name : str
        Name of the job's folder in the worker's.
    cancelled : bool
        Whether `cancel` was called: from then on the listener hears the end only.
    has_result : bool
        Whether something was delivered.
    unread : str
        Why a result could not be read; empty otherwise.
    details : str
        After a failure: the traceback, or the last lines of the child's log.
    """

    def __init__(
        self,
        number: int,
        task: Task[Any],
        listener: Listener,
        calls: JobCalls,
    ) -> None:
        self.number, self.task, self.listener = number, task, listener
        self.folder_name = f"job-{number}"
        self.cancelled = False
        self.has_result = False
        self.unread = ""
        self.details = ""
        self._calls = calls

    def stop(self) -> None:
        """End the job now and keep the best so far; returns at once.

        One that has not begun has nothing to keep: it is cancelled.
        """
        self._calls.stop(self)

    def cancel(self) -> None:
        """End the job now and drop what it made; returns at once."""
        self.cancelled = True
        self._calls.cancel(self)

    def save_in(self, folder: Path) -> None:
        """Have it write into this folder what it has made and found no room for; returns at once."""
        self._calls.place(self, folder)
