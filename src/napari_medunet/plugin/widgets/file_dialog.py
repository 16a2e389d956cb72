"""Where to save: a file dialog, and a question where it has not asked for the name that is written."""

from __future__ import annotations

from pathlib import Path

from qtpy.QtWidgets import QFileDialog, QMessageBox, QWidget


def ask_where(parent: QWidget, title: str, name: str, kinds: str) -> Path | None:
    """Ask for the name of a file; None where the user thought better of it.

    The system's dialog asks before a file is replaced; where an ending was added to the name, this does.

    Parameters
    ----------
    parent : QWidget
    title : str
        Of the dialog.
    name : str
        Proposed; its ending is added where the user typed none.
    kinds : str
        Which files are shown: "Table (*.csv)".
    """
    given, _ = QFileDialog.getSaveFileName(parent, title, name, kinds)
    if not given:
        return None
    path, suffix = Path(given), Path(name).suffix
    if path.suffix == suffix:
        return path
    path = path.with_name(path.name + suffix)
    if path.exists():
        answer = QMessageBox.question(parent, title, f"'{path}' is there already. Replace it?")
        if answer != QMessageBox.StandardButton.Yes:
            return None
    return path
