"""What counts as labels, asked in one place."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from napari_medunet.engine.errors import MedunetError
from napari_medunet.engine.labels import (
    as_class_labels,
    as_labels,
    holds_class_labels,
    integer_labels,
    label_name,
    smallest_dtype,
)
from napari_medunet.engine.volume import Volume

TYPES = [np.uint8, np.int16, np.uint16, np.int32, np.int64, np.float32, np.float64, np.uint64]


@given(
    labels=arrays.arrays(np.int64, arrays.array_shapes(max_dims=3), elements=st.integers(0, 255)),
    dtype=st.sampled_from(TYPES),
)
def test_labels_are_the_same_whatever_they_are_stored_in(labels, dtype):
    labels = labels.clip(0, 100)
    for found in (as_labels(labels.astype(dtype)), as_class_labels(labels.astype(dtype))):
        assert found.dtype.kind in "iu"
        np.testing.assert_array_equal(found, labels)
    assert smallest_dtype(labels.astype(dtype), "case") == np.uint8
    assert holds_class_labels(labels.astype(dtype))


@given(
    values=arrays.arrays(
        np.float64, arrays.array_shapes(max_dims=2), elements=st.floats(width=32, allow_nan=True)
    )
)
def test_every_question_has_the_same_answer(values):
    answers = [holds_class_labels(values)]
    for ask in (
        as_class_labels,
        lambda array: smallest_dtype(array, "case"),
        lambda array: integer_labels(Volume(array.reshape(1, 1, -1), np.eye(4), "case")),
    ):
        try:
            ask(values)
        except MedunetError:
            answers.append(False)
        else:
            answers.append(True)
    assert len(set(answers)) == 1


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.array([1.5, 2]), "Labels 'case': 1 voxels are no integers, such as 1.5"),
        (np.array([np.nan, 2, np.inf]), "Labels 'case': 2 voxels are no integers, such as nan"),
        (np.array([-3, 2]), "Labels 'case': the negative label -3"),
        (np.array([1j]), "values of type complex128"),
    ],
)
def test_what_is_no_label_is_named(values, message):
    with pytest.raises(MedunetError, match=message):
        integer_labels(Volume(values.reshape(1, 1, -1), np.eye(4), "case"))


def test_negative_labels_are_labels_where_nothing_is_written_or_trained():
    assert as_labels([-3, 2]).tolist() == [-3, 2]


def test_a_label_is_called_by_its_name_or_its_number():
    assert [label_name(label, {1: "liver"}) for label in (0, 1, 2, "whole")] == [
        "background", "liver", "2", "whole",
    ]  # fmt: skip


def test_the_smallest_type_holds_the_largest_label():
    for highest, dtype in ((255, np.uint8), (256, np.uint16), (70_000, np.uint32)):
        assert smallest_dtype(np.array([0, highest]), "case") == dtype
