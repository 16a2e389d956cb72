"""Room: where the disk is full when a training ends, its person is asked for another folder."""

from __future__ import annotations

from pathlib import Path

from napari.utils.notifications import show_error
from qtpy.QtWidgets import QApplication, QFileDialog

from napari_medunet.engine.files.paths import readable
from napari_medunet.engine.progress import Progress
from napari_medunet.plugin.session.viewer_job import ViewerJob

QUESTION = "The disk is full, and the segmenter is in memory: in which folder is it to be saved?"


def ask_for_folder(job: ViewerJob, report: Progress) -> None:
    """Ask where to save what a job has made, where it reports that there is no room for it.

    Who closes the dialog leaves it waiting for space, as the job's message says.

    Parameters
    ----------
    job : ViewerJob
    report : Progress
    """
    if not report.wants_folder:
        return
    while folder := QFileDialog.getExistingDirectory(QApplication.activeWindow(), QUESTION):
        if readable(folder) == folder:
            job.save_in(Path(folder))
            return
        show_error(f"The name of '{readable(folder)}' is no UTF-8: choose another folder.")
