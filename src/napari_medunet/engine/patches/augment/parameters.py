"""Augmentation parameters: the strength of each transform, and one random draw of all.

Geometry is drawn in mm and converted to voxels, so that a rotation is one where voxels are no cubes, too.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_medunet.engine.patches.augment.warp import ElasticField, spline_basis
from napari_medunet.engine.plan import Plan
from napari_medunet.engine.settings.schedule import Strengths
from napari_medunet.engine.volume import FloatArray

# How often each part takes part at all. Those of blur, low resolution and gamma are nnU-Net's (Isensee et
# al. 2021, Nature Methods 18, supplement 4).
CHANCES = {
    "rotate": 0.5,
    "scale": 0.5,
    "shift": 1.0,
    "elastic": 0.2,
    "blur": 0.2,
    "low_resolution": 0.2,
    "gamma": 0.3,
    "contrast": 1.0,
    "brightness": 1.0,
    "noise": 0.3,
}

_BEND_NODES = 4  # distances between control points along the patch's longest side
# Control points that move less than this share of their distance leave no fold (Choi & Lee 2000,
# Graphical Models 62(3), 188-201: 0.48 in 2D, 0.40 in 3D).
_UNFOLDED = 0.4


@dataclass(frozen=True)
class Augmentation:
    """The augmentation at one moment of a training.

    Attributes
    ----------
    mirror : bool
        Whether patches are mirrored, along the plan's `flip_axes`.
    strengths : Strengths
        Of each transform; 0 is off.
    """

    mirror: bool = False
    strengths: Strengths = field(default_factory=Strengths)


NO_AUGMENTATION = Augmentation()
ONLY_MIRRORED = Augmentation(mirror=True)


def augmentation_of(plan: Plan) -> Augmentation:
    """The augmentation of a plan, before its tail."""
    return Augmentation(mirror=True, strengths=plan.schedule.strengths)


def augmentation_by_share(plan: Plan, share: Callable[[], float]) -> Callable[[], Augmentation]:
    """The augmentation of now, given what share of a training is done: in the tail it mirrors alone."""
    varied, tail = augmentation_of(plan), plan.schedule.unaugmented_tail
    end = 1 - tail if tail else math.inf
    return lambda: varied if share() < end else ONLY_MIRRORED


@dataclass(frozen=True, eq=False)
class AugmentationParams:
    """The parameters that were drawn for one patch, of d axes.

    Attributes
    ----------
    matrix : (d, d) array
        From voxels of the patch to voxels of the volume, counted from the patch's centre: rotation, scale
        and flip.
    shift : (d,) array
        Of the patch's centre, in whole voxels of the volume.
    bend : ElasticField or None
        In voxels of the patch: points are moved before they are rotated.
    blur, downsampling : d floats, or nothing
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
    """Parameters that change nothing."""
    return AugmentationParams(np.eye(dims), np.zeros(dims))


def draw_params(
    rng: np.random.Generator, plan: Plan, augmentation: Augmentation = NO_AUGMENTATION
) -> AugmentationParams:
    """Draw the parameters of the next patch.

    Every transform draws its numbers, on or off: to change one leaves the others as they were.

    Parameters
    ----------
    plan : Plan
        `patch` and its spacing, and `flip_axes`, along which it is mirrored with even chance.
    augmentation : Augmentation
    """
    if augmentation == NO_AUGMENTATION:
        return identity_params(plan.spatial_dims)
    size, spacing = np.asarray(plan.grid.patch), _patch_spacing(plan)
    strength = vars(augmentation.strengths)

    def drawn(part: str, count: int | None = None) -> Any:
        """A number up to the strength, of either sign, or 0 if the transform is not applied."""
        happens = rng.random() < CHANCES[part]
        return rng.uniform(-1, 1, count) * (strength[part] * happens)

    turn = _turn(np.radians(drawn("rotate", 3)), spacing)
    matrix = turn * _factor(drawn("scale", plan.spatial_dims))
    matrix = matrix * spacing / spacing[:, None]  # from mm to voxels
    flips = rng.random(plan.spatial_dims) < 0.5
    if augmentation.mirror:
        matrix[:, [axis for axis in plan.schedule.flip_axes if flips[axis]]] *= -1
    blur, downsampling = abs(drawn("blur")), 1 + abs(drawn("low_resolution"))
    finest = spacing.min() / spacing  # both are of the finest axis: voxels thicker than that keep
    return AugmentationParams(
        matrix=matrix,
        shift=np.round(drawn("shift", plan.spatial_dims) * size),
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
    spacing = np.asarray(plan.grid.spacing_mm)
    return np.delete(spacing, plan.axis) if plan.spatial_dims == 2 else spacing


def _factor(reach: FloatArray) -> FloatArray:
    """From 0.2 to 1.2 and from -0.2 to 1 / 1.2."""
    return np.asarray((1 + np.abs(reach)) ** np.sign(reach))


def _turn(angles: FloatArray, spacing_mm: FloatArray) -> FloatArray:
    """Rotate in each plane of two axes, one after the other: (d, d) in mm.

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
    """Move control points at random, by the same mm along every axis."""
    node_mm = float((size * spacing_mm).max() / _BEND_NODES)
    bases = tuple(
        spline_basis(int(n), node_mm / float(mm)) for n, mm in zip(size, spacing_mm, strict=True)
    )
    moves = rng.uniform(-1, 1, (len(size), *(len(basis) for basis in bases)))
    if strength == 0:
        return None
    moves *= _UNFOLDED * node_mm * strength
    return ElasticField(moves / spacing_mm.reshape(-1, *[1] * len(size)), bases)
