"""The compiled half of `nearest`: growing a tree of points, and walking down it.

Arrays are as `nearest` makes them: points (3, n) in mm, in the order of the leaves; boxes (nodes, 2, 3).
Leaf `place` of a tree of n points holds those from n * place >> levels to n * (place + 1) >> levels.

The machine code is kept (`hardware.compiled`): only the very first call on a machine waits for the
compiler.
"""

from __future__ import annotations

import numpy as np

from napari_medunet.engine.hardware.compiled import compiled

# Points are finite and no distance is NaN; infinity has to stay what it is.
_FINITE = {"nnan", "nsz", "contract"}


@compiled()
def grow(points, order, boxes, levels):  # type: ignore[no-untyped-def]
    """Sort points into leaves, in place, and find the box of every node.

    Parameters
    ----------
    points : (3, n) float64 array
    order : (n,) int64 array
        Is sorted as the points are.
    boxes : (2 ** (levels + 1) - 1, 2, 3) float64 array
        Is filled.
    levels : int
    """
    n = points.shape[1]
    for level in range(levels + 1):
        for place in range(1 << level):
            start, stop = (n * place) >> level, (n * (place + 1)) >> level
            box = boxes[(1 << level) - 1 + place]
            for axis in range(3):
                box[0, axis] = points[axis, start:stop].min()
                box[1, axis] = points[axis, start:stop].max()
            if level < levels:
                middle = (n * (2 * place + 1)) >> (level + 1)
                _halve(points, order, np.argmax(box[1] - box[0]), start, middle, stop)


@compiled()
def _halve(points, order, axis, start, middle, stop):  # type: ignore[no-untyped-def]
    """Put the smaller values along an axis before `middle`: quickselect (Hoare, CACM 4(7), 1961)."""
    key = points[axis]
    left, right = start, stop - 1
    while left < right:
        pivot = key[(left + right) >> 1]
        i, j = left, right
        while i <= j:
            while key[i] < pivot:
                i += 1
            while key[j] > pivot:
                j -= 1
            if i <= j:
                for a in range(3):
                    points[a, i], points[a, j] = points[a, j], points[a, i]
                order[i], order[j] = order[j], order[i]
                i += 1
                j -= 1
        if middle <= j:
            right = j
        elif middle >= i:
            left = i
        else:
            break


@compiled(fastmath=_FINITE)
def look_up(tree, wanted, leaves, other, result):  # type: ignore[no-untyped-def]
    """Find the distance to the nearest of the others, for the wanted points of some leaves.

    Parameters
    ----------
    tree : (points, order, levels)
        Of the points; `wanted` and `result` are in the order in which the points came.
    wanted : (n,) bool array
    leaves : (first, last)
        To look up, the last left out.
    other : (points, boxes, levels)
        The tree to look in.
    result : (n,) float64 array
        Is filled, in mm.
    """
    points, order, levels = tree
    n = points.shape[1]
    most = (n >> levels) + 2
    mine, squared, place = np.empty((most, 3)), np.empty(most), np.empty(most, np.int64)
    deep = other[2] + 2
    stack, gaps = np.empty(deep, np.int64), np.empty(deep)
    for leaf in range(leaves[0], leaves[1]):
        count = 0
        for i in range((n * leaf) >> levels, (n * (leaf + 1)) >> levels):
            if wanted[order[i]]:
                mine[count] = points[:, i]
                place[count] = order[i]
                squared[count] = np.inf
                count += 1
        if count:
            _walk(mine[:count], squared, other, stack, gaps)
        for i in range(count):
            result[place[i]] = np.sqrt(squared[i])


@compiled(fastmath=_FINITE)
def _walk(mine, squared, other, stack, gaps):  # type: ignore[no-untyped-def]
    """Walk down a tree with a leaf of points; `squared` is filled with their squared distances."""
    others, boxes, levels = other
    low, high = np.empty(3), np.empty(3)
    for axis in range(3):
        low[axis], high[axis] = mine[:, axis].min(), mine[:, axis].max()
    leaves = (1 << levels) - 1  # the nodes from here on
    bound = np.inf  # of what the points have found so far, the farthest
    stack[0], gaps[0], top = 0, 0.0, 1
    while top:
        top -= 1
        node = stack[top]
        if gaps[top] >= bound:
            continue
        if node >= leaves:
            bound = _visit(mine, squared, others, boxes[node], node - leaves, levels)
            continue
        near, far = 2 * node + 1, 2 * node + 2
        near_gap, far_gap = _gap(low, high, boxes[near]), _gap(low, high, boxes[far])
        swapped = far_gap < near_gap
        if far_gap == near_gap:  # mostly both 0: then the middles decide
            swapped = _apart(low, high, boxes[far]) < _apart(low, high, boxes[near])
        if swapped:
            near, far, near_gap, far_gap = far, near, far_gap, near_gap
        if far_gap < bound:
            stack[top], gaps[top] = far, far_gap
            top += 1
        if near_gap < bound:
            stack[top], gaps[top] = near, near_gap
            top += 1


@compiled(fastmath=_FINITE)
def _visit(mine, squared, others, box, place, levels):  # type: ignore[no-untyped-def]
    """Compare points with those of one leaf; return the largest squared distance that is left."""
    n = others.shape[1]
    start, stop = (n * place) >> levels, (n * (place + 1)) >> levels
    bound = 0.0
    for i in range(len(mine)):
        z, y, x = mine[i]
        best = squared[i]
        if _gap(mine[i], mine[i], box) < best:
            for j in range(start, stop):
                apart = (others[0, j] - z) ** 2 + (others[1, j] - y) ** 2 + (others[2, j] - x) ** 2
                best = apart if apart < best else best
            squared[i] = best
        bound = best if best > bound else bound
    return bound


# The signature makes numba start up when this module is imported, a tenth of a second that would
# otherwise be part of the first call. The larger functions wait for that: they may have to be compiled.
@compiled("float64(float64[::1], float64[::1], float64[:, ::1])", fastmath=_FINITE)
def _gap(low, high, box):  # type: ignore[no-untyped-def]
    """Give the squared distance between two boxes: 0 where they overlap."""
    gap = 0.0
    for axis in range(3):
        gap += max(box[0, axis] - high[axis], low[axis] - box[1, axis], 0.0) ** 2
    return gap


@compiled(fastmath=_FINITE)
def _apart(low, high, box):  # type: ignore[no-untyped-def]
    """Give the squared distance between the middles of two boxes, times four."""
    apart = 0.0
    for axis in range(3):
        apart += (box[0, axis] + box[1, axis] - low[axis] - high[axis]) ** 2
    return apart
