"""The fused kernel against Keras's own computation: values, gradients, moving averages, files."""

import keras
import numpy as np
import pytest

from napari_medunet.engine.network.batch_normalization import BatchNormalization


def build(layer_class, shape):
    inputs = keras.Input((*shape, 4))
    return keras.Model(inputs, layer_class(momentum=0.9)(inputs))


def outputs_and_gradients(model, images):
    """As TensorFlow and torch find them, the backends with a kernel of their own."""
    factors = keras.ops.arange(4, dtype="float32")
    weights = [weight.value for weight in model.trainable_weights]
    if keras.backend.backend() == "torch":
        import torch

        outputs = model(images, training=True)
        found = torch.autograd.grad(keras.ops.mean(outputs**2 * factors), weights)
    else:
        import tensorflow as tf

        with tf.GradientTape() as tape:
            outputs = model(images, training=True)
            loss = keras.ops.mean(outputs**2 * factors)
        found = tape.gradient(loss, weights)
    return [keras.ops.convert_to_numpy(one) for one in (outputs, *found)]


def values(weights):
    return [keras.ops.convert_to_numpy(weight) for weight in weights]


@pytest.mark.parametrize("shape", [(7, 5), (3, 5, 4)])
def test_it_is_keras_s_layer_in_one_kernel(shape, tmp_path):
    images = np.random.default_rng(1).normal(3, 2, (2, *shape, 4)).astype(np.float32)
    ours, theirs = (
        build(cls, shape) for cls in (BatchNormalization, keras.layers.BatchNormalization)
    )
    for _ in range(2):
        for a, b in zip(
            outputs_and_gradients(ours, images),
            outputs_and_gradients(theirs, images),
            strict=True,
        ):
            np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)
    # The kernel's variance is the sample's (n - 1), Keras's the population's (n).
    correction = images[..., 0].size / (images[..., 0].size - 1)
    mean, variance = values(ours.non_trainable_weights)
    their_mean, their_variance = values(theirs.non_trainable_weights)
    np.testing.assert_allclose(mean, their_mean, rtol=1e-5)
    np.testing.assert_allclose(variance, 0.81 + (their_variance - 0.81) * correction, rtol=1e-5)

    theirs.save_weights(tmp_path / "theirs.weights.h5")
    ours.load_weights(tmp_path / "theirs.weights.h5")
    a, b = values(model(images, training=False) for model in (ours, theirs))
    np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)
