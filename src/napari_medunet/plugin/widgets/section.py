"""Section: a part of a form that folds away below its title; and a widget that scrolls."""

from __future__ import annotations

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QFrame, QScrollArea, QSizePolicy, QToolButton, QVBoxLayout, QWidget

_NARROWEST_PX = 300  # of a widget in the dock, without cutting off a word


class Section(QWidget):  # type: ignore[misc]
    """A title that shows and hides what is below it; closed at first.

    superqt's QCollapsible fixes the height of its content, which cuts off sentences that wrap.

    Parameters
    ----------
    title : str
    """

    opened = Signal(bool)

    def __init__(self, title: str) -> None:
        super().__init__()
        self.button = QToolButton()
        self.button.setText(title)
        self.button.setCheckable(True)
        self.button.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self.button.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.content = QWidget()
        self._inside = QVBoxLayout(self.content)
        self._inside.setContentsMargins(8, 2, 0, 4)
        self._inside.setSpacing(4)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addWidget(self.button)
        layout.addWidget(self.content)
        self.button.toggled.connect(self._toggled)
        self._toggled(False)

    def add(self, widget: QWidget) -> None:
        """Put a widget below those that are there."""
        self._inside.addWidget(widget)

    @property
    def is_open(self) -> bool:
        """Whether the content is shown."""
        return bool(self.button.isChecked())

    def _toggled(self, is_open: bool) -> None:
        self.button.setArrowType(Qt.ArrowType.DownArrow if is_open else Qt.ArrowType.RightArrow)
        self.content.setVisible(is_open)
        self.opened.emit(is_open)


def scrolled(widget: QWidget) -> QVBoxLayout:
    """Let a widget's content scroll where the window is too low for it.

    Returns
    -------
    layout : QVBoxLayout
        Of the content.
    """
    area = QScrollArea()
    area.setWidgetResizable(True)
    area.setFrameShape(QFrame.Shape.NoFrame)
    area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
    content = QWidget()
    area.setWidget(content)
    widget.setMinimumWidth(_NARROWEST_PX)
    outside = QVBoxLayout(widget)
    outside.setContentsMargins(0, 0, 0, 0)
    outside.addWidget(area)
    return QVBoxLayout(content)
