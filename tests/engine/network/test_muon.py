import keras
import numpy as np
import pytest

from napari_medunet.engine.network.muon import Muon

RATE = 0.01


def variable(shape, name="kernel", seed=0):
    values = np.random.default_rng(seed).normal(size=shape).astype(np.float32)
    return keras.Variable(values, name=name)


def steps_of(optimizer, one, gradients):
    """The steps that an optimizer takes for these gradients."""
    optimizer.build([one])
    places = [np.array(keras.ops.convert_to_numpy(one))]
    for gradient in gradients:
        optimizer.apply([keras.ops.convert_to_tensor(gradient)], [one])
        places.append(np.array(keras.ops.convert_to_numpy(one)))
    return -np.diff(places, axis=0)


def gradients_of(shape, count=3):
    return np.random.default_rng(1).normal(size=(count, *shape)).astype(np.float32)


@pytest.mark.parametrize("shape", [(3, 3, 1, 16), (3, 3, 3, 8, 8), (2, 2, 4, 64)])
def test_the_step_of_a_kernel_is_the_nearest_orthogonal_matrix_to_its_momentum(shape):
    gradients = gradients_of(shape)
    steps = steps_of(Muon(RATE), variable(shape), gradients)
    momentum = np.zeros(shape)
    for gradient, step in zip(gradients, steps, strict=True):
        momentum = 0.95 * momentum + gradient
        matrix = (gradient + 0.95 * momentum).reshape(-1, shape[-1])
        left, _, right = np.linalg.svd(matrix, full_matrices=False)
        found = step.reshape(matrix.shape) / (RATE * 0.2 * max(matrix.shape) ** 0.5)
        sizes = np.linalg.svd(found, compute_uv=False)
        assert 0.6 < sizes.min() <= sizes.max() < 1.3
        # Along the same directions: what is left of it in others is rounding.
        across = left.T @ found @ right.T
        assert np.abs(across - np.diag(np.diag(across))).max() < 1e-3


def test_the_step_of_a_kernel_does_not_depend_on_how_large_its_gradient_is():
    gradients = gradients_of((3, 3, 4, 8), 1)
    one, other = (
        steps_of(Muon(RATE), variable((3, 3, 4, 8)), gradients * factor) for factor in (1, 1e-4)
    )
    np.testing.assert_allclose(one, other, rtol=0.02, atol=1e-5)
    assert np.sqrt(np.mean(one**2)) == pytest.approx(0.2 * RATE, rel=0.3)


def test_a_gradient_of_zeros_takes_no_step():
    steps = steps_of(Muon(RATE), variable((3, 3, 4, 8)), np.zeros((2, 3, 3, 4, 8), np.float32))
    np.testing.assert_array_equal(steps, 0)


@pytest.mark.parametrize(("shape", "name"), [((16,), "gamma"), ((1, 1, 16, 3), "logits")])
def test_all_else_takes_the_steps_of_adam(shape, name):
    gradients = gradients_of(shape, 5)
    ours = steps_of(Muon(RATE), variable(shape, name), gradients)
    adam = steps_of(keras.optimizers.Adam(RATE), variable(shape, name), gradients)
    np.testing.assert_allclose(ours, adam, rtol=1e-3, atol=1e-6)


def test_variables_that_learn_together_take_the_steps_they_would_alone():
    named = [((3, 3, 1, 8), "kernel"), ((8,), "gamma"), ((3, 3, 8, 8), "kernel"), ((8,), "beta")]
    named += [((2, 2, 4, 64), "kernel"), ((3, 3, 4, 8), "kernel"), ((1, 1, 8, 3), "logits")]
    gradients = [gradients_of(shape)[:2] for shape, _ in named]
    alone = [
        steps_of(Muon(RATE), variable(shape, name), own)
        for (shape, name), own in zip(named, gradients, strict=True)
    ]
    variables = [variable(shape, name) for shape, name in named]
    before = [np.array(keras.ops.convert_to_numpy(one)) for one in variables]
    optimizer = Muon(RATE)
    optimizer.build(variables)
    for own in zip(*gradients, strict=True):
        optimizer.apply([keras.ops.convert_to_tensor(gradient) for gradient in own], variables)
    for one, start, steps in zip(variables, before, alone, strict=True):
        np.testing.assert_allclose(
            start - keras.ops.convert_to_numpy(one), steps.sum(axis=0), rtol=1e-3, atol=1e-6
        )
