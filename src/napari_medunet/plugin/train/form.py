"""TrainForm: all that can be chosen before a training."""

from __future__ import annotations

from pathlib import Path

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QPushButton, QVBoxLayout, QWidget

from napari_medunet.engine.examples.coverage import advice
from napari_medunet.engine.planning.fine_tuning_plan import decided_by_segmenter
from napari_medunet.engine.settings import TrainSettings
from napari_medunet.plugin.session.segmenter_chooser import SegmenterChooser
from napari_medunet.plugin.session.session import Session
from napari_medunet.plugin.train.forecast import Decision, Forecast
from napari_medunet.plugin.train.plan_section import PlanSection
from napari_medunet.plugin.widgets.form import Form, as_tooltip, names_in_groups, note_label
from napari_medunet.plugin.widgets.section import Section

_FIRST = ["annotated", "background_label", "minutes"]
_NEW = "a new network"
_OF_A_NEW_NETWORK = decided_by_segmenter() | {"folds"}


class TrainForm(QWidget):  # type: ignore[misc]
    """The few fields that everybody fills in, and sections for the rest, closed at first.

    Which voxels count is left open until the user chooses: *slices*, since somebody who paints in the
    viewer paints some slices, or *all* where every slice holds a label.

    Parameters
    ----------
    session : Session
        Whose segmenters can be fine-tuned.
    """

    changed = Signal()

    def __init__(self, session: Session) -> None:
        super().__init__()
        groups = names_in_groups(TrainSettings)
        self.first = Form(TrainSettings, _FIRST)
        self.fields = self.first.fields
        self.start_from = SegmenterChooser(session, none=_NEW)
        self.first.add_row("Start from", self.start_from).setToolTip(
            as_tooltip(
                "Train a new network, or let a segmenter go on learning from these layers. It keeps what "
                "it knew, best where images that it learned from are ticked, too; new labels are added."
            )
        )
        self.advice = note_label()
        self.plan = PlanSection(groups["Plan"])
        self.augmentation = Section("Augmentation")
        self.variations = Form(TrainSettings, groups["Augmentation"])
        self.preview_button = QPushButton("Preview...")
        self.preview_button.setToolTip(
            as_tooltip("Show slices with their labels as training will see them.")
        )
        self.augmentation.add(self.variations)
        self.augmentation.add(self.preview_button)
        self.more = Section("More")
        self.others = Form(TrainSettings, [name for name in groups[""] if name not in _FIRST])
        self.more.add(self.others)
        self.decision: Decision | None = None  # whose plan is shown
        self._annotated_is_open = True
        self._show_annotated("slices")
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        for widget in (self.first, self.advice, self.plan, self.augmentation, self.more):
            layout.addWidget(widget)
        self.fields.annotated.changed.connect(self._annotated_chosen)
        self.start_from.changed.connect(self._changed)
        for form in self._forms():
            form.changed.connect(self._changed)
        self._changed()
        self.advise("")

    @property
    def which_open(self) -> bool:
        """Whether the user has not chosen yet which voxels count."""
        return self._annotated_is_open

    @property
    def segmenter(self) -> Path | None:
        """The file of the segmenter to fine-tune; None for a new network."""
        chosen = self.start_from.segmenter
        return None if chosen is None else chosen.path

    def settings(self) -> TrainSettings:
        """What the form says.

        Raises
        ------
        MedunetError
            In one line, if a value is refused.
        """
        values = {name: value for form in self._forms() for name, value in form.values().items()}
        if self.segmenter is not None:
            defaults = TrainSettings()
            values |= {name: defaults.value(name) for name in _OF_A_NEW_NETWORK}
        settings: TrainSettings = self.first.read(**values)
        return settings

    def show_forecast(self, forecast: Forecast) -> None:
        """Show the forecast for the chosen layers."""
        annotated = forecast.settings.annotation.annotated
        if self._annotated_is_open:
            self._show_annotated(annotated)
        lines = [*forecast.oddities, advice(forecast.coverage, annotated)]
        self.advise("\n".join(line for line in lines if line))
        self.decision = forecast.decision
        if forecast.decision is not None:
            self.plan.show_plan(forecast.decision.plan)

    def advise(self, text: str) -> None:
        """Show a sentence below the first fields; nothing where it is empty."""
        self.advice.setText(text)
        self.advice.setVisible(bool(text))

    def _forms(self) -> list[Form]:
        return [self.first, self.plan.form, self.variations, self.others]

    def _annotated_chosen(self) -> None:
        self._annotated_is_open = False

    def _show_annotated(self, annotated: str) -> None:
        with self.fields.annotated.changed.blocked():
            self.fields.annotated.value = annotated

    def _changed(self) -> None:
        self.first.show_row("background_label", self.fields.annotated.value == "voxels")
        for form in self._forms():
            form.enable(_OF_A_NEW_NETWORK, self.segmenter is None)
        self.changed.emit()
