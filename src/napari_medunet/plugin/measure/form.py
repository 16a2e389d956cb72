"""MetricsForm: what the Metrics widget looks like."""

from __future__ import annotations

from qtpy.QtWidgets import QCheckBox, QHBoxLayout, QPushButton, QSizePolicy, QVBoxLayout, QWidget
from superqt import QCollapsible

from napari_medunet.engine.settings import EvaluateSettings
from napari_medunet.plugin.measure.pair_chooser import PairChooser
from napari_medunet.plugin.measure.score_view import ScoreView
from napari_medunet.plugin.widgets.form import Form, as_tooltip, note_label

_FIELDS = [
    "annotated",
    "background_label",
    "ignore_label",
    "tolerance_mm",
    "percentile",
    "group",
    "resample",
]


class MetricsForm(QWidget):  # type: ignore[misc]
    """Pairs, settings, the button; then the scores, and what can be done with them.

    Parameters
    ----------
    theme : str
        Name of the viewer's theme.
    """

    def __init__(self, theme: str) -> None:
        super().__init__()
        self.chooser = PairChooser()
        self.form = Form(EvaluateSettings, _FIELDS)
        self.more = QCollapsible("Settings")
        self.more.setDuration(0)
        self.more.addWidget(self.form)
        for layout in (self.more.layout(), self.more.content().layout()):
            layout.setContentsMargins(0, 0, 0, 0)
        self.compute_button = QPushButton("Compute")
        self.live_box = QCheckBox("Live")
        self.live_box.setToolTip(as_tooltip("The numbers follow while you correct the labels."))
        self.note = note_label()
        self.resample_button = QPushButton("Resample to the truth")
        self.resample_button.setToolTip(
            as_tooltip("Bring the prediction to the truth's grid (nearest voxel), and measure.")
        )
        self.view = ScoreView(theme)
        self.agreement_button = _button(
            "Show agreement", "Colour what both call the row's label, and what only one does."
        )
        self.distance_button = _button(
            "Show distance", "Show the prediction's surface in 3D, coloured by its distance in mm."
        )
        self.legend = note_label()
        self.copy_button = _button("Copy", "Copy the table, for a spreadsheet (also Ctrl+C in it).")
        self.save_button = _button("Save CSV...", "Save all metrics of each case and label.")
        self.columns_button = _button("Columns...", "Choose the metrics that the table shows.")
        self._lay_out()
        self.copy_button.clicked.connect(self.view.table.copy)
        self.columns_button.clicked.connect(self._choose_columns)
        self.form.changed.connect(self._show_rows)
        self._show_rows()
        self.say("")
        self.resample_button.hide()
        self.show_results(False)

    def settings(self) -> EvaluateSettings:
        """What the form says.

        Raises
        ------
        MedunetError
        """
        settings: EvaluateSettings = self.form.read()
        return settings

    def say(self, text: str) -> None:
        """Show a sentence below the button; nothing where it is empty."""
        self.note.setText(text)
        self.note.setVisible(bool(text))

    def show_results(self, shown: bool) -> None:
        """Show or hide what there is only with scores."""
        self.view.setVisible(shown)
        self.comparison_buttons.setVisible(shown)
        self.table_buttons.setVisible(shown)
        if not shown:
            self.legend.hide()

    def _lay_out(self) -> None:
        start = _row(self.compute_button, self.live_box)
        start.layout().setStretch(0, 1)
        self.comparison_buttons = _row(self.agreement_button, self.distance_button)
        self.table_buttons = _row(self.copy_button, self.save_button, self.columns_button)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(6, 4, 6, 4)
        layout.setSpacing(6)
        for widget in (self.chooser, self.more, start, self.note, self.resample_button):
            layout.addWidget(widget)
        layout.addWidget(self.view, 1)
        for widget in (self.comparison_buttons, self.legend, self.table_buttons):
            layout.addWidget(widget)
        layout.addStretch()
        self.setMinimumWidth(340)

    def _show_rows(self) -> None:
        """Ask for the background's label only where it can be painted."""
        self.form.show_row("background_label", self.form.fields.annotated.value == "voxels")

    def _choose_columns(self) -> None:
        menu = self.view.table.columns_menu()
        menu.exec(self.columns_button.mapToGlobal(self.columns_button.rect().bottomLeft()))


def _button(text: str, tooltip: str) -> QPushButton:
    button = QPushButton(text)
    button.setToolTip(as_tooltip(tooltip))
    return button


def _row(*widgets: QWidget) -> QWidget:
    row = QWidget()
    row.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)
    layout = QHBoxLayout(row)
    layout.setContentsMargins(0, 0, 0, 0)
    layout.setSpacing(4)
    for widget in widgets:
        layout.addWidget(widget)
    return row
