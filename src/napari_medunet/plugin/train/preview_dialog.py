"""PreviewDialog: what training will see, drawn before it starts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.backends.backend_qtagg import FigureCanvasQTAgg
from matplotlib.figure import Figure
from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QDialog, QHBoxLayout, QPushButton, QVBoxLayout, QWidget

from napari_medunet.engine.patches.preview import Preview, preview
from napari_medunet.plugin.train.forecast import Choice
from napari_medunet.plugin.widgets.form import as_tooltip, note_label
from napari_medunet.plugin.widgets.plots import colours_of

_ROWS, _COLUMNS = 3, 4
_SHOWN = (-2.5, 3.5)  # standard deviations from the mean that are drawn black and white

Colour = Callable[[int], Sequence[float]]  # of a label, RGBA


class PreviewDialog(QDialog):  # type: ignore[misc]
    """Slices as training will see them, with the outlines of their labels.

    Parameters
    ----------
    parent : QWidget
    theme : str
        Name of the viewer's theme.

    Attributes
    ----------
    seed : int
        Of the chance that is shown; the next one after *Draw again*.
    """

    wanted = Signal()  # slices of this seed

    def __init__(self, parent: QWidget, theme: str) -> None:
        super().__init__(parent, Qt.WindowType.Window)
        self.seed = 0
        self.setWindowTitle("What training will see")
        background, _, _ = colours_of(theme)
        self.figure = Figure(figsize=(8, 6), facecolor=background, layout="tight")
        self.canvas = FigureCanvasQTAgg(self.figure)
        self.note = note_label()
        again = QPushButton("Draw again")
        again.setToolTip(as_tooltip("Draw other places, varied otherwise."))
        again.clicked.connect(self._again)
        below = QHBoxLayout()
        below.addWidget(self.note, 1)
        below.addWidget(again)
        layout = QVBoxLayout(self)
        layout.addWidget(self.canvas, 1)
        layout.addLayout(below)
        self.resize(760, 620)

    def show_slices(self, slices: Preview, colour: Colour) -> None:
        """Draw slices; channels but the first are left out."""
        self.figure.clear()
        rows, columns = slices.spacing_mm
        for number, (image, labels) in enumerate(zip(slices.images, slices.labels, strict=True)):
            axes = self.figure.add_subplot(_ROWS, _COLUMNS, number + 1)
            axes.set_axis_off()
            axes.imshow(
                image[..., 0], cmap="gray", vmin=_SHOWN[0], vmax=_SHOWN[1], aspect=rows / columns
            )
            _outline(axes, labels, colour)
        height, width = slices.labels.shape[1:]  # in this order, as in the plan
        self.note.setText(
            f"{height} x {width} voxels each, cut and varied as training does it. What you change in the "
            "form is drawn at once."
        )
        self.canvas.draw_idle()

    def say(self, text: str) -> None:
        """Show a sentence below the slices."""
        self.note.setText(text)

    def _again(self) -> None:
        self.seed += 1
        self.wanted.emit()


def draw_slices(choice: Choice, seed: int) -> Preview:
    """Draw as many slices as the dialog shows; in a thread, since whole volumes are prepared for it.

    Raises
    ------
    MedunetError
        If the layers cannot be learned from, or not by the segmenter that goes on learning.
    OSError
        If that cannot be read.
    """
    settings = choice.settled()
    examples = choice.examples(settings.annotation)
    return preview(examples, choice.decide(examples, settings).plan, _ROWS * _COLUMNS, seed)


def _outline(axes: Axes, labels: npt.NDArray[Any], colour: Colour) -> None:
    for label in np.unique(labels[labels > 0]):
        axes.contour(
            labels == label, levels=[0.5], colors=[tuple(colour(int(label)))], linewidths=1.5
        )
