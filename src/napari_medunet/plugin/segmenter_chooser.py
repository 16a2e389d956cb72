"""SegmenterChooser: one of the session's segmenters, or one from a file."""

from __future__ import annotations

from pathlib import Path

from napari.utils.notifications import show_error
from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QFileDialog

from napari_medunet.engine.segmenter import SUFFIX, read_card
from napari_medunet.plugin.combo import ElidedCombo
from napari_medunet.plugin.form import one_line
from napari_medunet.plugin.jobs import KnownSegmenter, Session

_OPEN = "Open file..."


class SegmenterChooser(ElidedCombo):
    """Box of the segmenters that a session knows; its last row opens a file.

    Parameters
    ----------
    session : Session
    none : str, optional
        Text of a first row that stands for no segmenter. With it the choice stays as it is when a
        segmenter is added; without it the newest is chosen.
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
        """Offer and choose a `.medunet` file; what is none is said, and not offered."""
        try:
            read_card(path)
        except (OSError, ValueError) as error:
            show_error(one_line(error))
            return
        opened = KnownSegmenter(Path(path), Path(path).name)
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
        if self._none:
            self._choose(self._chosen if self._chosen in known else None)
        else:
            self._choose(known[-1] if known else None)

    def _choose(self, segmenter: KnownSegmenter | None) -> None:
        self._chosen = segmenter
        self._show_chosen()
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
