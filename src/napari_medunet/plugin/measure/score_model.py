"""ScoreModel: the rows of the table of scores for Qt, and in which order they stand."""

from __future__ import annotations

import re
from collections.abc import Sequence
from math import inf, isnan
from typing import Any

from qtpy.QtCore import QAbstractTableModel, QModelIndex, Qt
from qtpy.QtGui import QFont

from napari_medunet.engine.evaluation.metrics.table import shown_metrics
from napari_medunet.engine.settings import EvaluateSettings
from napari_medunet.plugin.measure.score_rows import ScoreRow

_RIGHT = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
_LEFT = Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter
_NONE = QModelIndex()


class ScoreModel(QAbstractTableModel):  # type: ignore[misc]
    """Rows of cases and labels, that can be sorted, and means, that stay below them.

    Columns are the case, the label, and a metric each.
    """

    def __init__(self) -> None:
        super().__init__()
        self.metrics: list[str] = []
        self.known = shown_metrics()
        self._body: list[ScoreRow] = []
        self._means: list[ScoreRow] = []
        self._order: tuple[int, bool] | None = None  # column, and whether the largest come first
        self.rows: list[ScoreRow] = []

    def show(self, body: Sequence[ScoreRow], means: Sequence[ScoreRow]) -> None:
        """Set the rows; the order that the user chose is kept."""
        same = [row.place for row in body] == [row.place for row in self._body]
        same = same and len(means) == len(self._means)
        if not same:
            self.beginResetModel()
        self._body, self._means = list(body), list(means)
        if not same:
            self._arrange()
            self.endResetModel()
            return
        self._rearrange()  # the same rows with other numbers: selection and scroll position stay
        last = self.index(self.rowCount() - 1, self.columnCount() - 1)
        self.dataChanged.emit(self.index(0, 0), last)

    def describe(self, settings: EvaluateSettings) -> None:
        """Take headings and definitions as some settings have them."""
        self.known = shown_metrics(settings)

    def show_metrics(self, metrics: Sequence[str]) -> None:
        """Set the columns."""
        if list(metrics) != self.metrics:
            self.beginResetModel()
            self.metrics = list(metrics)
            self._order = None
            self._arrange()
            self.endResetModel()

    def headings(self) -> list[str]:
        """Heading of each column, in one line."""
        metrics = (self.known[m].narrow_heading.replace("\n", " ") for m in self.metrics)
        return ["case", "label", *metrics]

    def texts(self, row: int) -> list[str]:
        """Cells of one row."""
        line = self.rows[row]
        return [line.case, line.label, *(line.cells[metric][0] for metric in self.metrics)]

    # What follows are Qt's names.

    def rowCount(self, parent: QModelIndex = _NONE) -> int:  # noqa: N802
        """How many rows there are, means included."""
        return 0 if parent.isValid() else len(self.rows)

    def columnCount(self, parent: QModelIndex = _NONE) -> int:  # noqa: N802
        """How many columns there are: case, label, metrics."""
        return 0 if parent.isValid() else 2 + len(self.metrics)

    def headerData(  # noqa: N802
        self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole
    ) -> Any:
        """Heading of a column."""
        if orientation != Qt.Orientation.Horizontal:
            return None
        metric = self.known[self.metrics[section - 2]] if section >= 2 else None
        if role == Qt.ItemDataRole.DisplayRole:
            return metric.narrow_heading if metric else ("Case", "Label")[section]
        if role == Qt.ItemDataRole.ToolTipRole:
            return f"{metric.tip} Click to sort." if metric else "Click to sort."
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return _RIGHT if metric else _LEFT
        return None

    def data(self, index: QModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Text, tooltip, alignment and weight of a cell."""
        row, column = self.rows[index.row()], index.column()
        text, tooltip = row.cells[self.metrics[column - 2]] if column >= 2 else ("", "")
        if column < 2:
            text = tooltip = row.label if column else row.case
        if role == Qt.ItemDataRole.DisplayRole:
            return text
        if role == Qt.ItemDataRole.ToolTipRole:
            return tooltip
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return _RIGHT if column >= 2 else _LEFT
        if role == Qt.ItemDataRole.FontRole and row.place is None:
            font = QFont()
            font.setBold(True)
            return font
        return None

    def sort(self, column: int, order: Qt.SortOrder = Qt.SortOrder.AscendingOrder) -> None:
        """Order the rows by a column, below 0 as they were measured; what is not defined comes last."""
        self._order = None if column < 0 else (column, order == Qt.SortOrder.DescendingOrder)
        self._rearrange()

    def _rearrange(self) -> None:
        """Arrange the rows that there are; what is selected moves with its row."""
        before = self.rows
        self.layoutAboutToBeChanged.emit()
        self._arrange()
        now = {row.place: at for at, row in enumerate(self.rows) if row.place is not None}
        old = self.persistentIndexList()
        new = [
            self.index(now.get(before[index.row()].place, index.row()), index.column())
            for index in old
        ]
        self.changePersistentIndexList(old, new)
        self.layoutChanged.emit()

    def _arrange(self) -> None:
        body = list(self._body)
        if self._order is not None:
            column, descending = self._order
            if column >= 2:
                metric = self.metrics[column - 2]
                sign = -1 if descending else 1
                body.sort(key=lambda row: _number_key(row.values[metric], sign))
            else:
                body.sort(
                    key=lambda row: _name_key(row.label if column else row.case), reverse=descending
                )
        self.rows = body + self._means


def _number_key(value: float, sign: int) -> tuple[bool, float]:
    return isnan(value), inf if isnan(value) else sign * value


def _name_key(name: str) -> list[tuple[bool, int, str]]:
    """Numbers in names count as numbers: case_2 comes before case_10."""
    return [
        (part.isdecimal(), int(part) if part.isdecimal() else 0, part.lower())
        for part in re.split(r"(\d+)", name)
    ]
