"""What lies between painted slices: laws of the guess, and how far it can be trusted."""

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st
from scipy import ndimage

from napari_medunet.engine.examples.between_slices import guess_between
from napari_medunet.engine.examples.phantoms import make_phantom

SPACING_MM = (2.0, 1.0, 1.0)


def painted(truth, slices, axis=0):
    """Annotation of some slices of a truth, and -1 elsewhere."""
    annotation = np.full(truth.shape, -1, np.int16)
    where = (slice(None),) * axis + (list(slices),)
    annotation[where] = truth[where]
    return annotation


def ball(shape=(21, 24, 24), radius_mm=8.0):
    axes = [(np.arange(n) - (n - 1) / 2) * mm for n, mm in zip(shape, SPACING_MM, strict=True)]
    z, y, x = np.meshgrid(*axes, indexing="ij")
    return (z**2 + y**2 + x**2 < radius_mm**2).astype(np.int16)


def dice(found, truth):
    return 2 * (found & truth).sum() / (found.sum() + truth.sum())


def test_what_was_painted_stays_and_is_certain():
    truth = ball()
    guess = guess_between(painted(truth, (8, 11)), SPACING_MM)
    for index in (8, 11):
        np.testing.assert_array_equal(guess.classes[index], truth[index])
        assert np.isposinf(guess.odds[index]).all()
    assert np.isfinite(guess.odds[9:11]).all()


def test_between_two_slices_that_are_alike_there_is_the_same():
    truth = np.repeat(ball()[10:11], 9, axis=0)
    guess = guess_between(painted(truth, (0, 8)), SPACING_MM)
    np.testing.assert_array_equal(guess.classes, truth)


def test_a_shape_that_moves_is_found_on_its_way():
    """Without aligned centres two discs that do not overlap would both vanish between them."""
    truth = np.zeros((9, 40, 40), np.int16)
    rows, columns = np.mgrid[:40, :40]
    for index in range(9):
        truth[index] = (rows - 20) ** 2 + (columns - 8 - 3 * index) ** 2 < 25
    guess = guess_between(painted(truth, (0, 8)), SPACING_MM)
    assert dice(guess.classes[1:8] == 1, truth[1:8] == 1) > 0.95


def test_a_shape_on_one_of_two_slices_ends_halfway_between_them():
    truth = ball()
    guess = guess_between(painted(truth, (0, 10)), SPACING_MM)
    held = guess.classes.any(axis=(1, 2))
    assert not held[:6].any()
    assert held[6:11].all()


def test_beyond_the_outermost_slice_a_structure_ends_and_is_less_sure_the_farther():
    guess = guess_between(painted(ball(), (8, 10, 12)), SPACING_MM)
    assert guess.classes[13].any()
    assert not guess.classes[14:].any()
    above_the_middle = guess.odds[14:, 12, 12]
    assert (np.diff(above_the_middle) >= 0).all()
    assert above_the_middle[0] == 0  # it may end there or not
    assert above_the_middle[-1] == above_the_middle.max() < 5  # a network that is sure goes before


def test_a_class_that_fills_whole_slices_has_no_border_to_measure_to():
    truth = np.ones((9, 8, 8), np.int16)
    guess = guess_between(painted(truth, (2, 4, 6)), SPACING_MM)
    assert (guess.classes[2:7] == 1).all()
    for index in (0, 1, 7, 8):  # the same in each place of a slice
        assert len(np.unique(guess.classes[index])) == len(np.unique(guess.odds[index])) == 1


def test_one_slice_says_how_the_next_ones_look_and_nothing_of_where_it_ends():
    guess = guess_between(painted(ball(), (10,)), SPACING_MM)
    assert guess.classes[11].any()
    assert (guess.odds[:, 12, 12][11:] >= 0).all()
    assert guess.classes[20, 12, 12] == 1


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_its_odds_are_kept(seed):
    """Of what is called likely as much is right; phantoms, every fourth slice."""
    _, labels = make_phantom(seed, (33, 64, 64))
    truth = np.asarray(labels.voxels, np.int16)
    held = np.flatnonzero(truth.any(axis=(1, 2)))
    annotation = painted(truth, range(held[0], held[-1] + 1, 4))
    guess = guess_between(annotation, labels.spacing_mm)
    unknown = annotation < 0
    right = guess.classes == truth
    for odds, least in ((1.1, 0.75), (3.0, 0.95)):
        for some in (guess.classes > 0, guess.classes == 0):
            sure = unknown & (guess.odds >= odds) & some
            assert right[sure].mean() >= least
    assert dice((guess.classes > 0) & unknown, (truth > 0) & unknown) > 0.85


@pytest.mark.parametrize("seen", ["all", "nothing", "voxels"])
def test_there_is_no_guess_where_no_slice_or_every_one_is_annotated(seen):
    annotation = ball()
    if seen != "all":
        annotation[...] = -1
    if seen == "voxels":
        annotation[10, 5:9, 5:9] = 1
    assert guess_between(annotation, SPACING_MM) is None


@hypothesis.given(st.integers(0, 2**32 - 1), st.permutations((0, 1, 2)), st.integers(0, 2))
@hypothesis.settings(max_examples=25)
def test_axes_may_change_their_order_and_direction(seed, order, flipped):
    rng = np.random.default_rng(seed)
    noise = ndimage.gaussian_filter(rng.normal(size=(12, 14, 16)), 2)
    truth = np.digitize(noise, np.quantile(noise, (0.6, 0.8))).astype(np.int16)
    annotation = painted(truth, sorted(rng.choice(12, 3, replace=False)))
    guess = guess_between(annotation, SPACING_MM)

    def turned(array):
        return np.flip(np.transpose(array, order), flipped)

    again = guess_between(turned(annotation), tuple(SPACING_MM[axis] for axis in order))
    np.testing.assert_allclose(turned(guess.odds), again.odds, rtol=3e-3, atol=3e-3)
    # Two classes that are as near as each other are a matter of order.
    sure = turned(guess.odds) > 0.01
    np.testing.assert_array_equal(turned(guess.classes)[sure], again.classes[sure])


def test_a_network_that_finds_a_class_seldom_does_not_rule_it_out():
    truth = ball()
    guess = guess_between(painted(truth, (8, 12)), SPACING_MM)
    inside = (10, 12, 12)
    for recall, wins in (((1.0, 1.0), 0), ((1.0, 0.1), 1)):
        probabilities = np.zeros((2, *truth.shape), np.float32)
        probabilities[0], probabilities[1] = 1 - 1e-12, 1e-12
        guess.weigh(probabilities, slice(0, len(truth)), recall)
        assert probabilities[(slice(None), *inside)].argmax() == wins
        np.testing.assert_allclose(probabilities.sum(axis=0), 1, rtol=1e-5)
