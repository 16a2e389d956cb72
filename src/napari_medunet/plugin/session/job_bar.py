"""JobBar: what a job does, how far it is, and the buttons that end it."""

from __future__ import annotations

from qtpy.QtWidgets import QHBoxLayout, QProgressBar, QPushButton, QVBoxLayout, QWidget
from superqt import QElidingLabel

from napari_medunet.engine.progress import Progress
from napari_medunet.plugin.session.viewer_job import ViewerJob


class JobBar(QWidget):  # type: ignore[misc]
    """Progress with the time left, and Cancel; with Stop for jobs that have something to keep.

    Hidden while there is no job.

    Parameters
    ----------
    can_stop : bool
        Whether a job has something to keep when it ends early.
    """

    def __init__(self, can_stop: bool) -> None:
        super().__init__()
        self.job: ViewerJob | None = None
        self.message = QElidingLabel()
        self.bar = QProgressBar()
        self.bar.setRange(0, 1000)
        self.stop_button = QPushButton("Stop, keep the best")
        self.stop_button.setToolTip("End the training now and keep the best segmenter so far.")
        self.stop_button.setVisible(can_stop)
        self.cancel_button = QPushButton("Cancel")
        self.cancel_button.setToolTip("End now and drop the result.")
        self.stop_button.clicked.connect(self._stop)
        self.cancel_button.clicked.connect(self._cancel)
        buttons = QHBoxLayout()
        buttons.addWidget(self.stop_button)
        buttons.addWidget(self.cancel_button)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addWidget(self.message)
        layout.addWidget(self.bar)
        layout.addLayout(buttons)
        self.hide()

    def show_job(self, job: ViewerJob) -> None:
        """Show a job from where it is now, until it ends."""
        self.job = job
        self.stop_button.setEnabled(True)
        self.cancel_button.setEnabled(True)
        self.bar.setValue(0)
        self.bar.setFormat("")
        self.message.setText("Starting")
        if job.last is not None:
            self._progress(job.last)
        job.progressed.connect(self._progress)
        job.ended.connect(self.hide)
        self.show()

    def _progress(self, report: Progress) -> None:
        self.bar.setValue(round(1000 * report.fraction))
        left = "" if report.seconds_left is None else f", {time_left(report.seconds_left)} left"
        self.bar.setFormat(f"{100 * report.fraction:.0f} %{left}")
        if report.message and self.stop_button.isEnabled():  # else the user's wish stands there
            self.message.setText(report.message)

    def _stop(self) -> None:
        if self.job is not None:
            self.stop_button.setEnabled(False)
            self.message.setText("Stopping, keeping the best so far")
            self.job.stop()

    def _cancel(self) -> None:
        if self.job is not None:
            self.stop_button.setEnabled(False)
            self.cancel_button.setEnabled(False)
            self.message.setText("Cancelling")
            self.job.cancel()


def time_left(seconds: float) -> str:
    """Seconds as a person says them.

    >>> time_left(7.2), time_left(90), time_left(7000)
    ('7 s', '1 min 30 s', '1 h 57 min')
    """
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {round(whole % 3600 / 60)} min"
