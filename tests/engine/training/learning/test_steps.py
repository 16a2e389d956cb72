import numpy as np
import pytest

from napari_medunet.engine.hardware import devices
from napari_medunet.engine.hardware.data_parallel import all_devices
from napari_medunet.engine.network.losses import ClassScores, cross_entropy_and_dice
from napari_medunet.engine.plan import Plan
from napari_medunet.engine.training.learning.clock import Clock
from napari_medunet.engine.training.learning.loop import Loop
from napari_medunet.engine.training.learning.steps import compile_steps, new_learner

PLAN = Plan.of(
    dims="2d", spacing_mm=(1, 1, 1), patch=(16, 16), labels=(0, 1, 2), depth=2, filters=4, batch=2
)


def learner(precision="float32"):
    return new_learner(PLAN, precision, all_devices())


def batches(count):
    rng = np.random.default_rng(0)
    return [
        (
            rng.normal(size=(2, 16, 16, 1)).astype(np.float32),
            rng.integers(-1, 3, (2, 16, 16)).astype(np.int32),
        )
        for _ in range(count)
    ]


def test_scores_are_of_all_batches_and_not_of_the_last():
    one = learner()
    _, measure = compile_steps(one)
    data = batches(3)
    losses = [float(measure(*batch)) for batch in data]
    images, classes = (np.concatenate(parts) for parts in zip(*data, strict=True))
    wanted = ClassScores(PLAN.classes)
    wanted.update_state(classes, one.network(images, training=False))
    found = one.results()
    assert found.loss == pytest.approx(np.mean(losses))
    for name, value in wanted.result().items():
        assert getattr(found, name) == pytest.approx(float(value)), name
    one.reset()
    assert set(vars(one.results()).values()) == {0.0}


@pytest.mark.slow
def test_learning_lowers_the_loss_of_what_was_seen():
    one = learner()
    learn, measure = compile_steps(one)
    (batch,) = batches(1)
    before = float(measure(*batch))
    for _ in range(60):
        learn(*batch)
    assert float(measure(*batch)) < 0.95 * before


def test_the_average_follows_the_weights_with_a_rising_momentum():
    one = learner()
    learn, _ = compile_steps(one)
    expected = one.network.get_weights()
    for step, batch in enumerate(batches(4), 1):
        learn(*batch)
        momentum = (1 + step) / (50 + step)
        expected = [
            momentum * average + (1 - momentum) * weight
            for average, weight in zip(expected, one.network.get_weights(), strict=True)
        ]
    last = one.network.get_weights()
    with one.average.in_place():
        for found, wanted in zip(one.network.get_weights(), expected, strict=True):
            np.testing.assert_allclose(found, wanted, atol=1e-6)
    for found, wanted in zip(one.network.get_weights(), last, strict=True):
        np.testing.assert_array_equal(found, wanted)


def test_the_loss_that_is_minimised_is_the_one_that_is_told():
    one = learner()
    learn, _ = compile_steps(one)
    images, classes = batches(1)[0]
    wanted = float(cross_entropy_and_dice(classes, one.network(images, training=True)))
    assert float(learn(images, classes)) == pytest.approx(wanted, rel=1e-4)


@pytest.mark.slow
def test_float16_learns_from_given_weights():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(devices, "precision", lambda: "mixed_float16")
        loop = Loop(PLAN, {}, Clock(PLAN.budget), lambda report: None)
    loop.begin_with([0.5 * weight for weight in loop.learner.network.get_weights()])
    first = loop.learner.network.get_weights()
    for batch in batches(3):
        loop._learn(*batch)
    last = loop.learner.network.get_weights()
    assert all(np.isfinite(weight).all() for weight in last)
    assert any((weight != before).any() for weight, before in zip(last, first, strict=True))


@pytest.mark.slow
def test_float16_learns_with_a_scaled_loss():
    one = learner("mixed_float16")
    learn, measure = compile_steps(one)
    (batch,) = batches(1)
    before = float(measure(*batch))
    for _ in range(60):
        learn(*batch)
    assert float(measure(*batch)) < 0.95 * before
