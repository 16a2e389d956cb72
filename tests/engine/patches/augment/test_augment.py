from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_medunet.engine.patches.augment import (
    Augmentation,
    draw_params,
)
from napari_medunet.engine.plan import Plan
from napari_medunet.engine.planning.rules.augmentation import strengths
from napari_medunet.engine.settings.schedule import Strengths, StrengthSettings

PARTS = tuple(Strengths.model_fields)
PRESETS = ("none", "light", "standard", "strong")
STRONG = Augmentation(mirror=True, strengths=strengths("strong", StrengthSettings()))
THICK = (5.0, 0.7, 0.7)


def plan(patch, spacing_mm=(1.0, 1.0, 1.0), **given):
    return Plan.of(
        dims=f"{len(patch)}d", patch=patch, spacing_mm=spacing_mm, labels=(0, 1), depth=2, **given
    )


def in_mm(matrix, spacing_mm):
    spacing = np.asarray(spacing_mm)
    return matrix * spacing[:, None] / spacing


def test_presets_go_further_one_after_the_other():
    none, light, standard, strong = (strengths(preset, StrengthSettings()) for preset in PRESETS)
    assert none == Strengths()  # mirrored along the plan's axes at most: by its rule there are none
    for name in PARTS:
        reach = [getattr(one, name) for one in (none, light, standard, strong)]
        assert reach == sorted(reach)
        assert reach[-1] > reach[-2] > 0


def test_every_part_has_a_setting_of_its_own():
    for name in PARTS:
        for preset in PRESETS:
            by_preset = strengths(preset, StrengthSettings())
            chosen = strengths(preset, StrengthSettings(**{name: 0.05}))
            assert chosen == by_preset.changed(**{name: 0.05})
            off = strengths(preset, StrengthSettings(**{name: 0}))
            assert off == by_preset.changed(**{name: 0})


@pytest.mark.parametrize("part", PARTS)
def test_to_change_a_part_leaves_the_others_as_they_were(part):
    def draws(augmentation):
        rng = np.random.default_rng(0)
        return [draw_params(rng, plan((8, 16, 16)), augmentation) for _ in range(30)]

    held = {
        "rotate": "matrix", "scale": "matrix", "shift": "shift", "elastic": "bend", "blur": "blur",
        "low_resolution": "downsampling",
    }.get(part, part)  # fmt: skip
    with_it, without = (
        draws(STRONG),
        draws(replace(STRONG, strengths=STRONG.strengths.changed(**{part: 0.0}))),
    )
    for name in (
        "matrix",
        "shift",
        "blur",
        "downsampling",
        "gamma",
        "contrast",
        "brightness",
        "noise",
    ):
        same = [
            np.array_equal(getattr(a, name), getattr(b, name))
            for a, b in zip(with_it, without, strict=True)
        ]
        assert all(same) == (name != held)
    bent = [one.bend is None for one in with_it], [one.bend is None for one in without]
    assert (bent[0] == bent[1]) == (held != "bend")


@given(
    seed=st.integers(0, 1000),
    spacing_mm=st.tuples(*[st.sampled_from([0.7, 1.0, 3.0, 5.0])] * 3),
    angle=st.floats(1, 90),
)
def test_a_turn_is_a_turn_in_mm(seed, spacing_mm, angle):
    only = Augmentation(strengths=Strengths(rotate=angle))
    for _ in range(4):
        variation = draw_params(np.random.default_rng(seed), plan((8, 16, 16), spacing_mm), only)
        turn = in_mm(variation.matrix, spacing_mm)
        np.testing.assert_allclose(turn @ turn.T, np.eye(3), atol=1e-9)
        assert np.linalg.det(turn) == pytest.approx(1)


