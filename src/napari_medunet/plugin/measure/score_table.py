"""ScoreTable: the scores of each label of each case, and their means."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from qtpy.QtCore import QModelIndex, QPoint, QSize, Qt, Signal
from qtpy.QtGui import QAction, QFontMetrics, QKeyEvent, QKeySequence, QResizeEvent
from qtpy.QtWidgets import QApplication, QHeaderView, QMenu, QTableView

from napari_medunet.engine.evaluation.evaluation import Evaluation
from napari_medunet.engine.evaluation.metrics.table import shown_metrics
from napari_medunet.plugin.measure.score_model import ScoreModel
from napari_medunet.plugin.measure.score_rows import ScoreRow, body_rows, mean_rows

# What fits a narrow dock: names of labels and of cases take the room of numbers.
_ONE_CASE = ("dice", "iou", "precision", "recall", "hd", "hd95")
_ONE_CASE_NAMED = ("dice", "iou", "hd", "hd95")
_MANY_CASES = ("dice", "iou", "hd95")

_ROW_PX = 24
_PADDING_PX = 13
_LEAST_NAME_PX, _MOST_NAME_PX = 56, 86
_STYLE = """
QTableView::item { padding: 0 2px }
QHeaderView::section { padding: 2px 3px }
QHeaderView::up-arrow, QHeaderView::down-arrow {
    subcontrol-origin: padding; subcontrol-position: top center; width: 8px; height: 5px }
