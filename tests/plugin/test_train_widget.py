"""The train widget in a real viewer, with a real child that really trains."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from napari_medunet.engine.segmenter import read_card
from napari_medunet.engine.settings import TrainSettings
from napari_medunet.plugin.jobs import session_of
from napari_medunet.plugin.plan_section import DECISIONS
from napari_medunet.plugin.train_widget import TrainWidget

AddPhantom = Callable[..., Any]
Until = Callable[..., None]


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except OSError:
        return False
    return True


@pytest.fixture
def widget(viewer: Any) -> TrainWidget:
    widget = TrainWidget(viewer)
    viewer.window.add_dock_widget(widget, name="Train")
    widget.form.fields.minutes.value = 0.1
    return widget


def test_it_says_in_one_line_what_is_missing(
    viewer: Any, widget: TrainWidget, add_phantom: AddPhantom, until: Until
) -> None:
    assert not widget.train_button.isEnabled()
    assert widget.reason.text() == "Open an image first."
    image, labels = add_phantom(0, painted=False)
    until(lambda: "'phantom_00 labels' holds no label yet" in widget.reason.text())
    labels.paint((3, 16, 16), 1)
    until(widget.train_button.isEnabled)
    widget.pairs.tick(image, False)
    assert widget.reason.text() == "Choose the labels of at least one ticked image."
    viewer.layers.remove(labels.name)
    until(lambda: widget.reason.text() == "Add a labels layer and paint a few slices.")


def test_pairs_follow_layers_and_keep_what_the_user_chose(
    viewer: Any, widget: TrainWidget, add_phantom: AddPhantom, until: Until
) -> None:
    (first, first_labels), (second, second_labels) = add_phantom(0), add_phantom(1)
    until(lambda: widget.pairs.pairs() == [(first, first_labels), (second, second_labels)])
    widget.pairs.choose(second, first_labels)
    first_labels.name = "renamed"
    viewer.layers.move(0, 2)
    until(lambda: (second, first_labels) in widget.pairs.pairs())
    viewer.layers.remove("renamed")
    until(lambda: widget.pairs.pairs() == [(second, second_labels)])


def test_the_background_label_is_asked_for_only_where_it_counts(widget: TrainWidget) -> None:
    assert widget.form.fields.background_label.native.isHidden()
    widget.form.fields.annotated.value = "voxels"
    assert not widget.form.fields.background_label.native.isHidden()


def test_the_plan_is_shown_with_its_reasons_and_follows_what_is_chosen(
    viewer: Any, widget: TrainWidget, add_phantom: AddPhantom, until: Until
) -> None:
    plan = widget.form.plan
    plan.button.setChecked(True)
    assert plan.summary.text() == "Choose layers with labels: the plan is made for them."
    _, labels = add_phantom(0)
    until(lambda: plan.summary.text().startswith("2D U-Net"))
    assert plan.form.fields.patch.native.placeholderText() == "auto: 32 x 32"
    assert "<b>dimensions</b> 2D: " in plan.why.text()
    plan.form.fields.dims.value = "3d"
    plan.form.fields.learning_rate.value = 0.002
    until(lambda: plan.summary.text().startswith("3D U-Net"))
    assert "<b>learning rate</b> 0.002: as set" in plan.why.text()
    assert widget.form.settings() == TrainSettings(
        dims="3d", learning_rate=0.002, annotated="slices", minutes=0.1
    )
    plan.form.fields.patch.value = "wide"
    until(lambda: "Patch" in plan.summary.text())
    labels.data = labels.data[:5]
    plan.form.fields.patch.value = ""
    until(lambda: "on another grid" in widget.form.advice.text())
    assert plan.summary.isHidden()


def test_every_choice_of_the_plan_says_what_is_automatic(
    widget: TrainWidget, add_phantom: AddPhantom, until: Until
) -> None:
    assert set(DECISIONS) == {field.name for field in widget.form.plan.form.fields}
    add_phantom(0)
    widget.form.plan.button.setChecked(True)
    until(lambda: not widget.form.plan.why.isHidden())
    for what in DECISIONS.values():
        assert f"<b>{what}</b>" in widget.form.plan.why.text()


def test_all_voxels_count_where_every_slice_holds_a_label_unless_the_user_says_else(
    widget: TrainWidget, add_phantom: AddPhantom, until: Until
) -> None:
    _, labels = add_phantom(0)
    until(lambda: widget.form.advice.text() == "3 of 8 slices across z hold a label, and count.")
    assert widget.form.settings().annotated == "slices"
    labels.data = np.maximum(labels.data, np.eye(32, dtype=np.uint8))
    until(lambda: widget.form.advice.text() == "Every slice holds a label: all voxels count.")
    assert widget.form.settings().annotated == "all"
    widget.form.fields.annotated.value = "slices"
    widget.form.fields.minutes.value = 1
    until(lambda: not widget.looking.busy)
    assert widget.form.settings().annotated == "slices"


def test_a_training_outlives_its_widget_and_ends_with_a_segmenter_that_can_be_saved(
    viewer: Any,
    widget: TrainWidget,
    add_phantom: AddPhantom,
    until: Until,
    notifications: list[str],
    tmp_path: Path,
) -> None:
    add_phantom(0)
    until(widget.train_button.isEnabled)
    widget.train_button.click()
    assert not widget.job_bar.isHidden()
    assert widget.train_button.isHidden()
    widget.train()  # a second click while it runs
    until(lambda: widget.curve.points("dice", "validation")[0])
    assert "starting" not in widget.device.text()
    viewer.window.remove_dock_widget(widget)  # closed and opened again, while the training goes on
    widget.deleteLater()
    widget = TrainWidget(viewer)
    viewer.window.add_dock_widget(widget, name="Train again")
    assert len(widget.curve.points("loss", "training")[0]) == len(widget.session.job.scores)
    widget.job_bar.stop_button.click()
    until(lambda: not widget.session.busy)
    assert widget.job_bar.isHidden()
    assert widget.result.text().startswith("Validation Dice: ")
    assert [s.title.startswith("this session: ") for s in widget.session.segmenters] == [True]
    widget.save_segmenter(tmp_path / "mine")
    assert read_card(tmp_path / "mine.medunet").training_cases == ("phantom_00",)
    widget.save_segmenter(tmp_path / "mine.medunet" / "below a file.medunet")
    assert [message.split(":")[0] for message in notifications][1:] == [
        f"Cannot write '{tmp_path / 'mine.medunet' / 'below a file.medunet'}'"
    ]
    assert not {"keras", "tensorflow"} & set(sys.modules)


def test_a_cancelled_training_leaves_nothing_and_the_layers_may_go(
    viewer: Any,
    widget: TrainWidget,
    add_phantom: AddPhantom,
    until: Until,
    notifications: list[str],
) -> None:
    image, _ = add_phantom(0)
    until(widget.train_button.isEnabled)
    widget.train_button.click()
    until(lambda: widget.session.job is not None and widget.session.job.last is not None)
    image.name = "renamed"
    viewer.layers.clear()
    widget.job_bar.cancel_button.click()
    until(lambda: not widget.session.busy, seconds=10)
    assert widget.session.segmenters == []
    assert widget.result.isHidden()
    assert not widget.train_button.isHidden()
    assert list(notifications) == []


@pytest.mark.skipif(os.name != "posix", reason="signals are POSIX's")
def test_a_killed_child_is_a_notification_and_another_one_is_started(
    viewer: Any,
    widget: TrainWidget,
    add_phantom: AddPhantom,
    until: Until,
    notifications: list[str],
) -> None:
    add_phantom(0)
    until(widget.train_button.isEnabled)
    widget.train_button.click()
    until(lambda: "Building the network" in widget.job_bar.message.text())
    killed = widget.session.worker.pid
    os.kill(killed, signal.SIGKILL)
    until(lambda: not widget.session.busy)
    (message,) = notifications
    assert "killed by signal 9" in message
    assert "\n" not in message
    assert widget.train_button.isEnabled()
    assert widget.job_bar.isHidden()
    until(lambda: widget.session.worker.pid not in (None, killed))


def test_errors_of_the_layers_are_one_line_each(
    viewer: Any,
    widget: TrainWidget,
    add_phantom: AddPhantom,
    until: Until,
    notifications: list[str],
) -> None:
    _, labels = add_phantom(0)
    labels.data = labels.data[:5]
    until(widget.train_button.isEnabled)
    widget.train_button.click()
    until(lambda: not widget.session.busy)
    widget.form.fields.minutes.value = 0
    widget.train_button.click()
    until(lambda: len(list(notifications)) == 2)
    grids, budget = notifications
    assert "(5 x 32 x 32 against 8 x 32 x 32 voxels)" in grids
    assert budget.startswith("Minutes: ")


def test_a_closed_viewer_leaves_no_process(
    display: None, make_napari_viewer: Any, until: Until
) -> None:
    other = make_napari_viewer()
    widget = TrainWidget(other)
    other.window.add_dock_widget(widget, name="Train")
    image = other.add_image(np.random.default_rng(0).normal(size=(4, 32, 32)), name="noise")
    labels = other.add_labels(np.zeros(image.data.shape, np.uint8))
    labels.data[2, 8:24, 8:24] = 1
    labels.refresh()
    until(widget.train_button.isEnabled)
    widget.train_button.click()
    session = session_of(other)
    until(lambda: session.worker.pid is not None and session.job.last is not None)
    pid, folder = session.worker.pid, session.worker.folder
    other.close()
    until(lambda: not is_running(pid), seconds=5)
    assert folder is not None
    assert not folder.exists()
    assert session_of(other) is not session
    session_of(other).close()


def test_the_curve_follows_the_theme(viewer: Any, widget: TrainWidget) -> None:
    dark = widget.curve.figure.get_facecolor()
    viewer.theme = "light"
    assert widget.curve.figure.get_facecolor() != dark
