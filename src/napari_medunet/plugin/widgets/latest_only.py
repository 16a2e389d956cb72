"""LatestOnly: work in a thread, of which only the newest request is answered."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from qtpy.compat import isalive
from qtpy.QtCore import QObject, Signal
from superqt.utils import QSignalDebouncer, create_worker

from napari_medunet.engine.errors import told

T = TypeVar("T")
Work = Callable[[], Any]


class LatestOnly(QObject):  # type: ignore[misc]
    """Does one request at a time in a thread; of those that come meanwhile, only the newest.

    Signals are emitted in the GUI thread, and only for what was asked for last.

    Parameters
    ----------
    parent : QObject
        The widget that asks.
    pause_ms : int
        How long to wait for a newer request before beginning: somebody may be typing, or painting.
    """

    done = Signal(object)  # what the work returned
    failed = Signal(str)  # why it could not be done, in one line

    def __init__(self, parent: QObject, pause_ms: int = 0) -> None:
        super().__init__(parent)
        self._next: Work | None = None
        self._paused = False  # whether a newer request may still come
        self._running = False
        self._pause = debouncer(self, pause_ms, self._pause_ended)

    @property
    def busy(self) -> bool:
        """Whether something that was asked for is still to be told."""
        return self._running or self._next is not None

    def ask(self, work: Work) -> None:
        """Do this soon, and tell of nothing that was asked for before."""
        self._next, self._paused = work, True
        self._pause.throttle()

    def _pause_ended(self) -> None:
        self._paused = False
        self._begin()

    def _begin(self) -> None:
        if self._running or self._paused or self._next is None:
            return
        work, self._next = self._next, None
        self._running = True
        run_in_thread(
            self,
            work,
            lambda result: self._ended(lambda: self.done.emit(result)),
            lambda why: self._ended(lambda: self.failed.emit(why)),
        )

    def _ended(self, tell: Callable[[], None]) -> None:
        self._running = False
        if self._next is None:
            tell()
        else:
            self._begin()


def run_in_thread(
    owner: QObject,
    work: Callable[[], T],
    returned: Callable[[T], None],
    failed: Callable[[str], None],
) -> None:
    """Do work in a thread, and tell in the GUI thread how it ended.

    Parameters
    ----------
    owner : QObject
        Who wants to know. Nothing is told once Qt has deleted it: its widget was closed meanwhile.
    work : callable
    returned : callable
        Takes what the work returned.
    failed : callable
        Takes why the work could not be done, in one line.
    """

    def tell(answer: Callable[[Any], None], value: object) -> None:
        if isalive(owner):
            answer(value)

    create_worker(
        work,
        _start_thread=True,
        _connect={
            "returned": lambda result: tell(returned, result),
            "errored": lambda error: tell(failed, told(error)),
        },
    )


def debouncer(parent: QObject, pause_ms: int, act: Callable[[], Any]) -> QSignalDebouncer:
    """Make what acts once, when its `throttle` has not been called for a while; it ends with its parent."""
    made = QSignalDebouncer(parent=parent)
    made.setTimeout(pause_ms)
    made.triggered.connect(act)
    return made
