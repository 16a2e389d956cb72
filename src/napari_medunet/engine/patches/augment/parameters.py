"""Chance: how far each part of the augmentation goes, and one draw of it.

Geometry is drawn in mm and turned into voxels, so that a turn stays a turn where voxels are no cubes.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_medunet.engine.patches.augment.warp import ElasticField, spline_basis
from napari_medunet.engine.plan import Plan, Preset
from napari_medunet.engine.settings import TrainSettings
from napari_medunet.engine.volume import FloatArray


@dataclass(frozen=True)
class Part:
    """How far a part of the augmentation goes in each preset, and how often it takes part at all."""

    light: float
    standard: float
    strong: float
    chance: float


# Units are those of the settings of the same names. The chances of what came with nnU-Net (Isensee et
# al. 2021, Nature Methods 18, supplement 4: blur, low resolution, gamma) are its own.
PARTS = {
    "rotate": Part(light=10, standard=20, strong=30, chance=0.5),
    "scale": Part(light=0.1, standard=0.22, strong=0.35, chance=0.5),
    "shift": Part(light=0.04, standard=0.08, strong=0.12, chance=1.0),
    "elastic": Part(light=0.0, standard=0.3, strong=0.8, chance=0.2),
    "blur": Part(light=0.0, standard=1.0, strong=1.5, chance=0.2),
    "low_resolution": Part(light=0.0, standard=0.7, strong=1.0, chance=0.2),
    "gamma": Part(light=0.2, standard=0.4, strong=0.6, chance=0.3),
    "contrast": Part(light=0.13, standard=0.28, strong=0.45, chance=1.0),
    "brightness": Part(light=0.12, standard=0.25, strong=0.4, chance=1.0),
    "noise": Part(light=0.06, standard=0.12, strong=0.18, chance=0.3),
}

_BEND_NODES = 4  # distances between control points along the patch's longest side
# Control points that move less than this share of their distance leave no fold (Choi & Lee 2000,
# Graphical Models 62(3), 188-201: 0.48 in 2D, 0.40 in 3D).
_UNFOLDED = 0.4


@dataclass(frozen=True)
class Augmentation:
    """How far each part goes: a preset, with what the user set apart from it.

    Attributes
    ----------
    mirror : bool
        Whether patches are mirrored, along the plan's `flip_axes`.
    rotate, scale, shift, elastic, blur, low_resolution, gamma, contrast, brightness, noise : float
        As the settings of the same names; 0 is off.
    """

    mirror: bool = False
    rotate: float = 0.0
    scale: float = 0.0
    shift: float = 0.0
    elastic: float = 0.0
    blur: float = 0.0
    low_resolution: float = 0.0
    gamma: float = 0.0
    contrast: float = 0.0
    brightness: float = 0.0
    noise: float = 0.0


NO_AUGMENTATION = Augmentation()


def augmentation_of(preset: Preset, settings: TrainSettings) -> Augmentation:
    """How far each part goes by a preset, and by what a user set apart from it."""
    reach = {}
    for name, part in PARTS.items():
        chosen = getattr(settings, name)
        by_preset = 0.0 if preset == "none" else getattr(part, preset)
        reach[name] = by_preset if chosen is None else chosen
    return Augmentation(mirror=True, **reach)


def augmentation_by_share(
    plan: Plan, settings: TrainSettings, share: Callable[[], float]
) -> Callable[[], Augmentation]:
    """The augmentation of now, given what share of a training is done: at the end it mirrors alone."""
    varied = augmentation_of(plan.augmentation, settings)
    mirrored = Augmentation(mirror=True)
    end = 1 - plan.unaugmented_tail if plan.unaugmented_tail else math.inf
    return lambda: varied if share() < end else mirrored


@dataclass(frozen=True, eq=False)
class AugmentationParams:
    """One draw of chance, for a patch of d axes.

    Attributes
    ----------
    matrix : (d, d) array
        From voxels of the patch to voxels of the volume, counted from the patch's centre: turn, scale
        and flip.
    shift : (d,) array
        Of the patch's centre, in whole voxels of the volume.
    bend : Bend or None
        In voxels of the patch: points are moved before they are turned.
    blur, coarser : d floats, or nothing
        See `intensity.smooth`.
    gamma, contrast, brightness, noise : float
        Intensities are raised to `gamma` between their lowest and highest, then become
        value * contrast + brightness + a normal deviate * noise.
    """

    matrix: FloatArray
    shift: FloatArray
    bend: ElasticField | None = None
    blur: tuple[float, ...] = ()
    downsampling: tuple[float, ...] = ()
    gamma: float = 1.0
    contrast: float = 1.0
    brightness: float = 0.0
    noise: float = 0.0


def identity_params(dims: int) -> AugmentationParams:
    """The variation that changes nothing."""
    return AugmentationParams(np.eye(dims), np.zeros(dims))


def draw_params(
    rng: np.random.Generator, plan: Plan, augmentation: Augmentation = NO_AUGMENTATION
) -> AugmentationParams:
    """Draw how the next patch is varied.

    Every part draws its numbers, on or off: to change one leaves the others as they were.

    Parameters
    ----------
    plan : Plan
        `patch` and its spacing, and `flip_axes`, along which it is mirrored with even chance.
    augmentation : Augmentation
    """
    if augmentation == NO_AUGMENTATION:
        return identity_params(plan.dims)
    size, spacing = np.asarray(plan.patch), _patch_spacing(plan)

    def drawn(part: str, count: int | None = None) -> Any:
        """As far as the part goes, either way, or 0 where chance leaves it out."""
        happens = rng.random() < PARTS[part].chance
        return rng.uniform(-1, 1, count) * (getattr(augmentation, part) * happens)

    turn = _turn(np.radians(drawn("rotate", 3)), spacing)
    matrix = turn * _factor(drawn("scale", plan.dims))
    matrix = matrix * spacing / spacing[:, None]  # from mm to voxels
    flips = rng.random(plan.dims) < 0.5
    if augmentation.mirror:
        matrix[:, [axis for axis in plan.flip_axes if flips[axis]]] *= -1
    blur, downsampling = abs(drawn("blur")), 1 + abs(drawn("low_resolution"))
    finest = spacing.min() / spacing  # both are of the finest axis: voxels thicker than that keep
    return AugmentationParams(
        matrix=matrix,
        shift=np.round(drawn("shift", plan.dims) * size),
        bend=_bend(rng, drawn("elastic"), size, spacing),
        blur=tuple(blur * finest) if blur else (),
        downsampling=tuple(np.maximum(downsampling * finest, 1)) if downsampling > 1 else (),
        gamma=float(_factor(drawn("gamma"))),
        contrast=float(_factor(drawn("contrast"))),
        brightness=float(drawn("brightness")),
        noise=float(abs(drawn("noise"))),
    )


def _patch_spacing(plan: Plan) -> FloatArray:
    """Spacing of the patch's axes, in mm."""
    spacing = np.asarray(plan.spacing_mm)
    return np.delete(spacing, plan.axis) if plan.dims == 2 else spacing


