import numpy as np
import pytest
from planned import train_by

from napari_medunet.engine.examples.example import Example
from napari_medunet.engine.examples.phantoms import make_phantom
from napari_medunet.engine.examples.split import split_examples
from napari_medunet.engine.plan import Plan
from napari_medunet.engine.progress import EpochScores, Scores
from napari_medunet.engine.settings import TrainSettings
from napari_medunet.engine.settings.budget import BudgetSettings
from napari_medunet.engine.training.learning import checks
from napari_medunet.engine.training.learning.clock import Clock
from napari_medunet.engine.training.learning.loop import HeldOut, Loop, LossNotFinite

PLAN = Plan.of(
    dims="2d", spacing_mm=(2, 1, 1), patch=(16, 16), labels=(0, 1, 2), depth=2, filters=4, batch=2
)
NAMES = {1: "organ", 2: "lesion"}


def example(slices):
    """Both labels in so many slices, and only those annotated."""
    image, _ = make_phantom(0, (12, 16, 16))
    labels = np.zeros(image.shape, np.uint8)
    labels[:slices, 4:8, 4:8] = 1
    labels[:slices, 10, 10] = 2
    annotated = np.zeros(image.shape, bool)
    annotated[:slices] = True
    return Example(image, labels, annotated)


def scored(epoch, label_dice, dice=0.5):
    """Scores of an epoch, as far as they are looked at."""
    validation = Scores(0.5, dice, 0.5, 0.5, 0.5, 0.5)
    return EpochScores(epoch, 0.1 * epoch, 1e-3, validation, label_dice=label_dice)


def test_a_large_training_set_that_was_split_needs_no_warning():
    one = [example(12)]
    assert checks.of_examples(*split_examples(one, 0.2, 0), PLAN, NAMES) == []


def test_few_slices_that_cannot_be_split_are_told():
    training, validation = split_examples([example(4)], 0.2, 0)
    few, same = checks.of_examples(training, validation, PLAN, NAMES)
    assert "'organ', 'lesion' (organ: 4, lesion: 4)" in few and "at least 5 slices" in few
    assert "Nothing could be held out" in same


def test_slices_of_both_axes_are_counted_and_not_the_lines_where_they_meet():
    one = example(12)
    one.annotated[...] = False
    one.annotated[:2], one.annotated[:, :, 5] = True, True
    (few,) = checks.of_examples([one], [example(12)], PLAN, NAMES)
    assert "organ: 3" in few


def test_a_label_that_validation_lacks_is_told():
    training, validation = [example(12)], [example(12)]
    validation[0].labels[validation[0].labels == 2] = 0
    (lacking,) = checks.of_examples(training, validation, PLAN, NAMES)
    assert lacking.startswith("Validation holds no 'lesion'")


def test_a_label_whose_dice_stays_zero_is_told_after_a_third():
    history = [scored(epoch, {1: 0.1 * epoch, 2: 0.0}) for epoch in range(1, 6)]
    assert checks.of_history(history, 0.3, NAMES) == []
    (zero,) = checks.of_history(history, 0.4, NAMES)
    assert "'lesion'" in zero and "'organ'" not in zero
    assert checks.of_history([*history, scored(6, {2: 0.01})], 0.5, NAMES) == []


def test_minutes_that_end_a_training_before_its_epochs_are_told():
    reports = []
    settings = TrainSettings.of(minutes=1e-4, epochs=50, filters=4, depth=2, dims="2d")
    segmenter = train_by(settings, [example(12)], reports.append)
    assert "ended before its epochs were done" in segmenter.card.trained_with["again"]
    (card,) = segmenter.card.networks
    told = [report.warning for report in reports if report.warning]
    assert "ended in epoch 1 of 50" in told[-1]
    assert card.warnings == tuple(told)


def test_with_epochs_the_learning_rate_does_not_follow_the_clock():
    settings = TrainSettings.of(minutes=1, epochs=10)
    clock = Clock(settings.budget, used_seconds=30)
    assert clock.schedule() == 0
    assert clock.share() == pytest.approx(0.5, abs=0.05)
    clock.epochs_done = 4
    assert clock.schedule() == 0.4


