"""Geometry: the affine, napari's world, and which grids count as the same."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_medunet.engine.volume import (
    Volume,
    affine_from_spacing,
    is_oblique,
    same_grid,
    spacing_of,
)
from napari_medunet.plugin.opening.display_frame import display_frame

TO_DISPLAY = -np.eye(3)[::-1]  # ras -> (-S, -A, -R)
spacings = st.tuples(*[st.floats(0.1, 10)] * 3)
origins = st.tuples(*[st.floats(-300, 300)] * 3)
shapes = st.tuples(*[st.integers(1, 300)] * 3)


def turn(angle: float, axis: int) -> np.ndarray:
    first, second = (axis + 1) % 3, (axis + 2) % 3
    matrix = np.eye(3)
    matrix[first, first] = matrix[second, second] = np.cos(angle)
    matrix[first, second], matrix[second, first] = -np.sin(angle), np.sin(angle)
    return matrix


def tilted(affine: np.ndarray, angle: float, axis: int) -> np.ndarray:
    moved = affine.copy()
    moved[:3] = turn(angle, axis) @ affine[:3]
    return moved


@given(spacing=spacings, origin=origins, shape=shapes)
def test_an_aligned_volume_lies_in_naparis_world_where_its_affine_says(spacing, origin, shape):
    affine = affine_from_spacing(spacing, origin)
    np.testing.assert_allclose(spacing_of(affine), spacing)
    assert not is_oblique(affine, shape)
    scale, translate = display_frame(affine, shape)
    index = np.array(shape) - 1
    ras = affine[:3, :3] @ index + affine[:3, 3]
    world = np.array(scale) * index + translate
    np.testing.assert_allclose(-world[::-1], ras, atol=1e-3)  # 300 steps, each rounded


@given(spacing=spacings, origin=origins, shape=shapes, angle=st.floats(-0.7, 0.7))
def test_steps_are_exact_in_binary(spacing, origin, shape, angle):
    scale, translate = display_frame(tilted(affine_from_spacing(spacing, origin), angle, 1), shape)
    for value in (*scale, *translate):
        assert (value * 2**20).is_integer()
    assert min(scale) > 0


@given(
    spacing=spacings,
    origin=origins,
    angle=st.floats(0.05, 0.7),
    axis=st.integers(0, 2),
    place=st.tuples(*[st.integers(-20, 20)] * 3),
    other=spacings,
)
def test_oblique_volumes_with_the_same_directions_overlay_exactly(
    spacing, origin, angle, axis, place, other
):
    """Two scans of one session: a point of the patient has one place in the frame that both share."""
    first = tilted(affine_from_spacing(spacing, origin), angle, axis)
    second = tilted(affine_from_spacing(other, np.add(origin, place)), angle, axis)
    shape = (200, 200, 200)
    (scale, translate), (scale2, translate2) = (
        display_frame(first, shape),
        display_frame(second, shape),
    )
    index = np.array([7.0, 11.0, 13.0])
    ras = first[:3, :3] @ index + first[:3, 3]
    index2 = np.linalg.solve(second[:3, :3], ras - second[:3, 3])
    ours = np.array(scale) * index + translate
    theirs = np.array(scale2) * index2 + translate2
    np.testing.assert_allclose(ours, theirs, atol=2e-3)


def test_an_oblique_frame_is_the_origin_in_the_volumes_own_directions():
    affine = tilted(affine_from_spacing((3, 1, 2), (10, -20, 30)), 0.3, 2)
    scale, translate = display_frame(affine, (20, 100, 100))
    directions = TO_DISPLAY @ affine[:3, :3] / spacing_of(affine)
    np.testing.assert_allclose(directions @ translate, TO_DISPLAY @ affine[:3, 3], atol=1e-5)
    np.testing.assert_allclose(scale, (3, 1, 2), atol=1e-6)


def test_a_tilt_that_moves_no_corner_by_a_tenth_of_a_voxel_keeps_the_centre():
    shape = (100, 100, 100)
    affine = tilted(affine_from_spacing((1, 1, 1), (10, 20, 30)), 0.0009, 0)
    assert not is_oblique(affine, shape)
    scale, translate = display_frame(affine, shape)
    centre = (np.array(shape) - 1) / 2
    world = TO_DISPLAY @ (affine[:3, :3] @ centre + affine[:3, 3])
    np.testing.assert_allclose(np.array(scale) * centre + translate, world, atol=1e-4)
    assert is_oblique(tilted(affine, 0.002, 0), shape)
    assert not is_oblique(tilted(affine, 0.002, 0), (10, 10, 10))


@given(spacing=st.floats(0.1, 5), count=st.integers(1, 2000), origin=st.floats(-500, 500))
@settings(max_examples=300)
def test_napari_reaches_the_last_slice(spacing, count, origin):
    """It counts slices by flooring (stop - start) / step."""
    scale, translate = display_frame(
        affine_from_spacing((spacing, 1, 1), (origin, 0, 0)), (count, 1, 1)
    )
    start = translate[0]
    stop = translate[0] + scale[0] * (count - 1)
    assert np.floor((stop - start) / scale[0]) == count - 1


def test_the_spacing_is_never_the_diagonal():
    affine = np.eye(4)
    affine[:3, :3] = [[0, 0, 3], [0, 2, 0], [1, 0, 0]]
    assert spacing_of(affine) == (1, 2, 3)


def test_same_grid_forgives_rounding_and_nothing_else():
    affine = affine_from_spacing((1, 1, 1), (10, 20, 30))
    volume = Volume(np.zeros((5, 6, 7)), affine)
    assert same_grid(volume, Volume(np.zeros((5, 6, 7), int), affine.astype(np.float32)))
    assert not same_grid(volume, Volume(np.zeros((5, 6, 8)), affine))
    for row, column in product(range(3), range(4)):
        moved = affine.copy()
        moved[row, column] += 0.05
        assert not same_grid(volume, Volume(np.zeros((5, 6, 7)), moved))


def test_a_volume_says_what_is_wrong_with_it():
    with pytest.raises(ValueError, match="'volume' has 4 axes"):
        Volume(np.zeros((1, 2, 3, 4)), np.eye(4))
    with pytest.raises(ValueError, match=r"Affine of 'volume' is \(3, 3\)"):
        Volume(np.zeros((2, 3, 4)), np.eye(3))
