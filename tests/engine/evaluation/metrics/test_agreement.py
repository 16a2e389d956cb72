"""What the viewer shows beside the numbers agrees with the numbers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from napari_medunet.engine.evaluation.metrics.agreement import (
    BOTH,
    ONLY_PREDICTION,
    ONLY_TRUTH,
    OTHER_LABEL,
    agreement,
    comparable,
    distance_mesh,
    shares_of_truth,
    worst_place,
)
from napari_medunet.engine.evaluation.metrics.scores import score_labels
from napari_medunet.engine.settings import EvaluateSettings
from napari_medunet.engine.volume import Volume, affine_from_spacing

SHAPES = st.tuples(st.integers(1, 4), st.integers(1, 5), st.integers(1, 5))
LABELS = st.sampled_from([0, 0, 1, 2, 700])


@st.composite
def pairs(draw):
    shape = draw(SHAPES)
    return tuple(draw(arrays(np.int32, shape, elements=LABELS)) for _ in range(2))


@given(pairs(), st.sampled_from([1, 2, 700]))
def test_agreement_has_the_counts_of_the_metrics(pair, label):
    truth, prediction = pair
    found = agreement(truth, prediction, label)
    counts = score_labels(truth, prediction).confusion.counts(label)
    assert np.count_nonzero(found == BOTH) == counts.true_positive
    assert np.count_nonzero(found == ONLY_PREDICTION) == counts.false_positive
    assert np.count_nonzero(found == ONLY_TRUTH) == counts.false_negative
    assert set(np.unique(found)) <= {0, BOTH, ONLY_PREDICTION, ONLY_TRUTH}


@given(pairs())
def test_agreement_over_all_labels_is_background_only_where_both_say_so(pair):
    truth, prediction = pair
    found = agreement(truth, prediction)
    assert np.array_equal(found == 0, (truth == 0) & (prediction == 0))
    assert np.array_equal(found == BOTH, (truth == prediction) & (truth != 0))
    assert np.array_equal(
        found == OTHER_LABEL, (truth != prediction) & (truth != 0) & (prediction != 0)
    )


@given(pairs(), st.sampled_from([None, 1, 700]), st.integers(0, 2))
def test_no_slice_is_worse_than_that_of_the_worst_place(pair, label, axis):
    truth, prediction = pair
    place = worst_place(truth, prediction, label, axis)
    found = agreement(truth, prediction, label)
    if place is None:
        assert not found.any()
        return
    wrong = (found != 0) & (found != BOTH)
    if not wrong.any():
        wrong = found == BOTH
    assert wrong[place]
    others = tuple(other for other in range(3) if other != axis)
    by_slice = np.count_nonzero(wrong, axis=others)
    assert by_slice[place[axis]] == by_slice.max()


@given(pairs(), st.tuples(*[st.sampled_from([0.5, 1.0, 2.5])] * 3))
@settings(deadline=None)
def test_the_mesh_spans_the_distances_that_the_metrics_count(pair, spacing):
    truth, prediction = pair
    assume((truth == 1).any() and (prediction == 1).any())
    mesh = distance_mesh(truth, prediction, spacing, [1])
    one_label = score_labels(truth == 1, prediction == 1, spacing).labels[1]
    assert mesh.distance_mm.max() <= one_label.hd + 1e-9
    swapped = distance_mesh(prediction, truth, spacing, [1])
    largest = max(mesh.distance_mm.max(), swapped.distance_mm.max())
    assert largest == pytest.approx(one_label.hd)
    # Every vertex lies on the prediction's surface: half a voxel from inside and from outside.
    index = np.argwhere(prediction == 1)
    apart = np.abs(mesh.vertices[:, None] - index[None]).max(axis=2).min(axis=1)
    assert (apart <= 0.5 + 1e-6).all()
    assert mesh.faces.min() >= 0
    assert mesh.faces.max() < len(mesh.vertices) == len(mesh.distance_mm)


def test_a_moved_cube_is_as_far_as_it_was_moved():
    truth, prediction = np.zeros((2, 12, 12, 12), np.uint8)
    truth[2:6, 2:6, 2:6] = 3
    prediction[4:8, 2:6, 2:6] = 3
    mesh = distance_mesh(truth, prediction, (2.5, 1, 1), [3, 9])
    assert mesh.distance_mm.max() == 5.0  # two voxels of 2.5 mm
    top = mesh.vertices[:, 0] > 7
    assert np.all(mesh.distance_mm[top] == 5.0)
    assert mesh.vertices[:, 0].min() == 3.5
    assert mesh.vertices[:, 0].max() == 7.5


def test_meshes_of_several_labels_do_not_share_vertices():
    labels = np.zeros((6, 6, 6), np.uint8)
    labels[1:3, 1:5, 1:5] = 1
    labels[3:5, 1:5, 1:5] = 2
    both = distance_mesh(labels, labels, (1, 1, 1), [1, 2])
    first = distance_mesh(labels, labels, (1, 1, 1), [1])
    assert len(both.vertices) == 2 * len(first.vertices)
    assert both.faces[len(first.faces) :].min() == len(first.vertices)
    assert not both.distance_mm.any()


def test_no_distance_to_a_label_that_one_of_them_has_not():
    labels = np.ones((3, 3, 3), np.uint8)
    with pytest.raises(ValueError, match="do not both have the label 2"):
        distance_mesh(labels, labels, (1, 1, 1), [2])


@given(pairs())
@settings(deadline=None)
def test_shares_of_the_truth_add_up_to_one(pair):
    confusion = score_labels(*pair).confusion
    shares = shares_of_truth(confusion)
    rows = confusion.matrix.sum(axis=1)
    assert np.isnan(shares[rows == 0]).all()
    assert np.allclose(shares[rows > 0].sum(axis=1), 1)


def test_voxels_that_do_not_count_are_background_in_both():
    truth, prediction = np.zeros((2, 3, 4, 4), np.uint8)
    truth[1, :2] = 1
    prediction[:, :3] = 1
    volumes = [Volume(v, affine_from_spacing((1, 1, 1)), "v") for v in (truth, prediction)]
    everything = comparable(*volumes)
    assert np.array_equal(everything, [truth, prediction])
    slices = comparable(*volumes, EvaluateSettings(annotated="slices"))
    assert not np.any(slices[1][[0, 2]])
    assert np.array_equal(slices[1][1], prediction[1])


def test_another_grid_is_refused_or_resampled():
    truth = Volume(np.ones((4, 4, 4), np.uint8), affine_from_spacing((1, 1, 1)), "t")
    coarse = Volume(np.ones((2, 2, 2), np.uint8), affine_from_spacing((2, 2, 2)), "p")
    with pytest.raises(ValueError, match="2 x 2 x 2 against 4 x 4 x 4"):
        comparable(truth, coarse)
    _, prediction = comparable(truth, coarse, EvaluateSettings(resample=True))
    assert prediction.shape == truth.shape


def test_members_of_a_group_are_one_label():
    labels = np.array([[[0, 1, 2, 3]]], np.uint8)
    volumes = [Volume(v, affine_from_spacing((1, 1, 1)), "v") for v in (labels, labels[..., ::-1])]
    truth, prediction = comparable(*volumes, members=[1, 3])
    assert truth.tolist() == [[[0, 1, 0, 1]]]
    assert prediction.tolist() == [[[1, 0, 1, 0]]]