def test_without_epochs_the_learning_rate_follows_the_clock_from_the_first_step_on():
    settings = TrainSettings.of(minutes=1)
    clock = Clock(settings.budget)
    clock._start -= 30  # images were prepared
    assert clock.schedule() == 0
    clock.begin()
    assert clock.schedule() == pytest.approx(0, abs=0.05)
    clock._start -= 15
    clock.begin()
    assert clock.schedule() == pytest.approx(0.5, abs=0.05)
    assert clock.share() == pytest.approx(0.75, abs=0.05)


def test_a_resumed_training_goes_on_with_the_learning_rate_it_had():
    resumed = Clock(BudgetSettings(minutes=1), used_seconds=30, schedule=0.2)
    resumed._start -= 10  # images were prepared and the step compiled once more
    assert resumed.schedule() == 0.2
    resumed.begin()
    assert resumed.schedule() == pytest.approx(0.2, abs=0.02)
    resumed._start -= 10
    assert resumed.schedule() == pytest.approx(0.6, abs=0.02)
    resumed._start -= 10
    assert resumed.schedule() == pytest.approx(1)


def test_long_names_of_an_atlas_fit_into_a_warning():
    names = {label: f"{'superior ' * 9}fasciculus {label}" for label in NAMES}
    for told in checks.of_examples([example(4)], [example(4)], PLAN, names):
        assert len(told) < 500
        assert "superior supe... fasciculus 2" in told


def stream(bad):
    """Batches of noise; those of the given numbers hold an infinite voxel."""
    rng = np.random.default_rng(0)
    number = 0
    while True:
        images = rng.normal(size=(2, 16, 16, 1)).astype(np.float32)
        if number in bad:
            images[0, 0, 0, 0] = np.inf
        number += 1
        yield images, (images[..., 0] > 0).astype(np.int32)


def run_loop(bad, epochs=3):
    reports = []
    plan = PLAN.changed(minutes=5, epochs=epochs)
    loop = Loop(plan, {1: "organ"}, Clock(plan.budget), reports.append)
    loop.until_done(stream(bad), HeldOut([next(stream(()))], 1), steps=4)
    return loop, [report.warning for report in reports if report.warning]


@pytest.mark.slow
def test_a_loss_that_is_no_number_sends_training_back_once():
    loop, told = run_loop(bad={6})
    assert any("epoch 2: training goes on from the best weights" in one for one in told)
    assert [scores.epoch for scores in loop.history] == [1, 2, 3]
    assert np.isfinite([list(scores.as_row().values()) for scores in loop.history]).all()
    assert all(np.isfinite(weight).all() for weight in loop.best.weights)
    rates = [scores.learning_rate for scores in loop.history]
    assert rates[1] < 0.11 * rates[0]


@pytest.mark.slow
def test_a_loss_that_is_no_number_again_ends_training_with_the_best_weights():
    loop, told = run_loop(bad={6, 14})
    assert "once more: the training has ended early" in told[-1]
    assert loop.best.epoch in (1, 2)
    assert all(np.isfinite(weight).all() for weight in loop.best.weights)


@pytest.mark.slow
def test_a_loss_that_was_never_a_number_is_an_error():
    with pytest.raises(LossNotFinite, match="Check the images"):
        run_loop(bad={1, 5})


@pytest.mark.parametrize(("cases", "epochs", "kept"), [(1, 5, 5), (16, 5, 2), (1, 50, 2)])
def test_a_later_epoch_is_kept_unless_an_earlier_one_was_better_by_more_than_chance(
    cases, epochs, kept
):
    """Of one case a Dice that is lower by 0.1 says little at the end; of sixteen, or early, it does."""
    plan = PLAN.changed(epochs=epochs)
    loop = Loop(plan, {1: "organ"}, Clock(plan.budget), lambda report: None)
    for epoch, dice in enumerate((0.5, 0.84, 0.79, 0.74, 0.70), 1):
        loop.clock.epochs_done = float(epoch)
        loop.keep_if_best(scored(epoch, {}, dice), cases)
    assert loop.best.epoch == kept
    assert loop.best.score == 0.84
