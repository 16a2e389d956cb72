import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_medunet.engine.patches.augment import AugmentationParams, intensity
from napari_medunet.engine.patches.augment.intensity import bend_intensities, smooth, vary_intensity


def noise(shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def test_intensities_vary_as_drawn():
    image = np.ones((64, 64, 1), np.float32)
    variation = AugmentationParams(np.eye(2), np.zeros(2), noise=0.5, brightness=2.0, contrast=3.0)
    vary_intensity(image, variation, np.random.default_rng(0))
    assert image.mean() == pytest.approx(5.0, abs=0.05)
    assert image.std() == pytest.approx(0.5, abs=0.05)


def test_a_variation_that_changes_nothing_leaves_every_voxel():
    image = noise((8, 9, 10, 2))
    before = image.copy()
    vary_intensity(image, AugmentationParams(np.eye(3), np.zeros(3)), np.random.default_rng(0))
    np.testing.assert_array_equal(image, before)


@pytest.mark.parametrize("shape", [(40, 30), (20, 24, 28)])
def test_blur_is_the_gaussian_filters(shape):
    from scipy import ndimage

    image = noise((*shape, 2))
    blur = (1.0, 0.6, 1.4)[: len(shape)]
    wanted = ndimage.gaussian_filter(image, (*blur, 0), truncate=8)
    smooth(image, blur, ())
    inner = (*[slice(8, -8)] * len(shape), slice(None))  # borders differ: nothing lies beyond ours
    np.testing.assert_allclose(image[inner], wanted[inner], atol=1e-4)


@given(
    shape=st.tuples(*[st.integers(1, 20)] * 3),
    blur=st.sampled_from([(), (0.0, 0.5, 2.0)]),
    downsampling=st.sampled_from([(), (1.0, 2.0, 3.7)]),
)
def test_smoothing_keeps_constants_and_ranges_and_treats_channels_alike(shape, blur, downsampling):
    image = np.concatenate([noise((*shape, 1))] * 2 + [np.ones((*shape, 1), np.float32)], axis=-1)
    low, high = image.min(), image.max()
    smooth(image, blur, downsampling)
    np.testing.assert_allclose(image[..., 0], image[..., 1], atol=1e-5)
    np.testing.assert_allclose(image[..., 2], 1, rtol=1e-5)
    assert image.min() >= low - 1e-5
    assert image.max() <= high + 1e-5


def test_compiled_and_plain_agree(monkeypatch):
    compiled, plain = noise((20, 24, 28, 2)), noise((20, 24, 28, 2))
    smooth(compiled, (0.5, 1.0, 2.0), (1.0, 1.5, 2.5))
    monkeypatch.setattr(
        intensity,
        "combine_lines",
        lambda matrix, lines, combined: np.matmul(matrix, lines, out=combined),
    )
    smooth(plain, (0.5, 1.0, 2.0), (1.0, 1.5, 2.5))
    np.testing.assert_allclose(compiled, plain, atol=1e-5)


def test_larger_voxels_hold_the_mean_of_what_they_cover():
    image = np.arange(8, dtype=np.float32).reshape(1, 8, 1) % 2  # stripes that larger voxels lose
    smooth(image, (), (1.0, 2.0))
    np.testing.assert_allclose(image, 0.5, atol=1e-6)
    ramp = np.arange(12, dtype=np.float32).reshape(12, 1, 1)
    kept = ramp.copy()
    smooth(kept, (), (3.0, 1.0))
    np.testing.assert_allclose(kept[1:-1], ramp[1:-1], atol=1e-5)


@given(gamma=st.floats(0.4, 2.5), seed=st.integers(0, 50))
def test_gamma_keeps_the_range_and_the_order(gamma, seed):
    image = noise((12, 12, 1), seed)
    before = image.copy()
    bend_intensities(image, gamma)
    assert image.min() == pytest.approx(before.min(), abs=1e-5)
    assert image.max() == pytest.approx(before.max(), abs=1e-5)
    assert (np.diff(image.ravel()[before.ravel().argsort()]) >= -1e-6).all()
    assert (image.mean() < before.mean()) == (gamma > 1) or gamma == 1


def test_gamma_of_a_constant_image_is_that_image():
    image = np.full((4, 4, 1), 3, np.float32)
    bend_intensities(image, 2.0)
    assert (image == 3).all()
