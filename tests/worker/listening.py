"""Ears for what a worker says, and patience."""

import threading
import time
from dataclasses import dataclass, field

import numpy as np
import psutil
from small_jobs import SmallRequest, SmallResult

from napari_medunet.worker import Listener, Worker
from napari_medunet.worker.handover import ArrayFile
from napari_medunet.worker.tasks import Task

NEVER = 600.0  # seconds of silence: reached by what hangs only, however busy the machine is


class Ears:
    """Listens to one job, and writes down what was said in order."""

    def __init__(self):
        self.heard = []
        self.over = threading.Event()
        self._changed = threading.Condition()
        self.listener = Listener(
            progress=lambda value: self._hear("progress", value),
            result=lambda value: self._hear("result", value),
            failed=lambda value: self._hear("failed", value),
            cancelled=lambda: self._hear("cancelled"),
            finished=lambda: self._hear("finished"),
        )

    def _hear(self, kind, value=None):
        with self._changed:
            self.heard.append((kind, value))
            if kind == "finished":
                self.over.set()
            self._changed.notify_all()

    def all(self, kind):
        return [value for heard, value in self.heard if heard == kind]

    def wait_for_message(self, message):
        """Wait until a report with this message came."""
        self.wait_for(lambda report: report.message == message)

    def wait_for(self, condition):
        """Wait until a report came for which a condition holds."""

        def came():
            return self.over.is_set() or any(map(condition, self.all("progress")))

        self._wait_while_it_talks(came)
        assert any(map(condition, self.all("progress"))), self.heard

    def wait(self):
        """Wait for the end; how it ended, without the reports and results."""
        self._wait_while_it_talks(self.over.is_set)
        return [(kind, value) for kind, value in self.heard if kind not in ("progress", "result")]

    def _wait_while_it_talks(self, condition):
        """Wait for a condition as long as anything is heard: a busy machine is slow, not silent."""
        with self._changed:
            while not condition():
                assert self._changed.wait(NEVER), self.heard


@dataclass
class Bench:
    """A worker, and what it said of itself."""

    worker: Worker
    about: list[str] = field(default_factory=list)

    def run(self, name, array=None, **options):
        """Put a small job in line; the job, and the ears that listen to it."""
        array = np.arange(24.0).reshape(2, 3, 4) if array is None else array
        ears = Ears()
        return self.worker.run(make_small_task(name, array, **options), ears.listener), ears


def make_small_task(name, array, **options):
    """One of the small jobs, on an array; its results are arrays."""

    def pack(folder):
        return SmallRequest(job=name, array=ArrayFile.save(folder / "sent.npy", array), **options)

    def take(folder, result):
        return result.array.take(folder)

    return Task("Test job", pack, SmallResult, take)


def is_alive(pid):
    """Whether a process runs; one that has ended and that nobody asked about counts as gone."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def wait_until(condition):
    """Wait for something that nobody announces."""
    end = time.monotonic() + NEVER
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.05)
    return True