def test_turns_reach_as_far_as_asked_and_less_through_thick_slices():
    rng = np.random.default_rng(0)
    only = Augmentation(strengths=Strengths(rotate=40))
    flat = [draw_params(rng, plan((16, 16)), only).matrix for _ in range(400)]
    angles = np.degrees([np.arctan2(m[1, 0], m[0, 0]) for m in flat])
    assert 35 < angles.max() <= 40
    assert -40 <= angles.min() < -35
    assert 0.3 < (angles == 0).mean() < 0.7

    blocks = [draw_params(rng, plan((8, 16, 16), THICK), only).matrix for _ in range(400)]
    turns = np.array([in_mm(matrix, THICK) for matrix in blocks])
    tilts = np.degrees(np.arccos(turns[:, 0, 0].clip(-1, 1)))  # of the slices' axis
    in_plane = np.degrees(np.arctan2(turns[:, 2, 1], turns[:, 1, 1]))
    assert 4 < tilts.max() < 2**0.5 * 40 * 0.7 / 5 + 0.1
    assert in_plane.max() > 35


def test_scales_lie_between_the_factor_and_its_inverse():
    rng = np.random.default_rng(0)
    only = Augmentation(strengths=Strengths(scale=0.25))
    factors = np.array(
        [draw_params(rng, plan((16, 16)), only).matrix.diagonal() for _ in range(400)]
    )
    assert factors.min() == pytest.approx(0.8, abs=0.02)
    assert factors.max() == pytest.approx(1.25, abs=0.02)


def test_shifts_are_whole_voxels_and_shares_of_the_patch():
    rng = np.random.default_rng(0)
    only = Augmentation(strengths=Strengths(shift=0.25))
    shifts = np.array([draw_params(rng, plan((8, 32)), only).shift for _ in range(400)])
    np.testing.assert_array_equal(shifts, np.round(shifts))
    np.testing.assert_array_equal(np.abs(shifts).max(axis=0), (2, 8))


@settings(max_examples=30)
@given(
    seed=st.integers(0, 1000),
    patch=st.sampled_from([(32, 48), (16, 24, 24), (4, 32, 32)]),
    spacing_mm=st.sampled_from([(1.0, 1.0, 1.0), THICK, (1.0, 0.5, 2.0)]),
)
def test_a_bend_leaves_no_fold_and_moves_the_same_in_mm(seed, patch, spacing_mm):
    drawn = (
        draw_params(rng, plan(patch, spacing_mm), Augmentation(strengths=Strengths(elastic=1.0)))
        for rng in map(np.random.default_rng, range(seed, seed + 60))
    )
    bend = next(variation.bend for variation in drawn if variation.bend is not None)
    subscripts = "aij,iy,jx->ayx" if len(patch) == 2 else "aijk,iz,jy,kx->azyx"
    moved = np.einsum(subscripts, bend.moves, *bend.bases)
    assert moved.shape == (len(patch), *patch)
    slopes = np.stack([np.stack(np.gradient(one, edge_order=1)) for one in moved])
    jacobian = np.moveaxis(slopes, (0, 1), (-2, -1)) + np.eye(len(patch))
    assert np.linalg.det(jacobian).min() > 0
    spacing = np.array(spacing_mm[-len(patch) :])
    reach = np.abs(bend.moves).reshape(len(patch), -1).max(axis=1) * spacing
    assert reach.max() <= 0.4 * (spacing * patch).max() / 4
    assert reach.min() > reach.max() / 3


def test_blur_and_larger_voxels_keep_to_the_fine_axes():
    rng = np.random.default_rng(0)
    only = Augmentation(strengths=Strengths(blur=1.0, low_resolution=1.0))
    drawn = [draw_params(rng, plan((8, 16, 16), THICK), only) for _ in range(60)]
    blurs = np.array([one.blur for one in drawn if one.blur])
    np.testing.assert_allclose(blurs[:, 0], blurs[:, 1] * 0.7 / 5)
    downsampling = np.array([one.downsampling for one in drawn if one.downsampling])
    assert (downsampling[:, 0] == 1).all()
    assert 1 < downsampling[:, 1].max() <= 2


def test_mirroring_keeps_to_the_plans_axes_and_to_augmentation():
    def mirrored(augmentation, **given):
        rng = np.random.default_rng(0)
        drawn = [draw_params(rng, plan((16, 16), **given), augmentation) for _ in range(200)]
        return np.mean([np.linalg.det(one.matrix) < 0 for one in drawn])

    assert 0.35 < mirrored(STRONG, flip_axes=(1,)) < 0.65
    assert mirrored(STRONG) == 0
    assert mirrored(Augmentation(strengths=Strengths(rotate=20)), flip_axes=(1,)) == 0
