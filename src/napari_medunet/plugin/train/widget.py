"""Train: from painted layers to a segmenter."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari.layers import Image, Labels
from napari.utils.notifications import show_error, show_info
from qtpy.compat import isalive
from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QPushButton, QWidget

from napari_medunet.engine.errors import MedunetError, one_line
from napari_medunet.engine.examples.example import fit_notes
from napari_medunet.engine.patches.preview import Preview
from napari_medunet.engine.plan import Plan
from napari_medunet.engine.prediction.model_file import SUFFIX, read_card
from napari_medunet.plugin.opening.label_features import agreed_names
from napari_medunet.plugin.session.closing import follow
from napari_medunet.plugin.session.made_layers import is_comparison
from napari_medunet.plugin.session.results import keep_result, path_of
from napari_medunet.plugin.session.resuming import Resuming
from napari_medunet.plugin.session.segmenters import save_segmenter
from napari_medunet.plugin.session.session import session_of
from napari_medunet.plugin.session.viewer_job import ViewerJob
from napari_medunet.plugin.train.forecast import Choice
from napari_medunet.plugin.train.form import TrainForm
from napari_medunet.plugin.train.painted_layers import PaintedLayers
from napari_medunet.plugin.train.preview_dialog import PreviewDialog, draw_slices
from napari_medunet.plugin.train.training_view import TrainingView
from napari_medunet.plugin.widgets.file_dialog import ask_where
from napari_medunet.plugin.widgets.form import note_label
from napari_medunet.plugin.widgets.latest_only import LatestOnly
from napari_medunet.plugin.widgets.layer_watch import LayerWatch
from napari_medunet.plugin.widgets.pair_table import PairTable
from napari_medunet.plugin.widgets.section import scrolled
from napari_medunet.worker.tasks import CrossValidated

if TYPE_CHECKING:
    from napari.viewer import Viewer

    from napari_medunet.worker import Job, Listener

TITLE = "Training"
_PAUSE_MS = 300  # between the last change and a look at what training would make of it


class TrainWidget(QWidget):  # type: ignore[misc]
    """Choose painted layers, train on them, watch, and save the segmenter.

    Parameters
    ----------
    napari_viewer : napari Viewer
    """

    _noted = Signal(str)  # how labels came to lie on their images, from that thread too
    _decided = Signal(object)  # Plan, from the thread that begins a training

    def __init__(self, napari_viewer: Viewer) -> None:
        super().__init__()
        self.viewer = napari_viewer
        self.session = session_of(napari_viewer)
        follow(self.session, self)
        self.session.start()
        self.segmenter_path: Path | None = None
        self._painted = PaintedLayers()
        self._build()
        self._connect()
        self._layers_changed()
        if self.session.job is not None and self.session.job.running:
            self._follow_job(self.session.job)
        self._job_changed()

    def train(self) -> None:
        """Start a training on the ticked pairs, by the plan that is shown if it is still valid."""
        if self._problem():
            return
        try:
            choice = self._choice()
        except MedunetError as error:
            show_error(one_line(error))
            return
        names = agreed_names(labels for _, labels in choice.pairs)
        shown = self.form.decision

        def begin(listener: Listener) -> Job:
            examples, plan = choice.planned(shown)
            self._decided.emit(plan)
            for note in fit_notes(examples):
                self._noted.emit(note)
            worker = self.session.worker
            if plan.hold_out.folds:
                return worker.cross_validate(examples, plan, listener, names)
            return worker.train(examples, plan, listener, names, choice.start_from)

        job = ViewerJob(TITLE, begin, can_stop=True)
        job.images = [image for image, _ in choice.pairs]
        job.produced.connect(partial(keep_result, self.session, self.viewer, job.images))
        self.view.begin(choice.settings.budget.minutes)
        self.save_button.hide()
        self._follow_job(job)
        self.session.run(job)

    def _choice(self) -> Choice:
        """What the form and the table say.

        Raises
        ------
        MedunetError
            In one line, if a value is refused.
        """
        settings, layers = self.form.settings(), list(self.viewer.layers)
        form = self.form
        return Choice(self.pairs.pairs(), layers, settings, form.which_open, form.segmenter)

    def _build(self) -> None:
        self.device = note_label()
        self.pairs = PairTable()
        self.form = TrainForm(self.session)
        self.forecasts = LatestOnly(self, _PAUSE_MS)
        self.train_button = QPushButton("Train")
        self.resuming = Resuming(self.session, self.viewer, TITLE)
        self.reason = note_label()
        self.view = TrainingView(self.viewer.theme)
        self.previews = LatestOnly(self, _PAUSE_MS)
        self.preview: PreviewDialog | None = None
        self.save_button = QPushButton("Save...")
        self.save_button.setToolTip("Save the segmenter as a .medunet file, to use it later.")
        layout = scrolled(self)
        layout.setContentsMargins(6, 4, 6, 4)
        layout.setSpacing(6)
        for widget in (self.device, self.pairs, self.form, self.train_button, self.reason):
            layout.addWidget(widget)
        for widget in (self.resuming, self.view, self.save_button):
            layout.addWidget(widget)
        layout.addStretch()
        self.save_button.hide()

    def _connect(self) -> None:
        self.watch = LayerWatch(self.viewer, self)
        self.watch.changed.connect(self._layers_changed)
        self.pairs.changed.connect(self._check)
        self.form.changed.connect(self._check)
        self.form.plan.opened.connect(self._look_ahead)
        self.forecasts.done.connect(self.form.show_forecast)
        self.forecasts.failed.connect(self._cannot_look)
        self._noted.connect(show_info, Qt.ConnectionType.QueuedConnection)
        self._decided.connect(self._show_decided, Qt.ConnectionType.QueuedConnection)
        self.form.preview_button.clicked.connect(self.open_preview)
        self.previews.done.connect(self._show_preview)
        self.previews.failed.connect(self._cannot_preview)
        self.train_button.clicked.connect(self.train)
        self.resuming.begun.connect(self._follow_job)
        self.resuming.taken_over.connect(self._take_over)
        self.save_button.clicked.connect(self._save)
        self.session.job_changed.connect(self._job_changed)
        self.viewer.events.theme.connect(self._theme_changed)
        self.session.device_known.connect(self._show_device)
        self.session.speed_known.connect(self._look_ahead)
        self._show_device()

    def _show_device(self) -> None:
        self.device.setText(self.session.device)

    def _layers_changed(self) -> None:
        layers = list(self.viewer.layers)
        images = [layer for layer in layers if isinstance(layer, Image)]
        labels = [one for one in layers if isinstance(one, Labels) and not is_comparison(one)]
        self.pairs.refresh(images, labels, self.session.predictions.made(labels))
        self._check()

    def _check(self) -> None:
        """Show why nothing can be trained, or enable training."""
        problem = self._problem()
        self.train_button.setEnabled(not problem)
        self.reason.setText(problem)
        self.reason.setVisible(bool(problem) and self.view.job_bar.isHidden())
        self._look_ahead()
        self._draw_preview()

    def _look_ahead(self) -> None:
        """Show the forecast for the form, as soon as it is known."""
        if self._problem():
            if not self.session.busy:
                self.form.advise("")
                self.form.plan.clear("Choose layers with labels: the plan is made for them.")
            return
        try:
            choice = self._choice()
        except MedunetError as error:
            self.form.plan.clear(one_line(error))
            return
        self.forecasts.ask(partial(choice.forecast, self.form.plan.is_open))

    def open_preview(self) -> None:
        """Show slices as training will see them; they follow the form while the dialog is open."""
        if self.preview is None:
            self.preview = PreviewDialog(self, self.viewer.theme)
            self.preview.wanted.connect(self._draw_preview)
        self.preview.show()
        self._draw_preview()

    def _draw_preview(self) -> None:
        if self.preview is None or not self.preview.isVisible():
            return
        problem = "" if self.session.busy else self._problem()
        try:
            choice = self._choice()
        except MedunetError as error:
            problem = one_line(error)
        if problem:
            self.preview.say(problem)
            return
        self.preview.say("Drawing ...")
        self.previews.ask(partial(draw_slices, choice, self.preview.seed))

    def _show_preview(self, slices: Preview) -> None:
        pairs = self.pairs.pairs()
        if self.preview is not None and pairs:
            self.preview.show_slices(slices, pairs[0][1].get_color)

    def _show_decided(self, plan: Plan) -> None:
        """Show by which plan a training has begun, where it was made when it began."""
        if isalive(self):
            self.form.plan.show_plan(plan)

    def _cannot_preview(self, why: str) -> None:
        if self.preview is not None:
            self.preview.say(why)

    def _cannot_look(self, why: str) -> None:
        self.form.advise(why)
        self.form.plan.clear("")
        self.form.decision = None  # it is no longer shown

    def _problem(self) -> str:
        if self.session.busy:
            return f"{self.session.job_title} is running."
        layers = list(self.viewer.layers)
        if not any(isinstance(layer, Image) for layer in layers):
            return "Open an image first."
        if not any(isinstance(layer, Labels) for layer in layers):
            return "Add a labels layer and paint a few slices."
        pairs = self.pairs.pairs()
        if not pairs:
            return "Choose the labels of at least one ticked image."
        empty = [labels.name for _, labels in pairs if labels not in self._painted]
        if empty:
            return f"'{empty[0]}' holds no label yet: paint it, or untick its row."
        return ""

    def _take_over(self, job: ViewerJob, minutes: float) -> None:
        self.view.begin(minutes)
        self.save_button.hide()
        self._follow_job(job)

    def _follow_job(self, job: ViewerJob) -> None:
        if job.title == TITLE:
            self.view.follow(job)
            job.produced.connect(self._trained)

    def _trained(self, result: Path | CrossValidated) -> None:
        self.segmenter_path = path_of(result)
        self.view.show_result(read_card(self.segmenter_path))
        self.save_button.show()

    def _job_changed(self) -> None:
        self.train_button.setVisible(self.view.job_bar.isHidden())
        self.resuming.refresh()
        self._check()

    def _theme_changed(self, event: Any = None) -> None:
        if isalive(self):  # napari may tell a widget that Qt has deleted
            self.view.curve.set_theme(self.viewer.theme)

    def _save(self) -> None:
        path = ask_where(self, "Save the segmenter", f"segmenter{SUFFIX}", f"Segmenter (*{SUFFIX})")
        if path:
            self.save_segmenter(path, overwrite=True)

    def save_segmenter(self, path: str | Path, overwrite: bool = False) -> None:
        """Save the last training's segmenter.

        Parameters
        ----------
        path : str or Path
            The suffix is added where it is missing.
        overwrite : bool
            Replace a segmenter that is there; it is kept as ``name.bak.medunet``.
        """
        if self.segmenter_path is None:
            return
        if save_segmenter(self.segmenter_path, path, overwrite):
            self.session.saved(self.segmenter_path)
