"""SegmenterChooser: one of the session's segmenters, or one from a file."""

from __future__ import annotations

from pathlib import Path

from napari.utils.notifications import show_error
from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QFileDialog

from napari_medunet.engine.errors import MedunetError, one_line
from napari_medunet.engine.files.paths import expand_home
from napari_medunet.engine.prediction.model_file import SUFFIX, read_card
from napari_medunet.plugin.session.segmenters import KnownSegmenter
from napari_medunet.plugin.session.session import Session
from napari_medunet.plugin.widgets.combo import ElidedCombo

_OPEN = "Open file..."


class SegmenterChooser(ElidedCombo):
    """Box of the segmenters that a session knows; its last row opens a file.

    Parameters
    ----------
    session : Session
    none : str, optional
        Text of a first row that stands for no segmenter. Without it, one that was just trained is chosen.
    """

    changed = Signal()  # another one is chosen

    def __init__(self, session: Session, none: str = "") -> None:
        super().__init__()
        self._session = session
        self._none = none
        self._chosen: KnownSegmenter | None = None
        self.setPlaceholderText("none yet")
        self.activated.connect(self._activated)
        session.segmenters_changed.connect(self._offer)
        self._offer()

    @property
    def segmenter(self) -> KnownSegmenter | None:
        """The chosen segmenter; None for none."""
        return self._chosen

    def open_segmenter(self, path: str | Path) -> None:
        """Offer and choose a `.medunet` file; another file gives a message, and is not offered."""
        try:
            file = expand_home(path)
            read_card(file)
        except (OSError, MedunetError) as error:
            show_error(one_line(error))
            return
        opened = KnownSegmenter(file, file.name)
        self._session.add_segmenter(opened)
        self._choose(opened)

    def _offer(self) -> None:
        """Offer what there is."""
        self.clear()
        if self._none:
            self.addItem(self._none, None)
        known = self._session.segmenters
        for one in known:
            self.addItem(one.title, one)
            self.setItemData(self.count() - 1, str(one.path), Qt.ItemDataRole.ToolTipRole)
        self.addItem(_OPEN, _OPEN)
        chosen = next((one for one in known if _same_file(one, self._chosen)), None)
        is_new = bool(known) and known[-1].path in self._session.unsaved
        if known and not self._none and (is_new or chosen is None):
            chosen = known[-1]
        self._choose(chosen)

    def _choose(self, segmenter: KnownSegmenter | None) -> None:
        before, self._chosen = self._chosen, segmenter
        self._show_chosen()
        if segmenter != before:
            self.changed.emit()

    def _show_chosen(self) -> None:
        rows = [self.itemData(row) for row in range(self.count())]
        self.setCurrentIndex(rows.index(self._chosen) if self._chosen in rows else -1)

    def _activated(self, row: int) -> None:
        if self.itemData(row) != _OPEN:
            self._choose(self.itemData(row))
            return
        self._show_chosen()
        name, _ = QFileDialog.getOpenFileName(
            self, "Open a segmenter", "", f"Segmenter (*{SUFFIX})"
        )
        if name:
            self.open_segmenter(name)


def _same_file(one: KnownSegmenter, other: KnownSegmenter | None) -> bool:
    return other is not None and one.path == other.path
