"""Worker: what the viewer sees of the child process."""

from __future__ import annotations

import atexit
import itertools
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from napari_medunet.engine.examples.example import Example
from napari_medunet.engine.plan import Plan
from napari_medunet.engine.settings import PredictSettings
from napari_medunet.engine.volume import Volume
from napari_medunet.worker.dispatcher import Dispatcher
from napari_medunet.worker.job import Job, JobCalls, Listener, ignore
from napari_medunet.worker.tasks import Task, cross_validation, prediction, training


class Worker:
    """The viewer's child process: runs one job at a time, others wait in line.

    Methods return at once (`close` soon) and can be called from any thread. The child ends with the
    process that made it, however that ends.

    Parameters
    ----------
    jobs : str
        Name of the module whose jobs the child runs.
    on_ready : callable
        Takes one line that says what the child runs on, backend and device, whenever a child is ready;
        called from the worker's thread.
    on_measured : callable
        Called from there when a child has measured how fast the machine trains: plans may be others now.
    """

    def __init__(
        self,
        jobs: str = "napari_medunet.worker.jobs",
        on_ready: Callable[[str], None] = ignore,
        on_measured: Callable[[], None] = ignore,
    ) -> None:
        self._jobs, self._on_ready, self._on_measured = jobs, on_ready, on_measured
        self._numbers = itertools.count()
        self._lock = threading.Lock()
        self._dispatcher: Dispatcher | None = None
        self._closed = False

    def start(self) -> None:
        """Start the child in the background, so that the first job need not wait for imports.

        Raises
        ------
        RuntimeError
            If the worker is closed.
        """
        dispatcher = self._dispatch()
        dispatcher.post(dispatcher.warm_up)

    def train(
        self,
        examples: list[Example],
        plan: Plan,
        listener: Listener,
        names: dict[int, str] | None = None,
        start_from: Path | None = None,
    ) -> Job:
        """Train a segmenter, or fine-tune that of a file; `names` of labels go onto its card.

        The result is the path of a ``.medunet`` file in a temporary folder that is removed with the
        worker: copy it to keep it. Images must not be changed in place before the job has begun. One that
        fails can perhaps be resumed: see `can_resume`.
        """
        return self.run(training(examples, plan, names, start_from), listener)

    def cross_validate(
        self,
        examples: list[Example],
        plan: Plan,
        listener: Listener,
        names: dict[int, str] | None = None,
    ) -> Job:
        """Train a network for each fold of the settings, and measure it on the cases left out.

        The result is one `CrossValidated`, at the end or after a stop. Progress has the "fold" among the
        scores of an epoch, and epochs and minutes begin anew in each.
        """
        return self.run(cross_validation(examples, plan, names), listener)

    def predict(
        self, segmenter: Path, volumes: list[Volume], settings: PredictSettings, listener: Listener
    ) -> Job:
        """Segment volumes, in order, with a ``.medunet`` file.

        A result is (position in `volumes`, (z, y, x) labels array), as soon as each is ready. Volumes
        that could not be segmented are named by `Listener.failed` after the others are done.
        """
        return self.run(prediction(segmenter, volumes, settings), listener)

    def run(self, task: Task[Any], listener: Listener) -> Job:
        """Put a task in line.

        Raises
        ------
        RuntimeError
            If the worker is closed.
        """
        dispatcher = self._dispatch()
        job = Job(
            next(self._numbers),
            task,
            listener,
            JobCalls(
                stop=lambda job: dispatcher.post(dispatcher.stop, job),
                cancel=lambda job: dispatcher.post(dispatcher.cancel, job),
                place=lambda job, folder: dispatcher.post(dispatcher.place, job, folder),
            ),
        )
        dispatcher.post(dispatcher.submit, job)
        return job

    def can_resume(self, job: Job) -> bool:
        """Whether a job that failed can be resumed, by running its task once more."""
        if not job.task.run or self.folder is None:
            return False
        # As `engine.training.run.run_folder` calls them: to import it would keep the viewer waiting.
        return any((self.folder / job.task.run).rglob("checkpoint*"))

    def close(self) -> None:
        """End the child and remove the temporary files. Jobs end with it, and nobody hears of them."""
        with self._lock:
            self._closed = True
            dispatcher, self._dispatcher = self._dispatcher, None
        if dispatcher is not None:
            atexit.unregister(self.close)
            dispatcher.close()

    @property
    def pid(self) -> int | None:
        """The child's process id; None while there is none."""
        child = self._dispatcher.child if self._dispatcher is not None else None
        return None if child is None else child.pid

    @property
    def folder(self) -> Path | None:
        """The temporary folder; None before the start and after the end."""
        return self._dispatcher.folder if self._dispatcher is not None else None

    def _dispatch(self) -> Dispatcher:
        with self._lock:
            if self._closed:
                raise RuntimeError("The worker is closed: its viewer has ended.")
            if self._dispatcher is None:
                atexit.register(self.close)
                self._dispatcher = Dispatcher(self._jobs, self._on_ready, self._on_measured)
            return self._dispatcher
