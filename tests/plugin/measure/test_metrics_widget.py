"""The metrics widget in a real viewer."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.collections import PathCollection
from napari.layers import Labels, Surface
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QApplication

from napari_medunet.engine.evaluation.metrics.scores import CaseScores, score_labels
from napari_medunet.engine.examples.phantoms import make_phantom
from napari_medunet.plugin.measure.widget import MetricsWidget

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
    return lines(widget)


def lines(widget: MetricsWidget) -> list[list[str]]:
    return [line.split("\t") for line in widget.view.table.text().splitlines()]


def click_row(widget: MetricsWidget, row: int, qtbot: Any) -> None:
    table = widget.view.table
    place = table.visualRect(table.model().index(row, 2)).center()
    qtbot.mouseClick(table.viewport(), Qt.MouseButton.LeftButton, pos=place)


def click_heading(widget: MetricsWidget, column: int, qtbot: Any) -> None:
    header = widget.view.table.horizontalHeader()
    middle = header.sectionViewportPosition(column) + header.sectionSize(column) // 2
    place = header.rect().center()
    place.setX(middle)
    qtbot.mouseClick(header.viewport(), Qt.MouseButton.LeftButton, pos=place)


def add_cases(viewer: Any) -> None:
    """Three cases that get worse, and a truth without a prediction."""
    for case, shift in (("a", 0), ("b", 1), ("c", 2)):
        names = {"index": [1, 2], "name": ["organ", "lesion"]}
        truth = balls((1, 1, 1), (6, 6, 6))
        prediction = balls((1 + shift, 1, 1), (6, 6, 6))
        viewer.add_labels(truth, name=f"{case} truth", features=names)
        viewer.add_labels(prediction, name=f"{case} segmentation")
    viewer.add_labels(balls((1, 1, 1)), name="d truth")


def test_it_says_in_one_line_what_is_missing(
    viewer: Any, widget: MetricsWidget, until: Until
) -> None:
    assert widget.note.text() == "Open two labels layers: a prediction and the truth."
    viewer.add_labels(balls((1, 1, 1)), name="a truth")
    viewer.add_labels(balls((1, 1, 1)), name="a segmentation")
    until(widget.compute_button.isEnabled)
    assert widget.chooser.prediction.currentText() == "a segmentation"
    assert widget.chooser.truth.currentText() == "a truth"
    widget.chooser.truth.setCurrentText("a segmentation")
    assert widget.note.text() == "Prediction and truth are the same layer: choose two."


def test_scores_are_those_of_hand_computed_cubes(
    viewer: Any, widget: MetricsWidget, until: Until, tmp_path: Path
) -> None:
    scale = (2.0, 1.0, 1.0)
    viewer.add_labels(balls((1, 1, 1), (6, 6, 6)), name="truth", scale=scale, units="mm")
    viewer.add_labels(balls((3, 1, 1), (6, 6, 6)), name="prediction", scale=scale, units="mm")
    headings, first, second, mean = compute(widget, until)
    assert headings == ["label", "Dice", "IoU", "Prec.", "Recall", "HD mm", "HD95 mm"]
    assert first == ["1", "0.500", "0.333", "0.500", "0.500", "4.00", "4.00"]
    assert second == ["2", "1.000", "1.000", "1.000", "1.000", "0.00", "0.00"]
    assert mean == ["mean", "0.750", "0.667", "0.750", "0.750", "2.00", "2.00"]
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
    model = widget.view.table.model()
    tips = [model.data(model.index(1, 2 + n), Qt.ItemDataRole.ToolTipRole) for n in (2, 4)]
    assert "absent" in tips[0]
    assert "only one" in tips[1]


def test_the_table_can_be_copied(
    viewer: Any, widget: MetricsWidget, until: Until, qtbot: Any
) -> None:
    viewer.add_labels(balls((1, 1, 1)), name="truth")
    viewer.add_labels(balls((1, 1, 1)), name="prediction")
    compute(widget, until)
    table = widget.view.table
    for copy in (
        widget.copy_button.click,
        lambda: qtbot.keyClick(table, Qt.Key.Key_C, Qt.KeyboardModifier.ControlModifier),
    ):
        QApplication.clipboard().clear()
        copy()
        assert QApplication.clipboard().text() == table.text()


def test_all_opened_volumes_are_paired_measured_and_averaged(
    viewer: Any, widget: MetricsWidget, until: Until, tmp_path: Path
) -> None:
    add_cases(viewer)
    until(lambda: widget.chooser.all)
    pairs = [(p.name, t.name) for p, t in widget.chooser.pairs()]
    assert pairs == [(f"{case} segmentation", f"{case} truth") for case in "abc"]
    headings, *body = compute(widget, until)
    assert headings[:3] == ["case", "label", "Dice"]
    assert [line[:3] for line in body] == [
        ["a", "1 organ", "1.000"],
        ["a", "2 lesion", "1.000"],
        ["b", "1 organ", "0.750"],
        ["b", "2 lesion", "1.000"],
        ["c", "1 organ", "0.500"],
        ["c", "2 lesion", "1.000"],
        ["mean", "1 organ", "0.750"],
        ["mean", "2 lesion", "1.000"],
        ["mean", "all", "0.875"],
    ]
    widget.save_csv(tmp_path / "scores.csv")
    assert len((tmp_path / "scores.csv").read_text().splitlines()) == 7


def test_labels_have_names_where_they_say_more_than_the_number(
    viewer: Any, widget: MetricsWidget, until: Until
) -> None:
    names = {"index": [0, 1, 2], "name": ["background", "organ", "label 2"]}
    labels = balls((1, 1, 1), (6, 6, 6))
    viewer.add_labels(labels, name="a truth", features=names)
    viewer.add_labels(labels, name="a segmentation")
    headings, first, second, mean = compute(widget, until)
    assert [first[0], second[0], mean[0]] == ["1 organ", "2", "mean"]
    assert headings[1:] == ["Dice", "IoU", "HD mm", "HD95 mm"]  # names take the room of two
    widget.view.table.show_metrics(["dice", "precision"])
    assert lines(widget)[0] == ["label", "Dice", "Prec."]


def test_the_heading_names_the_percentile_that_was_measured(
    viewer: Any, widget: MetricsWidget, until: Until
) -> None:
    viewer.add_labels(balls((1, 1, 1)), name="a truth")
    viewer.add_labels(balls((2, 1, 1)), name="a segmentation")
    until(widget.compute_button.isEnabled)
    widget.form.fields.percentile.value = 50
    assert compute(widget, until)[0][-1] == "HD50 mm"


def test_a_case_that_is_unticked_is_left_out(
    viewer: Any, widget: MetricsWidget, until: Until
) -> None:
    add_cases(viewer)
    until(lambda: widget.chooser.all)
    rows = [layer for layer, _ in widget.chooser.pairs()]
    widget.chooser.pairs_table.tick(rows[1], False)
    assert {line[0] for line in compute(widget, until)[1:]} == {"a", "c", "mean"}


def test_a_click_on_a_heading_sorts_and_means_stay_below(
    viewer: Any, widget: MetricsWidget, until: Until, qtbot: Any
) -> None:
    add_cases(viewer)
    until(lambda: widget.chooser.all)
    compute(widget, until)
    column = 2  # Dice
    click_heading(widget, column, qtbot)
    ascending = [float(line[column]) for line in lines(widget)[1:7]]
    click_heading(widget, column, qtbot)
    descending = [float(line[column]) for line in lines(widget)[1:7]]
    assert ascending == sorted(ascending) == descending[::-1]
    assert [line[0] for line in lines(widget)[7:]] == ["mean"] * 3
    click_heading(widget, column, qtbot)
    assert [line[0] for line in lines(widget)[1:7]] == list("aabbcc")


def test_a_click_on_a_row_goes_to_the_worst_slice_of_that_case(
    viewer: Any, widget: MetricsWidget, until: Until, qtbot: Any
) -> None:
    add_cases(viewer)
    until(lambda: widget.chooser.all)
    compute(widget, until)
    viewer.dims.set_point(0, 0)
    click_row(widget, 4, qtbot)  # c, organ: moved by two slices, so 1, 2, 5 and 6 are wrong
    until(lambda: viewer.dims.point[0] == 1)
    shown = {layer.name for layer in viewer.layers if layer.visible}
    assert shown == {"c truth", "c segmentation", "d truth"}  # d is nobody's other case
    click_row(widget, 1, qtbot)  # nothing is wrong: where there is most of it
    until(lambda: viewer.dims.point[0] == 6)
    assert viewer.layers["a truth"].visible
    assert not viewer.layers["c truth"].visible


def test_agreement_is_one_layer_that_is_used_again(
    viewer: Any, widget: MetricsWidget, until: Until, qtbot: Any
) -> None:
    add_cases(viewer)
    until(lambda: widget.chooser.all)
    compute(widget, until)
    before = {layer.name: layer.data.copy() for layer in viewer.layers}
    click_row(widget, 4, qtbot)
    widget.agreement_button.click()
    until(lambda: "c 1 organ agreement" in viewer.layers)
    layer = viewer.layers["c 1 organ agreement"]
    assert [int((layer.data == code).sum()) for code in (1, 2, 3)] == [32, 32, 32]
    assert not layer.editable
    assert tuple(layer.scale) == tuple(viewer.layers["c truth"].scale)
    assert "only&nbsp;truth" in widget.legend.text()
    click_row(widget, 5, qtbot)  # agreement follows to the other label
    until(lambda: "c 2 lesion agreement" in viewer.layers)
    assert [int((layer.data == code).sum()) for code in (1, 2, 3)] == [64, 0, 0]
    widget.agreement_button.click()
    until(lambda: not widget.measure_queue.busy)
    assert len(viewer.layers) == len(before) + 1
    assert all(np.array_equal(viewer.layers[name].data, data) for name, data in before.items())
    # It can neither be measured nor taken for a truth.
    until(lambda: widget.chooser.truth.count() == len(before))


def test_agreement_never_takes_a_layer_of_the_same_name(
    viewer: Any, widget: MetricsWidget, until: Until
) -> None:
    viewer.add_labels(balls((1, 1, 1)), name="a truth")
    viewer.add_labels(balls((2, 1, 1)), name="a segmentation")
    mine = viewer.add_labels(balls((5, 5, 5)), name="a agreement")
    until(lambda: widget.chooser.prediction.currentText() == "a segmentation")
    compute(widget, until)
    widget.agreement_button.click()
    until(lambda: len(viewer.layers) == 4)
    assert np.array_equal(mine.data, balls((5, 5, 5)))


def test_distance_is_a_surface_in_mm_with_a_scale(
    viewer: Any, widget: MetricsWidget, until: Until, qtbot: Any
) -> None:
    scale, translate = (2.0, 1.0, 1.0), (5.0, -3.0, 0.0)
    place = {"scale": scale, "translate": translate, "units": "mm"}
    viewer.add_labels(balls((1, 1, 1), (6, 6, 6)), name="a truth", **place)
    viewer.add_labels(balls((3, 1, 1), (6, 6, 6)), name="a segmentation", **place)
    compute(widget, until)
    click_row(widget, 0, qtbot)
    widget.distance_button.click()
    until(lambda: any(isinstance(layer, Surface) for layer in viewer.layers))
    (layer,) = [layer for layer in viewer.layers if isinstance(layer, Surface)]
    until(lambda: viewer.dims.ndisplay == 3)
    assert layer.data[2].max() == 4.0
    assert (tuple(layer.scale), tuple(layer.translate)) == (scale, translate)
    assert layer.colorbar.visible
    assert "0 to 4.00 mm" in widget.legend.text()
    compute(widget, until)  # the surface lies on the labels as an image would
    click_row(widget, 0, qtbot)
    widget.distance_button.click()
    until(lambda: viewer.dims.ndisplay == 3)
    click_row(widget, 0, qtbot)  # and back to a slice
    until(lambda: viewer.dims.ndisplay == 2)
    assert [type(one) for one in viewer.layers] == [Labels, Labels, Surface]


def test_live_numbers_follow_paint_undo_and_new_data(
    viewer: Any, widget: MetricsWidget, until: Until
) -> None:
    viewer.add_labels(balls((1, 1, 1)), name="a truth")
    prediction = viewer.add_labels(balls((1, 1, 1)), name="a segmentation")
    until(widget.compute_button.isEnabled)
    widget.live_box.click()
    until(lambda: lines(widget)[1:] and lines(widget)[1][1] == "1.000")
    assert not widget.compute_button.isEnabled()
    prediction.brush_size = 1
    prediction.paint((9, 9, 9), 1)  # one voxel more: 2 x 64 / 129
    until(lambda: lines(widget)[1][1] == "0.992")
    prediction.undo()
    until(lambda: lines(widget)[1][1] == "1.000")
    prediction.data = balls((3, 1, 1))
    until(lambda: lines(widget)[1][1] == "0.500")
    until(widget.save_button.isEnabled)  # everything is measured when the brush rests
    widget.view.table.show_metrics(["dice", "nsd"])
    assert lines(widget)[1][2] != "..."
    widget.live_box.click()
    prediction.data = balls((1, 1, 1))
    until(widget.compute_button.isEnabled)
    assert lines(widget)[1][1] == "0.500"


def test_live_numbers_are_those_of_counting_anew(
    viewer: Any, widget: MetricsWidget, until: Until
) -> None:
    truth = viewer.add_labels(balls((1, 1, 1), (6, 6, 6)), name="a truth")
    prediction = viewer.add_labels(balls((2, 1, 1), (6, 7, 6)), name="a segmentation")
    viewer.dims.set_point(0, 7)
    until(widget.compute_button.isEnabled)
    widget.live_box.click()
    until(lambda: widget.scores)
    widget.paint_watch.rested.disconnect()  # or else everything would be counted anew a little later
    for layer in (prediction, truth):
        for change in _edits(layer):
            change()
            expected = score_labels(truth.data, prediction.data)

            def followed(expected: CaseScores = expected) -> bool:
                found = widget.scores["a"]
                same = found.confusion.matrix.tolist() == expected.confusion.matrix.tolist()
                return same and {k: s.assd for k, s in found.labels.items()} == {
                    k: pytest.approx(s.assd) for k, s in expected.labels.items()
                }

            until(followed, seconds=10)


def _edits(layer: Any) -> list[Callable[[], Any]]:
    """Everything that changes voxels in napari, and leaves them changed."""

    def stroke() -> None:
        with layer.block_history():  # what a drag is: many touches, one entry of the history
            for step in range(3, 8):
                layer.paint((7, step, 4), 2)

    def ball() -> None:
        layer.n_edit_dimensions = 3
        layer.paint((7, 3, 9), 1)
        layer.n_edit_dimensions = 2

    def polygon() -> None:
        layer.paint_polygon([[7, 1, 1], [7, 1, 5], [7, 5, 3]], 2)

    layer.brush_size = 3
    return [
        lambda: layer.paint((7, 9, 9), 1),
        stroke,
        layer.undo,
        layer.redo,
        ball,
        polygon,
        lambda: layer.fill((7, 7, 7), 1),
        layer.undo,
        lambda: layer.data_setitem((np.array([0, 1]), np.array([0, 0]), np.array([0, 0])), 2),
        lambda: layer.paint((7, 8, 8), 0),
        lambda: setattr(layer, "data", np.roll(layer.data, 2, axis=1)),
        lambda: layer.paint((7, 1, 1), 2),
    ]


def test_what_was_left_for_the_rest_is_measured_when_live_ends(
    viewer: Any, widget: MetricsWidget, until: Until
) -> None:
    viewer.add_labels(balls((1, 1, 1)), name="a truth")
    prediction = viewer.add_labels(balls((1, 1, 1)), name="a segmentation")
    until(widget.compute_button.isEnabled)
    widget.live_box.click()
    until(widget.save_button.isEnabled)
    prediction.data = balls((3, 1, 1))
    until(lambda: lines(widget)[1][1] == "0.500")
    assert not widget.save_button.isEnabled()  # a file holds every metric
    widget.live_box.click()
    until(widget.save_button.isEnabled, seconds=10)


def test_another_grid_is_one_line_and_can_be_resampled(
    viewer: Any, widget: MetricsWidget, until: Until, notifications: list[str]
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
    assert widget.view.isHidden()
    assert widget.note.text() == message
    assert not widget.resample_button.isHidden()
    widget.resample_button.click()
    until(lambda: not widget.view.isHidden())
    assert lines(widget)[1][1] == "1.000"
    assert "brought to the truth's grid" in widget.note.text()
    assert widget.resample_button.isHidden()


def test_only_annotated_slices_count_where_that_is_asked(
    viewer: Any, widget: MetricsWidget, until: Until
) -> None:
    sparse = np.zeros((12, 12, 12), np.uint8)
    sparse[2] = balls((1, 1, 1))[2]
    viewer.add_labels(sparse, name="a truth")
    viewer.add_labels(balls((1, 1, 1)), name="a segmentation")
    assert float(compute(widget, until)[1][1]) < 0.5
    widget.form.fields.annotated.value = "slices"
    assert compute(widget, until)[1][1] == "1.000"
    assert widget.note.text().startswith("1 of 1 measured only on voxels that count")
    widget.view.table.show_metrics(["dice", "hd", "boundary_iou"])
    _, row, mean = lines(widget)[:3]
    assert row[1:] == ["1.000", "0.00", "n/a"]  # it is not absent
    assert mean[1:] == ["1.000", "0.00", "-"]
    widget.agreement_button.click()
    until(lambda: "a agreement" in viewer.layers)
    assert not viewer.layers["a agreement"].data[3].any()


def test_a_group_is_measured_and_looked_at_as_one(
    viewer: Any, widget: MetricsWidget, until: Until, qtbot: Any
) -> None:
    swapped = balls((6, 6, 6), (1, 1, 1))
    viewer.add_labels(balls((1, 1, 1), (6, 6, 6)), name="a truth")
    viewer.add_labels(swapped, name="a segmentation")
    until(widget.compute_button.isEnabled)
    widget.form.fields.group.value = "both=1,2"
    body = compute(widget, until)
    assert [line[:2] for line in body[1:4]] == [["1", "0.000"], ["2", "0.000"], ["both", "1.000"]]
    click_row(widget, 2, qtbot)
    widget.agreement_button.click()
    until(lambda: "a both agreement" in viewer.layers)
    assert int((viewer.layers["a both agreement"].data == 1).sum()) == 128


def test_one_broken_pair_does_not_stop_the_rest(
    viewer: Any, widget: MetricsWidget, until: Until, notifications: list[str]
) -> None:
    add_cases(viewer)
    viewer.layers["b segmentation"].data = balls((1, 1, 1))[:9]
    until(lambda: widget.chooser.all)
    body = compute(widget, until)
    assert {line[0] for line in body[1:]} == {"a", "c", "mean"}
    assert len(list(notifications)) == 1
    assert "'b segmentation' is on another grid" in widget.note.text()


def test_a_scan_for_the_truth_is_told(
    viewer: Any, widget: MetricsWidget, until: Until, notifications: list[str]
) -> None:
    scan, truth = make_phantom(0, (8, 48, 48))
    viewer.add_labels(scan.voxels.astype(np.int16), name="a truth")
    viewer.add_labels(truth.voxels, name="a segmentation")
    until(widget.compute_button.isEnabled)
    widget.compute_button.click()
    until(lambda: list(notifications))
    assert "Labels of the truth 'a truth' look like a picture" in widget.note.text()


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


def test_a_row_whose_layer_was_closed_says_so(
    viewer: Any, widget: MetricsWidget, until: Until, notifications: list[str], qtbot: Any
) -> None:
    viewer.add_labels(balls((1, 1, 1)), name="truth")
    viewer.add_labels(balls((1, 1, 1)), name="prediction")
    compute(widget, until)
    viewer.layers.remove("truth")
    click_row(widget, 0, qtbot)
    assert list(notifications) == ["Layer 'truth' has been closed: open it, and compute again."]


def test_what_the_user_chose_stays_while_layers_come_and_go(
    viewer: Any, widget: MetricsWidget, until: Until
) -> None:
    chooser = widget.chooser
    for name in ("a truth", "a segmentation", "b truth"):
        viewer.add_labels(balls((1, 1, 1)), name=name)
    until(lambda: chooser.truth.currentText() == "a truth")
    chooser.truth.setCurrentText("b truth")
    chooser.truth.activated.emit(chooser.truth.currentIndex())
    viewer.add_labels(balls((1, 1, 1)), name="c")
    until(lambda: chooser.truth.count() == 4)
    assert chooser.truth.currentText() == "b truth"
    viewer.layers.remove("b truth")
    until(lambda: chooser.truth.currentText() == "a truth")


def test_plots_show_what_the_table_shows(
    viewer: Any, widget: MetricsWidget, until: Until, qtbot: Any
) -> None:
    add_cases(viewer)
    until(lambda: widget.chooser.all)
    compute(widget, until)
    widget.view.setCurrentIndex(1)
    texts = [text.get_text() for text in widget.view.confusion.axes.texts]
    assert len(texts) == 9
    assert texts[4] == "75.0"  # of the organ's voxels in all three cases
    assert texts[8] == "100.0"
    widget.view.setCurrentIndex(2)
    points = [one for one in widget.view.spread.axes.collections if isinstance(one, PathCollection)]
    dice = sorted(float(y) for drawn in points for _, y in drawn.get_offsets())
    assert dice == [0.5, 0.75, 1.0, 1.0, 1.0, 1.0]
    dark = widget.view.spread.figure.get_facecolor()
    viewer.theme = "light"
    assert widget.view.spread.figure.get_facecolor() != dark


def test_it_fits_a_narrow_dock(viewer: Any, widget: MetricsWidget, until: Until) -> None:
    add_cases(viewer)
    until(lambda: widget.chooser.all)
    compute(widget, until)
    widget.agreement_button.click()
    until(lambda: not widget.legend.isHidden())
    assert widget.minimumSizeHint().width() <= 340
    assert widget.minimumSizeHint().height() <= 700


def test_measuring_needs_no_child(viewer: Any, widget: MetricsWidget, until: Until) -> None:
    viewer.add_labels(balls((1, 1, 1)), name="truth")
    viewer.add_labels(balls((1, 1, 1)), name="prediction")
    compute(widget, until)
    assert widget.session.worker.pid is None
