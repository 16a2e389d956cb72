"""Dispatcher: gives one job at a time to one child, and starts a new child if the last one has ended."""

from __future__ import annotations

import logging
import shutil
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

from napari_medunet.engine.errors import one_line, told
from napari_medunet.engine.progress import Progress
from napari_medunet.worker import messages
from napari_medunet.worker.job import Job, ignore
from napari_medunet.worker.left_over import new_folder
from napari_medunet.worker.process import ChildProcess
from napari_medunet.worker.requests import write_request

CANCEL_SECONDS = 3.0
"""How long a cancelled job may go on before its process is killed: cancel drops the result anyway."""

_logger = logging.getLogger(__name__)


class Dispatcher:
    """Runs jobs one after the other, in a thread of its own.

    Only that thread touches the state below: other threads `post` calls to it.

    Parameters
    ----------
    jobs, on_ready, on_measured
        See `Worker`.
    """

    def __init__(
        self, jobs: str, on_ready: Callable[[str], None], on_measured: Callable[[], None]
    ) -> None:
        self._jobs, self._on_ready, self._on_measured = jobs, on_ready, on_measured
        self._inbox: SimpleQueue[Callable[[], None]] = SimpleQueue()
        self._closed = False
        self.folder: Path | None = None
        self.child: ChildProcess | None = None
        self._waiting: deque[Job] = deque()
        self._running: Job | None = None
        self._deadline: float | None = None
        self._thread = threading.Thread(target=self._serve, name="medunet worker", daemon=True)
        self._thread.start()

    def post(self, call: Callable[..., None], *arguments: object) -> None:
        """Have the thread call one of the methods below; returns at once."""
        self._inbox.put(lambda: call(*arguments))

    def close(self) -> None:
        """End the child, remove the folder and end the thread; wait for it."""
        self._closed = True
        self.post(ignore)  # wakes the thread
        if threading.current_thread() is not self._thread:
            # Not for ever: a listener may be waiting for the thread that calls this.
            self._thread.join(timeout=10.0)

    def _serve(self) -> None:
        while not self._closed:
            try:
                self._next_call()()
            except Exception:  # a mistake of ours must not leave every later job waiting
                _logger.exception("The worker failed")
        child, self.child = self.child, None
        if child is not None:
            child.kill()
        if self.folder is not None:
            shutil.rmtree(self.folder, ignore_errors=True)
            self.folder = None

    def warm_up(self) -> None:
        """Start the child if there is none, so that it imports while nobody waits."""
        try:
            self._ensure_child()
        except OSError as error:  # the first job tries again, and tells its listener
            _logger.warning("No process could be started: %s", error)

    def _next_call(self) -> Callable[[], None]:
        if self._deadline is None:
            return self._inbox.get()
        left = self._deadline - time.monotonic()
        if left <= 0:  # looked at first: a job that hears nothing may well go on talking
            return self._kill_overdue
        try:
            return self._inbox.get(timeout=left)
        except Empty:
            return self._kill_overdue

    def _ensure_child(self) -> None:
        if self.folder is None:
            self.folder = new_folder()
        if self.child is None:
            self.child = ChildProcess(
                self._jobs,
                self.folder,
                lambda child, message: self.post(self._on_message, child, message),
                lambda child: self.post(self._on_end, child),
            )

    def submit(self, job: Job) -> None:
        """Put a job in line."""
        self._waiting.append(job)
        if self._running is not None:
            self._tell(job, job.listener.progress, Progress(0.0, "Waiting for another job to end"))
        elif self.child is None or not self.child.ready:
            message = "Waiting for the engine to start"
            self._tell(job, job.listener.progress, Progress(0.0, message))
        self._advance()

    def _advance(self) -> None:
        """Begin the next job, if there is one and the child is free."""
        while self._waiting and self._running is None:
            try:
                self._ensure_child()
            except OSError as error:
                self._fail(self._waiting.popleft(), f"No process could be started: {error}")
                continue
            if self.child is None or not self.child.ready:
                return
            self._begin(self._waiting.popleft(), self.child)

    def _begin(self, job: Job, child: ChildProcess) -> None:
        folder = self._folder_of(job)
        try:
            folder.mkdir(parents=True)  # a cleaner of temporary files may have been here
            write_request(folder, job.task.pack(folder))
        except OSError as error:
            self._fail(
                job,
                f"The volumes could not be handed over through '{folder}': {one_line(error)}. Free some "
                "space there, or set TMPDIR to another folder.",
            )
            return
        except Exception as error:  # whatever it was, its listener has to learn of it
            job.details = traceback.format_exc()
            self._fail(job, f"{job.task.title} could not begin: {told(error)}")
            return
        self._running = job
        waited = max(0.0, time.monotonic() - job.listener.asked)
        child.send(messages.Run(job=job.number, folder=folder, waited_seconds=waited))

    def stop(self, job: Job) -> None:
        """Ask the child to stop the job; one that still waits in line is cancelled."""
        if job is self._running and self.child is not None:
            self.child.send(messages.Stop(job=job.number))
        elif job in self._waiting:
            self.cancel(job)

    def place(self, job: Job, folder: Path) -> None:
        """Have the child write into another folder what it has made and found no room for."""
        if job is self._running and self.child is not None:
            self.child.send(messages.Place(job=job.number, folder=folder))

    def cancel(self, job: Job) -> None:
        """Ask the child to cancel the job, and give it `CANCEL_SECONDS` to answer.

        A job that still waits in line is taken out of it.
        """
        job.cancelled = True
        if job is self._running and self.child is not None:
            self.child.send(messages.Cancel(job=job.number))
            if self._deadline is None:
                self._deadline = time.monotonic() + CANCEL_SECONDS
        elif job in self._waiting:
            self._waiting.remove(job)
            self._finish(job, job.listener.cancelled)

    def _kill_overdue(self) -> None:
        """End the process of a cancelled job that does not answer, deep in a library; start another."""
        job, child = self._running, self.child
        self._deadline = self._running = self.child = None
        if child is not None:
            child.kill()
        if job is not None:
            self._finish(job, job.listener.cancelled)
        self.warm_up()
        self._advance()

    def _on_message(self, child: ChildProcess, message: messages.FromChild) -> None:
        if child is not self.child:
            return  # the last words of one that was killed
        if isinstance(message, messages.Ready):
            about = message.about
            child.ready = True
            self._call(lambda: self._on_ready(about))
            self._advance()
            return
        if isinstance(message, messages.Measured):
            self._call(self._on_measured)
            return
        job = self._running
        if job is None or job.number != message.job:
            return
        if isinstance(message, messages.ProgressMessage):
            self._tell(job, job.listener.progress, message.progress)
        elif isinstance(message, messages.Result):
            self._take_result(job, message.file)
        else:
            self._on_last_message(job, message)

    def _take_result(self, job: Job, file: str) -> None:
        if job.cancelled:
            return
        try:
            result = job.task.take_result(self._folder_of(job), file)
        except Exception as error:  # its listener learns of it when the job ends
            job.details = traceback.format_exc()
            job.unread = f"A result could not be read: {told(error)}"
            return
        job.has_result = True
        self._tell(job, job.listener.result, result)

    def _on_last_message(self, job: Job, message: messages.LastMessage) -> None:
        self._running = self._deadline = None
        nothing_kept = isinstance(message, messages.Stopped) and not job.has_result
        if job.cancelled or isinstance(message, messages.Cancelled) or nothing_kept:
            self._finish(job, job.listener.cancelled)
        elif isinstance(message, messages.Failed):
            job.details = message.details
            self._fail(job, message.error)
        elif job.unread:
            self._fail(job, job.unread)
        else:
            self._finish(job)
        self._advance()

    def _on_end(self, child: ChildProcess) -> None:
        """The child is gone, and not because the worker ended it."""
        if child is not self.child:
            return
        job, was_ready = self._running, child.ready
        self._deadline = self._running = self.child = None
        if job is None and not was_ready and self._waiting:
            job = self._waiting.popleft()  # it would wait for ever for a child that cannot start
        if job is not None:
            if job.cancelled:
                self._finish(job, job.listener.cancelled)
            else:
                job.details = "\n".join(child.log)
                self._fail(job, f"{job.task.title} ended unexpectedly: {child.describe_end()}")
            if was_ready:
                self.warm_up()
        self._advance()

    def _fail(self, job: Job, error: str) -> None:
        """End a job with an error, but keep its run folder: it can be resumed."""
        self._end(job, lambda: job.listener.failed(error))

    def _finish(self, job: Job, last: Callable[[], None] = ignore) -> None:
        """End a job that is not resumed."""
        if self.folder is not None and job.task.run:
            shutil.rmtree(self.folder / job.task.run, ignore_errors=True)
        self._end(job, last)

    def _end(self, job: Job, last: Callable[[], None]) -> None:
        if self.folder is not None:
            shutil.rmtree(self._folder_of(job), ignore_errors=True)
        self._call(last)
        self._call(job.listener.finished)

    def _tell(self, job: Job, function: Callable[[Any], None], value: object) -> None:
        if not job.cancelled:
            self._call(lambda: function(value))

    def _call(self, function: Callable[[], None]) -> None:
        if self._closed:
            return
        try:
            function()
        except Exception:  # a listener's mistake must not end the worker
            _logger.exception("A listener of a job failed")

    def _folder_of(self, job: Job) -> Path:
        if self.folder is None:
            raise RuntimeError("The worker has not begun.")
        return self.folder / job.folder_name
