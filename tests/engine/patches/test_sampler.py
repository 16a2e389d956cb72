import threading
from contextlib import closing
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_medunet.engine.examples.example import Example
from napari_medunet.engine.patches import cutting
from napari_medunet.engine.patches.augment import (
    NO_AUGMENTATION,
    Augmentation,
    AugmentationParams,
    draw_params,
    identity_params,
)
from napari_medunet.engine.patches.batches import batches, draw_batch
from napari_medunet.engine.patches.cutting import IGNORED
from napari_medunet.engine.patches.sampler import PatchSampler
from napari_medunet.engine.plan import Plan
from napari_medunet.engine.planning.rules.augmentation import strengths
from napari_medunet.engine.settings.schedule import Strengths, StrengthSettings
from napari_medunet.engine.volume import Volume, affine_from_spacing


def varied(preset):
    return Augmentation(mirror=True, strengths=strengths(preset, StrengthSettings()))


STRONG = varied("strong")


def plan(patch, **fields):
    given = {"spacing_mm": (1.0, 1.0, 1.0), "labels": (0, 1, 2), "depth": 2, "batch": 4}
    given["dims"] = f"{len(patch)}d"
    return Plan.of(patch=patch, **(given | fields))


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
    samples = PatchSampler([example(held=(2, 3))], plan(patch, flip_axes=(0, 1)))
    rng = np.random.default_rng(0)
    for _ in range(30):
        image, classes = samples.draw(rng, varied(augmentation))
        assert image.shape == (*patch, 1)
        assert classes.shape == patch
        assert np.isfinite(image).all()
        assert (classes != IGNORED).any()
        if len(patch) == 3:
            annotated_slices = (classes != IGNORED).any(axis=(1, 2)).sum()
            assert annotated_slices <= (2 if augmentation == "none" else patch[0])


def cut(samples, centre, variation):
    return cutting.cut(samples._cases[0], centre, samples.plan.grid.patch, variation)


@pytest.mark.parametrize("patch", [(16, 16), (4, 16, 16)])
def test_image_and_labels_move_together(patch):
    """Wherever a label lies after turning and bending, the intensity that it was painted on lies."""
    samples = PatchSampler([example(held=range(6))], plan(patch, flip_axes=(0, 1)))
    case = samples._cases[0]
    case.image[0] = case.classes > 0
    rng = np.random.default_rng(1)
    for _ in range(40):
        variation = draw_params(rng, samples.plan, STRONG)
        image, classes = cut(samples, (2, 8, 9), variation)
        inside = classes != IGNORED
        at_the_border = (image[..., 0] > 0.1) & (image[..., 0] < 0.9)
        assert ((image[..., 0] > 0.5) == (classes > 0))[inside & ~at_the_border].mean() > 0.99
        assert not image[~inside].any()


