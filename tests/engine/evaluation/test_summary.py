"""Many cases in a few numbers: means, quartiles, intervals, micro and macro; two segmenters compared."""

from math import inf, isnan, nan

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_medunet.engine.evaluation.comparison import compare, paired_difference
from napari_medunet.engine.evaluation.evaluation import Evaluation
from napari_medunet.engine.evaluation.metrics.confusion import confusion_matrix, pooled
from napari_medunet.engine.evaluation.metrics.label_pairs import pair_labels
from napari_medunet.engine.evaluation.metrics.overlap import ratios
from napari_medunet.engine.evaluation.metrics.scores import score_labels
from napari_medunet.engine.evaluation.summary import mean_interval, summarise_values
from napari_medunet.engine.settings import EvaluateSettings


def test_quartiles_and_their_infinities():
    found = summarise_values([1.0, 2.0, 4.0, 8.0, nan])
    assert (found.q1, found.median, found.q3) == (1.75, 3.0, 5.0)
    assert (found.n, found.of) == (4, 5)
    missed = summarise_values([1.0, 2.0, inf, inf])
    assert (missed.q1, missed.median, missed.q3, missed.mean) == (1.75, inf, inf, inf)
    assert summarise_values([inf, inf]).median == inf
    assert isnan(summarise_values([nan]).q1)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.floats(-10, 10), min_size=2, max_size=40), st.integers(0, 99))
def test_an_interval_lies_around_the_mean_and_moves_with_the_values(values, seed):
    low, high = mean_interval(values, seed)
    assert min(values) - 1e-9 <= low <= high <= max(values) + 1e-9
    assert mean_interval(values, seed) == (low, high)
    moved = mean_interval([2 * value + 3 for value in values], seed)
    assert moved == pytest.approx((2 * low + 3, 2 * high + 3))


def test_an_interval_is_as_wide_as_theory_says():
    values = np.random.default_rng(0).normal(5, 2, 400).tolist()
    low, high = mean_interval(values)
    assert high - low == pytest.approx(2 * 1.96 * np.std(values) / 20, rel=0.1)


def test_intervals_without_sense_are_not_given():
    assert all(map(isnan, mean_interval([0.5])))
    assert all(map(isnan, mean_interval([nan, nan, 1.0])))
    low, high = mean_interval([1.0, 2.0, inf])
    assert low < inf
    assert high == inf
    assert all(map(isnan, mean_interval([-inf, inf, 0.0])))


def case(truth, prediction, **options):
    return score_labels(np.array(truth), np.array(prediction), None, EvaluateSettings(**options))


def test_micro_counts_voxels_and_macro_counts_cases():
    large = case([1] * 90 + [0] * 10, [1] * 90 + [0] * 10)
    small = case([1] * 10 + [0] * 90, [0] * 10 + [1] * 10 + [0] * 80)
    evaluation = Evaluation({"large": large, "small": small})
    assert evaluation.summary()[1]["dice"].mean == pytest.approx(0.5)
    assert evaluation.micro()[1]["dice"] == pytest.approx(2 * 90 / (100 + 100))
    assert evaluation.confusion().matrix.tolist() == [[90, 10], [10, 90]]


