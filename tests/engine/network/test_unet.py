from itertools import combinations

import keras
import numpy as np
import pytest

from napari_medunet.engine.network.unet import build_unet
from napari_medunet.engine.network.upsampling import in_blocks
from napari_medunet.engine.plan import Plan


def plan(dims=2, **fields):
    given = {"spacing_mm": (1.0, 1.0, 1.0), "patch": (32,) * dims, "labels": (0, 1, 2), "depth": 3}
    given["dims"] = f"{dims}d"
    return Plan.of(**(given | {"filters": 4} | fields))


@pytest.mark.parametrize("dims", [2, 3])
@pytest.mark.parametrize("normalisation", ["batch", "instance"])
@pytest.mark.parametrize("channels", [1, 3])
def test_logits_have_the_images_size_and_one_channel_per_class(dims, normalisation, channels):
    network = build_unet(plan(dims, normalisation=normalisation, channels=channels))
    size = (16, 8, 12)[:dims]
    logits = network.predict_on_batch(np.zeros((2, *size, channels), np.float32))
    assert logits.shape == (2, *size, 3)


def test_neighbouring_slices_are_channels_of_the_input():
    assert build_unet(
        Plan.of(
            dims="2.5d",
            context=1,
            channels=3,
            spacing_mm=(1, 1, 1),
            patch=(32, 32),
            labels=(0, 1),
            depth=3,
        )
    ).input_shape == (None, None, None, 9)


def test_an_axis_of_thick_slices_is_pooled_and_convolved_later():
    thick = plan(3, patch=(2, 16, 16), pools=((1, 2, 2), (2, 2, 2)))
    network = build_unet(thick)
    logits = network.predict_on_batch(np.zeros((1, 2, 16, 16, 1), np.float32))
    assert logits.shape == (1, 2, 16, 16, 3)
    assert network.get_layer("down_0_conv_1").kernel_size == (1, 3, 3)
    assert network.get_layer("down_1_conv_1").kernel_size == (3, 3, 3)


def test_the_classic_network_is_one_setting():
    """Ronneberger et al. 2015, figure 1, padded, with batch normalisation, at 256 x 256 x 3.

    The weights are counted from the figure: nine pairs of 3 x 3 convolutions, four transposed 2 x 2
    ones with bias, one 1 x 1 with bias, and four numbers per normalised feature.
    """
    network = build_unet(
        plan(filters=64, depth=5, patch=(256, 256), channels=3, dropout=0.3, labels=(0, 1))
    )
    filters = [64, 128, 256, 512, 1024]
    down = sum(9 * (a * b + b * b) for a, b in zip([3, *filters], filters, strict=False))
    up = sum(9 * (2 * a * a + a * a) for a in filters[:-1])
    transposed = sum(4 * 2 * a * a + a for a in filters[:-1])
    normalised = 4 * 2 * (sum(filters) + sum(filters[:-1]))
    assert network.count_params() == down + up + transposed + normalised + 64 * 2 + 2
    assert network.get_layer("bottom_dropout").rate == 0.3
    assert isinstance(network.get_layer("up_0_upsample"), keras.layers.Conv2DTranspose)


def test_weights_and_logits_are_float32_in_mixed_precision():
    network = build_unet(plan(), "mixed_bfloat16")
    assert {weight.dtype for weight in network.weights} == {"float32"}
    assert network.output.dtype == "float32"
    assert network.get_layer("bottom_conv_1").compute_dtype == "bfloat16"


def test_the_deepest_level_sees_far():
    """A change in one corner reaches logits most of the image away."""
    network = build_unet(plan(depth=4, patch=(64, 64)))
    image = np.zeros((1, 64, 64, 1), np.float32)
    image[0, 20, 20] = 50
    moved = network.predict_on_batch(image) - network.predict_on_batch(0 * image)
    reached = np.argwhere(np.abs(moved[0]).max(axis=-1) > 1e-6)
    assert np.abs(reached - 20).max() >= 30


def test_weights_and_dropout_follow_from_the_seed_and_each_layer_has_its_own():
    def drawn(seed):
        network = build_unet(plan(dropout=0.5, seed=seed))
        features = np.ones((1, 8, 8, 16), np.float32)
        left = network.get_layer("bottom_dropout")(features, training=True)
        return [*network.get_weights(), np.asarray(left)]

    first, again, other = drawn(1), drawn(1), drawn(2)
    for one, two in zip(first, again, strict=True):
        np.testing.assert_array_equal(one, two)
    random = [i for i, weights in enumerate(first) if np.ptp(weights) > 0]
    assert len(random) == 2 * 5 + 2 + 1 + 1  # convolutions, upsamplings, logits, dropout
    assert not any(np.array_equal(first[i], other[i]) for i in random)
    alike = [(i, j) for i, j in combinations(random, 2) if first[i].shape == first[j].shape]
    assert alike
    assert not any(np.array_equal(first[i], first[j]) for i, j in alike)


@pytest.mark.parametrize("strides", [(2, 2), (1, 2), (2, 2, 2), (1, 2, 2)])
def test_upsampling_in_blocks_is_a_transposed_convolution(strides):
    layer_of = {2: keras.layers.Conv2DTranspose, 3: keras.layers.Conv3DTranspose}
    layer = layer_of[len(strides)](5, strides, strides=strides, bias_initializer="random_normal")
    size = (3, 4, 6)[: len(strides)]
    features = np.random.default_rng(0).normal(size=(2, *size, 7)).astype(np.float32)
    found = layer(features)
    np.testing.assert_allclose(in_blocks(features, layer.kernel, layer.bias), found, atol=1e-5)
