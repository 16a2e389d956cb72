import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_medunet.engine.examples.example import label_values, make_example
from napari_medunet.engine.examples.split import split_examples, split_folds
from napari_medunet.engine.settings import TrainSettings
from napari_medunet.engine.volume import Volume, affine_from_spacing


def volume(voxels, name="case"):
    return Volume(np.asarray(voxels), affine_from_spacing((2.0, 1.0, 1.0)), name)


def examples(count, slices=3):
    labels = np.zeros((6, 8, 10), np.uint8)
    labels[1 : 1 + slices, 2:5, 2:5] = 1
    settings = TrainSettings.of(annotated="slices")
    return [
        make_example(
            volume(np.zeros(labels.shape, np.float32), f"c{i}"),
            volume(labels.copy()),
            settings.annotation,
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


def test_a_tenth_and_eight_cases_at_most_are_held_out_where_nothing_is_set():
    share = TrainSettings().hold_out.validation
    for cases, held in ((5, 1), (30, 3), (84, 8), (200, 8)):
        assert len(split_examples(examples(cases), share, seed=0)[1]) == held
    labels = np.zeros((20, 8, 10), np.uint8)
    labels[::4, 2:7, 2:7] = 1  # five painted slices
    image, settings = (
        volume(np.zeros(labels.shape, np.float32)),
        TrainSettings.of(annotated="slices"),
    )
    painted = [make_example(image, volume(labels), settings.annotation)] * 3
    held_out = split_examples(painted, share, seed=0)[1]
    assert sum(int(e.annotated.any((1, 2)).sum()) for e in held_out) == 2


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


@given(
    held=st.lists(st.sets(st.integers(1, 5)), min_size=2, max_size=25),
    count=st.integers(2, 20),
    seed=st.integers(0, 2**32 - 1),
)
def test_folds_are_a_partition_of_about_equal_parts_that_spreads_the_rarest_label(
    held, count, seed
):
    count = min(count, len(held))
    folds = split_folds(held, count, seed)
    assert len(folds) == count
    assert sorted(index for fold in folds for index in fold) == list(range(len(held)))
    sizes = [len(fold) for fold in folds]
    assert max(sizes) - min(sizes) <= 1
    assert folds == split_folds(held, count, seed)
    holders = {c: [c in labels for labels in held] for c in set().union(*held)}
    if holders:
        fewest = min(sum(has) for has in holders.values())
        rarest = min(c for c, has in holders.items() if sum(has) == fewest)
        counts = [sum(holders[rarest][index] for index in fold) for fold in folds]
        assert max(counts) - min(counts) <= 1


def test_every_label_of_two_cases_is_left_in_training_by_every_fold():
    """Rare labels that overlap in their cases: none may end whole in one fold."""
    held = [{1}] * 4 + [{1, 2}, {1, 2}, {1, 3}, {1, 3}, {1, 4, 5}, {1, 4, 5}]
    for seed in range(30):
        for fold in split_folds(held, 5, seed):
            rest = [labels for index, labels in enumerate(held) if index not in fold]
            assert set().union(*rest) == {1, 2, 3, 4, 5}


def test_folds_differ_with_the_seed():
    assert len({str(split_folds([{1}] * 8, 2, seed)) for seed in range(6)}) > 3


@pytest.mark.parametrize(
    ("cases", "message"),
    [(1, "there is 1; wanted at least 2"), (3, "Choose 3 folds or fewer, or add cases")],
)
def test_too_few_cases_for_the_folds_are_refused(cases, message):
    with pytest.raises(ValueError, match=message):
        split_folds([{1}] * cases, 5, seed=0)