@given(
    dims=st.sampled_from([2, 3]),
    flips=st.tuples(st.booleans(), st.booleans(), st.booleans()),
    shift=st.tuples(*[st.integers(-30, 30)] * 3),
    centre=st.tuples(st.integers(0, 5), st.integers(0, 19), st.integers(0, 23)),
)
def test_flips_and_shifts_are_exact_and_what_lies_outside_is_ignored(dims, flips, shift, centre):
    patch = (8, 16, 16)[-dims:]
    samples = PatchSampler([example()], plan(patch))
    case = samples._cases[0]
    case.classes[...] = np.arange(case.classes.size).reshape(case.classes.shape)
    case.image[0] = case.classes
    signs = np.where(flips[:dims], -1.0, 1.0)
    image, classes = cut(
        samples, centre, AugmentationParams(np.diag(signs), np.array(shift[-dims:]))
    )

    far = np.pad(case.classes, 64, constant_values=IGNORED)
    size = np.array((1, *patch)[-3:])
    extent = np.array(case.classes.shape)
    start = np.clip(np.array(centre) - size // 2, 0, np.maximum(extent - size, 0))
    start = np.where(size >= extent, -((size - extent) // 2), start) + 64
    start[-dims:] += shift[-dims:]
    wanted = far[tuple(slice(a, a + n) for a, n in zip(start, size, strict=True))].reshape(patch)
    wanted = np.flip(wanted, [axis for axis in range(dims) if flips[axis]])
    np.testing.assert_array_equal(classes, wanted)
    np.testing.assert_array_equal(image[..., 0], wanted.clip(0))


def test_without_variation_a_patch_is_the_volume_itself():
    case = example((6, 20, 24))
    samples = PatchSampler([case], plan((16, 16)))
    prepared = samples._cases[0].image[0]
    image, classes = cut(samples, (2, 9, 11), identity_params(2))
    np.testing.assert_array_equal(image[..., 0], prepared[2, 1:17, 3:19])
    np.testing.assert_array_equal(classes, case.labels[2, 1:17, 3:19])


@pytest.mark.parametrize("channels", [None, 2])
def test_neighbouring_slices_are_channels_and_the_last_repeats(channels):
    case = example((6, 20, 24), held=(0, 2, 5), channels=channels)
    case.image.voxels[...] += np.arange(6, dtype=np.float32)[:, None, None] * 30
    samples = PatchSampler([case], plan((20, 24), dims="2.5d", context=1, channels=channels or 1))
    prepared = samples._cases[0].image
    rng = np.random.default_rng(0)
    met = set()
    for image, classes in (samples.draw(rng) for _ in range(40)):
        assert image.shape[-1] == samples.plan.inputs == 3 * (channels or 1)
        around = np.moveaxis(image, -1, 0).reshape(-1, 3, 20, 24)
        (index,) = (i for i in (0, 2, 5) if np.array_equal(around[:, 1], prepared[:, i]))
        np.testing.assert_array_equal(around[:, 0], prepared[:, max(index - 1, 0)])
        np.testing.assert_array_equal(around[:, 2], prepared[:, min(index + 1, 5)])
        np.testing.assert_array_equal(classes, case.labels[index])
        met.add(index)
    assert met == {0, 2, 5}


def test_a_patch_larger_than_its_image_is_padded_and_the_padding_is_ignored():
    image, classes = cut(PatchSampler([example()], plan((32, 32))), (2, 10, 12), identity_params(2))
    assert (classes != IGNORED).sum() == 20 * 24
    assert not image[classes == IGNORED].any()


def test_a_rare_class_is_seen_as_often_as_a_common_one():
    """Class 2 is four voxels in one of many slices; chance alone would hardly meet it."""
    rare = example((40, 20, 24), held=(7, *range(10, 40)))
    samples = PatchSampler([rare], plan((16, 16)))
    rng = np.random.default_rng(0)
    held = [(samples.draw(rng)[1] == 2).any() for _ in range(200)]
    assert 0.15 < np.mean(held) < 0.45  # a quarter by choice; by chance it would be one in thirty


def test_each_of_many_classes_is_found_where_it_is():
    rng = np.random.default_rng(0)
    one = example((6, 20, 24), held=range(6))
    one.labels[...] = 0
    places = rng.choice(one.labels.size, 40, replace=False)
    one.labels.ravel()[places] = np.arange(40) + 1
    samples = PatchSampler([one], plan((4, 4, 4), labels=tuple(range(41))))
    centres = samples._cases[0].centres
    assert {n: list(found) for n, found in centres.items() if n > 0} == {
        n + 1: [place] for n, place in enumerate(places)
    }
    assert len(centres[IGNORED]) == one.labels.size


def test_an_image_that_is_learned_from_and_measured_on_is_prepared_once():
    training, other = example(held=(2,)), example()
    validation = Example(training.image, training.labels, ~training.annotated)
    samples = PatchSampler([training], plan((16, 16)))
    measured = PatchSampler([validation, other], plan((16, 16)), prepared=samples)
    assert np.shares_memory(measured.images()[0], samples.images()[0])
    assert not np.shares_memory(measured.images()[1], samples.images()[0])
    assert (measured._cases[0].annotation[2] == IGNORED).all()


def test_channels_come_last():
    images, classes = draw_batch(
        PatchSampler([example(channels=3)], plan((16, 16), channels=3)), 5, np.random.default_rng(0)
    )
    assert images.shape == (5, 16, 16, 3)
    assert classes.shape == (5, 16, 16)


def test_batches_are_drawn_ahead_by_seed_and_the_thread_ends():
    samples = PatchSampler([example()], plan((16, 16)))

    def first_batches(seed):
        with closing(batches(samples, lambda: STRONG, seed)) as stream:
            return [next(stream)[0] for _ in range(3)]

    one, again, other = first_batches(5), first_batches(5), first_batches(6)
    np.testing.assert_array_equal(one, again)
    assert not np.array_equal(one, other)
    assert not [t for t in threading.enumerate() if t.name.startswith("medunet-samples")]


def test_a_batch_is_varied_as_is_wanted_when_it_is_asked_for():
    """Though it may have been drawn ahead, before another augmentation was."""
    samples = PatchSampler([example()], plan((16, 16)))
    now = [STRONG]
    with closing(batches(samples, lambda: now[0], seed=5, first=7)) as stream:
        for number, now[0] in enumerate([STRONG, STRONG, NO_AUGMENTATION, STRONG], 7):
            drawn = draw_batch(
                samples, samples.plan.schedule.batch, np.random.default_rng((5, number)), now[0]
            )
            np.testing.assert_array_equal(next(stream)[0], drawn[0])


def test_the_same_seed_gives_the_same_batch():
    samples = PatchSampler([example(), example((8, 20, 24))], plan((4, 16, 16), flip_axes=(2,)))
    one, again = (draw_batch(samples, 6, np.random.default_rng(4), STRONG) for _ in range(2))
    np.testing.assert_array_equal(one[0], again[0])
    np.testing.assert_array_equal(one[1], again[1])


@pytest.mark.parametrize("part", Strengths.model_fields)
def test_a_part_alone_changes_images_and_at_zero_none(part):
    """Labels follow where the part moves voxels, and stay where it changes intensities only."""
    samples = PatchSampler([example(held=range(6))], plan((4, 32, 32)))
    still = draw_batch(samples, 20, np.random.default_rng(0))
    off = Augmentation(strengths=Strengths(**{part: 0.0}))
    np.testing.assert_array_equal(
        draw_batch(samples, 20, np.random.default_rng(0), off)[0], still[0]
    )

    alone = Augmentation(strengths=Strengths(**{part: getattr(STRONG.strengths, part)}))
    seen, moved = False, False
    for seed in range(40):
        image, classes = samples.draw(np.random.default_rng(seed), alone)
        still_image, still_classes = samples.draw(np.random.default_rng(seed))
        seen |= not np.array_equal(image, still_image)
        moved |= not np.array_equal(classes, still_classes)
    assert seen
    assert moved == (part in ("rotate", "scale", "shift", "elastic"))


def test_a_guess_that_touches_no_annotation_of_its_class_is_left_open():
    case = example(held=(2,))
    samples = PatchSampler([case], plan((4, 16, 16)))

    def classify(image, guess):
        guessed = np.zeros(image.shape[1:], np.int32)
        guessed[3, 4:8, 5:9] = 1  # on annotation of its class
        guessed[4, 4:6, 5:7] = 1  # on what touches it
        guessed[5, 18:, 20:] = 1  # alone
        guessed[1, 4:6, 10:14] = 2  # on annotation of another class
        return guessed

    samples.set_pseudo_labels(classify, most_voxels=np.inf, seed=0)
    (classes,) = (one.classes for one in samples._cases)
    assert (classes[3, 4:8, 5:9] == 1).all()
    assert (classes[4, 4:6, 5:7] == 1).all()
    assert (classes[5, 18:, 20:] == IGNORED).all()
    assert (classes[1, 4:6, 10:14] == IGNORED).all()
    assert np.count_nonzero(classes == IGNORED) == 2 * 4 + 2 * 4


def test_guesses_fill_what_was_not_annotated_and_nothing_else():
    case = example(held=(2, 3))
    samples = PatchSampler([case, case], plan((16, 16)))
    annotation = samples._cases[0].annotation.copy()

    def classify(image, guess):
        guessed = np.full(image.shape[1:], 1, np.int32)
        guessed[0] = IGNORED
        return guessed

    samples.set_pseudo_labels(classify, most_voxels=1.5 * annotation.size, seed=0)
    guessed = [one for one in samples._cases if not np.array_equal(one.classes, annotation)]
    assert len(guessed) == 1  # the other one was too much
    (one,) = guessed
    known = annotation != IGNORED
    np.testing.assert_array_equal(one.classes[known], annotation[known])
    assert (one.classes[~known & (np.arange(len(known)) > 0)[:, None, None]] == 1).all()
    assert (one.classes[0] == IGNORED).all()
    drawn = np.unravel_index(one.centres[IGNORED], known.shape)[0]
    assert set(drawn) == set(range(1, len(known)))
    samples.set_pseudo_labels(
        lambda image, guess: np.full(image.shape[1:], IGNORED), 10 * annotation.size, seed=0
    )
    for one in samples._cases:
        np.testing.assert_array_equal(one.classes, annotation)


def test_what_was_held_out_is_drawn_once_it_is_learned_from():
    whole, other = example(held=(2, 3)), example(held=(1,))
    only = np.zeros_like(whole.annotated)
    only[3] = True
    training = replace(whole, annotated=whole.annotated & ~only)
    samples = PatchSampler([training], plan((16, 16)))
    assert not samples.lacks(samples)
    assert not samples.lacks(PatchSampler([training], plan((16, 16)), prepared=samples))
    held_out = PatchSampler(
        [replace(whole, annotated=only), other], plan((16, 16)), prepared=samples
    )
    assert samples.lacks(held_out)
    samples.learn_also(held_out)
    assert not samples.lacks(held_out)
    annotated = [
        set(np.flatnonzero((one.classes != IGNORED).any(axis=(1, 2)))) for one in samples._cases
    ]
    assert annotated == [{2, 3}, {1}]


def test_a_volume_that_is_too_large_to_guess_does_not_keep_smaller_ones_from_it():
    large, small = example((20, 20, 24)), example()
    for seed in range(4):  # whichever is looked at first
        samples = PatchSampler([large, small], plan((16, 16)))
        samples.set_pseudo_labels(
            lambda image, guess: np.zeros(image.shape[1:], np.int32), small.labels.size, seed
        )
        untouched, guessed = (case.classes == IGNORED for case in samples._cases)
        assert untouched.any() and not guessed.any()


def test_each_example_is_named_before_it_is_prepared():
    named = []
    PatchSampler([example(), example()], plan((16, 16)), 0, lambda one: named.append(one.name))
    assert named == ["case", "case"]


def test_nothing_left_of_what_was_painted_is_said():
    unknown = example()
    unknown.annotated[...] = False
    with pytest.raises(ValueError, match="Set a finer spacing"):
        PatchSampler([unknown], plan((16, 16)))
