"""Boxes to choose from, for a narrow dock: long names are shortened, not cut."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from napari.layers import Layer
from qtpy.QtCore import QSize, Qt
from qtpy.QtGui import QPaintEvent
from qtpy.QtWidgets import QComboBox, QStyle, QStyleOptionComboBox, QStylePainter
from superqt.utils import signals_blocked

_ARROW_PX = 48  # arrow and padding in napari's style


class ElidedCombo(QComboBox):  # type: ignore[misc]
    """A QComboBox that takes the width it gets; the whole text is its tooltip.

    Names are shortened at the left: the case's number and the kind of layer stand at the right.
    """

    def __init__(self) -> None:
        super().__init__()
        self.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.setMinimumContentsLength(6)
        self.currentTextChanged.connect(self.setToolTip)

    def minimumSizeHint(self) -> QSize:  # noqa: N802  (Qt's name)
        """Room for a few letters: the dock decides about more."""
        return QSize(80, super().minimumSizeHint().height())

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802  (Qt's name)
        """Draw the box with as much of its text as fits."""
        painter = QStylePainter(self)
        option = QStyleOptionComboBox()
        self.initStyleOption(option)
        painter.drawComplexControl(QStyle.ComplexControl.CC_ComboBox, option)
        text = option.currentText if self.currentIndex() >= 0 else self.placeholderText()
        option.currentText = self.fontMetrics().elidedText(
            text, Qt.TextElideMode.ElideLeft, self.width() - _ARROW_PX
        )
        painter.drawControl(QStyle.ControlElement.CE_ComboBoxLabel, option)


class LayerCombo(ElidedCombo):
    """Chooses one of some layers; what was chosen stays chosen while it is there.

    Parameters
    ----------
    none : str or None
        Text of the first row that stands for no layer, where there is to be one.
    """

    def __init__(self, none: str | None = None) -> None:
        super().__init__()
        self._none = none

    @property
    def layer(self) -> Any:
        """The chosen layer; None for none."""
        return self.currentData()

    @layer.setter
    def layer(self, layer: Layer | None) -> None:
        self.setCurrentIndex(self._find(layer))

    def offer(self, layers: Sequence[Layer]) -> None:
        """Set the layers to choose from. Rebuilds only on a change: the list may be open."""
        rows: list[tuple[str, Layer | None]] = [(layer.name, layer) for layer in layers]
        if self._none is not None:
            rows.insert(0, (self._none, None))
        shown = [(self.itemText(i), self.itemData(i)) for i in range(self.count())]
        if rows == shown:
            return
        before = self.layer
        with signals_blocked(self):
            self.clear()
            for name, layer in rows:
                self.addItem(name, layer)
            self.setCurrentIndex(max(0, self._find(before)) if rows else -1)
        self.setToolTip(self.currentText())
        if self.layer is not before:
            self.currentIndexChanged.emit(self.currentIndex())

    def _find(self, layer: Layer | None) -> int:
        """Row of a layer by identity: Qt would compare with ==, which layers do not promise."""
        for row in range(self.count()):
            if self.itemData(row) is layer:
                return row
        return -1
