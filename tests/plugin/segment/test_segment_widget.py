"""The segment widget in a real viewer, with a segmenter that was really trained."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from napari_medunet.engine.examples.phantoms import make_phantom
from napari_medunet.engine.prediction.model_file import read_card
from napari_medunet.plugin.segment.widget import SegmentWidget, describe
from napari_medunet.plugin.session.session import session_of

AddPhantom = Callable[..., Any]
Until = Callable[..., None]


@pytest.fixture
def widget(viewer: Any) -> Iterator[SegmentWidget]:
    widget = SegmentWidget(viewer)
    viewer.window.add_dock_widget(widget, name="Segment")
    return widget


def names(viewer: Any) -> list[str]:
    return [layer.name for layer in viewer.layers]


def segment(widget: SegmentWidget, until: Until) -> None:
    until(widget.segment_button.isEnabled)
    widget.segment_button.click()
    assert widget.session.busy
    until(lambda: not widget.session.busy)


@pytest.mark.slow
def test_it_says_in_one_line_what_is_missing(
    viewer: Any,
    widget: SegmentWidget,
    segmenter: Path,
    add_phantom: AddPhantom,
    until: Until,
    notifications: list[str],
    tmp_path: Path,
) -> None:
    assert not widget.segment_button.isEnabled()
    assert widget.reason.text() == "Train a segmenter, or open one from a file."
    wrong = tmp_path / "notes.medunet"
    wrong.write_text("no zip")
    widget.segmenters.open_segmenter(wrong)
    widget.segmenters.open_segmenter(tmp_path / "missing.medunet")
    first, second = notifications
    assert "is no segmenter" in first
    assert "Cannot read the segmenter" in second
    widget.segmenters.open_segmenter(segmenter)
    assert widget.segmenters.currentText() == "small.medunet"
    assert "1 case" in widget.description.text()
    assert widget.reason.text() == "Open an image first."
    add_phantom(0)
    until(widget.segment_button.isEnabled)
    assert widget.segment_button.text() == "Segment phantom_00"


@pytest.mark.slow
def test_predictions_are_new_layers_on_the_image_s_grid(
    viewer: Any, widget: SegmentWidget, segmenter: Path, add_phantom: AddPhantom, until: Until
) -> None:
    (first, annotation), (second, _) = add_phantom(0), add_phantom(1)
    before = annotation.data.copy()
    viewer.layers.selection.active = annotation
    widget.segmenters.open_segmenter(segmenter)
    widget.scope.setCurrentText("all")
    segment(widget, until)
    assert names(viewer)[-2:] == ["phantom_00 segmentation", "phantom_01 segmentation"]
    for image, layer in zip((first, second), list(viewer.layers)[-2:], strict=True):
        assert layer.data.shape == image.data.shape
        assert layer.data.dtype == np.uint8
        np.testing.assert_array_equal(layer.scale, image.scale)
        np.testing.assert_array_equal(layer.translate, image.translate)
        assert layer.units == image.units
        assert layer.axis_labels == image.axis_labels
        assert all(
            layer.metadata[key] is image.metadata[key] for key in ("nifti", "affine", "shape")
        )
    np.testing.assert_array_equal(annotation.data, before)
    assert viewer.layers.selection.active == annotation


@pytest.mark.slow
def test_what_is_odd_about_an_image_is_a_notification(
    viewer: Any,
    widget: SegmentWidget,
    segmenter: Path,
    add_phantom: AddPhantom,
    until: Until,
    notifications: list[str],
) -> None:
    image, _ = add_phantom(0)
    image.data = np.full_like(image.data, 7)
    widget.segmenters.open_segmenter(segmenter)
    segment(widget, until)
    assert any("nothing to see" in sentence for sentence in notifications)
    assert "phantom_00 segmentation" in names(viewer)


def test_a_prediction_is_replaced_until_somebody_edits_it(
    viewer: Any, widget: SegmentWidget, segmenter: Path, add_phantom: AddPhantom, until: Until
) -> None:
    image, _ = add_phantom(0)
    own = viewer.add_labels(np.zeros(image.data.shape, np.uint8), name="phantom_00 segmentation")
    viewer.layers.selection.active = image
    widget.segmenters.open_segmenter(segmenter)
    segment(widget, until)
    segment(widget, until)
    assert names(viewer)[2:] == ["phantom_00 segmentation", "phantom_00 segmentation [1]"]
    assert not own.data.any()
    edited = viewer.layers["phantom_00 segmentation [1]"].__wrapped__
    edited.paint((3, 5, 5), 7)
    kept = edited.data.copy()
    segment(widget, until)
    assert names(viewer)[-1] == "phantom_00 segmentation [2]"
    np.testing.assert_array_equal(edited.data, kept)


@pytest.mark.slow
def test_an_image_that_cannot_be_segmented_does_not_hold_up_a_flat_one(
    viewer: Any,
    widget: SegmentWidget,
    segmenter: Path,
    add_phantom: AddPhantom,
    until: Until,
    notifications: list[str],
) -> None:
    broken, _ = add_phantom(0)
    broken.data = np.full(broken.data.shape, np.nan, np.float32)
    slice_ = make_phantom(0, (8, 32, 32))[0].voxels[4]
    viewer.add_image(slice_, name="slice", scale=(1.5, 1.5), units="mm")
    widget.segmenters.open_segmenter(segmenter)
    widget.scope.setCurrentText("all")
    segment(widget, until)
    assert "phantom_00 segmentation" not in names(viewer)
    layer = viewer.layers["slice segmentation"]
    assert layer.data.shape == slice_.shape
    assert tuple(layer.scale) == (1.5, 1.5)
    (message,) = notifications
    assert "'phantom_00' has 8192 voxels that are NaN" in message


@pytest.mark.slow
def test_cancel_ends_it_and_layers_may_go_meanwhile(
    viewer: Any,
    widget: SegmentWidget,
    segmenter: Path,
    add_phantom: AddPhantom,
    until: Until,
    notifications: list[str],
) -> None:
    add_phantom(0)
    widget.segmenters.open_segmenter(segmenter)
    until(widget.segment_button.isEnabled)
    widget.segment_button.click()
    assert widget.segment_button.isHidden()
    viewer.layers.clear()
    widget.job_bar.cancel_button.click()
    until(lambda: not widget.session.busy, seconds=10)
    assert names(viewer) == []
    assert not widget.segment_button.isHidden()
    assert list(notifications) == []


def test_widgets_of_one_viewer_share_their_session(viewer: Any, widget: SegmentWidget) -> None:
    assert session_of(viewer) is widget.session


@pytest.mark.slow
@pytest.mark.parametrize(("dims", "context"), [("2d", 0), ("2.5d", 1)])
def test_a_segmenter_is_called_what_it_looks_at(segmenter: Path, dims: str, context: int) -> None:
    card = read_card(segmenter)
    grid = card.plan.grid.model_copy(update={"dims": dims, "context": context})
    card = card.model_copy(update={"plan": card.plan.model_copy(update={"grid": grid})})
    assert f"; {dims.upper()} at " in describe(card)
