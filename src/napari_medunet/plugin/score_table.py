"""ScoreTable: the scores of each label, and their mean."""

from __future__ import annotations

from math import isinf, isnan

from qtpy.QtCore import Qt
from qtpy.QtGui import QKeyEvent, QKeySequence
from qtpy.QtWidgets import QApplication, QHeaderView, QTableWidget, QTableWidgetItem

from napari_medunet.engine.report import Summary, summarise
from napari_medunet.engine.scores import CaseScores

_COLUMNS = {
    "dice": ("Dice", "Overlap: 2 TP / (2 TP + FP + FN), 0 to 1."),
    "iou": ("IoU", "Intersection over union: TP / (TP + FP + FN), 0 to 1."),
    "precision": ("Prec.", "Precision: share of the predicted voxels that are right."),
    "recall": ("Recall", "Share of the true voxels that were found."),
    "hd": ("HD\nmm", "Hausdorff distance: the largest distance between the surfaces, in mm."),
    "hd95": ("HD95\nmm", "The larger of the two directed 95th percentiles of distance, in mm."),
}
_ABSENT = "Not defined: the label is absent, so there is nothing to measure."
_INFINITE = "Infinite: only one of prediction and truth has the label."
_ROWS_SHOWN = 12


class ScoreTable(QTableWidget):  # type: ignore[misc]
    """One row per label and one for the mean, numbers aligned, three decimals."""

    def __init__(self) -> None:
        super().__init__(0, len(_COLUMNS))
        for column, (heading, tooltip) in enumerate(_COLUMNS.values()):
            item = QTableWidgetItem(heading)
            item.setToolTip(tooltip)
            item.setTextAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
            self.setHorizontalHeaderItem(column, item)
        self.setEditTriggers(QTableWidget.EditTrigger.NoEditTriggers)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setWordWrap(False)
        self.setTextElideMode(Qt.TextElideMode.ElideNone)
        self.horizontalHeader().setSectionResizeMode(QHeaderView.ResizeMode.Stretch)
        for column, metric in enumerate(_COLUMNS):
            if metric.startswith("hd"):  # distances have more digits than shares
                self.horizontalHeader().setSectionResizeMode(
                    column, QHeaderView.ResizeMode.ResizeToContents
                )
        self.horizontalHeader().setMinimumSectionSize(20)
        self.verticalHeader().setDefaultSectionSize(24)
        self.verticalHeader().setSectionResizeMode(QHeaderView.ResizeMode.Fixed)

    def show_scores(self, scores: CaseScores) -> None:
        """Fill the table with the scores of one case."""
        mean = summarise(scores.labels.values())
        rows = [*map(str, scores.labels), "mean"]
        if any(summary.n < summary.of for summary in mean.values()):
            rows.append("of")  # without it the mean would hide what it leaves out
        self.setRowCount(len(rows))
        self.setVerticalHeaderLabels(rows)
        for row, label in enumerate(scores.labels.values()):
            for column, metric in enumerate(_COLUMNS):
                self._put(row, column, *_score(getattr(label, metric)))
        for column, metric in enumerate(_COLUMNS):
            text, tooltip = _mean(mean[metric])
            self._put(len(scores.labels), column, text, tooltip)
            if rows[-1] == "of":
                share = f"{mean[metric].n} of {mean[metric].of}"
                self._put(len(rows) - 1, column, share, tooltip)
        shown = min(self.rowCount(), _ROWS_SHOWN)
        height = self.horizontalHeader().sizeHint().height() + shown * 24 + 6
        self.setFixedHeight(height)

    def text(self) -> str:
        """The table with its headings, tab-separated."""
        headings = [heading.replace("\n", " ") for heading, _ in _COLUMNS.values()]
        lines = [["label", *headings]]
        for row in range(self.rowCount()):
            cells = [self.item(row, column).text() for column in range(self.columnCount())]
            lines.append([self.verticalHeaderItem(row).text(), *cells])
        return "\n".join("\t".join(line) for line in lines)

    def copy(self) -> None:
        """Put the table on the clipboard."""
        QApplication.clipboard().setText(self.text())

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802  (Qt's name)
        """Copy on Ctrl+C."""
        if event.matches(QKeySequence.StandardKey.Copy):
            self.copy()
        else:
            super().keyPressEvent(event)

    def _put(self, row: int, column: int, text: str, tooltip: str) -> None:
        item = QTableWidgetItem(text)
        item.setToolTip(tooltip)
        item.setTextAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        self.setItem(row, column, item)


def _score(value: float) -> tuple[str, str]:
    """A score and what there is to say about it."""
    if isnan(value):
        return "absent", _ABSENT
    if isinf(value):
        return "inf", _INFINITE
    return f"{value:.3f}", ""


def _mean(summary: Summary) -> tuple[str, str]:
    """A mean over labels: of how many, where it is not all, stands in the cell."""
    text, tooltip = _score(summary.mean)
    share = f"Mean over {summary.n} of {summary.of} labels."
    if isinf(summary.mean) and not isnan(summary.mean_finite):
        share += f" The finite ones: {summary.mean_finite:.3f}."
    return text, f"{share} {tooltip}".strip()
