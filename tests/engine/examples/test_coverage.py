import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from napari_medunet.engine.examples.annotation import annotated_voxels
from napari_medunet.engine.examples.coverage import advice, coverage


def painted(*slices: int) -> np.ndarray:
    labels = np.zeros((12, 10, 10), np.uint8)
    labels[list(slices), 2:8, 2:8] = 1
    return labels


def test_slices_that_hold_a_label_are_counted_along_the_axis_they_were_painted_on():
    found = coverage(painted(1, 4, 9))
    assert (found.axis, found.held, found.slices, found.unbroken) == (0, 3, 12, False)
    assert not found.everywhere
    turned = coverage(np.moveaxis(painted(1, 4, 9), 0, 2))
    assert (turned.axis, turned.held, turned.slices) == (2, 3, 12)
    assert coverage(painted(3, 4, 5), "z").unbroken
    assert not coverage(painted()).unbroken


def test_two_whole_organs_with_a_gap_are_not_scattered_slices():
    assert coverage(painted(1, 4, 9)).scattered
    assert coverage(painted(1, 2, 5, 6)).scattered
    organs = coverage(painted(1, 2, 3, 7, 8, 9), "z")
    assert not organs.scattered
    assert advice([organs], "all") == ""
    assert not coverage(painted()).scattered


@given(
    arrays(np.uint8, array_shapes(min_dims=3, max_dims=3, max_side=5), elements=st.integers(0, 1))
)
def test_where_every_slice_holds_a_label_both_rules_count_the_same_voxels(labels):
    assert coverage(labels).everywhere == annotated_voxels(labels, "slices").all()


def test_advice_tells_what_counts_and_what_else_looks_meant():
    some, whole = coverage(painted(1, 4, 9)), coverage(painted(*range(2, 9)), "z")
    everything = coverage(painted(*range(12)), "z")
    assert advice([some], "slices") == "3 of 12 slices across z hold a label, and count."
    assert advice([whole], "slices").endswith("If the volumes are annotated whole, choose all.")
    assert not advice([some, whole], "slices").endswith("choose all.")
    assert advice([some, whole], "all").startswith("14 of 24 slices hold no label and are learned")
    assert advice([whole], "all") == ""
    assert advice([everything], "slices") == "Every slice holds a label: all voxels count."
    assert advice([some], "voxels") == ""
    both = painted(1, 4, 9)
    both[2:8, 2:8, 5] = 1
    across_two = "3 of 12 slices across z hold a label, and 1 across another axis, and count."
    assert advice([coverage(both)], "slices") == across_two
