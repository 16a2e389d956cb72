"""SegmentWidget: a segmenter applied to the active image, or to every opened one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari.layers import Image
from napari.utils.notifications import show_error, show_warning
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QComboBox, QPushButton, QVBoxLayout, QWidget

from napari_medunet.engine.errors import MedunetError, one_line
from napari_medunet.engine.files.label_names import says_more
from napari_medunet.engine.prediction.card import Card
from napari_medunet.engine.prediction.model_file import read_card
from napari_medunet.engine.progress import Progress
from napari_medunet.engine.settings import PredictSettings
from napari_medunet.plugin.opening.layers import volume_from_layer
from napari_medunet.plugin.session.closing import follow
from napari_medunet.plugin.session.job_bar import JobBar
from napari_medunet.plugin.session.segmenter_chooser import SegmenterChooser
from napari_medunet.plugin.session.segmenters import names_in_segmenters
from napari_medunet.plugin.session.session import session_of
from napari_medunet.plugin.session.viewer_job import ViewerJob
from napari_medunet.plugin.widgets.form import Form, as_tooltip, note_label
from napari_medunet.plugin.widgets.layer_watch import LayerWatch

if TYPE_CHECKING:
    from napari.viewer import Viewer

    from napari_medunet.worker import Job, Listener

TITLE = "Segmentation"
_ACTIVE, _ALL = "the active one", "all"


class SegmentWidget(QWidget):  # type: ignore[misc]
    """Choose a segmenter and images; predictions arrive as new labels layers.

    Parameters
    ----------
    napari_viewer : napari Viewer
    """

    def __init__(self, napari_viewer: Viewer) -> None:
        super().__init__()
        self.viewer = napari_viewer
        self.session = session_of(napari_viewer)
        follow(self.session, self)
        self.session.start()
        self._build()
        self._connect()
        self._show_segmenter()
        if self.session.job is not None and self.session.job.running:
            self._follow_job(self.session.job)
        self._job_changed()

    def segment(self) -> None:
        """Start segmenting the images that the form names."""
        segmenter = self.segmenters.segmenter
        if segmenter is None or self._problem():
            return
        images = self.images()
        try:
            settings: PredictSettings = self.form.read()
            volumes = [volume_from_layer(image, self.viewer.layers) for image in images]
        except MedunetError as error:
            show_error(one_line(error))
            return

        def begin(listener: Listener) -> Job:
            return self.session.worker.predict(segmenter.path, volumes, settings, listener)

        job = ViewerJob(TITLE, begin)
        # The job may outlive this widget.
        viewer, predictions = self.viewer, self.session.predictions
        names = names_in_segmenters([segmenter])
        job.produced.connect(
            lambda result: predictions.write(viewer, images[result[0]], result[1], names)
        )
        job.progressed.connect(_show_oddity)
        self._follow_job(job)
        self.session.run(job)

    def images(self) -> list[Image]:
        """The images to segment."""
        images = [layer for layer in self.viewer.layers if isinstance(layer, Image)]
        if self.scope.currentText() == _ALL:
            return images
        return [layer for layer in images if layer is self._active] or images[:1]

    def _build(self) -> None:
        self._active: Image | None = None
        self.segmenters = SegmenterChooser(self.session)
        self.description = note_label()
        self.scope = QComboBox()
        self.scope.addItems([_ACTIVE, _ALL])
        self.form = Form(PredictSettings)
        self.form.add_row("Images", self.scope, first=True)
        self.segment_button = QPushButton()
        self.reason = note_label()
        self.job_bar = JobBar(can_stop=False)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(6, 4, 6, 4)
        layout.setSpacing(6)
        for widget in (
            self.segmenters,
            self.description,
            self.form,
            self.segment_button,
            self.reason,
        ):
            layout.addWidget(widget)
        layout.addWidget(self.job_bar)
        layout.addStretch()
        self.setMinimumWidth(320)

    def _connect(self) -> None:
        self.layer_watch = LayerWatch(self.viewer, self)
        self.layer_watch.changed.connect(self._check)
        self.scope.currentTextChanged.connect(self._check)
        self.segmenters.changed.connect(self._show_segmenter)
        self.segment_button.clicked.connect(self.segment)
        self.session.job_changed.connect(self._job_changed)

    def _show_segmenter(self) -> None:
        chosen = self.segmenters.segmenter
        self._unusable = ""
        self.description.setVisible(chosen is not None)
        if chosen is not None:
            try:
                card = read_card(chosen.path)
                self.description.setText(describe(card))
                self.description.setToolTip(as_tooltip(card.describe()))
            except (OSError, MedunetError) as error:
                self.description.hide()
                self._unusable = str(error)
        self._check()

    def _check(self) -> None:
        """Show why nothing can be segmented, or what will be."""
        active = self.viewer.layers.selection.active
        if isinstance(active, Image):
            self._active = active
        images = self.images()
        what = f"{len(images)} images" if len(images) != 1 else images[0].name
        metrics = self.segment_button.fontMetrics()
        room = max(self.width() - 100, 160)
        what = metrics.elidedText(what, Qt.TextElideMode.ElideMiddle, room)
        self.segment_button.setText(f"Segment {what}" if images else "Segment")
        problem = self._problem()
        self.segment_button.setEnabled(not problem)
        self.reason.setText(problem)
        self.reason.setVisible(bool(problem) and self.job_bar.isHidden())

    def _problem(self) -> str:
        if self.session.busy:
            return f"{self.session.job_title} is running."
        if self.segmenters.segmenter is None:
            return "Train a segmenter, or open one from a file."
        if self._unusable:
            return self._unusable
        return "" if self.images() else "Open an image first."

    def _follow_job(self, job: ViewerJob) -> None:
        if job.title == TITLE:
            self.job_bar.show_job(job)

    def _job_changed(self) -> None:
        self.segment_button.setVisible(self.job_bar.isHidden())
        self._check()


def _show_oddity(report: Progress) -> None:
    """Show what is odd about an image or its result, once the child has looked at it."""
    if report.warning:
        show_warning(report.warning)


def describe(card: Card) -> str:
    """Describe a segmenter in a few lines, for choosing."""
    names = ", ".join(
        f"{c.value} {c.name}" if says_more(c.name, c.value) else c.name for c in card.classes
    )
    spacing = " x ".join(f"{mm:.3g}" for mm in card.plan.grid.spacing_mm)
    scores = ", ".join(
        f"{name} {'not measured' if score is None else f'{score:.2f}'}"
        for name, score in card.validation_dice.items()
    )
    cases = len(card.cases)
    measured = "Cross-validated" if card.cross_validation else "Validation"
    return (
        f"{names}; {card.plan.grid.dims.upper()} at {spacing} mm\n"
        f"{cases} {'case' if cases == 1 else 'cases'}, {card.minutes:.1f} min of training\n"
        f"{measured} Dice: {scores}"
    )
