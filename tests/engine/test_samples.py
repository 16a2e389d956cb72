import threading
from contextlib import closing

import numpy as np
import pytest

from napari_medunet.engine.augment import Variation, draw_variation, unvaried, vary_intensity
from napari_medunet.engine.examples import Example
from napari_medunet.engine.plan import Plan
from napari_medunet.engine.samples import IGNORED, Samples, batches, draw_batch
from napari_medunet.engine.volume import Volume, affine_from_spacing


def plan(patch, **fields):
    given = {"spacing_mm": (1.0, 1.0, 1.0), "labels": (0, 1, 2), "depth": 2, "batch": 4}
    return Plan(dims=len(patch), patch=patch, **(given | fields))


def example(shape=(6, 20, 24), held=(2,), channels=None):
    """An image whose intensity tells its label, except for its own offset; slices `held` annotated."""
    labels = np.zeros(shape, np.uint8)
    labels[:, 4:12, 5:15] = 1
    labels[held[0], 6:8, 6:8] = 2
    voxels = labels.astype(np.float32) * 10
    leading, scale = (), ()
    if channels:
        voxels, leading, scale = np.stack([voxels] * channels), ("c",), (1.0,)
    annotated = np.zeros(shape, bool)
    annotated[list(held)] = True
    image = Volume(voxels, affine_from_spacing((1, 1, 1)), "case", leading, scale)
    return Example(image, labels, annotated)


@pytest.mark.parametrize("augmentation", ["none", "light", "standard", "strong"])
@pytest.mark.parametrize("patch", [(16, 16), (32, 32), (4, 16, 16), (8, 32, 32)])
def test_patches_hold_annotated_voxels_only(patch, augmentation):
    samples = Samples([example(held=(2, 3))], plan(patch, flip_axes=(0, 1)))
    rng = np.random.default_rng(0)
    for _ in range(30):
        image, classes = samples.draw(rng, augmentation)
        assert image.shape == (*patch, 1)
        assert classes.shape == patch
        assert np.isfinite(image).all()
        assert (classes != IGNORED).any()
        if len(patch) == 3:
            annotated_slices = (classes != IGNORED).any(axis=(1, 2)).sum()
            assert annotated_slices <= (2 if augmentation == "none" else patch[0])


def test_image_and_labels_move_together():
    """Wherever a label lies after turning and mirroring, the intensity that it was painted on lies."""
    samples = Samples([example()], plan((16, 16), flip_axes=(0, 1)))
    dark, bright = np.unique(samples._cases[0].image)[:2]
    rng = np.random.default_rng(1)
    for _ in range(40):
        variation = draw_variation(rng, samples.plan, "strong")
        still = Variation(variation.matrix, variation.shift)
        image, classes = _cut(samples, (2, 8, 9), still)
        seen = classes != IGNORED
        agree = ((image[..., 0] > (dark + bright) / 2) == (classes > 0))[seen].mean()
        assert agree > 0.98


def _cut(samples, centre, variation):
    from napari_medunet.engine.samples import _cut

    return _cut(samples._cases[0], centre, samples.plan.patch, variation)


def test_without_variation_a_patch_is_the_volume_itself():
    case = example((6, 20, 24))
    samples = Samples([case], plan((16, 16)))
    prepared = samples._cases[0].image[0]
    image, classes = _cut(samples, (2, 9, 11), unvaried(2))
    np.testing.assert_array_equal(image[..., 0], prepared[2, 1:17, 3:19])
    np.testing.assert_array_equal(classes, case.labels[2, 1:17, 3:19])


def test_a_patch_larger_than_its_image_is_padded_and_the_padding_is_ignored():
    image, classes = _cut(Samples([example()], plan((32, 32))), (2, 10, 12), unvaried(2))
    assert (classes != IGNORED).sum() == 20 * 24
    assert not image[classes == IGNORED].any()


def test_a_rare_class_is_seen_as_often_as_a_common_one():
    """Class 2 is four voxels in one of many slices; chance alone would hardly meet it."""
    rare = example((40, 20, 24), held=(7, *range(10, 40)))
    samples = Samples([rare], plan((16, 16)))
    rng = np.random.default_rng(0)
    held = [(samples.draw(rng)[1] == 2).any() for _ in range(200)]
    assert 0.15 < np.mean(held) < 0.45  # a quarter by choice; by chance it would be one in thirty


def test_channels_come_last():
    images, classes = draw_batch(
        Samples([example(channels=3)], plan((16, 16), channels=3)), 5, np.random.default_rng(0)
    )
    assert images.shape == (5, 16, 16, 3)
    assert classes.shape == (5, 16, 16)


def test_batches_are_drawn_ahead_by_seed_and_the_thread_ends():
    samples = Samples([example()], plan((16, 16)))

    def first_batches(seed):
        with closing(batches(samples, "standard", seed)) as stream:
            return [next(stream)[0] for _ in range(3)]

    one, again, other = first_batches(5), first_batches(5), first_batches(6)
    np.testing.assert_array_equal(one, again)
    assert not np.array_equal(one, other)
    assert not [t for t in threading.enumerate() if t.name.startswith("medunet-samples")]


def test_intensities_vary_as_drawn():
    image = np.ones((64, 64, 1), np.float32)
    variation = Variation(np.eye(2), np.zeros(2), noise=0.5, brightness=2.0, contrast=3.0)
    vary_intensity(image, variation, np.random.default_rng(0))
    assert image.mean() == pytest.approx(5.0, abs=0.05)
    assert image.std() == pytest.approx(0.5, abs=0.05)


def test_mirroring_keeps_to_the_plans_axes():
    rng = np.random.default_rng(0)
    mirrored = [
        np.linalg.det(draw_variation(rng, plan((16, 16), flip_axes=(1,)), "light").matrix) < 0
        for _ in range(200)
    ]
    assert 0.35 < np.mean(mirrored) < 0.65
    never = [
        np.linalg.det(draw_variation(rng, plan((16, 16)), "strong").matrix) < 0 for _ in range(50)
    ]
    assert not any(never)
