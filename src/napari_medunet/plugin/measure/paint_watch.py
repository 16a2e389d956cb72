"""Live: tells which labels have changed, and where, at once, and once more when the brush rests."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from napari.layers import Labels
from qtpy.compat import isalive
from qtpy.QtCore import QObject, QTimer, Signal

from napari_medunet.engine.evaluation.metrics.label_pairs import Box, joined

_REST_MS = 600  # after this long without a stroke there is time for the metrics that take long


class Edit(NamedTuple):
    """A layer, and the box of it in which voxels may have changed; None for anywhere."""

    layer: Labels
    box: Box | None


class PaintWatch(QObject):  # type: ignore[misc]
    """Watches some labels layers for paint, fill, undo and new data.

    Parameters
    ----------
    viewer : napari Viewer
    parent : QObject
        The widget that listens; the watch ends with it.
    """

    changed = Signal(object)  # list of Touch: what has changed since the last time
    rested = Signal(object)  # list of Touch: what has changed since the last rest

    def __init__(self, viewer: Any, parent: QObject) -> None:
        super().__init__(parent)
        self._dims = viewer.dims
        self._view: Any = None
        self._layers: list[Labels] = []
        self._fresh: list[Edit] = []
        self._dirty: list[Edit] = []
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
        touch = Edit(event.source, self._box(event))
        for touches in (self._fresh, self._dirty):
            touches.append(touch)
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

    def _box(self, event: Any) -> Box | None:
        """Where napari says that voxels have changed."""
        layer = event.source
        if event.type == "paint":
            boxes = [atom.slice_key for atom in event.value if hasattr(atom, "slice_key")]
            return joined(boxes) if len(boxes) == len(event.value) else None
        if event.type == "labels_update" and layer.ndim == self._dims.ndim:
            box = [slice(0, n) for n in layer.data.shape]  # a ball reaches beyond what is displayed
            for axis, start, n in zip(
                self._dims.displayed, event.offset, event.data.shape, strict=True
            ):
                box[axis] = slice(start, start + n)
            return tuple(box)
        return None

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
