"""What cannot be meant is refused, what is odd is said once, and good examples pass without a word."""

import io
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from scipy.ndimage import gaussian_filter

from napari_medunet.engine.errors import MedunetError
from napari_medunet.engine.examples.example import make_example
from napari_medunet.engine.examples.folders import load_examples
from napari_medunet.engine.examples.phantoms import make_phantom
from napari_medunet.engine.examples.plausibility import find_oddities
from napari_medunet.engine.examples.statistics import measure_examples
from napari_medunet.engine.settings import AnnotationSettings
from napari_medunet.engine.volume import Volume, affine_from_spacing

ALL = AnnotationSettings()


def example(image, labels, name="case", spacing_mm=(1.0, 1.0, 1.0), rule=ALL):
    affine = affine_from_spacing(spacing_mm)
    return make_example(Volume(image, affine, name), Volume(labels, affine, f"{name} mask"), rule)


def disc(rng, side=96, radius=20):
    y, x = np.mgrid[:side, :side]
    cy, cx = rng.integers(radius, side - radius, 2)
    return ((y - cy) ** 2 + (x - cx) ** 2 < radius**2)[None]


def seen(labels, rng, kind="picture"):
    """An image of labels, with the noise and the units of its kind."""
    inside = labels > 0
    noise = rng.normal(0, 1, labels.shape)
    if kind == "ct":
        return (np.where(inside, 60, -1000) + 100 * (labels % 7) + 20 * noise).astype(np.int16)
    if kind == "mr":
        return ((200 + 300 * inside + 40 * noise) * rng.uniform(0.3, 5)).astype(np.float32).clip(0)
    return (80 + 90 * inside + 10 * noise).clip(0, 255).astype(np.uint8)


