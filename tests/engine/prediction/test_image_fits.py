"""An image is held against what the segmenter was trained on, and a result that says nothing says so."""

import warnings
from functools import cache

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_medunet.engine.errors import MedunetError
from napari_medunet.engine.examples.example import make_example
from napari_medunet.engine.examples.phantoms import make_phantom
from napari_medunet.engine.examples.statistics import measure_examples
from napari_medunet.engine.plan import Plan
from napari_medunet.engine.prediction.plausibility import check_image_fits, find_result_oddity
from napari_medunet.engine.prediction.predict import predict
from napari_medunet.engine.settings import AnnotationSettings
from napari_medunet.engine.volume import Volume, affine_from_spacing

SPACING = (2.0, 1.0, 1.0)
TRAINED_ON = measure_examples(
    [make_example(*make_phantom(seed), AnnotationSettings()) for seed in range(3)]
)
PLAN = Plan.of(
    patch=(16, 32, 32), dims="3d", spacing_mm=SPACING, labels=(0, 1, 2), depth=2, batch=2
)


@cache
def image_of(seed):
    return make_phantom(seed)[0]


def phantom(seed=7, spacing_mm=SPACING, voxels=None):
    image = image_of(seed)
    found = image.voxels if voxels is None else voxels
    return Volume(found, affine_from_spacing(spacing_mm), image.name)


class Bright:
    """A network that calls bright what is above the mean."""

    recall = painted = ()
    plan = PLAN
    statistics = TRAINED_ON

    def probabilities(self, images):
        bright = (images > 0).astype(np.float32)
        return np.concatenate([1 - bright, bright, 0 * bright], axis=-1)


def sentences(image, plan=PLAN):
    return check_image_fits(image, plan, TRAINED_ON)


@pytest.mark.slow
@given(
    seed=st.integers(3, 40),
    scale=st.floats(0.5, 2),
    unit=st.floats(0.1, 10),
    crop=st.integers(0, 12),
)
def test_good_images_pass_without_a_word(seed, scale, unit, crop):
    image = image_of(seed)
    cropped = image.voxels[:, crop:, crop : 64 - crop] * np.float32(unit)
    spacing_mm = tuple(scale * mm for mm in SPACING)
    assert sentences(phantom(voxels=cropped, spacing_mm=spacing_mm)) == []


@pytest.mark.parametrize("factor", [1e-6, 1e-3, 0.04, 25, 1e3])
def test_a_scale_that_cannot_be_meant_is_refused(factor):
    with pytest.raises(MedunetError, match="scale of 'phantom_07'"):
        sentences(phantom(spacing_mm=tuple(factor * mm for mm in SPACING)))


def test_a_picture_that_would_be_a_pixel_is_refused_whatever_is_known():
    flat = Volume(
        np.arange(64.0 * 64).reshape(1, 64, 64), affine_from_spacing((1, 3e-4, 3e-4)), "p"
    )
    plan = Plan.of(patch=(32, 32), dims="2d", spacing_mm=(1, 1, 1), labels=(0, 1), depth=2, batch=2)
    with pytest.raises(MedunetError, match="unit or resolution"):
        check_image_fits(flat, plan, None)


@pytest.mark.parametrize("factor", [0.1, 10])
def test_an_odd_scale_is_said(factor):
    (sentence,) = sentences(phantom(spacing_mm=tuple(factor * mm for mm in SPACING)))
    assert "scale" in sentence


def test_padding_that_training_never_saw_is_said():
    voxels = phantom().voxels.copy()
    voxels[:, :8] = -3000
    (sentence,) = sentences(phantom(voxels=voxels))
    assert "-3000" in sentence
    voxels[:, :8] = 0
    assert sentences(phantom(voxels=voxels)) == []


def test_a_mask_in_the_place_of_an_image_is_said():
    (sentence,) = sentences(phantom(voxels=make_phantom(7)[1].voxels))
    assert "is it a mask" in sentence


def test_ct_in_other_units_is_said():
    plan = PLAN.changed(intensity="ct")
    air = TRAINED_ON.channels[0].model_copy(update={"lowest": -1000.0})
    of_ct = TRAINED_ON.model_copy(update={"channels": (air,)})
    assert "HU" in check_image_fits(phantom(), plan, of_ct)[0]
    assert check_image_fits(phantom(voxels=phantom().voxels - 900), plan, of_ct) == []


@pytest.mark.parametrize("value", [1e300, -1e300, 3e38])
def test_one_broken_voxel_is_said_and_changes_nothing_else(value):
    voxels = phantom().voxels.astype(np.float64)
    right = predict(Bright(), phantom(voxels=voxels))
    voxels[3, 3, 3] = value
    told = []
    labels = predict(Bright(), phantom(voxels=voxels), report=lambda p: told.append(p.warning))
    assert any("1e+30" in one for one in told)
    assert np.count_nonzero(labels != right) < 0.02 * labels.size


def test_an_empty_result_and_one_label_everywhere_are_said():
    image = phantom()
    assert "Nothing was found" in find_result_oddity(np.zeros((2, 3, 4), np.uint8), image)
    assert "the label 2" in find_result_oddity(np.full((2, 3, 4), 2, np.uint8), image)
    assert find_result_oddity(np.eye(3, dtype=np.uint8)[None], image) == ""


def test_a_flat_image_is_said():
    with warnings.catch_warnings(action="error"):
        (sentence,) = sentences(phantom(voxels=np.full((24, 64, 64), 5.0)))
    assert "nothing to see" in sentence