def _factor(reach: FloatArray) -> FloatArray:
    """From 0.2 to 1.2 and from -0.2 to 1 / 1.2."""
    return np.asarray((1 + np.abs(reach)) ** np.sign(reach))


def _turn(angles: FloatArray, spacing_mm: FloatArray) -> FloatArray:
    """Turn in each plane of two axes, one after the other: (d, d) in mm.

    Between a fine and a coarse axis the angle is smaller by the ratio of their spacings: a block of
    a few thick slices that is turned far leaves its volume, and is interpolated between slices that
    have little in common.
    """
    dims = len(spacing_mm)
    matrix = np.eye(dims)
    for (first, second), angle in zip(combinations(range(dims), 2), angles, strict=False):
        pair = spacing_mm[[first, second]]
        angle = angle * pair.min() / pair.max()
        turn = np.eye(dims)
        turn[[first, second], [first, second]] = np.cos(angle)
        turn[first, second], turn[second, first] = -np.sin(angle), np.sin(angle)
        matrix = turn @ matrix
    return matrix


def _bend(
    rng: np.random.Generator, strength: float, size: npt.NDArray[np.int64], spacing_mm: FloatArray
) -> ElasticField | None:
    """Move control points by chance, the same in mm along every axis."""
    node_mm = float((size * spacing_mm).max() / _BEND_NODES)
    bases = tuple(
        spline_basis(int(n), node_mm / float(mm)) for n, mm in zip(size, spacing_mm, strict=True)
    )
    moves = rng.uniform(-1, 1, (len(size), *(len(basis) for basis in bases)))
    if strength == 0:
        return None
    moves *= _UNFOLDED * node_mm * strength
    return ElasticField(moves / spacing_mm.reshape(-1, *[1] * len(size)), bases)
