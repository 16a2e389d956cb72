"""Worker, Job and Listener: what the viewer sees of the child process."""

from __future__ import annotations

import atexit
import itertools
import logging
import shutil
import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

from napari_medunet.engine.examples import Example
from napari_medunet.engine.progress import Progress
from napari_medunet.engine.settings import PredictSettings, TrainSettings
from napari_medunet.engine.volume import Volume
from napari_medunet.worker.messages import Message, decode_progress, one_line
from napari_medunet.worker.process import ChildProcess
from napari_medunet.worker.tasks import Task, prediction, training

CANCEL_SECONDS = 3.0
"""How long a cancelled job may go on before its process is killed: cancel drops the result anyway."""

_logger = logging.getLogger(__name__)


def _ignore(*_: object) -> None:
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
    """

    progress: Callable[[Progress], None] = _ignore
    result: Callable[[Any], None] = _ignore
    failed: Callable[[str], None] = _ignore
    cancelled: Callable[[], None] = _ignore
    finished: Callable[[], None] = _ignore


class Job:
    """A job that was handed to a worker; `Worker.train` and `Worker.predict` make it.

    Attributes
    ----------
    details : str
        After a failure: the traceback, or the last lines of the child's log.
    """

    def __init__(self, worker: Worker, number: int, task: Task, listener: Listener) -> None:
        self.details = ""
        self._worker, self._number, self._task, self._listener = worker, number, task, listener
        self._cancelled = False
        self._has_result = False
        self._unread = ""  # why a result could not be taken over

    def stop(self) -> None:
        """End the job now and keep the best so far; returns at once.

        One that has not begun has nothing to keep: it is cancelled.
        """
        self._worker._post(self._worker._stop, self)

    def cancel(self) -> None:
        """End the job now and drop what it made; returns at once."""
        self._cancelled = True
        self._worker._post(self._worker._cancel, self)


class Worker:
    """The viewer's child process: runs one job at a time, others wait in line.

    Methods return at once and can be called from any thread. A thread of the worker's own does the
    rest; only it touches the attributes below `_inbox`.

    Parameters
    ----------
    jobs : str
        Name of the module whose jobs the child runs.
    """

    def __init__(self, jobs: str = "napari_medunet.worker.jobs") -> None:
        self._jobs = jobs
        self._numbers = itertools.count()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._closed = False
        self._inbox: SimpleQueue[Callable[[], None]] = SimpleQueue()
        self._folder: Path | None = None
        self._child: ChildProcess | None = None
        self._waiting: deque[Job] = deque()
        self._running: Job | None = None
        self._deadline: float | None = None

    def start(self) -> None:
        """Start the child in the background, so that the first job need not wait for imports."""
        self._post(self._warm_up)

    def train(self, examples: list[Example], settings: TrainSettings, listener: Listener) -> Job:
        """Train a segmenter.

        The result is the path of a ``.medunet`` file in a temporary folder that is removed with the
        worker: copy it to keep it. Images must not be changed in place before the job has begun.
        """
        return self.run(training(examples, settings), listener)

    def predict(
        self, segmenter: Path, volumes: list[Volume], settings: PredictSettings, listener: Listener
    ) -> Job:
        """Segment volumes, in order, with a ``.medunet`` file.

        A result is (position in `volumes`, (z, y, x) labels array), as soon as each is ready. Volumes
        that could not be segmented are named by `Listener.failed` after the others are done.
        """
        return self.run(prediction(segmenter, volumes, settings), listener)

    def run(self, task: Task, listener: Listener) -> Job:
        """Put a task in line.

        Raises
        ------
        RuntimeError
            If the worker is closed.
        """
        if self._closed:
            raise RuntimeError("The worker is closed: its viewer has ended.")
        job = Job(self, next(self._numbers), task, listener)
        self._post(self._submit, job)
        return job

    def close(self) -> None:
        """End the child and remove the temporary files. Jobs end with it, and nobody hears of them."""
        with self._lock:
            thread, closed, self._closed = self._thread, self._closed, True
        if closed:
            return
        atexit.unregister(self.close)
        self._inbox.put(_ignore)  # wake the thread, which sees that it is to end
        if thread is not None and thread is not threading.current_thread():
            thread.join(timeout=10.0)  # not for ever: a listener may wait for this very thread

    @property
    def pid(self) -> int | None:
        """The child's process id; None while there is none."""
        child = self._child
        return None if child is None else child.pid

    @property
    def folder(self) -> Path | None:
        """The temporary folder; None before the start and after the end."""
        return self._folder

    # From here on: the worker's own thread.

    def _post(self, call: Callable[..., None], *arguments: object) -> None:
        with self._lock:
            if self._closed:
                return
            if self._thread is None:
                atexit.register(self.close)
                self._thread = threading.Thread(target=self._serve, name="medunet", daemon=True)
                self._thread.start()
        self._inbox.put(lambda: call(*arguments))

    def _serve(self) -> None:
        while not self._closed:
            try:
                self._next_call()()
            except Exception:  # a mistake of ours must not leave every later job waiting
                _logger.exception("The worker failed")
        child, self._child = self._child, None
        if child is not None:
            child.kill()
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None

    def _warm_up(self) -> None:
        try:
            self._ensure_child()
        except OSError as error:  # the first job tries again, and tells its listener
            _logger.warning("No process could be started: %s", error)

    def _next_call(self) -> Callable[[], None]:
        if self._deadline is None:
            return self._inbox.get()
        try:
            return self._inbox.get(timeout=max(0.0, self._deadline - time.monotonic()))
        except Empty:
            return self._kill_overdue

    def _ensure_child(self) -> None:
        if self._folder is None:
            self._folder = Path(tempfile.mkdtemp(prefix="napari-medunet-"))
        if self._child is None:
            self._child = ChildProcess(
                self._jobs,
                self._folder,
                lambda child, message: self._post(self._on_message, child, message),
                lambda child: self._post(self._on_end, child),
            )

    def _submit(self, job: Job) -> None:
        self._waiting.append(job)
        if self._running is not None:
            self._tell(job, job._listener.progress, Progress(0.0, "Waiting for another job to end"))
        elif self._child is None or not self._child.ready:
            self._tell(
                job, job._listener.progress, Progress(0.0, "Waiting for the engine to start")
            )
        self._advance()

    def _advance(self) -> None:
        """Begin the next job, if there is one and the child is free."""
        while self._waiting and self._running is None:
            try:
                self._ensure_child()
            except OSError as error:
                self._fail(self._waiting.popleft(), f"No process could be started: {error}")
                continue
            if self._child is None or not self._child.ready:
                return
            self._begin(self._waiting.popleft(), self._child)

    def _begin(self, job: Job, child: ChildProcess) -> None:
        folder = self._folder_of(job)
        try:
            folder.mkdir()
            request = job._task.pack(folder)
        except (OSError, ValueError) as error:
            self._fail(
                job,
                f"The volumes could not be handed over through '{folder}': {one_line(error)}. Free some "
                "space there, or set TMPDIR to another folder.",
            )
            return
        self._running = job
        run = {"type": "run", "job": job._number, "name": job._task.name}
        child.send({**run, "folder": str(folder), "request": request})

    def _stop(self, job: Job) -> None:
        if job is self._running and self._child is not None:
            self._child.send({"type": "stop", "job": job._number})
        elif job in self._waiting:
            self._cancel(job)

    def _cancel(self, job: Job) -> None:
        job._cancelled = True
        if job is self._running and self._child is not None:
            self._child.send({"type": "cancel", "job": job._number})
            if self._deadline is None:
                self._deadline = time.monotonic() + CANCEL_SECONDS
        elif job in self._waiting:
            self._waiting.remove(job)
            self._finish(job, job._listener.cancelled)

    def _kill_overdue(self) -> None:
        """The cancelled job does not answer, deep in a library: end its process, start another."""
        job, child = self._running, self._child
        self._deadline = self._running = self._child = None
        if child is not None:
            child.kill()
        if job is not None:
            self._finish(job, job._listener.cancelled)
        self._warm_up()
        self._advance()

    def _on_message(self, child: ChildProcess, message: Message) -> None:
        if child is not self._child:
            return  # the last words of one that was killed
        if message["type"] == "ready":
            child.ready = True
            self._advance()
            return
        job = self._running
        if job is None or job._number != message["job"]:
            return
        if message["type"] == "progress":
            self._tell(job, job._listener.progress, decode_progress(message["progress"]))
        elif message["type"] == "result":
            self._take_result(job, message["result"])
        else:
            self._on_last_message(job, message)

    def _take_result(self, job: Job, message: Message) -> None:
        if job._cancelled:
            return
        try:
            result = job._task.unpack(self._folder_of(job), message)
        except (OSError, ValueError) as error:
            job._unread = f"A result could not be read: {one_line(error)}"
            return
        job._has_result = True
        self._tell(job, job._listener.result, result)

    def _on_last_message(self, job: Job, message: Message) -> None:
        self._running = self._deadline = None
        kind = message["type"]
        if job._cancelled or kind == "cancelled" or (kind == "stopped" and not job._has_result):
            self._finish(job, job._listener.cancelled)
        elif kind == "failed":
            job.details = message["details"]
            error = message["error"]
            self._fail(job, error if message["expected"] else f"{job._task.title} failed: {error}")
        elif job._unread:
            self._fail(job, job._unread)
        else:
            self._finish(job)
        self._advance()

    def _on_end(self, child: ChildProcess) -> None:
        """The child is gone, and not because the worker ended it."""
        if child is not self._child:
            return
        job, was_ready = self._running, child.ready
        self._deadline = self._running = self._child = None
        if job is None and not was_ready and self._waiting:
            job = self._waiting.popleft()  # it would wait for ever for a child that cannot start
        if job is not None:
            if job._cancelled:
                self._finish(job, job._listener.cancelled)
            else:
                job.details = "\n".join(child.log)
                self._fail(job, f"{job._task.title} ended unexpectedly: {child.describe_end()}")
            if was_ready:
                self._warm_up()
        self._advance()

    def _fail(self, job: Job, error: str) -> None:
        self._finish(job, lambda: job._listener.failed(error))

    def _finish(self, job: Job, last: Callable[[], None] = _ignore) -> None:
        if self._folder is not None:
            shutil.rmtree(self._folder_of(job), ignore_errors=True)
        self._call(last)
        self._call(job._listener.finished)

    def _tell(self, job: Job, function: Callable[[Any], None], value: object) -> None:
        if not job._cancelled:
            self._call(lambda: function(value))

    def _call(self, function: Callable[[], None]) -> None:
        try:
            function()
        except Exception:  # a listener's mistake must not end the worker
            _logger.exception("A listener of a job failed")

    def _folder_of(self, job: Job) -> Path:
        if self._folder is None:
            raise RuntimeError("The worker has not begun.")
        return self._folder / f"job-{job._number}"
