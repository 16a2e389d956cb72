"""PaintWatch: which labels were painted, and where: at once, and again when the brush rests."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from napari.layers import Labels
from qtpy.compat import isalive
from qtpy.QtCore import QObject, Signal

from napari_medunet.engine.evaluation.metrics.label_pairs import Box, joined
from napari_medunet.plugin.widgets.latest_only import debouncer

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

    changed = Signal(object)  # list of Edit: what has changed since the last time
    rested = Signal(object)  # list of Edit: what has changed since the last rest

    def __init__(self, viewer: Any, parent: QObject) -> None:
        super().__init__(parent)
        self._dims = viewer.dims
        self._view: Any = None
        self._layers: list[Labels] = []
        self._since_told: list[Edit] = []
        self._since_rest: list[Edit] = []
        # napari tells of some strokes before they are in the array: act when it has returned
        self._soon = debouncer(self, 0, self._tell_changed)
        self._rest = debouncer(self, _REST_MS, self._tell_rested)

    def watch(self, layers: Iterable[Labels]) -> None:
        """Watch these layers, and no others; none to stop."""
        wanted = list({id(layer): layer for layer in layers}.values())
        for layer in self._layers:
            for source in _sources(layer):
                source.disconnect(self._edited)
            layer.events.set_data.disconnect(self._redrawn)
        self._layers = wanted
        self._view = self._seen()
        for layer in wanted:
            for source in _sources(layer):
                source.connect(self._edited)
            layer.events.set_data.connect(self._redrawn)
        if not wanted:
            self._soon.cancel()
            self._rest.cancel()
            self._since_told, self._since_rest = [], []

    def _edited(self, event: Any) -> None:
        # napari holds this method weakly, but Qt may delete the object before Python does
        if not isalive(self):
            return
        edit = Edit(event.source, self._box(event))
        self._since_told.append(edit)
        self._since_rest.append(edit)
        self._soon.throttle()
        self._rest.throttle()

    def _redrawn(self, event: Any) -> None:
        """Tell undo from scrolling: napari says of both only that it has drawn the layer anew."""
        if not isalive(self):
            return
        before, self._view = self._view, self._seen()
        if before == self._view:
            self._edited(event)

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
        edits, self._since_told = self._since_told, []
        self.changed.emit(edits)

    def _tell_rested(self) -> None:
        edits, self._since_rest = self._since_rest, []
        self.rested.emit(edits)


def _sources(layer: Labels) -> tuple[Any, ...]:
    """Events of a layer after which its voxels may be others."""
    events = layer.events
    return events.labels_update, events.paint, events.data
