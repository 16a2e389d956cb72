"""The metrics widget in a real viewer."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QApplication

from napari_medunet.plugin.metrics_widget import MetricsWidget

Until = Callable[..., None]


@pytest.fixture
def widget(viewer: Any) -> MetricsWidget:
    widget = MetricsWidget(viewer)
    viewer.window.add_dock_widget(widget, name="Metrics")
    return widget


def balls(*boxes: tuple[int, int, int]) -> np.ndarray:
    """Cubes of 4 voxels at given corners, labelled 1, 2, ..."""
    labels = np.zeros((12, 12, 12), np.uint8)
    for label, (z, y, x) in enumerate(boxes, start=1):
        labels[z : z + 4, y : y + 4, x : x + 4] = label
    return labels


def compute(widget: MetricsWidget, until: Until) -> list[list[str]]:
    until(widget.compute_button.isEnabled)
    widget.compute_button.click()
    assert not widget.compute_button.isEnabled()
    until(widget.compute_button.isEnabled)
    return [line.split("\t") for line in widget.table.text().splitlines()]


def test_it_says_in_one_line_what_is_missing(
    viewer: Any, widget: MetricsWidget, until: Until
) -> None:
    assert widget.note.text() == "Open two labels layers: a prediction and the truth."
    viewer.add_labels(balls((1, 1, 1)), name="a truth")
    viewer.add_labels(balls((1, 1, 1)), name="a segmentation")
    until(widget.compute_button.isEnabled)
    assert widget.prediction.currentText() == "a segmentation"
    assert widget.truth.currentText() == "a truth"
    widget.truth.setCurrentText("a segmentation")
    assert widget.note.text() == "Prediction and truth are the same layer: choose two."


def test_scores_are_those_of_hand_computed_cubes(
    viewer: Any, widget: MetricsWidget, until: Until, tmp_path: Path
) -> None:
    scale = (2.0, 1.0, 1.0)
    viewer.add_labels(balls((1, 1, 1), (6, 6, 6)), name="truth", scale=scale, units="mm")
    viewer.add_labels(balls((3, 1, 1), (6, 6, 6)), name="prediction", scale=scale, units="mm")
    headings, first, second, mean = compute(widget, until)
    assert headings == ["label", "Dice", "IoU", "Prec.", "Recall", "HD mm", "HD95 mm"]
    assert first == ["1", "0.500", "0.333", "0.500", "0.500", "4.000", "4.000"]
    assert second == ["2", "1.000", "1.000", "1.000", "1.000", "0.000", "0.000"]
    assert mean == ["mean", "0.750", "0.667", "0.750", "0.750", "2.000", "2.000"]
    widget.save_csv(tmp_path / "scores")
    rows = list(csv.DictReader((tmp_path / "scores.csv").read_text().splitlines()))
    assert [float(row["dice"]) for row in rows] == [0.5, 1.0]


def test_what_is_absent_is_said_in_words_and_left_out_of_the_mean(
    viewer: Any, widget: MetricsWidget, until: Until
) -> None:
    viewer.add_labels(balls((1, 1, 1), (6, 6, 6)), name="truth")
    viewer.add_labels(balls((1, 1, 1)), name="prediction")
    _, _, missed, mean, share = compute(widget, until)
    assert missed == ["2", "0.000", "0.000", "absent", "0.000", "inf", "inf"]
    assert mean[1:5] == ["0.500", "0.500", "1.000", "0.500"]
    assert share == ["of", "2 of 2", "2 of 2", "1 of 2", "2 of 2", "2 of 2", "2 of 2"]
    assert "absent" in widget.table.item(1, 2).toolTip()
    assert "only one" in widget.table.item(1, 4).toolTip()


def test_the_table_can_be_copied(
    viewer: Any, widget: MetricsWidget, until: Until, qtbot: Any
) -> None:
    viewer.add_labels(balls((1, 1, 1)), name="truth")
    viewer.add_labels(balls((1, 1, 1)), name="prediction")
    compute(widget, until)
    for copy in (
        widget.copy_button.click,
        lambda: qtbot.keyClick(widget.table, Qt.Key.Key_C, Qt.KeyboardModifier.ControlModifier),
    ):
        QApplication.clipboard().clear()
        copy()
        assert QApplication.clipboard().text() == widget.table.text()


def test_another_grid_is_one_line_and_the_button_comes_back(
    viewer: Any, widget: MetricsWidget, until: Until, notifications: list[str], tmp_path: Path
) -> None:
    viewer.add_labels(balls((1, 1, 1)), name="truth")
    viewer.add_labels(balls((1, 1, 1))[:9], name="prediction")
    until(widget.compute_button.isEnabled)
    widget.compute_button.click()
    until(lambda: list(notifications))
    (message,) = notifications
    assert (
        "is on another grid than truth 'truth' (9 x 12 x 12 against 12 x 12 x 12 voxels)" in message
    )
    until(widget.compute_button.isEnabled)
    assert widget.table.isHidden()


def test_a_folder_that_cannot_be_written_is_one_line(
    viewer: Any, widget: MetricsWidget, until: Until, notifications: list[str], tmp_path: Path
) -> None:
    viewer.add_labels(balls((1, 1, 1)), name="truth")
    viewer.add_labels(balls((1, 1, 1)), name="prediction")
    compute(widget, until)
    (tmp_path / "file").write_text("in the way")
    widget.save_csv(tmp_path / "file" / "scores.csv")
    (message,) = notifications
    assert message.startswith("Cannot write")


def test_what_the_user_chose_stays_while_layers_come_and_go(
    viewer: Any, widget: MetricsWidget, until: Until
) -> None:
    for name in ("a truth", "a segmentation", "b truth"):
        viewer.add_labels(balls((1, 1, 1)), name=name)
    until(lambda: widget.truth.currentText() == "a truth")
    widget.truth.setCurrentText("b truth")
    widget.truth.activated.emit(widget.truth.currentIndex())
    viewer.add_labels(balls((1, 1, 1)), name="c")
    until(lambda: widget.truth.count() == 4)
    assert widget.truth.currentText() == "b truth"
    viewer.layers.remove("b truth")
    until(lambda: widget.truth.currentText() == "a truth")


def test_measuring_needs_no_child(viewer: Any, widget: MetricsWidget, until: Until) -> None:
    viewer.add_labels(balls((1, 1, 1)), name="truth")
    viewer.add_labels(balls((1, 1, 1)), name="prediction")
    compute(widget, until)
    assert widget.session.worker.pid is None
