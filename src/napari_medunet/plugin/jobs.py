"""Jobs of one viewer: the child process, its answers in the GUI thread, and the session's segmenters."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

from napari.layers import Image
from napari.utils import progress
from napari.utils.notifications import show_error
from qtpy.QtCore import QObject, Qt, QTimer, Signal
from qtpy.QtWidgets import QApplication, QMainWindow, QWidget

from napari_medunet.engine.devices import backend_name, package_version
from napari_medunet.engine.progress import Progress
from napari_medunet.engine.segmenter import read_card
from napari_medunet.plugin.closing import Closing
from napari_medunet.plugin.form import one_line
from napari_medunet.plugin.predictions import Predictions
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
    _told = Signal(str, object)  # from the reader's thread to the GUI's

    def __init__(
        self, title: str, begin: Callable[[Listener], Job], can_stop: bool = False
    ) -> None:
        super().__init__()
        self.title = title
        self.can_stop = can_stop
        self.running = True
        self.failed = False
        self.last: Progress | None = None
        self.scores: list[Mapping[str, float]] = []  # of a training, one an epoch
        self.warnings: list[str] = []  # of a training
        self.images: list[Image] = []  # that a training learns from
        self._wish = ""  # "stop" or "cancel", once the user has asked
        self._job: Job | None = None
        self._lock = threading.Lock()
        self._begin = begin
        self._told.connect(self._hear, Qt.ConnectionType.QueuedConnection)
        self._bar: Any = None

    def start(self) -> None:
        """Begin, and show the job in napari's activity dock."""
        threading.Thread(target=self._start, name=f"medunet {self.title}", daemon=True).start()
        self._bar = progress(total=100, desc=self.title)

    def stop(self) -> None:
        """End now, keeping what there is."""
        self._ask("stop")

    def cancel(self) -> None:
        """End now, dropping everything."""
        self._ask("cancel")

    @property
    def broken(self) -> Job | None:
        """The worker's job, where it was begun and failed."""
        return self._job if self.failed else None

    def once_more(self, worker: Worker, broken: Job) -> ViewerJob:
        """The same job, from where it broke off, with what was seen of it until then."""
        job = ViewerJob(
            self.title, lambda listener: worker.run(broken.task, listener), self.can_stop
        )
        job.scores, job.warnings = list(self.scores), list(self.warnings)
        job.images = self.images
        return job

    def _ask(self, wish: str) -> None:
        with self._lock:
            self._wish = wish
            job = self._job
        if job is not None and self.running:
            getattr(job, wish)()

    def _start(self) -> None:
        listener = Listener(
            progress=lambda report: self._tell("progress", report),
            result=lambda value: self._tell("result", value),
            failed=lambda message: self._tell("failed", message),
            finished=lambda: self._tell("finished"),
        )
        try:
            job = self._begin(listener)
        except Exception as error:  # a thread's end: whatever it was, the user has to learn of it
            self._tell("failed", str(error) or type(error).__name__)
            self._tell("finished")
            return
        with self._lock:
            self._job = job
            wish = self._wish
        if wish:  # asked for while the examples were being copied
            getattr(job, wish)()

    def _tell(self, what: str, value: object = None) -> None:
        self._told.emit(what, value)

    def _hear(self, what: str, value: Any) -> None:
        if not self.running:
            return
        if what == "progress":
            self.last = value
            if value.scores:
                self.scores.append(value.scores)
            if value.warning:
                self.warnings.append(value.warning)
            if self._bar is not None:
                self._bar.update(max(0, int(100 * value.fraction) - self._bar.n))
            self.progressed.emit(value)
        elif what == "result":
            if self._wish != "cancel":
                self.produced.emit(value)
        elif what == "failed":
            self.failed = True
            show_error(one_line(value))
        else:
            self.leave()

    def leave(self) -> None:
        """Hear no more of the job: it has ended, or its viewer has."""
        if self.running:
            self.running = False
            if self._bar is not None:
                self._bar.close()
            self.ended.emit()


@dataclass(frozen=True)
class KnownSegmenter:
    """A segmenter that can be chosen: trained in this session, or opened from a file."""

    path: Path
    title: str


