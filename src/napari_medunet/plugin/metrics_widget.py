"""Metrics: a prediction measured against the truth."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from napari.layers import Labels
from napari.utils.notifications import show_error, show_info
from qtpy.QtWidgets import QFileDialog, QFormLayout, QHBoxLayout, QPushButton, QVBoxLayout, QWidget
from superqt.utils import create_worker

from napari_medunet.engine.report import Evaluation, write_csv
from napari_medunet.engine.scores import CaseScores, evaluate_case
from napari_medunet.plugin.combo import LayerCombo
from napari_medunet.plugin.form import note_label, one_line
from napari_medunet.plugin.jobs import session_of
from napari_medunet.plugin.layer_watch import LayerWatch
from napari_medunet.plugin.layers import volume_from_layer
from napari_medunet.plugin.pairing import suggest_prediction, suggest_truth
from napari_medunet.plugin.score_table import ScoreTable

if TYPE_CHECKING:
    from napari.viewer import Viewer


class MetricsWidget(QWidget):  # type: ignore[misc]
    """Choose a prediction and its truth; see, copy and save the scores of each label.

    Parameters
    ----------
    napari_viewer : napari Viewer
    """

    def __init__(self, napari_viewer: Viewer) -> None:
        super().__init__()
        self.viewer = napari_viewer
        self.session = session_of(napari_viewer)
        self.session.follow(self)
        self.scores: CaseScores | None = None
        self._computing = False
        self._by_hand = False
        self._known: list[Labels] = []
        self._build()
        self.watch = LayerWatch(self.viewer, self)
        self.watch.changed.connect(self._layers_changed)
        self.prediction.activated.connect(self._prediction_chosen)
        self.truth.activated.connect(self._chosen)
        self.prediction.currentIndexChanged.connect(self._check)
        self.truth.currentIndexChanged.connect(self._check)
        self.compute_button.clicked.connect(self.compute)
        self.copy_button.clicked.connect(self.table.copy)
        self.save_button.clicked.connect(self._save)
        self._layers_changed()

    def compute(self) -> None:
        """Measure, in a thread; the table follows."""
        if self._problem():
            return
        try:
            truth = volume_from_layer(self.truth.layer, self.viewer.layers)
            prediction = volume_from_layer(self.prediction.layer, self.viewer.layers)
        except ValueError as error:
            show_error(one_line(error))
            return
        self._computing = True
        self._check()
        create_worker(
            evaluate_case,
            truth,
            prediction,
            _start_thread=True,
            _connect={"returned": self._computed, "errored": self._failed},
        )

    def save_csv(self, path: str | Path) -> None:
        """Save every metric of every label; the suffix is added where it is missing."""
        if self.scores is None:
            return
        target = Path(path)
        target = target if target.suffix else target.with_suffix(".csv")
        try:
            write_csv(Evaluation({self.scores.name: self.scores}), target)
        except OSError as error:
            show_error(
                f"Cannot write '{target}': {error.strerror or error}. Choose another folder."
            )
            return
        show_info(f"Saved {target}")

    def _build(self) -> None:
        self.prediction = LayerCombo()
        self.truth = LayerCombo()
        self.form = QFormLayout()
        self.form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        self.form.setVerticalSpacing(4)
        self.form.addRow("Prediction", self.prediction)
        self.form.addRow("Truth", self.truth)
        self.compute_button = QPushButton("Compute")
        self.note = note_label()
        self.table = ScoreTable()
        self.copy_button = QPushButton("Copy")
        self.copy_button.setToolTip("Copy the table, for a spreadsheet (also Ctrl+C in the table).")
        self.save_button = QPushButton("Save CSV...")
        self.save_button.setToolTip("Save all metrics of each label.")
        self.buttons = QWidget()
        buttons = QHBoxLayout(self.buttons)
        buttons.setContentsMargins(0, 0, 0, 0)
        buttons.addWidget(self.copy_button)
        buttons.addWidget(self.save_button)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(6, 4, 6, 4)
        layout.setSpacing(6)
        layout.addLayout(self.form)
        for widget in (self.compute_button, self.note, self.table, self.buttons):
            layout.addWidget(widget)
        layout.addStretch()
        self.setMinimumWidth(340)
        self.table.hide()
        self.buttons.hide()

    def _labels_layers(self) -> list[Labels]:
        return [layer for layer in self.viewer.layers if isinstance(layer, Labels)]

    def _layers_changed(self) -> None:
        layers = self._labels_layers()
        made = self.session.predictions.made(layers)
        new = [layer for layer in made if layer not in self._known]
        self._known = layers
        self.truth.offer(layers)
        self.prediction.offer(layers)
        if new:
            self.prediction.layer = new[-1]  # what was segmented last is what there is to measure
        elif layers and not self._by_hand:
            names = {layer.name: layer for layer in layers}
            self.prediction.layer = (made or [names[suggest_prediction(list(names))]])[-1]
        self._suggest_truth()
        self._check()

    def _suggest_truth(self) -> None:
        """Choose the truth that goes with the prediction, unless the user has chosen one."""
        prediction = self.prediction.layer
        others = [layer for layer in self._labels_layers() if layer is not prediction]
        if others and not (self._by_hand and self.truth.layer in others):
            name = suggest_truth(prediction.name, [layer.name for layer in others])
            self.truth.layer = next(layer for layer in others if layer.name == name)

    def _chosen(self) -> None:
        self._by_hand = True

    def _prediction_chosen(self) -> None:
        self._by_hand = False  # another prediction has another truth
        self._suggest_truth()
        self._by_hand = True

    def _check(self) -> None:
        problem = self._problem()
        self.compute_button.setEnabled(not problem)
        self.note.setText(problem)
        self.note.setVisible(bool(problem))

    def _problem(self) -> str:
        if self._computing:
            return "Computing..."
        if len(self._labels_layers()) < 2:
            return "Open two labels layers: a prediction and the truth."
        if self.prediction.layer is self.truth.layer:
            return "Prediction and truth are the same layer: choose two."
        return ""

    def _computed(self, scores: CaseScores) -> None:
        self._computing = False
        self.scores = scores
        self.table.show_scores(scores)
        self.table.show()
        self.buttons.show()
        self._check()

    def _failed(self, error: Exception) -> None:
        self._computing = False
        self._check()
        show_error(one_line(error))

    def _save(self) -> None:
        name, _ = QFileDialog.getSaveFileName(
            self, "Save the scores", "scores.csv", "Table (*.csv)"
        )
        if name:
            self.save_csv(name)
