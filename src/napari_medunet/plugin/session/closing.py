"""Closing: no training and no segmenter is lost without a question when the window closes."""

from __future__ import annotations

from pathlib import Path

from qtpy.QtCore import QEvent, QObject, Qt, QTimer
from qtpy.QtWidgets import QFileDialog, QMainWindow, QMessageBox, QWidget

from napari_medunet.engine.prediction.model_file import SUFFIX
from napari_medunet.plugin.session.segmenters import save_segmenter
from napari_medunet.plugin.session.session import Session
from napari_medunet.plugin.widgets.file_dialog import ask_where

_DIRECT = Qt.FindChildOption.FindDirectChildrenOnly


class Closing(QObject):  # type: ignore[misc]
    """Asks before a window closes whose session trains, or has segmenters that were not saved.

    A script that closes its viewer is not asked: nobody may be there to answer.

    Parameters
    ----------
    session : Session
    window : QMainWindow
        Of the viewer.
    """

    def __init__(self, session: Session, window: QMainWindow) -> None:
        super().__init__(window)
        self.session, self.window = session, window
        self._agreed = False
        window.installEventFilter(self)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # noqa: N802  (Qt's name)
        """Hold a close event back until the user has chosen."""
        if event.type() != QEvent.Type.Close or self._agreed or _by_script(self.window):
            return False
        self._agreed = self._may_close()
        if not self._agreed:
            event.ignore()
        return not self._agreed

    def _may_close(self) -> bool:
        job = self.session.job
        if job is not None and job.running and job.can_stop:
            done = f" ({100 * job.last.fraction:.0f} %)" if job.last is not None else ""
            answer = self._ask(f"A training is running{done}.", "Stop it and save...")
            if answer == QMessageBox.ButtonRole.AcceptRole:
                job.ended.connect(self._save_and_close)
                job.stop()
            if answer != QMessageBox.ButtonRole.DestructiveRole:
                return False
        if not self.session.unsaved:
            return True
        count = len(self.session.unsaved)
        what = "A segmenter of this session is" if count == 1 else f"{count} segmenters are"
        answer = self._ask(f"{what} not saved.", "Save...")
        if answer == QMessageBox.ButtonRole.AcceptRole:
            return self._save()
        return bool(answer == QMessageBox.ButtonRole.DestructiveRole)

    def _ask(self, text: str, accept: str) -> QMessageBox.ButtonRole:
        box = QMessageBox(QMessageBox.Icon.Warning, "Close napari?", text, parent=self.window)
        box.setInformativeText("It is lost when napari closes.")
        first = box.addButton(accept, QMessageBox.ButtonRole.AcceptRole)
        box.addButton("Close, lose it", QMessageBox.ButtonRole.DestructiveRole)
        stay = box.addButton("Do not close", QMessageBox.ButtonRole.RejectRole)
        box.setDefaultButton(first)
        box.setEscapeButton(stay)
        box.exec()
        return box.buttonRole(box.clickedButton())

    def _save_and_close(self) -> None:
        if not self.session.unsaved or self._save():
            self._agreed = True
            self.window.close()

    def _save(self) -> bool:
        """Ask where to, and save what is not; whether all of it was."""
        for known, target in zip(
            list(self.session.unsaved),
            _targets(self.window, len(self.session.unsaved)),
            strict=False,
        ):
            if save_segmenter(known, target, overwrite=True):
                self.session.saved(known)
        return not self.session.unsaved


def follow(session: Session, widget: QWidget) -> None:
    """Close a session with the window that holds a widget: known soon, since docks are filled bottom up."""
    timer = QTimer(widget)
    timer.setSingleShot(True)
    timer.timeout.connect(lambda: _follow(session, widget))
    timer.start(0)


def _follow(session: Session, widget: QWidget) -> None:
    parent = widget.parentWidget()
    while parent is not None and not isinstance(parent, QMainWindow):
        parent = parent.parentWidget()
    if parent is not None and not session.asks:
        session.asks = True
        Closing(session, parent)
        parent.destroyed.connect(session.close)


def _by_script(window: QMainWindow) -> bool:
    """Whether `Viewer.close` closes the window: it has closed what is in it before."""
    centre = window.centralWidget()
    inside = centre.findChildren(QWidget, options=_DIRECT) if centre is not None else []
    return any(child.isHidden() for child in inside)


def _targets(window: QWidget, count: int) -> list[Path]:
    """Ask for a file, or a folder for several; empty where the user thought better of it."""
    if count == 1:
        path = ask_where(
            window, "Save the segmenter", f"segmenter{SUFFIX}", f"Segmenter (*{SUFFIX})"
        )
        return [path] if path else []
    folder = QFileDialog.getExistingDirectory(window, f"Save {count} segmenters in a folder")
    if not folder:
        return []
    free = (
        path
        for i in range(10**6)
        if not (path := Path(folder, f"segmenter-{i + 1}{SUFFIX}")).exists()
    )
    return [next(free) for _ in range(count)]
