"""A viewer was killed while it trained: the next one offers to go on."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from killed_viewer import kill_a_training
from qtpy.QtWidgets import QMessageBox

from napari_medunet.engine.examples.phantoms import make_phantom
from napari_medunet.engine.prediction.model_file import read_card
from napari_medunet.engine.settings import TrainSettings
from napari_medunet.plugin.train.widget import TrainWidget

Until = Callable[..., None]

SETTINGS = TrainSettings.of(minutes=60, epochs=24, filters=4, depth=2, dims="2d")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.name != "posix", reason="signals are POSIX's"),
]


def show_widget(viewer: Any) -> TrainWidget:
    widget = TrainWidget(viewer)
    viewer.window.add_dock_widget(widget, name="Train")
    return widget


def test_layers_come_back_and_the_training_goes_on(
    viewer: Any, until: Until, temporary: Path, notifications: list[str]
) -> None:
    kill_a_training(SETTINGS)
    widget = show_widget(viewer)
    assert widget.resuming.button.text().startswith("Resume the training of ")
    assert not widget.resuming.discard_button.isHidden()
    widget.resuming.button.click()
    assert widget.resuming.isHidden()
    names = [f"phantom_0{seed}{kind}" for seed in range(2) for kind in ("", " labels")]
    assert [layer.name for layer in viewer.layers] == names
    image, labels = make_phantom(1, (12, 48, 48))
    np.testing.assert_array_equal(viewer.layers[names[2]].data, image.voxels)
    np.testing.assert_array_equal(viewer.layers[names[3]].data, labels.voxels)
    until(lambda: not widget.session.busy)
    history = read_card(widget.segmenter_path).networks[0].history
    assert len(history) == 24
    minutes, _ = widget.view.curve.points("loss", "training")
    assert 0 < len(minutes) < 24  # what was learned before was not learned again
    assert widget.resuming.isHidden()
    assert not list(notifications)
    assert [pair[0].name for pair in widget.pairs.pairs()] == [names[0], names[2]]


def test_folds_go_on_and_segment_the_layers_that_came_back(
    viewer: Any, until: Until, notifications: list[str]
) -> None:
    kill_a_training(SETTINGS.changed(folds=2, epochs=10))
    widget = show_widget(viewer)
    widget.resuming.button.click()
    until(lambda: not widget.session.busy)
    assert len(read_card(widget.segmenter_path).networks) == 2
    made = [layer.name for layer in viewer.layers if "out-of-fold" in layer.name]
    assert made == ["phantom_00 out-of-fold segmentation", "phantom_01 out-of-fold segmentation"]
    assert not list(notifications)


def test_strokes_of_background_come_back_as_they_were_painted(viewer: Any, until: Until) -> None:
    kill_a_training(SETTINGS.changed(annotated="voxels", background_label=2, epochs=10))
    widget = show_widget(viewer)
    widget.resuming.button.click()
    _, labels = make_phantom(0, (12, 48, 48))
    np.testing.assert_array_equal(viewer.layers["phantom_00 labels"].data, labels.voxels)
    widget.session.job.cancel()
    until(lambda: not widget.session.busy)


def test_it_is_discarded_after_a_question(
    viewer: Any, temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kill_a_training(SETTINGS)
    (left,) = temporary.iterdir()
    widget = show_widget(viewer)
    answers = iter([QMessageBox.StandardButton.No, QMessageBox.StandardButton.Yes])
    monkeypatch.setattr(QMessageBox, "question", lambda *question: next(answers))
    widget.resuming.discard_button.click()
    assert not widget.resuming.isHidden()
    assert left.exists()
    widget.resuming.discard_button.click()
    assert widget.resuming.isHidden()
    assert not left.exists()
