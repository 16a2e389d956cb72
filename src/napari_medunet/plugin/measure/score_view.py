"""ScoreView: the scores as a table, as a confusion matrix, and as their spread over the cases."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QComboBox, QTabWidget, QVBoxLayout, QWidget

from napari_medunet.engine.evaluation.evaluation import Evaluation
from napari_medunet.engine.evaluation.metrics.table import shown_metrics
from napari_medunet.plugin.measure.score_plots import ConfusionPlot, SpreadPlot
from napari_medunet.plugin.measure.score_table import ScoreTable


class ScoreView(QTabWidget):  # type: ignore[misc]
    """Three views of the same scores; plots are drawn when they are looked at.

    Parameters
    ----------
    theme : str
        Name of the viewer's theme.
    """

    place_chosen = Signal(str, object)  # case and label that the user has clicked

    def __init__(self, theme: str) -> None:
        super().__init__()
        self._shown: tuple[Evaluation, Mapping[int, str]] | None = None
        self.table = ScoreTable()
        self.confusion = ConfusionPlot(theme)
        self.spread = SpreadPlot(theme)
        self.metric = QComboBox()
        for metric in shown_metrics().values():
            self.metric.addItem(metric.title, metric.name)
        spread = QWidget()
        layout = QVBoxLayout(spread)
        layout.setContentsMargins(0, 4, 0, 0)
        layout.setSpacing(4)
        layout.addWidget(self.metric)
        layout.addWidget(self.spread)
        self.addTab(self.table, "Scores")
        self.addTab(self.confusion, "Confusion")
        self.addTab(spread, "Spread")
        self.setDocumentMode(True)
        self.table.place_chosen.connect(self.place_chosen)
        self.spread.place_chosen.connect(self.place_chosen)
        self.metric.currentIndexChanged.connect(self._draw)
        self.currentChanged.connect(self._draw)

    def show_evaluation(
        self, evaluation: Evaluation, names: Mapping[int, str], quick: Collection[str] = ()
    ) -> None:
        """Show the scores of some cases.

        Parameters
        ----------
        evaluation : Evaluation
        names : mapping of label to str
            What the labels are called, where that is known.
        quick : collection of str
            Cases of which the slow metrics are still to come: plots wait for them.
        """
        self._shown = evaluation, names
        self.table.show_evaluation(evaluation, names, quick)
        if not quick:
            self._draw()

    def set_theme(self, theme: str) -> None:
        """Take the colours of a napari theme."""
        self.confusion.set_theme(theme)
        self.spread.set_theme(theme)

    def _draw(self) -> None:
        if self._shown is None:
            return
        evaluation, names = self._shown
        if self.currentIndex() == 1:
            self.confusion.show_confusion(evaluation.confusion(), names, len(evaluation.cases))
        elif self.currentIndex() == 2:
            self.spread.show_metric(evaluation, self.metric.currentData(), names)
