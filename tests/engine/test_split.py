import numpy as np
import pytest

from napari_medunet.engine.examples import label_values, make_example
from napari_medunet.engine.settings import TrainSettings
from napari_medunet.engine.split import split_examples
from napari_medunet.engine.volume import Volume, affine_from_spacing


def volume(voxels, name="case"):
    return Volume(np.asarray(voxels), affine_from_spacing((2.0, 1.0, 1.0)), name)


def examples(count, slices=3):
    labels = np.zeros((6, 8, 10), np.uint8)
    labels[1 : 1 + slices, 2:5, 2:5] = 1
    settings = TrainSettings(annotated="slices")
    return [
        make_example(
            volume(np.zeros(labels.shape, np.float32), f"c{i}"), volume(labels.copy()), settings
        )
        for i in range(count)
    ]


def test_many_cases_are_split_by_case_and_by_seed():
    cases = examples(10)
    training, validation = split_examples(cases, 0.2, seed=1)
    assert len(training) == 8
    assert len(validation) == 2
    assert {e.name for e in training} | {e.name for e in validation} == {e.name for e in cases}
    again = split_examples(cases, 0.2, seed=1)[1]
    others = [split_examples(cases, 0.2, seed=seed)[1] for seed in range(2, 9)]
    assert [e.name for e in validation] == [e.name for e in again]
    assert any({e.name for e in other} != {e.name for e in validation} for other in others)


def test_few_cases_are_split_by_slice_and_no_voxel_is_on_both_sides():
    cases = examples(3)
    training, validation = split_examples(cases, 0.2, seed=0)
    counted = {e.name: e.annotated.copy() for e in training}
    for example in validation:
        assert not (counted[example.name] & example.annotated).any()
        counted[example.name] |= example.annotated
    for case in cases:
        np.testing.assert_array_equal(counted[case.name], case.annotated)


def test_too_few_slices_are_not_split():
    cases = examples(1, slices=2)
    assert split_examples(cases, 0.2, seed=0) == (cases, cases)


@pytest.mark.parametrize("count", [3, 8])
def test_a_rare_class_is_validated_and_still_trained_on(count):
    cases = examples(count, slices=4)
    for case in (cases[0], cases[-1]):
        case.labels[3, 4, 4] = 2
    for seed in range(20):
        for side in split_examples(cases, 0.2, seed):
            assert label_values(side) == (0, 1, 2)


@pytest.mark.parametrize("count", [3, 8])
def test_a_class_of_one_slice_alone_stays_in_training(count):
    cases = examples(count, slices=4)
    cases[1].labels[3, 4, 4] = 2
    for seed in range(20):
        training, validation = split_examples(cases, 0.5, seed)
        assert label_values(training) == (0, 1, 2)
        assert label_values(validation) == (0, 1)


def test_where_nothing_can_be_spared_nothing_is_held_out():
    cases = examples(6)
    for number, case in enumerate(cases):
        case.labels[2, 2, 2] = 10 + number
    training, validation = split_examples(cases, 0.2, seed=0)
    assert [e.name for e in training] == [e.name for e in cases] == [e.name for e in validation]
