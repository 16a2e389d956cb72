"""The child process: runs one job after the other until the viewer is gone.

Started as ``python -m napari_medunet.worker.child JOBS FOLDER``: the module whose `JOBS` it runs, and
the worker's temporary folder. Three threads: the main one works, one reads the viewer's wishes, one
sees to it that no child outlives its viewer.
"""

from __future__ import annotations

import contextlib
import faulthandler
import gc
import importlib
import os
import shutil
import signal
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from queue import SimpleQueue
from typing import BinaryIO

from napari_medunet.engine.errors import told
from napari_medunet.engine.progress import Cancelled, Progress, StopRequested
from napari_medunet.worker.left_over import holds_training
from napari_medunet.worker.messages import Message, decode, encode, encode_progress


class Child:
    """The child's end of the protocol.

    Parameters
    ----------
    jobs : str
        Name of a module with a table `JOBS` of name to function, and a function `preload` that says in
        one line what they run on; see `worker.jobs`.
    requests, replies : binary streams
        From the viewer and to it.
    folder : Path
        Removed if the viewer is gone without having done it.
    """

    def __init__(self, jobs: str, requests: BinaryIO, replies: BinaryIO, folder: Path) -> None:
        self._jobs = importlib.import_module(jobs)
        self._requests, self._replies, self._folder = requests, replies, folder
        self._writing = threading.Lock()  # an engine may report from a thread of its own
        self._runs: SimpleQueue[Message] = SimpleQueue()
        self._cancelled: set[int] = set()
        self._stopped: set[int] = set()

    def run(self) -> None:
        """Import, say so, and work until the viewer is gone."""
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
        self._reply("ready", about=about)
        while True:
            self._work(self._runs.get())
            gc.collect()  # mapped files must be let go before Windows can remove them

    @staticmethod
    def _start(target: Callable[[], None]) -> None:
        threading.Thread(target=target, daemon=True).start()

    def _work(self, request: Message) -> None:
        job, folder = request["job"], Path(request["folder"])

        def report(progress: Progress) -> None:
            self._reply("progress", job, progress=encode_progress(progress))
            self._obey(job)

        def deliver(result: Message) -> None:
            self._reply("result", job, result=result)

        try:
            self._obey(job)
            self._jobs.JOBS[request["name"]](request["request"], folder, report, deliver)
        except StopRequested:
            self._reply("stopped", job)
        except Exception as error:
            self._reply_error(job, error)
        else:
            self._reply("done", job)

    def _obey(self, job: int) -> None:
        if job in self._cancelled:
            raise Cancelled
        if job in self._stopped:
            # Once: after it training finishes in its own way, and may still report how.
            self._stopped.discard(job)
            raise StopRequested

    def _reply_error(self, job: int, error: Exception) -> None:
        # TensorFlow turns an exception that passes through it into one of its own: the wish counts.
        if job in self._cancelled:
            self._reply("cancelled", job)
            return
        traceback.print_exc()
        self._reply("failed", job, error=told(error), details=traceback.format_exc())

    def _reply(self, kind: str, job: int | None = None, **rest: object) -> None:
        line = encode({"type": kind, "job": job, **rest})
        try:
            with self._writing:
                self._replies.write(line)
                self._replies.flush()
        except OSError:  # the viewer's end is closed
            self._end()

    def _listen(self) -> None:
        for line in self._requests:
            message = decode(line)
            if message["type"] == "run":
                self._runs.put(message)
            elif message["type"] == "cancel":
                self._cancelled.add(message["job"])
            elif message["type"] == "stop":
                self._stopped.add(message["job"])
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
