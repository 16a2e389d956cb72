"""LayerWatch: one signal for all that can change what a widget offers."""

from __future__ import annotations

from typing import Any

from napari.layers import Labels, Layer
from qtpy.compat import isalive
from qtpy.QtCore import QObject, Signal

from napari_medunet.plugin.widgets.latest_only import debouncer

_PAUSE_MS = 100  # a brush stroke is a hundred events: answer once, when it rests


class LayerWatch(QObject):  # type: ignore[misc]
    """Tells that layers came, went, were renamed, chosen or painted.

    Parameters
    ----------
    viewer : napari Viewer
    parent : QObject
        The widget that listens; the watch ends with it.
    """

    changed = Signal()

    def __init__(self, viewer: Any, parent: QObject) -> None:
        super().__init__(parent)
        self._pause = debouncer(self, _PAUSE_MS, self.changed)
        events = viewer.layers.events
        events.inserted.connect(self._inserted)
        for event in (events.removed, events.reordered, viewer.layers.selection.events.active):
            event.connect(self._tell_soon)
        for layer in list(viewer.layers):
            self._attach(layer)

    def _inserted(self, event: Any) -> None:
        self._attach(event.value)
        self._tell_soon()

    def _attach(self, layer: Layer) -> None:
        sources = [layer.events.name]
        if isinstance(layer, Labels):
            sources += [layer.events.paint, layer.events.set_data, layer.events.labels_update]
        for source in sources:
            source.connect(self._tell_soon)

    def _tell_soon(self, event: Any = None) -> None:
        # napari holds this method weakly, but Qt may delete the object before Python does
        if isalive(self):
            self._pause.throttle()
