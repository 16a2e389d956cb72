"""The train widget in a real viewer, with a real child that really trains."""

from __future__ import annotations

import os
import shutil
import signal
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QApplication, QFileDialog, QMainWindow, QMessageBox, QWidget

from napari_medunet.engine.examples.example import make_example
from napari_medunet.engine.examples.phantoms import make_phantom
from napari_medunet.engine.hardware import speed
from napari_medunet.engine.plan import title_of
from napari_medunet.engine.planning.plan_maker import make_plan
from napari_medunet.engine.prediction.model_file import read_card
from napari_medunet.engine.progress import EpochScores, Part, Progress, Scores
from napari_medunet.engine.settings import TrainSettings
from napari_medunet.plugin.session.closing import Closing, Session
from napari_medunet.plugin.session.session import session_of
from napari_medunet.plugin.session.viewer_job import ViewerJob
from napari_medunet.plugin.train.training_view import TrainingView
from napari_medunet.plugin.train.widget import TrainWidget
from napari_medunet.plugin.widgets.plots import TrainingCurve
from napari_medunet.worker import Listener

AddPhantom = Callable[..., Any]
Until = Callable[..., None]


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except OSError:
        return False
    return True


def kill_child(widget: TrainWidget, until: Until) -> int:
    """End the process of a training, as a system without memory does, and wait until that is heard."""
    pid = widget.session.worker.pid
    os.kill(pid, signal.SIGKILL)
    until(lambda: not widget.session.busy)
    return pid


def make_small(widget: TrainWidget) -> None:
    """Choose a network that is soon built."""
    widget.form.plan.form.fields.filters.value = 4
    widget.form.plan.form.fields.depth.value = 2


def cross_validate(widget: TrainWidget, add_phantom: AddPhantom, until: Until, epochs: int) -> None:
    """Train on two phantoms in two folds."""
    add_phantom(0), add_phantom(1)
    make_small(widget)
    widget.form.fields.minutes.value = 5
    widget.form.others.fields.folds.value = 2
    widget.form.others.fields.epochs.value = epochs
    until(widget.train_button.isEnabled)
    widget.train_button.click()


def out_of_fold_layers(viewer: Any) -> list[str]:
    """Names of the segmentations of cases by the networks that never saw them."""
    return [layer.name for layer in viewer.layers if "out-of-fold" in layer.name]


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
    until(lambda: plan.summary.text().startswith("2.5D U-Net"))
    assert plan.form.fields.patch.native.placeholderText() == "auto: 32 x 32"
    assert "<b>dimensions</b> 2.5D: " in plan.why.text()
    plan.form.fields.dims.value = "3d"
    plan.form.fields.learning_rate.value = 0.002
    until(lambda: plan.summary.text().startswith("3D U-Net"))
    assert "<b>learning rate</b> 0.002: as set" in plan.why.text()
    assert widget.form.settings() == TrainSettings.of(
        dims="3d", learning_rate=0.002, annotated="slices", minutes=0.1
    )
    plan.form.fields.patch.value = "wide"
    until(lambda: "Patch" in plan.summary.text())
    labels.data = labels.data[:5]
    plan.form.fields.patch.value = ""
    until(lambda: "on another grid" in widget.form.advice.text())
    assert plan.summary.isHidden()


