import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from napari_medunet.engine.patches.preprocessing import (
    classes_to_grid,
    image_to_grid,
    labels_from_classes,
    most_probable,
)
from napari_medunet.engine.plan import Plan
from napari_medunet.engine.volume import Volume, affine_from_spacing

shapes = st.tuples(*[st.integers(1, 12)] * 3)
spacings = st.tuples(*[st.floats(0.4, 4.0)] * 3)


def plan(**fields):
    given_fields = {
        "dims": "2d", "spacing_mm": (1.0, 1.0, 1.0), "patch": (8, 8), "labels": (0, 3, 200), "depth": 2,
    }  # fmt: skip
    return Plan.of(**(given_fields | fields))


def volume(shape, spacing_mm=(1.0, 1.0, 1.0), seed=0):
    voxels = np.random.default_rng(seed).normal(50, 9, shape).astype(np.float32)
    return Volume(voxels, affine_from_spacing(spacing_mm))


@settings(deadline=None)
@given(shape=shapes, spacing_mm=spacings, axis=st.integers(0, 2), dims=st.sampled_from([2, 3]))
def test_to_the_grid_and_back_keeps_the_shape(shape, spacing_mm, axis, dims):
    across = "zyx"[axis] if dims == 2 else "z"
    a_plan = plan(dims=f"{dims}d", looked_across=across, patch=(8,) * dims)
    image = volume(shape, spacing_mm)
    grid = image_to_grid(image, a_plan)
    own = np.moveaxis(image.voxels, a_plan.axis, 0).shape
    probabilities = np.zeros((3, *grid.shape[1:]), np.float32)
    probabilities[1] = 1
    labels = labels_from_classes(most_probable(probabilities, own), a_plan)
    assert labels.shape == shape
    assert labels.dtype == np.uint8
    assert (labels == 3).all()
    if dims == 2:
        assert grid.shape[1] == shape[axis]  # slices are never resampled across


def test_an_image_is_normalised_to_its_own_mean_and_deviation():
    grid = image_to_grid(volume((6, 20, 20)), plan())
    assert grid.mean() == pytest.approx(0, abs=1e-5)
    assert grid.std() == pytest.approx(1, abs=1e-5)


def test_a_constant_image_gives_zeros_and_no_nan():
    flat = Volume(np.full((3, 4, 5), 7, np.uint8), affine_from_spacing((1, 1, 1)))
    assert not image_to_grid(flat, plan()).any()


def test_the_unit_of_intensities_does_not_matter():
    image = volume((6, 20, 20))
    small = Volume(image.voxels * np.float32(1e-12), image.affine)
    np.testing.assert_allclose(
        image_to_grid(small, plan()), image_to_grid(image, plan()), atol=1e-4
    )


def test_a_broken_voxel_does_not_set_the_scale():
    image = volume((10, 40, 40))
    whole = image_to_grid(image, plan())
    image.voxels[3, 4, 5] = 1e7
    broken = image_to_grid(image, plan())
    assert np.abs(broken - whole).max() < 30
    assert np.median(np.abs(broken - whole)) < 0.02


def test_a_few_bright_voxels_on_nothing_stay():
    image = volume((10, 40, 40))
    image.voxels[...] = 0
    image.voxels[3, 4, 5:8] = 100
    grid = image_to_grid(image, plan())
    assert len(np.unique(grid)) == 2


def test_ct_is_clipped_to_the_window():
    ct = Volume(np.array([[[-1000, 0, 50, 3000]]], np.int16), affine_from_spacing((1, 1, 1)))
    grid = image_to_grid(ct, plan(intensity="ct", window=(0.0, 100.0, 50.0, 25.0)))
    np.testing.assert_allclose(grid.ravel(), [-2, -2, 0, 2])


def test_channels_are_normalised_each_by_itself():
    voxels = np.stack([np.arange(12), 100 * np.arange(12)]).reshape(2, 1, 3, 4).astype(np.float32)
    grid = image_to_grid(
        Volume(voxels, affine_from_spacing((1, 1, 1)), "rgb", ("c",), (1.0,)), plan()
    )
    np.testing.assert_allclose(grid[0], grid[1], atol=1e-5)


@given(axis=st.integers(0, 2), seed=st.integers(0, 99))
def test_labels_survive_the_way_to_classes_and_back(axis, seed):
    a_plan = plan(looked_across="zyx"[axis])
    labels = np.random.default_rng(seed).choice([0, 3, 200], (4, 5, 6))
    image = volume(labels.shape)
    classes = classes_to_grid(labels, np.ones(labels.shape, bool), image, a_plan)
    np.testing.assert_array_equal(labels_from_classes(classes, a_plan), labels)


def test_what_is_not_annotated_or_not_known_is_ignored():
    labels = np.array([[[0, 3, 200, 77, 999]]])
    annotated = np.array([[[True, True, False, True, True]]])
    classes = classes_to_grid(labels, annotated, volume(labels.shape), plan())
    assert classes.ravel().tolist() == [0, 1, -1, -1, -1]


def test_resampled_labels_stay_where_they_were():
    """A ball of 1 mm voxels comes back from finer and from coarser grids, not shifted."""
    z, y, x = np.indices((24, 24, 24))
    ball = ((z - 12) ** 2 + (y - 10) ** 2 + (x - 13) ** 2 < 49).astype(np.uint8) * 3
    image = volume(ball.shape)
    for mm, wanted in ((0.5, 0.999), (1.6, 0.9)):
        a_plan = plan(dims="3d", patch=(8, 8, 8), spacing_mm=(mm,) * 3)
        classes = classes_to_grid(ball, np.ones(ball.shape, bool), image, a_plan)
        probabilities = np.stack([classes == c for c in range(3)]).astype(np.float32)
        back = labels_from_classes(most_probable(probabilities, ball.shape), a_plan)
        dice = 2 * ((back == 3) & (ball == 3)).sum() / ((back == 3).sum() + (ball == 3).sum())
        assert dice > wanted
        apart = np.subtract(ndimage.center_of_mass(back == 3), ndimage.center_of_mass(ball))
        assert np.abs(apart).max() < 0.25


@given(
    size=st.integers(2, 12), painted=st.integers(0, 11), mm=st.floats(1, 6), axis=st.integers(0, 2)
)
def test_a_painted_slice_is_still_there_on_a_coarser_grid(size, painted, mm, axis):
    painted %= size
    shape = tuple(size if a == axis else 9 for a in range(3))
    annotated = np.zeros(shape, bool)
    np.moveaxis(annotated, axis, 0)[painted] = True
    a_plan = plan(dims="3d", patch=(8, 8, 8), spacing_mm=(mm,) * 3)
    classes = classes_to_grid(np.full(shape, 3), annotated, volume(shape), a_plan)
    held = np.flatnonzero((np.moveaxis(classes, axis, 0) == 1).all(axis=(1, 2)))
    new = classes.shape[axis]
    assert int((painted + 0.5) * new / size) in held
    assert ((classes == 1).sum(axis=axis) == len(held)).all()
