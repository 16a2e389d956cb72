"""The child process: runs one job after the other until the viewer is gone.

Started as ``python -m napari_medunet.worker.child JOBS FOLDER``: the module whose jobs it runs, and the
worker's temporary folder. Three threads: the main one works, one reads the viewer's messages, one sees
to it that no child outlives its viewer.
"""

from __future__ import annotations

import contextlib
import faulthandler
import gc
import importlib
import itertools
import os
import shutil
import signal
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from queue import SimpleQueue
from typing import BinaryIO, Protocol, cast
from uuid import uuid4

from pydantic import BaseModel

from napari_medunet.engine.errors import told
from napari_medunet.engine.files.saving import atomic_write
from napari_medunet.engine.hardware.configuration import ignore_home
from napari_medunet.engine.progress import (
    Cancelled,
    Elsewhere,
    Progress,
    ProgressCallback,
    StopRequested,
)
from napari_medunet.worker import messages
from napari_medunet.worker.left_over import holds_training
from napari_medunet.worker.requests import Deliver

_NO_MORE = object()


class Jobs(Protocol):
    """A module of jobs, such as `worker.jobs`."""

    def preload(self) -> str:
        """Import what the jobs need; say in one line what they run on."""
        ...

    def when_idle(self) -> Iterator[None]:
        """Do piece by piece what is useful while there is no job: measure how fast the machine trains."""
        ...

    def run(
        self, folder: Path, report: ProgressCallback, deliver: Deliver, waited_seconds: float
    ) -> None:
        """Do what the request in a folder asks for; the user asked for it so many seconds ago."""
        ...


class Child:
    """Reads the viewer's messages, runs its jobs one after the other, and answers.

    Parameters
    ----------
    jobs : str
        Name of a module that is a `Jobs`.
    requests, replies : binary streams
        From the viewer and to it.
    folder : Path
        Removed if the viewer is gone without having done it.
    """

    def __init__(self, jobs: str, requests: BinaryIO, replies: BinaryIO, folder: Path) -> None:
        self._jobs = cast(Jobs, importlib.import_module(jobs))
        self._requests, self._replies, self._folder = requests, replies, folder
        self._writing = threading.Lock()  # an engine may report from a thread of its own
        self._runs: SimpleQueue[tuple[float, messages.Run]] = SimpleQueue()  # with when they came
        self._cancelled: set[int] = set()
        self._stopped: set[int] = set()
        self._places: dict[int, Path] = {}

    def run(self) -> None:
        """Import what jobs need, say that it is done, and run jobs until the viewer is gone."""
        posix = os.name == "posix"
        if posix:
            self._start(self._listen)
            self._start(self._watch_parent)
        about = ""
        try:
            about = self._jobs.preload()
        except Exception:  # the job that needs the import names it again, to somebody who listens
            traceback.print_exc()
        if not posix:  # on Windows an import may hang while a thread waits for the standard input
            self._start(self._listen)
        self._reply(messages.Ready(about=about))
        self._use_the_time()
        while True:
            self._work(*self._runs.get())
            gc.collect()  # mapped files must be let go before Windows can remove them

    def _use_the_time(self) -> None:
        """Do what is useful beforehand, until there is a job: the viewer is told of each piece."""
        try:
            pieces = self._jobs.when_idle()
            while self._runs.empty() and next(pieces, _NO_MORE) is not _NO_MORE:
                self._reply(messages.Measured())
        except Exception:  # nobody has asked for it
            traceback.print_exc()

    @staticmethod
    def _start(target: Callable[[], None]) -> None:
        threading.Thread(target=target, daemon=True).start()

    def _work(self, came: float, run: messages.Run) -> None:
        job, folder = run.job, run.folder
        numbers = itertools.count()

        def report(progress: Progress) -> None:
            self._reply(messages.ProgressMessage(job=job, progress=progress))
            self._obey(job)

        def deliver(result: BaseModel, place: Path | None = None) -> None:
            file = f"result-{next(numbers)}.json"
            path = folder / file
            if place not in (None, folder):
                path = place.absolute() / f".{uuid4().hex}-{file}"
            with atomic_write(path) as stream:
                stream.write(result.model_dump_json().encode())
            self._reply(messages.Result(job=job, file=file if path.parent == folder else str(path)))

        try:
            self._obey(job)
            waited = time.monotonic() - came
            self._jobs.run(folder, report, deliver, waited + run.waited_seconds)
        except StopRequested:
            self._reply(messages.Stopped(job=job))
        except Exception as error:
            self._reply_error(job, error)
        else:
            self._reply(messages.Done(job=job))

    def _obey(self, job: int) -> None:
        if job in self._cancelled:
            raise Cancelled
        if job in self._stopped:
            # Once: after it training finishes in its own way, and may still report how.
            self._stopped.discard(job)
            raise StopRequested
        if job in self._places:
            raise Elsewhere(self._places.pop(job))

    def _reply_error(self, job: int, error: Exception) -> None:
        # TensorFlow turns an exception that passes through it into one of its own.
        if job in self._cancelled:
            self._reply(messages.Cancelled(job=job))
            return
        traceback.print_exc()
        details = traceback.format_exc()
        self._reply(messages.Failed(job=job, error=told(error), details=details))

    def _reply(self, message: messages.FromChild) -> None:
        line = messages.encode(message)
        try:
            with self._writing:
                self._replies.write(line)
                self._replies.flush()
        except OSError:  # the viewer's end is closed
            self._end()

    def _listen(self) -> None:
        for line in self._requests:
            message = messages.decode(line, messages.TO_CHILD)
            if isinstance(message, messages.Run):
                self._runs.put((time.monotonic(), message))
            elif isinstance(message, messages.Cancel):
                self._cancelled.add(message.job)
            elif isinstance(message, messages.Place):
                self._places[message.job] = message.folder
            else:
                self._stopped.add(message.job)
        self._end()

    def _watch_parent(self) -> None:
        # The end of the requests says the same, but not where a process that the viewer forked holds
        # the other end of the pipe open.
        parent = os.getppid()
        while os.getppid() == parent:
            time.sleep(1.0)
        self._end()

    def _end(self) -> None:
        if not holds_training(self._folder):  # else another viewer can go on with it
            shutil.rmtree(self._folder, ignore_errors=True)
        os._exit(0)  # whatever the main thread is in the middle of


def main() -> None:
    """Start the child: ``JOBS FOLDER`` are its arguments."""
    jobs, folder = sys.argv[1:]
    faulthandler.enable()  # a segmentation fault leaves its place in the log
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl+C in the terminal is for the viewer
    if hasattr(os, "nice"):  # on Windows the viewer starts the child with a lower priority
        with contextlib.suppress(OSError):
            os.nice(10)
    ignore_home()
    # What libraries put into temporary files goes with the worker's, even after a kill.
    tempfile.tempdir = os.environ["TMPDIR"] = folder
    requests, replies = _take_over_streams()
    Child(jobs, requests, replies, Path(folder)).run()


def _take_over_streams() -> tuple[BinaryIO, BinaryIO]:
    """Keep the pipes to the viewer for the protocol.

    Whatever a library, in Python or in C, prints to standard output goes to the log instead, and what
    reads from standard input finds nothing.
    """
    requests, replies = os.dup(0), os.dup(1)
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    return os.fdopen(requests, "rb"), os.fdopen(replies, "wb")


if __name__ == "__main__":
    main()
