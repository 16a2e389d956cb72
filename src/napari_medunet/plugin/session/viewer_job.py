"""A job of the child process, seen from the GUI thread."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from napari.layers import Image
from napari.utils import progress
from napari.utils.notifications import show_error
from qtpy.QtCore import QObject, Qt, Signal

from napari_medunet.engine.errors import one_line, told
from napari_medunet.engine.progress import EpochScores, Progress
from napari_medunet.worker import Job, Listener, Worker


class ViewerJob(QObject):  # type: ignore[misc]
    """One job of the child, seen from the GUI thread.

    Its signals are emitted in the GUI thread, in the order in which the child spoke; `ended` comes
    last and exactly once, whatever happened. An error is shown as a notification.

    Parameters
    ----------
    title : str
        What the activity dock calls it.
    begin : callable
        Takes a Listener, starts the job and returns it; runs in a thread, since examples are checked and
        copied there. What it raises ends the job.
    can_stop : bool
        Whether it has something to keep when it ends early.
    """

    progressed = Signal(object)  # Progress
    produced = Signal(object)  # one result
    ended = Signal()
    _heard = Signal(object)  # a call for the GUI thread, from the worker's

    def __init__(
        self, title: str, begin: Callable[[Listener], Job], can_stop: bool = False
    ) -> None:
        super().__init__()
        self.title = title
        self.can_stop = can_stop
        self.running = True
        self.failed = False
        self.last: Progress | None = None
        self.scores: list[EpochScores] = []  # of a training, one an epoch
        self.warnings: list[str] = []  # of a training
        self.images: list[Image] = []  # that a training learns from
        self._ending: Callable[[Job], None] | None = None  # Job.stop or Job.cancel, once asked for
        self._job: Job | None = None
        self._lock = threading.Lock()
        self._begin = begin
        self._heard.connect(self._call, Qt.ConnectionType.QueuedConnection)
        self._bar: Any = None

    def start(self) -> None:
        """Begin, and show the job in napari's activity dock."""
        threading.Thread(target=self._start, name=f"medunet {self.title}", daemon=True).start()
        self._bar = progress(total=100, desc=self.title)

    def stop(self) -> None:
        """End now, keeping what there is."""
        self._end_by(Job.stop)

    def cancel(self) -> None:
        """End now, dropping everything."""
        self._end_by(Job.cancel)

    def save_in(self, folder: Path) -> None:
        """Have it write into this folder what it has made and found no room for."""
        with self._lock:
            job = self._job
        if job is not None and self.running:
            job.save_in(folder)

    @property
    def broken(self) -> Job | None:
        """The worker's job, where it was begun and failed."""
        return self._job if self.failed else None

    def once_more(self, worker: Worker, broken: Job) -> ViewerJob:
        """The same job, from where it broke off, with its scores until then."""
        job = ViewerJob(
            self.title, lambda listener: worker.run(broken.task, listener), self.can_stop
        )
        job.scores, job.warnings = list(self.scores), list(self.warnings)
        job.images = self.images
        return job

    def _end_by(self, ending: Callable[[Job], None]) -> None:
        with self._lock:
            self._ending = ending
            job = self._job
        if job is not None and self.running:
            ending(job)

    def _start(self) -> None:
        listener = Listener(
            progress=lambda report: self._heard.emit(partial(self._hear_progress, report)),
            result=lambda value: self._heard.emit(partial(self._hear_result, value)),
            failed=lambda message: self._heard.emit(partial(self._hear_failure, message)),
            finished=lambda: self._heard.emit(self.leave),
        )
        try:
            job = self._begin(listener)
        except Exception as error:  # a thread's end: whatever it was, the user has to learn of it
            listener.failed(told(error))
            listener.finished()
            return
        with self._lock:
            self._job = job
            ending = self._ending
        if ending is not None:  # asked for while the examples were being copied
            ending(job)

    def _call(self, call: Callable[[], None]) -> None:
        if self.running:
            call()

    def _hear_progress(self, report: Progress) -> None:
        self.last = report
        if report.scores:
            self.scores.append(report.scores)
        if report.warning:
            self.warnings.append(report.warning)
        if self._bar is not None:
            self._bar.update(max(0, int(100 * report.fraction) - self._bar.n))
        self.progressed.emit(report)

    def _hear_result(self, value: object) -> None:
        if self._ending is not Job.cancel:
            self.produced.emit(value)

    def _hear_failure(self, message: str) -> None:
        self.failed = True
        show_error(one_line(message))

    def leave(self) -> None:
        """Disconnect from the job: it has ended, or its viewer has."""
        if self.running:
            self.running = False
            if self._bar is not None:
                self._bar.close()
            self.ended.emit()