def test_the_plan_follows_the_speed_that_the_child_measures(
    widget: TrainWidget, add_phantom: AddPhantom, until: Until, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = widget.form.plan
    plan.button.setChecked(True)
    add_phantom(0)
    until(lambda: "a guess, not measured yet" in plan.why.text())
    monkeypatch.setattr(speed, "gflops", lambda dims, threads: 123.0)
    widget.session._measured.emit()
    until(lambda: "measured on this machine: 123 Gflop/s in " in plan.why.text())


def test_every_choice_of_the_plan_says_what_is_automatic(
    widget: TrainWidget, add_phantom: AddPhantom, until: Until
) -> None:
    leaves = TrainSettings.leaves()
    paths = [".".join(leaves[field.name].path) for field in widget.form.plan.form.fields]
    add_phantom(0)
    widget.form.plan.button.setChecked(True)
    until(lambda: not widget.form.plan.why.isHidden())
    for path in paths:
        assert f"<b>{title_of(path)}</b>" in widget.form.plan.why.text()


def test_the_advice_says_what_is_odd_about_the_layers(
    widget: TrainWidget, add_phantom: AddPhantom, until: Until
) -> None:
    image, _ = add_phantom(0)
    image.data = np.full_like(image.data, 7)
    until(lambda: "nothing to see" in widget.form.advice.text())
    assert "slices across z hold a label" in widget.form.advice.text()


def test_all_voxels_count_where_every_slice_holds_a_label_unless_the_user_says_else(
    widget: TrainWidget, add_phantom: AddPhantom, until: Until
) -> None:
    _, labels = add_phantom(0)
    until(lambda: widget.form.advice.text() == "3 of 8 slices across z hold a label, and count.")
    assert widget.form.settings().annotation.annotated == "slices"
    labels.data = np.maximum(labels.data, np.eye(32, dtype=np.uint8))
    until(lambda: widget.form.advice.text() == "Every slice holds a label: all voxels count.")
    assert widget.form.settings().annotation.annotated == "all"
    widget.form.fields.annotated.value = "slices"
    widget.form.fields.minutes.value = 1
    until(lambda: not widget.forecasts.busy)
    assert widget.form.settings().annotation.annotated == "slices"


@pytest.mark.slow
def test_which_voxels_count_is_of_the_ticked_pairs_also_where_training_begins_at_once(
    widget: TrainWidget,
    add_phantom: AddPhantom,
    until: Until,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(widget, "_look_ahead", lambda: None)  # nobody has looked so soon
    _, labels = add_phantom(0)
    labels.data = np.maximum(labels.data, np.eye(32, dtype=np.uint8))  # every slice
    make_small(widget)
    widget.form.others.fields.epochs.value = 1
    until(widget.train_button.isEnabled)
    assert widget.form.settings().annotation.annotated == "slices"
    widget.train_button.click()
    until(lambda: not widget.session.busy)
    assert read_card(widget.segmenter_path).plan.annotation.annotated == "all"


def test_the_preview_shows_slices_as_training_will_see_them_and_follows_the_form(
    viewer: Any, widget: TrainWidget, add_phantom: AddPhantom, until: Until
) -> None:
    add_phantom(0)
    until(widget.train_button.isEnabled)
    names = [layer.name for layer in viewer.layers]
    widget.form.preview_button.click()
    figure = widget.preview.figure
    until(lambda: len(figure.axes) == 12)
    assert "32 x 32 voxels each" in widget.preview.note.text()
    assert any(axes.collections for axes in figure.axes)  # outlines
    before = [axes.images[0].get_array() for axes in figure.axes]
    widget.preview.wanted.emit()
    until(lambda: not widget.previews.busy)
    for axes, same in zip(figure.axes, before, strict=True):
        np.testing.assert_array_equal(axes.images[0].get_array(), same)
    widget.form.variations.fields.augmentation.value = "none"
    until(lambda: widget.previews.busy)
    until(lambda: not widget.previews.busy)
    unvaried = figure.axes[0].images[0].get_array()
    assert not np.array_equal(unvaried, before[0])
    assert [layer.name for layer in viewer.layers] == names


@pytest.mark.slow
def test_cross_validation_shows_each_fold_and_segments_what_its_network_never_saw(
    viewer: Any,
    widget: TrainWidget,
    add_phantom: AddPhantom,
    until: Until,
    notifications: list[str],
) -> None:
    cross_validate(widget, add_phantom, until, epochs=1)
    until(lambda: not widget.session.busy)
    assert list(notifications) == []
    assert "mean&nbsp;±&nbsp;sd" in widget.view.result.text()
    assert widget.view.curve.measured.get_xlabel() == "minutes of fold 2"
    assert widget.view.curve.measured.get_xlim() == (0, 2.5)  # of five, which two folds share
    assert out_of_fold_layers(viewer) == [
        "phantom_00 out-of-fold segmentation",
        "phantom_01 out-of-fold segmentation",
    ]
    assert len(read_card(widget.segmenter_path).networks) == 2


def answer(button: str) -> None:
    """Press a button of the question that is asked next."""

    def press() -> None:
        box = QApplication.activeModalWidget()
        if not isinstance(box, QMessageBox):
            QTimer.singleShot(50, press)
            return
        (found,) = (one for one in box.buttons() if one.text() == button)
        found.click()

    QTimer.singleShot(50, press)


@pytest.mark.slow
def test_a_segmenter_goes_on_learning_a_label_more(
    viewer: Any,
    widget: TrainWidget,
    segmenter: Path,
    add_phantom: AddPhantom,
    until: Until,
    notifications: list[str],
) -> None:
    _, labels = add_phantom(1)
    labels.data[1, 3:6, 3:6] = 7
    form = widget.form
    assert form.start_from.currentText() == "a new network"
    form.plan.form.fields.dims.value = "2d"
    form.others.fields.folds.value = 2
    form.start_from.open_segmenter(segmenter)
    assert form.start_from.currentText() == "small.medunet"
    assert not form.plan.form.fields.dims.enabled
    assert form.plan.form.fields.learning_rate.enabled
    assert not form.others.fields.folds.enabled
    form.plan.button.setChecked(True)
    until(lambda: "new labels" in form.plan.why.text())
    assert "<b>new labels</b> 7" in form.plan.why.text()
    form.fields.minutes.value = 0.1
    until(widget.train_button.isEnabled)
    widget.train_button.click()
    until(lambda: not widget.session.busy)
    assert list(notifications) == []
    assert form.start_from.segmenter.path == segmenter  # the newest is offered, and not chosen
    card = read_card(widget.segmenter_path)
    assert "fine-tuned from" in card.describe()
    assert [c.name for c in card.classes] == ["label 1", "lesion", "label 7"]
    form.start_from.setCurrentIndex(0)
    form.start_from.activated.emit(0)
    assert form.segmenter is None
    assert form.settings().grid.dims == "2d"  # what was set before counts again
    assert form.settings().hold_out.folds == 2


def test_closing_the_window_asks_for_a_segmenter_that_was_not_saved(
    qtbot: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    session, window = Session(), QMainWindow()
    qtbot.addWidget(window)
    window.setCentralWidget(QWidget())
    Closing(session, window)
    trained, kept = tmp_path / "job-0.medunet", tmp_path / "kept.medunet"
    trained.write_bytes(b"weights")
    session.unsaved = [trained]
    answer("Do not close")
    assert not window.close()
    chosen = iter([("", ""), (str(kept), "")])
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: next(chosen))
    answer("Save...")
    assert not window.close()  # thought better of it in the dialog
    assert session.unsaved == [trained]
    answer("Save...")
    assert window.close()
    assert kept.read_bytes() == b"weights"


@pytest.mark.slow
def test_closing_the_window_can_stop_a_training_and_save_what_there_is(
    qtbot: Any, until: Until, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    session, window = Session(), QMainWindow()
    qtbot.addWidget(window)
    window.setCentralWidget(QWidget())
    window.show()
    Closing(session, window)
    settings = TrainSettings.of(minutes=30, filters=4, dims="2d")
    examples = [make_example(*make_phantom(0, (8, 32, 32)), settings.annotation)]
    plan = make_plan(examples, settings)
    job = ViewerJob(
        "Training", lambda listener: session.worker.train(examples, plan, listener), True
    )
    job.produced.connect(session.add_trained)
    session.run(job)
    until(lambda: job.scores)
    kept = tmp_path / "kept.medunet"
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(kept), ""))
    answer("Stop it and save...")
    assert not window.close()  # not yet: the training has to end first
    until(lambda: not window.isVisible())
    assert read_card(kept).cases == ("phantom_00",)
    assert session.unsaved == []
    session.close()


@pytest.mark.slow
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
    assert not widget.view.job_bar.isHidden()
    assert widget.train_button.isHidden()
    widget.train()  # a second click while it runs
    until(lambda: widget.view.curve.points("dice", "validation")[0])
    assert "starting" not in widget.device.text()
    viewer.window.remove_dock_widget(widget)  # closed and opened again, while the training goes on
    widget.deleteLater()
    widget = TrainWidget(viewer)
    viewer.window.add_dock_widget(widget, name="Train again")
    assert len(widget.view.curve.points("loss", "training")[0]) == len(widget.session.job.scores)
    widget.view.job_bar.stop_button.click()
    until(lambda: not widget.session.busy)
    assert widget.view.job_bar.isHidden()
    assert widget.view.result.text().startswith("Validation Dice: ")
    assert [s.title.startswith("this session: ") for s in widget.session.segmenters] == [True]
    assert widget.session.unsaved == [widget.segmenter_path]
    widget.save_segmenter(tmp_path / "mine")
    assert widget.session.unsaved == []
    assert read_card(tmp_path / "mine.medunet").cases == ("phantom_00",)
    widget.save_segmenter(tmp_path / "mine.medunet" / "below a file.medunet")
    assert [message.split(":")[0] for message in notifications][1:] == [
        f"Cannot write '{tmp_path / 'mine.medunet' / 'below a file.medunet'}'"
    ]
    assert not {"keras", "tensorflow"} & set(sys.modules)


@pytest.mark.slow
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
    answer("Do not close")
    assert not widget.window().close()
    image.name = "renamed"
    viewer.layers.clear()
    widget.view.job_bar.cancel_button.click()
    until(lambda: not widget.session.busy, seconds=10)
    assert widget.session.segmenters == []
    assert widget.view.result.isHidden()
    assert not widget.train_button.isHidden()
    assert list(notifications) == []


@pytest.mark.slow
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
    widget.form.fields.minutes.value = 5
    widget.train_button.click()
    until(lambda: widget.session.job.last is not None and widget.session.job.last.fraction > 0)
    killed = kill_child(widget, until)
    (message,) = notifications
    assert "killed by signal 9" in message
    assert "\n" not in message
    assert widget.train_button.isEnabled()
    assert widget.view.job_bar.isHidden()
    until(lambda: widget.session.worker.pid not in (None, killed))


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="signals are POSIX's")
def test_a_training_that_broke_off_can_be_gone_on_with(
    viewer: Any,
    widget: TrainWidget,
    add_phantom: AddPhantom,
    until: Until,
    notifications: list[str],
) -> None:
    add_phantom(0)
    widget.form.fields.minutes.value = 5
    widget.form.others.fields.epochs.value = 12
    make_small(widget)
    until(widget.train_button.isEnabled)
    assert widget.resuming.isHidden()
    widget.train_button.click()
    until(lambda: len(widget.session.job.scores) >= 3)
    kill_child(widget, until)
    assert not widget.resuming.isHidden()
    viewer.layers.clear()  # what was handed over counts, not what became of it
    widget.resuming.button.click()
    assert widget.resuming.isHidden()
    assert widget.session.busy
    until(lambda: not widget.session.busy)
    assert len(list(notifications)) == 1  # that the process was killed
    assert len(read_card(widget.segmenter_path).networks[0].history) == 12
    minutes, _ = widget.view.curve.points("loss", "training")
    assert len(minutes) == 12
    assert minutes == sorted(minutes)
    assert widget.resuming.isHidden()
    assert not widget.save_button.isHidden()


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="signals are POSIX's")
def test_a_cross_validation_that_broke_off_can_be_gone_on_with(
    viewer: Any,
    widget: TrainWidget,
    add_phantom: AddPhantom,
    until: Until,
    notifications: list[str],
) -> None:
    cross_validate(widget, add_phantom, until, epochs=8)
    until(lambda: any(scores.part.number == 2 for scores in widget.session.job.scores))
    kill_child(widget, until)
    widget.resuming.button.click()
    until(lambda: not widget.session.busy)
    assert len(list(notifications)) == 1  # that the process was killed
    assert len(read_card(widget.segmenter_path).networks) == 2
    assert out_of_fold_layers(viewer) == [
        "phantom_00 out-of-fold segmentation",
        "phantom_01 out-of-fold segmentation",
    ]
    assert widget.resuming.isHidden()


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


