import numpy as np
import pytest

from napari_medunet.engine.examples.annotation import (
    annotated_axis,
    annotated_slices,
    annotated_voxels,
)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_painted_slices_are_found_on_every_axis(axis):
    labels = np.zeros((12, 14, 16), np.uint8)
    index = [slice(2, 10)] * 3
    for painted_slice in (4, 7):
        index[axis] = painted_slice
        labels[tuple(index)] = 1
    assert annotated_axis(labels) == axis
    annotated = annotated_voxels(labels, "slices")
    assert annotated.sum() == 2 * labels.size / labels.shape[axis]
    assert annotated[labels > 0].all()


def test_a_small_structure_on_scattered_slices_is_painted_across_them():
    """Fewer planes hold it on either other axis: counting planes would take those for painted."""
    labels = np.zeros((40, 60, 60), np.uint8)
    labels[5:35:6, 20:23, 30:32] = 1
    assert annotated_axis(labels) == 0
    assert annotated_voxels(labels, "slices").sum() == 5 * 60 * 60


@pytest.mark.parametrize("turn", [(0, 1, 2), (2, 1, 0), (1, 2, 0)])
def test_slices_painted_on_two_axes_of_one_volume_count_each_on_its_own(turn):
    organ = np.zeros((20, 30, 30), np.uint8)
    organ[4:16, 6:24, 8:22] = 1
    organ[8:11, 12:15, 12:15] = 2
    labels, counts = np.zeros_like(organ), np.zeros(organ.shape, bool)
    for painted in (np.s_[6], np.s_[10], np.s_[13], np.s_[:, :, 12]):
        labels[painted], counts[painted] = organ[painted], True
    annotated = annotated_voxels(labels.transpose(turn), "slices")
    np.testing.assert_array_equal(annotated, counts.transpose(turn))


def test_a_thin_structure_in_adjacent_slices_is_no_slice_of_another_axis():
    labels = np.zeros((20, 30, 30), np.uint8)
    labels[4:9, 10:25, 10:25] = 1
    labels[4:9, 10:12, 3] = 2  # a vessel, one voxel wide
    annotated = annotated_voxels(labels, "slices")
    assert annotated[4:9].all()
    assert not annotated[:4].any()
    assert not annotated[9:].any()


def test_annotated_slices_are_those_that_are_full_across_any_axis():
    annotated = np.zeros((6, 7, 8), bool)
    annotated[2], annotated[:, :, 5] = True, True
    assert annotated_slices(annotated, 0) == [(0, 2), (2, 5)]
    assert annotated_slices(np.ones((2, 3, 4), bool), 1) == [(1, 0), (1, 1), (1, 2)]
    strokes = np.zeros((6, 7, 8), bool)
    strokes[3, 2:5, 4] = True
    assert annotated_slices(strokes, 0) == [(0, 3)]


def test_the_axis_across_painted_slices_can_be_chosen():
    labels = np.zeros((6, 8, 10), np.uint8)
    labels[2, 3, 4] = 1  # one voxel: any axis could be meant
    for axis, name in enumerate("zyx"):
        annotated = annotated_voxels(labels, "slices", name)
        assert np.moveaxis(annotated, axis, 0)[np.argwhere(labels)[0][axis]].all()
        assert annotated.sum() == labels.size / labels.shape[axis]
