"""ScoreModel: the rows behind the table of scores, and in which order they stand."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from math import inf, isinf, isnan
from typing import Any

from qtpy.QtCore import QAbstractTableModel, QModelIndex, Qt
from qtpy.QtGui import QFont

from napari_medunet.engine.evaluation.evaluation import Evaluation
from napari_medunet.engine.evaluation.metrics.scores import CaseScores, LabelScores
from napari_medunet.engine.evaluation.summary import Summary, summarise
from napari_medunet.plugin.measure.score_columns import COLUMNS, SLOW, heading

_ABSENT = "Not defined: the label is absent, so there is nothing to measure."
_UNKNOWN = "Not measured: some voxels of the truth do not count, and this takes the whole shape."
_INFINITE = "Infinite: only one of prediction and truth has the label."
_LATER = "Takes longer than the rest: it follows when the brush rests."
_RIGHT = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
_LEFT = Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter
_NONE = QModelIndex()


@dataclass(frozen=True)
class ScoreRow:
    """One line: a label of a case, or what stands below them.

    Attributes
    ----------
    case, label : str
        What its first two cells say.
    place : (case, label) or None
        Where it leads; None for means.
    cells : dict of metric to (text, tooltip)
    values : dict of metric to float
        To sort by.
    """

    case: str
    label: str
    place: tuple[str, int | str] | None
    cells: Mapping[str, tuple[str, str]]
    values: Mapping[str, float] = field(default_factory=dict)


class ScoreModel(QAbstractTableModel):  # type: ignore[misc]
    """Rows of cases and labels, that can be sorted, and means, that stay below them.

    Columns are the case, the label, and a metric each.
    """

    def __init__(self) -> None:
        super().__init__()
        self.metrics: list[str] = []
        self.percentile = 95.0  # of the distance that is called HD95
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
        metrics = (heading(m, self.percentile).replace("\n", " ") for m in self.metrics)
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
        metric = self.metrics[section - 2] if section >= 2 else None
        if role == Qt.ItemDataRole.DisplayRole:
            return heading(metric, self.percentile) if metric else ("Case", "Label")[section]
        if role == Qt.ItemDataRole.ToolTipRole:
            return f"{COLUMNS[metric].tooltip} Click to sort." if metric else "Click to sort."
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


def body_rows(
    evaluation: Evaluation, names: Mapping[int, str], quick: Collection[str] = ()
) -> list[ScoreRow]:
    """Rows of all cases and their labels.

    Parameters
    ----------
    evaluation : Evaluation
    names : mapping of label to str
        What the labels are called, where that is known.
    quick : collection of str
        Cases for which the slow metrics are still to come.
    """
    return [
        ScoreRow(
            name,
            label_text(label, names),
            (name, label),
            {metric: _cell(case, scores, metric, name in quick) for metric in COLUMNS},
            {metric: getattr(scores, metric) for metric in COLUMNS},
        )
        for name, case in evaluation.cases.items()
        for label, scores in case.rows.items()
    ]


def mean_rows(
    evaluation: Evaluation,
    names: Mapping[int, str],
    quick: Collection[str],
    shown: Collection[str],
) -> list[ScoreRow]:
    """Means: of each label over the cases, where there are several, and over everything.

    Where the mean of a shown metric leaves something out a row below it says how many it is of.
    """
    later = SLOW if quick else frozenset[str]()
    cases, labels = evaluation.cases, evaluation.labels
    rows: list[ScoreRow] = []
    if len(cases) > 1 and len(labels) > 1:
        for row in evaluation.rows:
            rows += _mean_rows(label_text(row, names), evaluation.of(row), later, shown)
    everything = [scores for case in cases.values() for scores in case.labels.values()]
    if everything:
        called = "all" if len(cases) > 1 and len(labels) > 1 else ""
        if len(cases) > 1 and len(labels) == 1:
            called = label_text(labels[0], names)
        rows += _mean_rows(called, everything, later, shown, alone=len(cases) == 1)
    return rows


def label_text(label: int | str, names: Mapping[int, str]) -> str:
    """What to call a label: its number, and its name where that is known."""
    name = names.get(label) if isinstance(label, int) else None
    return f"{label} {name}" if name else str(label)


def _mean_rows(
    called: str,
    scores: Sequence[LabelScores],
    later: Collection[str],
    shown: Collection[str],
    alone: bool = False,
) -> list[ScoreRow]:
    summaries = summarise(scores)
    first = ("", "mean") if alone else ("mean", called)
    second = ("", "of") if alone else ("of", called)
    cells = {m: _mean(summaries[m], m, m in later) for m in COLUMNS}
    rows = [ScoreRow(*first, None, cells)]
    if any(summaries[m].n < summaries[m].of for m in shown if m not in later):
        shares = {  # without it the mean would hide what it leaves out
            metric: (f"{summaries[metric].n} of {summaries[metric].of}", cells[metric][1])
            for metric in COLUMNS
        }
        rows.append(ScoreRow(*second, None, shares))
    return rows


def _cell(case: CaseScores, scores: LabelScores, metric: str, quick: bool) -> tuple[str, str]:
    value = getattr(scores, metric)
    if isnan(value) and _takes_surfaces(metric):
        if case.partial and not isnan(scores.dice):
            return "n/a", _UNKNOWN
        if quick and metric in SLOW:
            return "...", _LATER
    if metric.startswith("lesions_") and not isnan(value):
        return f"{value:.0f}", ""
    return _score(value, metric)


def _takes_surfaces(metric: str) -> bool:
    return metric in SLOW or COLUMNS[metric].heading.endswith("mm")


def _score(value: float, metric: str) -> tuple[str, str]:
    """A score and what there is to say about it: shares with three decimals, mm with two."""
    if isnan(value):
        return "absent", _ABSENT
    if isinf(value):
        return "inf" if value > 0 else "-inf", _INFINITE
    return f"{value:.{_decimals(metric)}f}", ""


def _mean(summary: Summary, metric: str, later: bool) -> tuple[str, str]:
    """A mean, and of how many it is."""
    if later:
        return "...", _LATER
    text, tooltip = _score(summary.mean, metric) if summary.n else ("-", "")
    share = f"Mean of {summary.n} of {summary.of}."
    if isinf(summary.mean) and not isnan(summary.mean_finite):
        share += f" Of the finite ones: {_score(summary.mean_finite, metric)[0]}."
    return text, f"{share} {tooltip}".strip()


def _decimals(metric: str) -> int:
    return 2 if COLUMNS[metric].heading.endswith("mm") else 3


def _number_key(value: float, sign: int) -> tuple[bool, float]:
    return isnan(value), inf if isnan(value) else sign * value


def _name_key(name: str) -> list[tuple[bool, int, str]]:
    """Numbers in names count as numbers: case_2 comes before case_10."""
    return [
        (part.isdecimal(), int(part) if part.isdecimal() else 0, part.lower())
        for part in re.split(r"(\d+)", name)
    ]
