"""Session: what the widgets of one viewer share, from the first of them until the window closes."""

from __future__ import annotations

from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

from napari.utils.notifications import show_info
from qtpy.QtCore import QObject, Qt, Signal
from qtpy.QtWidgets import QApplication

from napari_medunet.engine.errors import MedunetError
from napari_medunet.engine.hardware.devices import backend_name, package_version
from napari_medunet.engine.prediction.model_file import read_card
from napari_medunet.plugin.session.predictions import Predictions
from napari_medunet.plugin.session.room import ask_for_folder
from napari_medunet.plugin.session.segmenters import KnownSegmenter
from napari_medunet.plugin.session.viewer_job import ViewerJob
from napari_medunet.worker import Worker


class Session(QObject):  # type: ignore[misc]
    """What the widgets of one viewer share: the child process, the running job, the segmenters."""

    segmenters_changed = Signal()
    device_known = Signal()
    speed_known = Signal()  # the child has measured how fast the machine trains
    job_changed = Signal()  # a job has begun or ended

    _ready = Signal(str)  # from the worker's thread to the GUI's
    _measured = Signal()  # likewise

    def __init__(self) -> None:
        super().__init__()
        self._ready.connect(self._set_device, Qt.ConnectionType.QueuedConnection)
        self._measured.connect(self.speed_known, Qt.ConnectionType.QueuedConnection)
        self.worker = Worker(on_ready=self._ready.emit, on_measured=self._measured.emit)
        self.device = _expected_device()
        self.predictions = Predictions()
        self.segmenters: list[KnownSegmenter] = []
        self.unsaved: list[Path] = []  # segmenters that go with this session
        self.job: ViewerJob | None = None
        self.asks = False  # before its window closes: see `closing`
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
        job.progressed.connect(partial(ask_for_folder, job))
        job.start()
        self.job_changed.emit()

    def add_segmenter(self, segmenter: KnownSegmenter) -> None:
        """Offer a segmenter, as the last one; the same file once only."""
        self.segmenters = [s for s in self.segmenters if s.path != segmenter.path] + [segmenter]
        self.segmenters_changed.emit()

    def add_trained(self, path: str | Path) -> None:
        """Offer the segmenter that a training has just made."""
        scores = [score for score in read_card(path).validation_dice.values() if score is not None]
        quality = f", Dice {sum(scores) / len(scores):.2f}" if scores else ""
        title = f"this session: {datetime.now().astimezone():%H:%M}{quality}"
        if self.worker.folder is not None and self.worker.folder in Path(path).parents:
            self.unsaved.append(Path(path))
        else:  # a person has named its folder: see `room`
            show_info(f"Saved {path}")
        self.add_segmenter(KnownSegmenter(Path(path), title))

    def saved(self, path: Path) -> None:
        """Note that a segmenter was saved: closing does not ask for it."""
        self.unsaved = [other for other in self.unsaved if other != path]

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
    """The device as far as it is known before the child reports it: the backend is not imported here."""
    try:
        name = backend_name()
    except MedunetError as error:
        return str(error)
    return f"Keras on {name} {package_version(name)}, starting"
