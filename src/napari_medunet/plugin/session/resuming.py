"""Resuming: continue a training that broke off, of this session or of a viewer that was killed."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy.typing as npt
from napari.layers import Image
from napari.utils.notifications import show_error
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QHBoxLayout, QMessageBox, QPushButton, QWidget

from napari_medunet.engine.errors import MedunetError, one_line
from napari_medunet.engine.examples.example import Example, as_painted
from napari_medunet.plugin.opening.layers import layer_data_from_volume
from napari_medunet.plugin.session.results import keep_result
from napari_medunet.plugin.session.session import Session
from napari_medunet.plugin.session.viewer_job import ViewerJob
from napari_medunet.plugin.widgets.form import as_tooltip
from napari_medunet.worker.left_over import LeftOver, newest_left_over

if TYPE_CHECKING:
    from napari.viewer import Viewer

    from napari_medunet.worker import Job


class Resuming(QWidget):  # type: ignore[misc]
    """A button that resumes a training, shown if there is one to resume.

    Parameters
    ----------
    session : Session
    viewer : napari Viewer
    title : str
        Of a training's job.
    """

    begun = Signal(object)  # the ViewerJob of a training of this session
    taken_over = Signal(object, float)  # one of an earlier session, and its minutes

    def __init__(self, session: Session, viewer: Viewer, title: str) -> None:
        super().__init__()
        self.session, self.viewer, self.title = session, viewer, title
        self._left = newest_left_over()
        self.button = QPushButton()
        self.discard_button = QPushButton("Discard...")
        self.discard_button.setToolTip(
            as_tooltip("Delete that training, and the painted labels that it was learning from.")
        )
        self.button.clicked.connect(self.resume)
        self.discard_button.clicked.connect(self._ask_to_discard)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.button, stretch=1)
        layout.addWidget(self.discard_button)
        self.hide()

    def refresh(self) -> None:
        """Show what can be resumed now."""
        broken, left = self._broken(), None if self.session.busy else self._left
        self.setVisible(broken is not None or left is not None)
        self.discard_button.setVisible(broken is None)
        if broken is not None:
            self.button.setText("Resume the training that broke off")
            tip = "Go on from its last epoch, with the layers as they were when it began."
        elif left is not None:
            self.button.setText(f"Resume the training of {_in_words(left.began)}")
            tip = (
                "napari ended while it ran. Its images and what was painted come back as layers, and it "
                "goes on from its last epoch."
            )
        else:
            return
        self.button.setToolTip(as_tooltip(tip))

    def resume(self) -> None:
        """Resume the training of this session that broke off, or else the one that is left over."""
        last, broken = self.session.job, self._broken()
        if last is not None and broken is not None:
            job = last.once_more(self.session.worker, broken)
            self.begun.emit(job)
            self._run(job)
        elif self._left is not None and not self.session.busy:
            self._take_over(self._left)

    def discard(self) -> None:
        """Delete what is left over; show the next one, if there are several."""
        if self._left is not None:
            self._left.discard()
            self._left = newest_left_over()
            self.refresh()

    def _broken(self) -> Job | None:
        """The last training of this session, if it broke off and can be resumed."""
        last = self.session.job
        if last is None or last.running or last.broken is None:
            return None
        return last.broken if self.session.worker.can_resume(last.broken) else None

    def _take_over(self, left: LeftOver) -> None:
        self._left = None
        try:
            examples, plan = left.examples(), left.request.plan
        except (OSError, MedunetError) as error:
            show_error(f"The training cannot be resumed: {one_line(error)}")
            self.refresh()
            return
        task = left.task(examples)
        job = ViewerJob(self.title, lambda heard: self.session.worker.run(task, heard), True)
        job.images = [self._add_layers(one, as_painted(one, plan.annotation)) for one in examples]
        self.taken_over.emit(job, plan.budget.minutes)
        self._run(job)

    def _run(self, job: ViewerJob) -> None:
        job.produced.connect(partial(keep_result, self.session, self.viewer, job.images))
        self.session.run(job)

    def _add_layers(self, example: Example, labels: npt.NDArray[Any]) -> Image:
        """Add an image again, and what was painted on it."""
        data, attributes, _ = layer_data_from_volume(example.image, "image")
        image = self.viewer.add_image(data, **attributes)
        painted = replace(
            example.image,
            voxels=labels,
            name=f"{example.name} labels",
            leading_axes=(),
            leading_scale=(),
        )
        data, attributes, _ = layer_data_from_volume(painted, "labels")
        self.viewer.add_labels(data, **attributes)
        return image

    def _ask_to_discard(self) -> None:
        answer = QMessageBox.question(
            self,
            "Discard the training",
            "Delete the training that napari's end broke off, and the labels that it was learning from?",
        )
        if answer == QMessageBox.StandardButton.Yes:
            self.discard()


def _in_words(time: datetime) -> str:
    """Time of day, after the date where that is another day."""
    today = datetime.now().astimezone().date() == time.date()
    return f"{time:%H:%M}" if today else f"{time:%d %b, %H:%M}"
