import numpy as np
import pytest
from keras import ops

from napari_medunet.engine.network.losses import ClassScores, cross_entropy_and_dice
from napari_medunet.engine.patches.cutting import IGNORED


def loss(classes, logits):
    return float(
        cross_entropy_and_dice(np.asarray(classes, np.int32), ops.convert_to_tensor(logits))
    )


def by_hand(classes, logits):
    """The definition, written with loops."""
    entropy, overlap, held, predicted = [], {}, {}, {}
    for truth, scores in zip(np.ravel(classes), logits.reshape(-1, logits.shape[-1]), strict=True):
        if truth == IGNORED:
            continue
        probability = np.exp(scores) / np.exp(scores).sum()
        entropy.append(-np.log(probability[truth]))
        for c in range(1, len(scores)):
            held[c] = held.get(c, 0) + (truth == c)
            predicted[c] = predicted.get(c, 0) + probability[c]
            overlap[c] = overlap.get(c, 0) + (truth == c) * probability[c]
    dice = [(2 * overlap[c] + 1) / (held[c] + predicted[c] + 1) for c in held if held[c]]
    return np.mean(entropy) + (1 - np.mean(dice) if dice else 0)


@pytest.mark.parametrize("seed", range(4))
def test_the_loss_is_its_definition(seed):
    rng = np.random.default_rng(seed)
    classes = rng.choice([IGNORED, 0, 1, 3], (2, 5, 6))  # class 2 is absent
    logits = rng.normal(0, 2, (2, 5, 6, 4)).astype(np.float32)
    assert loss(classes, logits) == pytest.approx(by_hand(classes, logits), rel=1e-5)


def test_a_rare_class_counts_as_three_in_a_hundred_in_the_cross_entropy():
    """One voxel in 400, and nothing else is wrong: of the entropy it is 3 % of 102.75 %."""
    classes = np.zeros((1, 20, 20), np.int32)
    classes[0, 3, 4] = 1
    logits = np.zeros((1, 20, 20, 2), np.float32)
    logits[..., 0] = 20
    worse = logits.copy()
    worse[0, 3, 4, 0] = 30  # the Dice of the class is 0 in both
    share = 0.03 / (1 - 1 / 400 + 0.03)
    assert loss(classes, worse) - loss(classes, logits) == pytest.approx(10 * share, rel=1e-4)


def test_ignored_voxels_change_nothing():
    rng = np.random.default_rng(0)
    classes = rng.integers(0, 3, (1, 8, 8))
    classes[:, :3] = IGNORED
    logits = rng.normal(size=(1, 8, 8, 3)).astype(np.float32)
    other = logits.copy()
    other[:, :3] = 100 * rng.normal(size=(1, 3, 8, 3))
    assert loss(classes, logits) == pytest.approx(loss(classes, other), rel=1e-6)
    scores = ClassScores(3)
    scores.update_state(classes, logits)
    before = {name: float(value) for name, value in scores.result().items()}
    scores.reset_state()
    scores.update_state(classes, other)
    assert {name: float(value) for name, value in scores.result().items()} == before


def test_nothing_annotated_gives_a_finite_loss_of_zero():
    assert loss(np.full((1, 4, 4), IGNORED), np.ones((1, 4, 4, 2), np.float32)) == 0


def test_a_perfect_and_sure_answer_costs_next_to_nothing():
    classes = np.random.default_rng(0).integers(0, 3, (1, 16, 16))
    assert loss(classes, 50 * np.eye(3, dtype=np.float32)[classes]) < 1e-3


def test_scores_add_up_over_batches():
    rng = np.random.default_rng(0)
    truth, prediction = rng.integers(0, 3, (2, 4, 9, 9))
    scores = ClassScores(3)
    for one_truth, one_prediction in zip(truth, prediction, strict=True):
        scores.update_state(one_truth[None], np.eye(3, dtype=np.float32)[one_prediction][None])
    found = {name: float(value) for name, value in scores.result().items()}
    hits = [((truth == c) & (prediction == c)).sum() for c in (1, 2)]
    in_truth = [(truth == c).sum() for c in (1, 2)]
    in_prediction = [(prediction == c).sum() for c in (1, 2)]
    dice = [2 * h / (t + p) for h, t, p in zip(hits, in_truth, in_prediction, strict=True)]
    assert found["dice"] == pytest.approx(np.mean(dice))
    assert found["precision"] == pytest.approx(np.mean(np.divide(hits, in_prediction)))
    assert found["recall"] == pytest.approx(np.mean(np.divide(hits, in_truth)))
    iou = [d / (2 - d) for d in dice]
    assert found["iou"] == pytest.approx(np.mean(iou))
    assert found["accuracy"] == pytest.approx((truth == prediction).mean())
    assert scores.dice_per_class() == pytest.approx(dice)


def test_a_class_that_is_nowhere_is_left_out_of_the_mean():
    truth = np.array([[0, 1, 1, 0]])
    scores = ClassScores(3)
    scores.update_state(truth, np.eye(3, dtype=np.float32)[truth])
    assert float(scores.result()["dice"]) == 1
    one, absent = scores.dice_per_class()
    assert one == 1
    assert np.isnan(absent)
