"""PairChooser: which prediction is measured against which truth, one pair or all of them."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from napari.layers import Labels, Layer
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QComboBox, QFormLayout, QSizePolicy, QVBoxLayout, QWidget

from napari_medunet.plugin.widgets.combo import LayerCombo
from napari_medunet.plugin.widgets.pair_table import PairTable
from napari_medunet.plugin.widgets.pairing import (
    suggest_measured,
    suggest_prediction,
    suggest_truth,
)

_ONE, _ALL = "one pair", "all pairs"


class PairChooser(QWidget):  # type: ignore[misc]
    """Chooses one prediction and its truth, or pairs all that are opened.

    What the user chose stays while layers come and go; the rest follows the names. Where several
    predictions have a truth all are chosen, until the user says otherwise.
    """

    changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.scope = QComboBox()
        self.scope.addItems([_ONE, _ALL])
        self.scope.setToolTip("Measure one prediction, or every opened one against its truth.")
        self.prediction = LayerCombo()
        self.truth = LayerCombo()
        self.pairs_table = PairTable(("Prediction", "Truth"), self._suggest, first_px=190)
        self._labels: list[Labels] = []
        self._made: list[Labels] = []
        self._by_hand = False
        self._scope_by_hand = False
        self._build()
        self.scope.activated.connect(self._scope_chosen)
        self.scope.currentIndexChanged.connect(self._show_scope)
        self.prediction.activated.connect(self._prediction_chosen)
        self.truth.activated.connect(self._chosen)
        for signal in (self.prediction.currentIndexChanged, self.truth.currentIndexChanged):
            signal.connect(self.changed)
        self.pairs_table.changed.connect(self.changed)
        self._show_scope()

    @property
    def all(self) -> bool:
        """Whether all pairs are measured."""
        return bool(self.scope.currentText() == _ALL)

    def refresh(self, labels: Sequence[Labels], made: Collection[Labels]) -> None:
        """Show the layers that there are now.

        Parameters
        ----------
        labels : sequence of Labels
        made : collection of Labels
            Those that began as predictions.
        """
        new = [layer for layer in labels if layer in made and layer not in self._labels]
        self._labels = list(labels)
        self._made = [layer for layer in labels if layer in made]
        self.truth.offer(labels)
        self.prediction.offer(labels)
        if new:
            self.prediction.layer = new[-1]  # what was segmented last is what there is to measure
        elif labels and not self._by_hand:
            names = {layer.name: layer for layer in labels}
            self.prediction.layer = (self._made or [names[suggest_prediction(list(names))]])[-1]
        self._suggest_truth()
        measured = self._measured()
        rows = [layer for layer in labels if layer.name in measured]
        self.pairs_table.refresh(rows, labels)
        if not self._scope_by_hand:
            several = sum(truth is not None for truth in measured.values()) > 1
            self.scope.setCurrentText(_ALL if several else _ONE)
        self.changed.emit()

    def pairs(self) -> list[tuple[Labels, Labels]]:
        """Predictions and their truths."""
        if self.all:
            return list(self.pairs_table.pairs())
        pair = (self.prediction.layer, self.truth.layer)
        return [] if None in pair or pair[0] is pair[1] else [pair]

    def problem(self) -> str:
        """Why nothing can be measured; empty if something can."""
        if len(self._labels) < 2:
            return "Open two labels layers: a prediction and the truth."
        pairs = self.pairs()
        if not self.all:
            same = self.prediction.layer is self.truth.layer
            return "Prediction and truth are the same layer: choose two." if same else ""
        if not pairs:
            return "Choose the truth of at least one ticked prediction."
        for prediction, truth in pairs:
            if prediction is truth:
                return f"'{prediction.name}' is its own truth: choose another layer."
        return ""

    def _build(self) -> None:
        self.form = QFormLayout()
        self.form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        self.form.setVerticalSpacing(4)
        self.form.addRow("Measure", self.scope)
        self.form.addRow("Prediction", self.prediction)
        self.form.addRow("Truth", self.truth)
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Maximum)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addLayout(self.form)
        layout.addWidget(self.pairs_table)

    def _show_scope(self) -> None:
        self.form.setRowVisible(self.prediction, not self.all)
        self.form.setRowVisible(self.truth, not self.all)
        self.pairs_table.setVisible(self.all)
        self.changed.emit()

    def _scope_chosen(self) -> None:
        self._scope_by_hand = True

    def _measured(self) -> dict[str, str | None]:
        return suggest_measured(
            [layer.name for layer in self._labels], [layer.name for layer in self._made]
        )

    def _suggest(self, rows: Sequence[Layer], labels: Sequence[Labels]) -> dict[str, Labels]:
        by_name = {layer.name: layer for layer in labels}
        return {name: by_name[truth] for name, truth in self._measured().items() if truth}

    def _suggest_truth(self) -> None:
        """Choose the truth that goes with the prediction, unless the user has chosen one."""
        prediction = self.prediction.layer
        others = [layer for layer in self._labels if layer is not prediction]
        if others and not (self._by_hand and self.truth.layer in others):
            name = suggest_truth(prediction.name, [layer.name for layer in others])
            self.truth.layer = next(layer for layer in others if layer.name == name)

    def _chosen(self) -> None:
        self._by_hand = True

    def _prediction_chosen(self) -> None:
        self._by_hand = False  # another prediction has another truth
        self._suggest_truth()
        self._by_hand = True
