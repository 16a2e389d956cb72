import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from napari_medunet.engine.examples import Example
from napari_medunet.engine.plan import Plan, make_plan
from napari_medunet.engine.settings import TrainSettings
from napari_medunet.engine.volume import Volume, affine_from_spacing


def example(shape, spacing_mm=(1.0, 1.0, 1.0), channels=None, offset=0.0):
    rng = np.random.default_rng(0)
    size = shape if channels is None else (channels, *shape)
    leading = () if channels is None else ("c",)
    voxels = rng.normal(offset, 1.0, size).astype(np.float32)
    labels = np.zeros(shape, np.uint8)
    labels[tuple(slice(n // 3, n // 3 + max(1, n // 3)) for n in shape)] = 1
    scale = (1.0,) * len(leading)
    image = Volume(voxels, affine_from_spacing(spacing_mm), "case", leading, scale)
    return Example(image, labels, np.ones(shape, bool))


@given(
    shape=st.tuples(st.integers(1, 40), st.integers(4, 300), st.integers(4, 300)),
    dims=st.sampled_from(["auto", "2d", "3d"]),
    depth=st.none() | st.integers(2, 5),
)
def test_every_shape_gets_a_plan_whose_patch_the_network_divides(shape, dims, depth):
    settings = TrainSettings(dims=dims, depth=depth)
    if dims == "3d" and min(shape) < 4:
        with pytest.raises(ValueError, match="fewer than 4 voxels"):
            make_plan([example(shape)], settings)
        return
    plan = make_plan([example(shape)], settings)
    step = 2 ** (plan.depth - 1)
    assert all(size % step == 0 for size in plan.patch)
    assert len(plan.patch) == plan.dims == (3 if dims == "3d" else 2)


def test_slices_lie_across_the_coarsest_axis():
    assert make_plan([example((40, 40, 9), (1, 1, 5))], TrainSettings()).axis == 2
    assert make_plan([example((40, 40, 40))], TrainSettings()).axis == 0


def test_a_flat_image_is_seen_in_its_plane_whatever_its_axis():
    assert make_plan([example((1, 64, 64), channels=3)], TrainSettings()).axis == 0
    assert make_plan([example((64, 64, 1))], TrainSettings()).axis == 2


def test_spacing_is_the_median():
    cases = [example((20, 20, 20), (mm, 1, 1)) for mm in (1.0, 2.0, 9.0)]
    assert make_plan(cases, TrainSettings()).spacing_mm == (2.0, 1.0, 1.0)


def test_ct_is_told_by_air_and_gets_a_window_from_what_is_labelled():
    ct = example((20, 20, 20))
    ct.image.voxels[...] = -1000
    ct.image.voxels[ct.labels > 0] = np.random.default_rng(0).normal(60, 20, (ct.labels > 0).sum())
    plan = make_plan([ct], TrainSettings())
    low, high, mean, deviation = plan.window
    assert plan.intensity == "ct"
    assert 0 < low < mean < high < 130
    assert deviation == pytest.approx(20, abs=5)
    assert make_plan([example((20, 20, 20), offset=100)], TrainSettings()).intensity == "zscore"


def test_images_of_different_channels_are_refused_by_name():
    with pytest.raises(ValueError, match="1 channels and image 'case' has 3"):
        make_plan([example((1, 20, 20)), example((1, 20, 20), channels=3)], TrainSettings())


def test_mirroring_follows_left_and_right():
    def axes(flip, shape=(20, 20, 20), spacing_mm=(1, 1, 1), dims="2d"):
        settings = TrainSettings(flip=flip, dims=dims)
        return make_plan([example(shape, spacing_mm)], settings).flip_axes

    assert axes("left-right") == (1,)
    assert axes("left-right", spacing_mm=(1, 1, 4)) == ()  # sagittal slices have no left and right
    assert axes("left-right", dims="3d") == (2,)
    assert axes("all") == (0, 1)
    assert axes("none") == ()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"patch": (30, 32)}, "multiple of 8"),
        ({"patch": (32, 32, 32)}, "2D plan has a patch of 2"),
        ({"labels": (1, 2)}, "ascending from background"),
        ({"labels": (0, 2, 2)}, "ascending from background"),
        ({"filters": 128, "depth": 6}, "more than 1024"),
        ({"spacing_mm": (1.0, float("nan"), 1.0)}, "finite number"),
        ({"channels": 10**9}, "less than or equal"),
        ({"surprise": 1}, "not permitted"),
    ],
)
def test_a_plan_that_cannot_be_is_refused(change, message):
    fields = {
        "dims": 2, "spacing_mm": (1.0, 1.0, 1.0), "patch": (32, 32), "labels": (0, 1), "depth": 4,
    }  # fmt: skip
    Plan(**fields)
    with pytest.raises(ValidationError, match=message):
        Plan(**(fields | change))
