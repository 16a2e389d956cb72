"""Warp: a patch is cut out of its volume in one interpolation, rotated, scaled and elastically deformed.

The elastic deformation is free-form (Rueckert et al. 1999, IEEE TMI 18(8), section II-B): a coarse grid of
control points that move at random, with cubic B-splines between them. In two dimensions a patch is a block
of one slice.

Compiled by numba: one pass over the voxels, on the thread that prepares batches. The tests compare
it with scipy, which gives the same values, several times slower.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from napari_medunet.engine.patches.augment.kernels import warp_rows
from napari_medunet.engine.volume import FloatArray


@dataclass(frozen=True, eq=False)
class ElasticField:
    """A free-form deformation of d axes.

    Attributes
    ----------
    moves : (d, *nodes) array
        How far each control point moves, in voxels.
    bases : d (nodes, voxels) arrays
        How much each control point counts at each voxel of an axis.
    """

    moves: FloatArray
    bases: tuple[FloatArray, ...]


@dataclass(frozen=True, eq=False)
class Placing:
    """Where each voxel of a patch comes from: ``matrix @ (voxel + its bend) + offset``.

    Attributes
    ----------
    matrix : (3, 3) array
    offset : (3,) array
    bend : ElasticField or None
    """

    matrix: FloatArray
    offset: FloatArray
    bend: ElasticField | None = None


def warp(
    image: npt.NDArray[np.float32],
    classes: npt.NDArray[np.int16],
    placing: Placing,
    cut: npt.NDArray[np.float32],
    cut_classes: npt.NDArray[np.int32],
) -> None:
    """Fill a patch out of a volume; voxels that lie outside it are left as they are.

    The image is interpolated linearly, a class is that of the nearest voxel. A volume ends where its
    border voxels end, half a voxel beyond their centres.

    Parameters
    ----------
    image : (c, z, y, x) array
    classes : (z, y, x) array
    placing : Placing
    cut : (z, y, x, c) array
    cut_classes : (z, y, x) array
    """
    affine = np.column_stack([placing.matrix, placing.offset])
    bend = placing.bend or _no_bend(cut_classes.shape)
    moves = np.tensordot(placing.matrix, bend.moves, 1)
    warp_rows(image, classes, affine, (moves, bend.bases), cut, cut_classes)


@lru_cache(maxsize=64)
def spline_basis(voxels: int, voxels_a_node: float) -> FloatArray:
    """How much each control point of a cubic B-spline counts at each voxel of an axis.

    Parameters
    ----------
    voxels : int
    voxels_a_node : float
        Distance of the control points.

    Returns
    -------
    (nodes, voxels) array
        Columns sum to 1. The first node lies one distance before the axis, the last one behind it.
    """
    place = (np.arange(voxels) + 0.5) / voxels_a_node
    nodes = np.arange(-1, np.floor(place[-1]) + 3)
    distance = np.abs(place - nodes[:, None])
    near = 2 / 3 - distance**2 + distance**3 / 2
    far = np.maximum(2 - distance, 0) ** 3 / 6
    return np.asarray(np.where(distance < 1, near, far))


def _no_bend(shape: tuple[int, ...]) -> ElasticField:
    return ElasticField(np.zeros((3, 0, 0, 0)), tuple(np.zeros((0, size)) for size in shape))
