"""Newest: work in a thread for a widget that changes its mind."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from qtpy.compat import isalive
from qtpy.QtCore import QObject, QTimer, Signal
from superqt.utils import create_worker

from napari_medunet.engine.errors import one_line

Work = Callable[[], Any]


class LatestOnly(QObject):  # type: ignore[misc]
    """Does one thing at a time in a thread; of what is asked for meanwhile, only the newest.

    Signals are emitted in the GUI thread, and only for what was asked for last.

    Parameters
    ----------
    parent : QObject
        The widget that asks.
    pause_ms : int
        How long to wait for a newer wish before beginning: somebody may be typing, or painting.
    """

    done = Signal(object)  # what the work returned
    failed = Signal(str)  # why it could not be done, in one line

    def __init__(self, parent: QObject, pause_ms: int) -> None:
        super().__init__(parent)
        self._next: Work | None = None
        self._running = False
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(pause_ms)
        self._timer.timeout.connect(self._begin)

    @property
    def busy(self) -> bool:
        """Whether something that was asked for is still to be told."""
        return self._running or self._next is not None

    def ask(self, work: Work) -> None:
        """Do this soon, and tell of nothing that was asked for before."""
        self._next = work
        self._timer.start()

    def _begin(self) -> None:
        if self._running or self._next is None:
            return
        work, self._next = self._next, None
        self._running = True
        create_worker(
            work,
            _start_thread=True,
            _connect={
                "returned": lambda result: self._ended(lambda: self.done.emit(result)),
                "errored": lambda error: self._ended(
                    lambda: self.failed.emit(one_line(error) or type(error).__name__)
                ),
            },
        )

    def _ended(self, tell: Callable[[], None]) -> None:
        if not isalive(self):  # the widget was closed meanwhile
            return
        self._running = False
        if self._next is None:
            tell()
        elif not self._timer.isActive():
            self._begin()