def organs(rng, count, shape, missing):
    """Organs of many sizes, each at about the same place in every case; some cases lack some."""
    labels = np.zeros(shape, np.uint8)
    across = int(np.ceil(np.sqrt(count)))
    for number in range(count):
        if rng.random() < missing:
            continue
        size = [max(1, n // across) for n in shape[1:]]
        corner = np.array(divmod(number, across)) * size + rng.integers(0, 3, 2)
        end = corner + np.maximum(2, np.array(size) * rng.uniform(0.4, 0.9, 2)).astype(int)
        low = int(rng.integers(0, max(1, shape[0] // 3)))
        labels[low : low + max(1, shape[0] // 2), corner[0] : end[0], corner[1] : end[1]] = (
            number + 1
        )
    return labels


def strokes(rng, count, shape):
    """Curves of a small brush, on a few slices."""
    labels = np.zeros(shape, np.uint8)
    for number in range(count):
        z = int(rng.integers(0, shape[0]))
        ends = rng.integers(0, np.array(shape[1:])[:, None] - 2, (2, 2))
        for share in np.linspace(0, 1, 2 * max(shape)):
            y, x = (ends[:, 0] + (ends[:, 1] - ends[:, 0]) * share).astype(int)
            labels[z, y : y + 2, x : x + 2] = number + 1
    return labels


@st.composite
def good_sets(draw):
    """Sets of examples as people have them: nothing is wrong with any."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    kind = draw(st.sampled_from(["mr", "ct", "picture"]))
    how = draw(st.sampled_from(["whole", "slices", "strokes"]))
    count = draw(st.integers(1, 40 if how == "whole" else 6))
    side = draw(st.integers(48, 128))
    shape = (1 if kind == "picture" else draw(st.integers(6, 20)), side, side)
    rule = {"strokes": AnnotationSettings(annotated="slices")}.get(how, ALL)
    spacing_mm = draw(st.sampled_from([(1.0, 1.0, 1.0), (5.0, 0.7, 0.7), (3e-4, 3e-4, 3e-4)]))
    made = []
    for number in range(draw(st.integers(1, 5))):
        whole = organs(rng, count, shape, draw(st.sampled_from([0, 0, 0.3])))
        labels = strokes(rng, count, shape) if how == "strokes" else whole
        image = seen(whole, rng, kind)
        if how == "slices":
            labels = np.where((np.arange(shape[0]) % 4 == 0)[:, None, None], labels, 0)
        if not labels.any():
            continue
        own = tuple(mm * rng.uniform(0.7, 1.5) for mm in spacing_mm)
        made.append(example(image, labels.astype(np.uint8), f"case {number}", own, rule))
    return made


@settings(max_examples=100)
@given(good_sets())
def test_good_examples_pass_without_a_word(examples):
    assert find_oddities(examples) == []


def test_phantoms_pass_without_a_word():
    examples = [make_example(*make_phantom(seed), ALL) for seed in range(4)]
    assert find_oddities(examples) == []


def as_jpeg(mask, quality):
    stream = io.BytesIO()
    Image.fromarray(mask[0]).save(stream, "JPEG", quality=quality)
    return np.asarray(Image.open(stream))[None]


BLENDED = {
    "JPEG of 50": lambda white: as_jpeg(white, 50),
    "JPEG of 75": lambda white: as_jpeg(white, 75),
    "JPEG of 95": lambda white: as_jpeg(white, 95),
    "soft": lambda white: gaussian_filter(white.astype(float), (0, 1, 1)).round().astype(np.uint8),
    "softer": lambda white: (
        gaussian_filter(white.astype(float), (0, 3, 3)).round().astype(np.uint8)
    ),
    "resized": lambda white: np.asarray(
        Image.fromarray(white[0]).resize((150, 150), Image.Resampling.BILINEAR)
    )[None],
}


@pytest.mark.parametrize("kind", BLENDED)
@pytest.mark.parametrize("seed", range(3))
def test_masks_whose_values_run_into_one_another_are_refused(kind, seed):
    rng = np.random.default_rng(seed)
    labels = BLENDED[kind](disc(rng).astype(np.uint8) * 255)
    image = rng.normal(100, 10, labels.shape).astype(np.float32)
    with pytest.raises(MedunetError, match="look like a picture"):
        example(image, labels)


def test_exchanged_images_and_labels_are_named_as_such():
    rng = np.random.default_rng(0)
    mask = disc(rng).astype(np.uint8)
    with pytest.raises(MedunetError, match="Exchange images and labels"):
        example(mask, seen(mask, rng))


def test_an_image_for_its_own_labels_is_refused():
    rng = np.random.default_rng(0)
    image = seen(disc(rng), rng)
    with pytest.raises(MedunetError, match="the image itself"):
        example(image, image)
    mask = disc(rng).astype(np.uint8)
    (sentence,) = find_oddities([example(mask, mask)])
    assert "voxel for voxel" in sentence


def test_one_file_for_both_is_refused(tmp_path):
    rng = np.random.default_rng(0)
    Image.fromarray(disc(rng)[0].astype(np.uint8)).save(tmp_path / "a.png")
    with pytest.raises(MedunetError, match="as the image and as its labels"):
        load_examples(tmp_path / "a.png", tmp_path / "a.png", ALL)


def cells(rng, shuffled=True):
    """Objects of one kind, as many as there are, each with a number of its own."""
    labels = np.zeros((1, 96, 96), np.uint8)
    corners = np.argwhere(np.ones((8, 8)))
    corners = rng.permutation(corners)[: rng.integers(25, 50)] * 12
    corners = corners if shuffled else sorted(corners.tolist())
    for number, (y, x) in enumerate(corners, 1):
        labels[0, y + 1 : y + rng.integers(7, 11), x + 1 : x + rng.integers(7, 11)] = number
    return labels


@pytest.mark.parametrize("shuffled", [False, True])
@pytest.mark.parametrize("cases", [2, 6])
def test_a_number_for_each_object_gives_one_warning(cases, shuffled):
    rng = np.random.default_rng(1)
    masks = [cells(rng, shuffled) for _ in range(cases)]
    found = find_oddities([example(seen(mask, rng), mask, str(n)) for n, mask in enumerate(masks)])
    assert len(found) == 1
    assert "same label" in found[0]


def test_numbers_that_leave_some_out_are_objects_where_they_are_anywhere():
    rng = np.random.default_rng(2)
    masks = [cells(rng) * 5 for _ in range(4)]
    (found,) = find_oddities([example(seen(m, rng), m, str(n)) for n, m in enumerate(masks)])
    assert "each at another place in every case" in found
    atlas = cells(rng) * 5
    kinds = [np.where(np.isin(atlas, 5 * (1 + rng.permutation(25)[:2])), 0, atlas) for _ in masks]
    assert not find_oddities([example(seen(m, rng), m, str(n)) for n, m in enumerate(kinds)])


def test_many_numbered_objects_in_a_single_image_give_a_warning():
    rng = np.random.default_rng(0)
    labels = np.zeros((1, 96, 96), np.uint8)
    for number, (y, x) in enumerate(np.argwhere(np.ones((8, 8))) * 12, 1):
        labels[0, y + 1 : y + 9, x + 1 : x + 9] = number
    assert "numbered objects" in find_oddities([example(seen(labels, rng), labels)])[0]


def test_masks_of_1_and_of_255_side_by_side_give_a_warning():
    rng = np.random.default_rng(0)
    masks = [disc(rng).astype(np.uint8) * value for value in (1, 1, 255)]
    (sentence,) = find_oddities([example(seen(m, rng), m, f"p{m.max()}") for m in masks])
    assert "'p255'" in sentence


@pytest.mark.parametrize("factor", [1e-3, 10, 1e3])
def test_an_image_of_another_scale_is_named(factor):
    rng = np.random.default_rng(0)
    masks = [disc(rng).astype(np.uint8) for _ in range(5)]
    spacings = [1.0, 1.0, 0.8, 1.2, factor]
    examples = [
        example(seen(m, rng), m, f"p{n}", (1.0, mm, mm))
        for n, (m, mm) in enumerate(zip(masks, spacings, strict=True))
    ]
    (sentence,) = find_oddities(examples)
    assert "'p4'" in sentence
    assert "scale" in sentence


def test_a_crop_and_a_whole_body_are_no_other_scale():
    rng = np.random.default_rng(0)
    sides = [96, 96, 96, 1000]
    masks = [disc(rng, side).astype(np.uint8) for side in sides]
    assert find_oddities([example(seen(m, rng), m, str(n)) for n, m in enumerate(masks)]) == []


def test_odd_intensities_are_named():
    rng = np.random.default_rng(0)
    masks = [disc(rng).astype(np.uint8) for _ in range(4)]
    scans = [seen(mask, rng, "ct") for mask in masks]
    examples = [
        example(scan, m, f"p{n}") for n, (scan, m) in enumerate(zip(scans, masks, strict=True))
    ]
    grey = ((scans[3] + 1024) / 10).astype(np.uint8)
    assert "HU" in find_oddities([*examples[:3], example(grey, masks[3], "p3")])[0]
    broken = scans[3].astype(np.float64)
    broken[0, 3, 3] = 1e300
    assert "1e+30" in find_oddities([*examples[:3], example(broken, masks[3], "p3")])[0]
    flat = np.full_like(scans[3], -1000)
    assert "nothing to see" in find_oddities([*examples[:3], example(flat, masks[3], "p3")])[0]


def test_statistics_of_two_sets_joined_are_those_of_all():
    rng = np.random.default_rng(0)
    masks = [disc(rng).astype(np.uint8) * (1 + n % 2) for n in range(4)]
    examples = [example(seen(m, rng), m, str(n), (1.0, 1 + n, 1.0)) for n, m in enumerate(masks)]
    both = measure_examples(examples[:1]).joined(measure_examples(examples[1:]))
    whole = measure_examples(examples)
    assert both.labels == whole.labels
    assert {label: one.voxels for label, one in whole.labels.items()} == {
        value: sum(int((m == value).sum()) for m in masks) for value in (1, 2)
    }
    assert replace_channels(both) == replace_channels(whole)
    assert both.channels[0].mean == pytest.approx(whole.channels[0].mean, rel=0.01)


def replace_channels(statistics):
    return statistics.model_copy(update={"channels": ()})


def test_integers_of_any_type_and_other_orders_are_counted_alike():
    rng = np.random.default_rng(0)
    mask = disc(rng).astype(np.uint8)
    one = example(seen(mask, rng), mask)
    turned = replace(one, labels=np.asfortranarray(one.labels.astype(np.int64)))
    assert measure_examples([one]).labels == measure_examples([turned]).labels