class Session(QObject):  # type: ignore[misc]
    """What the widgets of one viewer share: the child process, the running job, the segmenters."""

    segmenters_changed = Signal()
    device_known = Signal()
    job_changed = Signal()  # a job has begun or ended

    _ready = Signal(str)  # from the worker's thread to the GUI's

    def __init__(self) -> None:
        super().__init__()
        self._ready.connect(self._set_device, Qt.ConnectionType.QueuedConnection)
        self.worker = Worker(on_ready=self._ready.emit)
        self.device = _expected_device()
        self.predictions = Predictions()
        self.segmenters: list[KnownSegmenter] = []
        self.unsaved: list[Path] = []  # segmenters that go with this session
        self.job: ViewerJob | None = None
        self._following = False
        self._closed = False
        application = QApplication.instance()
        if application is not None:
            application.aboutToQuit.connect(self.close)

    def start(self) -> None:
        """Start the child in the background: the first job need not wait for its imports."""
        self.worker.start()

    @property
    def busy(self) -> bool:
        """Whether a job is running."""
        return self.job is not None and self.job.running

    @property
    def job_title(self) -> str:
        """Title of the latest job."""
        return self.job.title if self.job is not None else ""

    def run(self, job: ViewerJob) -> None:
        """Start a job; one at a time, since they share the processor.

        Raises
        ------
        RuntimeError
            If another job is running.
        """
        if self.job is not None and self.job.running:
            raise RuntimeError(f"{self.job.title} is still running: wait for it, or cancel it.")
        self.job = job
        job.ended.connect(self.job_changed)
        job.start()
        self.job_changed.emit()

    def add_segmenter(self, segmenter: KnownSegmenter) -> None:
        """Offer a segmenter, as the last one; the same file once only."""
        self.segmenters = [s for s in self.segmenters if s.path != segmenter.path] + [segmenter]
        self.segmenters_changed.emit()

    def keep(self, path: str | Path) -> None:
        """Offer the segmenter that a training has just made."""
        scores = [score for score in read_card(path).validation_dice.values() if score is not None]
        quality = f", Dice {sum(scores) / len(scores):.2f}" if scores else ""
        title = f"this session: {datetime.now().astimezone():%H:%M}{quality}"
        self.unsaved.append(Path(path))
        self.add_segmenter(KnownSegmenter(Path(path), title))

    def saved(self, path: Path) -> None:
        """Ask no more for a segmenter: somebody has copied it to where it stays."""
        self.unsaved = [other for other in self.unsaved if other != path]

    def follow(self, widget: QWidget) -> None:
        """Close when the window closes that holds a widget: soon, since docks are filled bottom up."""
        timer = QTimer(widget)
        timer.setSingleShot(True)
        timer.timeout.connect(lambda: self._follow(widget))
        timer.start(0)

    def close(self) -> None:
        """End the job and the child process."""
        if self._closed:
            return
        self._closed = True
        self.worker.close()  # jobs end with it
        if self.job is not None:
            self.job.leave()
            self.job = None  # it knows layers, and they the viewer

    def _set_device(self, device: str) -> None:
        self.device = device
        self.device_known.emit()

    def _follow(self, widget: QWidget) -> None:
        parent = widget.parentWidget()
        while parent is not None and not isinstance(parent, QMainWindow):
            parent = parent.parentWidget()
        if parent is not None and not self._following:
            self._following = True
            Closing(self, parent)
            parent.destroyed.connect(self.close)


_sessions: WeakKeyDictionary[Any, Session] = WeakKeyDictionary()


def session_of(viewer: Any) -> Session:
    """The session of a viewer, begun with its first widget; a closed one is replaced.

    Parameters
    ----------
    viewer : napari Viewer, or the proxy of one that plugins get
    """
    own = getattr(viewer, "__wrapped__", viewer)  # a proxy lives no longer than its widget
    session = _sessions.get(own)
    if session is None or session._closed:
        session = _sessions[own] = Session()
    return session


def _expected_device() -> str:
    """What is known before the child has spoken: importing the backend here is out of the question."""
    try:
        name = backend_name()
    except ValueError as error:
        return str(error)
    return f"Keras on {name} {package_version(name)}, starting"