"""
_MOVES = (Qt.Key.Key_Up, Qt.Key.Key_Down, Qt.Key.Key_Return, Qt.Key.Key_Enter)


class ScoreTable(QTableView):  # type: ignore[misc]
    """A row per case and label, means below: sorted by a click on a heading, copied with Ctrl+C.

    Which metrics it shows is chosen with a right click on a heading.
    """

    place_chosen = Signal(str, object)  # case and label: the user has clicked a row, or moved to it

    def __init__(self) -> None:
        super().__init__()
        self._rows = ScoreModel()
        self._many = False
        self._shown: tuple[Evaluation, Mapping[int, str], Collection[str]] | None = None
        self._chosen: list[str] | None = None  # metrics, once the user has chosen some
        self.setModel(self._rows)
        self.setSelectionBehavior(QTableView.SelectionBehavior.SelectRows)
        self.setHorizontalScrollMode(QTableView.ScrollMode.ScrollPerPixel)
        self.setTextElideMode(Qt.TextElideMode.ElideLeft)
        self.setWordWrap(False)
        # napari's own padding would leave no room for four metrics and two names
        self.setStyleSheet(_STYLE)
        self.verticalHeader().hide()
        self.verticalHeader().setDefaultSectionSize(_ROW_PX)
        self.verticalHeader().setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
        header = self.horizontalHeader()
        header.setMinimumSectionSize(28)
        header.setHighlightSections(False)
        header.setSortIndicator(-1, Qt.SortOrder.AscendingOrder)
        header.setSortIndicatorClearable(True)  # a third click restores the order
        header.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        header.customContextMenuRequested.connect(self._offer_columns)
        self.setSortingEnabled(True)
        self.clicked.connect(self._go)
        self._rows.show_metrics(_ONE_CASE)
        self._fit_columns()

    def show_evaluation(
        self, evaluation: Evaluation, names: Mapping[int, str], quick: Collection[str] = ()
    ) -> None:
        """Show the scores of some cases; of the quick ones the slow metrics are still to come."""
        self._many = len(evaluation.cases) > 1
        self._shown = evaluation, names, quick
        self._rows.describe(evaluation.settings)
        self.show_metrics(None)

    def show_metrics(self, metrics: Collection[str] | None) -> None:
        """Choose the columns; None for those that the user chose, or else that fit a narrow dock."""
        if metrics is not None:
            self._chosen = [metric for metric in shown_metrics() if metric in metrics]
        named = self._shown is not None and any(self._shown[1].values())
        usual = _MANY_CASES if self._many else _ONE_CASE_NAMED if named else _ONE_CASE
        shown = list(usual if self._chosen is None else self._chosen)
        if shown != self._rows.metrics:
            self.horizontalHeader().setSortIndicator(-1, Qt.SortOrder.AscendingOrder)
            self._rows.show_metrics(shown)
        if self._shown is not None:
            self._rows.show(body_rows(*self._shown), mean_rows(*self._shown, shown))
        self._fit_columns()

    def rows(self) -> list[ScoreRow]:
        """The rows, in the order in which they stand."""
        return list(self._rows.rows)

    def place(self) -> tuple[str, int | str] | None:
        """Case and label of the current row; None for a mean, or where there is none."""
        row = self.currentIndex().row()
        return self._rows.rows[row].place if 0 <= row < len(self._rows.rows) else None

    def text(self) -> str:
        """The table with its headings, tab-separated: the selected rows where they are several."""
        selected = sorted(index.row() for index in self.selectionModel().selectedRows())
        rows = selected if len(selected) > 1 else range(self._rows.rowCount())
        lines = [self._rows.headings(), *(self._rows.texts(row) for row in rows)]
        return "\n".join("\t".join(line[0 if self._many else 1 :]) for line in lines)

    def copy(self) -> None:
        """Put the table on the clipboard."""
        QApplication.clipboard().setText(self.text())

    def columns_menu(self) -> QMenu:
        """Make a menu of all metrics, the shown ones ticked."""
        menu = QMenu(self)
        for metric, found in self._rows.known.items():
            action = QAction(found.narrow_heading.replace("\n", " "), menu)
            action.setToolTip(found.tip)
            action.setCheckable(True)
            action.setChecked(metric in self._rows.metrics)
            action.toggled.connect(lambda on, metric=metric: self._show_metric(metric, on))
            menu.addAction(action)
        menu.setToolTipsVisible(True)
        return menu

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802  (Qt's name)
        """Copy on Ctrl+C; go where the arrow keys lead."""
        if event.matches(QKeySequence.StandardKey.Copy):
            self.copy()
            return
        super().keyPressEvent(event)
        if event.key() in _MOVES:
            self._go(self.currentIndex())

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802  (Qt's name)
        """Give names the room that there is now."""
        super().resizeEvent(event)
        self._fit_columns()

    def sizeHint(self) -> QSize:  # noqa: N802  (Qt's name)
        """Room for a few rows: the layout gives what there is."""
        return QSize(320, 200)

    def _go(self, index: QModelIndex) -> None:
        place = self._rows.rows[index.row()].place if index.isValid() else None
        if place is not None:
            self.place_chosen.emit(*place)

    def _show_metric(self, metric: str, shown: bool) -> None:
        metrics = {*self._rows.metrics, metric} if shown else {*self._rows.metrics} - {metric}
        self.show_metrics(metrics)

    def _offer_columns(self, at: QPoint) -> None:
        self.columns_menu().exec(self.horizontalHeader().mapToGlobal(at))

    def _fit_columns(self) -> None:
        """Names take the room that numbers leave."""
        header = self.horizontalHeader()
        self.setColumnHidden(0, not self._many)
        first = 0 if self._many else 1
        used = 0
        for column in range(first + 1, self._rows.columnCount()):
            width = self._width(column)
            used += width
            header.resizeSection(column, width)
        header.resizeSection(first, max(_LEAST_NAME_PX, self.viewport().width() - used))

    def _width(self, column: int) -> int:
        """Room for the texts of a column; Qt's own measure leaves a third of it empty."""
        font = self.font()
        font.setBold(True)
        measure = QFontMetrics(font).horizontalAdvance
        heading = self._rows.headerData(column, Qt.Orientation.Horizontal).split("\n")
        texts = [self._rows.texts(row)[column] for row in range(self._rows.rowCount())]
        widest: int = max(map(measure, [*heading, *texts])) + _PADDING_PX
        return min(widest, _MOST_NAME_PX) if column < 2 else widest