@pytest.mark.slow
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
    dark = widget.view.curve.figure.get_facecolor()
    viewer.theme = "light"
    assert widget.view.curve.figure.get_facecolor() != dark


def test_warnings_of_a_training_stay_in_the_widget(qtbot: Any, until: Until) -> None:
    view = TrainingView("dark")
    qtbot.addWidget(view)

    def begin(listener: Listener) -> Any:
        listener.progress(Progress(0.5, "Epoch 1"))
        listener.progress(Progress(0.5, "", warning="Label 2 < 20 voxels."))
        listener.finished()

    job = ViewerJob("Training", begin)
    view.follow(job)
    job.start()
    until(lambda: not job.running)
    assert "Label 2 &lt; 20 voxels." in view.warnings.text()
    assert view.job_bar.message.text() == "Epoch 1"
    assert not view.warnings.isHidden()
    view.begin(minutes=1)
    assert view.warnings.isHidden()


def test_where_there_is_no_room_a_person_is_asked_for_a_folder(
    qtbot: Any, until: Until, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, segmenter: Path
) -> None:
    session, asked, heard = Session(), [], []
    answers = iter(["", str(tmp_path)])

    def ask(parent: Any, question: str) -> str:
        asked.append(question)
        return next(answers)

    monkeypatch.setattr(QFileDialog, "getExistingDirectory", ask)

    class Waiting:
        def save_in(self, folder: Path) -> None:
            kept = shutil.copy(segmenter, folder)
            heard[0].result(Path(kept))
            heard[0].finished()

    def begin(listener: Listener) -> Any:
        heard.append(listener)
        for wants_folder in (True, False, True):  # the first dialog was closed
            listener.progress(Progress(1.0, "no space", wants_folder=wants_folder))
        return Waiting()

    job = ViewerJob("Training", begin, can_stop=True)
    job.produced.connect(session.add_trained)
    session.run(job)
    until(lambda: not job.running)
    assert len(asked) == 2
    assert "The disk is full" in asked[0]
    assert [one.path for one in session.segmenters] == [tmp_path / segmenter.name]
    assert session.unsaved == []  # it stands where the person wanted it
    session.close()


