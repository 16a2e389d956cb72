"""The compiled half of `warp` and `intensity`: loops over the voxels of a patch.

The machine code is kept (`hardware.compiled`): only the very first call on a machine waits for the
compiler.
"""

from __future__ import annotations

import numpy as np

from napari_medunet.engine.hardware.compiled import compiled


@compiled()
def warp_rows(image, classes, affine, field, cut, cut_classes):  # type: ignore[no-untyped-def]
    """Fill a patch, row by row; voxels outside the volume are left as they are.

    Parameters
    ----------
    image : (c, z, y, x) float32 array
    classes : (z, y, x) int16 array
    affine : (3, 4) float64 array
        From a voxel of the patch, and 1, to coordinates in the volume.
    field : (moves, bases)
        What control points add to these coordinates, a (3, z nodes, y nodes, x nodes) float64 array, and
        how much each counts at each voxel, three (nodes, voxels) float64 arrays for z, y and x.
    cut : (z, y, x, c) float32 array
    cut_classes : (z, y, x) int32 array
    """
    moves, bases = field
    depth, rows, columns = cut_classes.shape
    at = np.empty((3, columns))
    for z in range(depth):
        for y in range(rows):
            _coordinates(z, y, affine, moves, bases, at)
            _fill_row(image, classes, at, cut[z, y], cut_classes[z, y])


@compiled()
def _coordinates(z, y, affine, moves, bases, at):  # type: ignore[no-untyped-def]
    """Where the voxels of a row lie in the volume; `at`, (3, columns), is filled."""
    base_z, base_y, base_x = bases
    for axis in range(3):
        start = affine[axis, 0] * z + affine[axis, 1] * y + affine[axis, 3]
        for x in range(at.shape[1]):
            at[axis, x] = start + affine[axis, 2] * x
        for k in range(moves.shape[3]):
            moved = 0.0
            for i in range(moves.shape[1]):
                for j in range(moves.shape[2]):
                    moved += base_z[i, z] * base_y[j, y] * moves[axis, i, j, k]
            for x in range(at.shape[1]):
                at[axis, x] += moved * base_x[k, x]


@compiled()
def _fill_row(image, classes, at, voxels, labels):  # type: ignore[no-untyped-def]
    """A row: channels by trilinear interpolation, classes from the nearest voxel."""
    depth, rows, columns = classes.shape
    for i in range(len(labels)):
        nearest_z, z0, z1, above = _neighbours(at[0, i], depth)
        nearest_y, y0, y1, behind = _neighbours(at[1, i], rows)
        nearest_x, x0, x1, beside = _neighbours(at[2, i], columns)
        if min(nearest_z, nearest_y, nearest_x) < 0:
            continue
        labels[i] = classes[nearest_z, nearest_y, nearest_x]
        for c in range(image.shape[0]):
            near = _between(image[c, z0, y0, x0], image[c, z0, y0, x1], beside)
            far = _between(image[c, z0, y1, x0], image[c, z0, y1, x1], beside)
            low = _between(near, far, behind)
            near = _between(image[c, z1, y0, x0], image[c, z1, y0, x1], beside)
            far = _between(image[c, z1, y1, x0], image[c, z1, y1, x1], beside)
            voxels[i, c] = _between(low, _between(near, far, behind), above)


@compiled()
def _neighbours(at, size):  # type: ignore[no-untyped-def]
    """The voxel nearest to a coordinate (-1 if none), those before and after, the second's share."""
    if not -0.5 <= at < size - 0.5:
        return -1, 0, 0, np.float32(0)
    # The outer half of a border voxel has its centre's value.
    inside = min(max(at, 0.0), size - 1.0)
    before = int(inside)
    return int(at + 0.5), before, min(before + 1, size - 1), np.float32(inside - before)


@compiled()
def _between(first, second, share):  # type: ignore[no-untyped-def]
    return first + (second - first) * share


@compiled()
def combine_lines(matrix, lines, combined):  # type: ignore[no-untyped-def]
    """Multiply a matrix that is zero but near its diagonal with lines: ``matrix @ lines``.

    Parameters
    ----------
    matrix : (m, n) float32 array
        No row is all zeros.
    lines : (outer, n, inner) float32 array
    combined : (outer, m, inner) float32 array of zeros
        Is filled.
    """
    for row in range(len(matrix)):
        held = np.flatnonzero(matrix[row])
        first, weights = held[0], matrix[row, held[0] : held[-1] + 1]
        for i in range(lines.shape[0]):
            if lines.shape[2] == 1:  # a sum in a register is faster, M29
                total = np.float32(0)
                for k in range(len(weights)):
                    total += weights[k] * lines[i, first + k, 0]
                combined[i, row, 0] = total
            else:
                for k in range(len(weights)):
                    for j in range(lines.shape[2]):
                        combined[i, row, j] += weights[k] * lines[i, first + k, j]