def test_micro_over_labels_and_groups():
    one = case([1, 1, 1, 2, 0, 5], [1, 1, 1, 1, 2, 5], group=["both=1,2"])
    evaluation = Evaluation({"one": one}, settings=EvaluateSettings(group=["both=1,2"]))
    assert evaluation.micro_over_labels("one")["dice"] == pytest.approx(2 * 4 / (6 + 5))
    assert evaluation.micro()["all labels"] == evaluation.micro_over_labels("one")
    assert evaluation.micro()["both"]["recall"] == 1
    assert evaluation.micro()["both"]["dice"] == evaluation.summary()["both"]["dice"].mean
    assert evaluation.rows == [1, 2, 5, "both"]


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from([(0, 1, 2), (0, 7, 300), (0, -4, 5)]))
def test_pooled_counts_are_those_of_all_voxels_at_once(seed, labels):
    rng = np.random.default_rng(seed)
    arrays = [np.array(labels)[rng.integers(0, 3, (2, size))] for size in (5, 1, 17)]
    whole = confusion_matrix(pair_labels(*np.concatenate(arrays, axis=1)))
    parts = pooled([confusion_matrix(pair_labels(*pair)) for pair in arrays])
    for label in labels:
        assert parts.counts(label) == whole.counts(label)
    group = labels[1:]
    assert parts.group_counts(group) == whole.group_counts(group)
    inside = [np.isin(a, group).astype(int) for a in np.concatenate(arrays, axis=1)]
    alone = confusion_matrix(pair_labels(*inside)).counts(1)
    assert parts.group_counts(group) == alone
    assert parts.total == whole.total
    assert ratios(alone, 2.0).keys() >= {"dice", "f_beta", "kappa"}


def test_nothing_measured_can_be_summarised():
    nothing = Evaluation({})
    assert nothing.summary() == {}
    assert nothing.micro() == {}
    assert nothing.confusion().total == 0


# --- two segmenters -----------------------------------------------------------------------------


def test_paired_differences_by_hand():
    found = paired_difference([0.9, 0.8, 0.7, nan, 0.6], [0.8, 0.8, 0.5, 0.1, 0.7])
    assert (found.n, found.of) == (4, 5)
    assert found.mean == pytest.approx(0.05)
    assert found.median == pytest.approx(0.05)
    assert (found.first_larger, found.second_larger) == (2, 1)
    assert found.first_mean == pytest.approx(0.75)


def test_the_signed_rank_test_is_the_textbooks():
    # Exact: with n differences all of one sign, p = 2 / 2^n.
    found = paired_difference([1.0, 2.5, 3.25, 4.0, 5.75, 6.5], [0.5] * 6)
    assert found.p_value == pytest.approx(2 / 2**6)
    # Ranks 1, 2, 3 and signs +, +, -: W = 3; of the 8 signings 6 lie as far out, on both sides all 8.
    assert paired_difference([1.0, 2.0, -3.0], [0.0] * 3).p_value == pytest.approx(1.0)
    assert paired_difference([1.0, 2.0], [1.0, 2.0]).p_value == 1
    assert isnan(paired_difference([nan], [1.0]).p_value)


def test_a_label_that_only_one_missed_is_an_infinite_difference():
    found = paired_difference([1.0, inf, inf, 2.0], [2.0, inf, 3.0, 3.0])
    assert found.mean == inf
    assert (found.first_larger, found.second_larger) == (1, 2)
    assert found.median == -1
    both = paired_difference([1.0, inf], [inf, 1.0])
    assert isnan(both.mean)


def test_swapping_the_two_turns_every_sign():
    rng = np.random.default_rng(2)
    a, b = rng.random((2, 12))
    one, other = paired_difference(a, b), paired_difference(b, a)
    assert other.mean == pytest.approx(-one.mean)
    assert (other.ci_low, other.ci_high) == pytest.approx((-one.ci_high, -one.ci_low), abs=0.01)
    assert other.p_value == pytest.approx(one.p_value)


def test_only_common_cases_are_compared():
    good, bad = case([1, 1, 0, 0], [1, 1, 0, 0]), case([1, 1, 0, 0], [0, 1, 1, 0])
    found = compare(Evaluation({"a": good, "b": good, "x": bad}), Evaluation({"a": bad, "b": good}))
    assert found.cases == ["a", "b"]
    assert found.left_out == ["x"]
    assert found.differences[1]["dice"].mean == pytest.approx(0.25)
    with pytest.raises(ValueError, match="no measured case in common"):
        compare(Evaluation({"a": good}), Evaluation({"b": good}), ("one", "two"))
