"""TrainingView: the curves of a training under way, and its result."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from math import isnan

from qtpy.QtWidgets import QComboBox, QVBoxLayout, QWidget

from napari_medunet.engine.prediction.card import Card, CrossValidationScores, SegmentClass
from napari_medunet.engine.progress import EpochScores, Progress
from napari_medunet.plugin.session.job_bar import JobBar
from napari_medunet.plugin.session.viewer_job import ViewerJob
from napari_medunet.plugin.widgets.form import as_tooltip, note_label
from napari_medunet.plugin.widgets.plots import BY_LABEL, MEASURES, TrainingCurve


class TrainingView(QWidget):  # type: ignore[misc]
    """Progress, warnings, live curves, and the scores at the end.

    Parameters
    ----------
    theme : str
        Name of the viewer's theme.
    """

    def __init__(self, theme: str) -> None:
        super().__init__()
        self.job_bar = JobBar(can_stop=True)
        self.warnings = note_label()
        self.measure = QComboBox()
        for measure, title in MEASURES.items():
            if measure != BY_LABEL:
                self.measure.addItem(title, measure)
        self.measure.setToolTip(as_tooltip("What the lower curve shows."))
        self.curve = TrainingCurve(theme)
        self.result = note_label()
        self.measure.currentIndexChanged.connect(
            lambda _: self.curve.show_measure(self.measure.currentData())
        )
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(6)
        for widget in (self.job_bar, self.warnings, self.measure, self.curve, self.result):
            layout.addWidget(widget)
        for widget in (self.warnings, self.measure, self.curve, self.result):
            widget.hide()

    def begin(self, minutes: float) -> None:
        """Make room for a new training of so many minutes."""
        self.curve.clear(minutes)
        self.result.hide()
        self._warn([])

    def follow(self, job: ViewerJob) -> None:
        """Show a training from where it is now."""
        self.curve.show()
        self.measure.show()
        for scores in job.scores:
            self._add(scores)
        self._warn(job.warnings)
        self.job_bar.show_job(job)
        self._job = job
        job.progressed.connect(self._progressed)

    def show_result(self, card: Card) -> None:
        """Say how good the segmenter is."""
        found = card.cross_validation
        self.result.setText(_validation(card) if found is None else _folds(found, card.classes))
        self.result.show()

    def _progressed(self, report: Progress) -> None:
        if report.scores:
            self._add(report.scores)

        if report.warning:
            self._warn(self._job.warnings)

    def _warn(self, sentences: Sequence[str]) -> None:
        """Show a warning as long as the training's other results are shown."""
        self.warnings.setText("<br>".join(f"<b>!</b> {escape(text)}" for text in sentences))
        self.warnings.setVisible(bool(sentences))

    def _add(self, scores: EpochScores) -> None:
        """Draw one epoch; where it has scores of each label, let them be chosen."""
        self.curve.add(scores)
        if self.curve.has_labels and self.measure.findData(BY_LABEL) < 0:
            self.measure.addItem(MEASURES[BY_LABEL], BY_LABEL)


def _validation(card: Card) -> str:
    scores = ", ".join(
        f"{escape(name)} {_score(value)}" for name, value in card.validation_dice.items()
    )
    return f"Validation Dice: {scores}. Ready in Segment."


def _folds(found: CrossValidationScores, classes: Sequence[SegmentClass]) -> str:
    """Scores of each fold on the cases that its network never saw, as a small table."""
    lines = []
    for one in classes:
        folds = " &nbsp; ".join(_score(fold.scores[one.value].dice) for fold in found.folds)
        mean, sd = found.mean[one.value], found.sd[one.value]
        lines.append(
            f"<tr><td>{escape(one.name)}&nbsp;</td><td>{folds}&nbsp;</td>"
            f"<td><b>{_score(mean.dice)}</b>&nbsp;±&nbsp;{_score(sd.dice)}&nbsp;</td>"
            f"<td>{mean.hd95:.2f} mm</td></tr>"
        )
    return (
        "<table><tr><td></td><td>Dice, folds</td><td>mean&nbsp;±&nbsp;sd</td><td>HD95</td></tr>"
        f"{''.join(lines)}</table>Each case by a network that never saw it. Ready in Segment."
    )


def _score(value: float | None) -> str:
    return "not measured" if value is None else "-" if isnan(value) else f"{value:.2f}"
