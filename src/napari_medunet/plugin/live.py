"""Live: tells that labels have changed, at once, and once more when the brush rests."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from napari.layers import Labels
from qtpy.compat import isalive
from qtpy.QtCore import QObject, QTimer, Signal

_REST_MS = 600  # after this long without a stroke there is time for the metrics that take long


class Live(QObject):  # type: ignore[misc]
    """Watches some labels layers for paint, fill, undo and new data.

    Parameters
    ----------
    viewer : napari Viewer
    parent : QObject
        The widget that listens; the watch ends with it.
    """

    changed = Signal(object)  # list of Labels: what has changed since the last time
    rested = Signal(object)  # list of Labels: what has changed since the last rest

    def __init__(self, viewer: Any, parent: QObject) -> None:
        super().__init__(parent)
        self._dims = viewer.dims
        self._view: Any = None
        self._layers: list[Labels] = []
        self._fresh: list[Labels] = []
        self._dirty: list[Labels] = []
        self._soon = self._timer(0, self._tell_changed)
        self._rest = self._timer(_REST_MS, self._tell_rested)

    def watch(self, layers: Iterable[Labels]) -> None:
        """Watch these layers, and no others; none to stop."""
        wanted = list({id(layer): layer for layer in layers}.values())
        for layer in self._layers:
            for source in _sources(layer):
                source.disconnect(self._touched)
            layer.events.set_data.disconnect(self._drawn)
        self._layers = wanted
        self._view = self._seen()
        for layer in wanted:
            for source in _sources(layer):
                source.connect(self._touched)
            layer.events.set_data.connect(self._drawn)
        if not wanted:
            self._soon.stop()
            self._rest.stop()
            self._fresh, self._dirty = [], []

    def _timer(self, interval_ms: int, act: Any) -> QTimer:
        timer = QTimer(self)
        timer.setSingleShot(True)
        timer.setInterval(interval_ms)
        timer.timeout.connect(act)
        return timer

    def _touched(self, event: Any) -> None:
        if not isalive(
            self
        ):  # napari holds this method weakly, but Qt may delete the object before
            return
        for touched in (self._fresh, self._dirty):
            if not any(layer is event.source for layer in touched):
                touched.append(event.source)
        # napari tells of some strokes before they are in the array: act when it has returned
        self._soon.start()
        self._rest.start()

    def _drawn(self, event: Any) -> None:
        """Tell undo from scrolling: napari says of both only that it has drawn the layer anew."""
        if not isalive(self):
            return
        before, self._view = self._view, self._seen()
        if before == self._view:
            self._touched(event)

    def _seen(self) -> Any:
        return self._dims.point, self._dims.order, self._dims.ndisplay

    def _tell_changed(self) -> None:
        fresh, self._fresh = self._fresh, []
        self.changed.emit(fresh)

    def _tell_rested(self) -> None:
        dirty, self._dirty = self._dirty, []
        self.rested.emit(dirty)


def _sources(layer: Labels) -> tuple[Any, ...]:
    """Events of a layer after which its voxels may be others."""
    events = layer.events
    return events.labels_update, events.paint, events.data