def scored(
    epoch: int, fold: int, validation_loss: float = 1.0, minutes: float | None = None
) -> EpochScores:
    """Scores of an epoch of one of two folds: recall 0.3 of training, 0.4 of validation."""
    training, validation = (
        Scores(loss, 0.5, 0.5, 0.5, recall, 0.5)
        for loss, recall in ((1.0, 0.3), (validation_loss, 0.4))
    )
    spent = 0.1 * epoch if minutes is None else minutes
    return EpochScores(epoch, spent, 1e-3, validation, training, part=Part("fold", fold, 2))


def test_the_curve_shows_what_is_chosen_and_begins_anew_with_each_fold(qtbot: Any) -> None:
    curve = TrainingCurve("dark")
    qtbot.addWidget(curve)
    for epoch in (1, 2):
        scores = scored(epoch, fold=1)
        assert curve.has_labels == (epoch > 1)
        curve.add(replace(scores, label_dice={1: 0.5, 7: 0.6}))
    curve.show_measure("recall")
    assert [line.get_ydata()[-1] for line in curve.measured.lines] == [0.3, 0.4]
    curve.show_measure("labels")
    assert [line.get_label() for line in curve.measured.lines] == ["label 1", "label 7"]
    curve.add(scored(2, fold=2))
    assert curve.points("loss", "training") == ([0.2], [1.0])
    curve.add(scored(3, fold=2, validation_loss=300.0, minutes=0.2))
    assert curve.loss.get_ylim() == pytest.approx((0, 2.1))
    curve.add(scored(2, fold=2, minutes=0.9))  # resumed: the third epoch was lost
    assert curve.points("loss", "training") == ([0.9], [1.0])
