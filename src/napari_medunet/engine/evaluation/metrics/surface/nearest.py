"""From each point of one set to the nearest of another: exact distances, many sets at once.

Both sets are split by halves, along the longest side of their box, into leaves of a few dozen points.
A leaf of the first set looks for its neighbours together: it walks down the second set's tree, the
nearer half first, and leaves out every box that lies farther than what each of its points has found.

Compiled by numba and run in a small pool of threads, one kernel a thread: numba's own parallel loops
are slower on a machine that is busy with other work. The tests compare it with scipy's k-d tree, which
gives the same distances, several times slower.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, inf, log2

import numpy as np
import numpy.typing as npt

from napari_medunet.engine.evaluation.metrics.surface.nearest_kernels import grow, look_up
from napari_medunet.engine.evaluation.metrics.threads import in_threads, in_turn

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]

_LEAF_POINTS = 48  # in the middle of what costs least, M27
_LEAVES_A_TASK = 64
_FEW_POINTS = 2_000  # below this, handing work to threads takes longer than it saves


@dataclass(frozen=True, eq=False)
class Search:
    """A search: for each wanted point the nearest of the others.

    Attributes
    ----------
    points, others : (n, axes), (m, axes) float64 arrays
        In mm, one to three axes.
    wanted : (n,) bool array
        Which points to look up.
    """

    points: FloatArray
    others: FloatArray
    wanted: BoolArray


def nearest(searches: Sequence[Search]) -> list[FloatArray]:
    """Measure from each wanted point to the nearest of the others.

    Returns
    -------
    distances : list of (n,) float64 arrays, one for each search
        In mm; 0 for points that are not wanted, infinity where there are no others.
    """
    results = [np.zeros(len(search.points)) for search in searches]
    sets = {id(points): points for s in searches for points in (s.points, s.others) if len(points)}
    run = in_threads if sum(map(len, sets.values())) > _FEW_POINTS else in_turn
    trees = dict(zip(sets, run(_Tree, list(sets.values())), strict=True))
    tasks = []
    for search, result in zip(searches, results, strict=True):
        if len(search.others) == 0:
            result[search.wanted] = inf
        elif search.wanted.any():
            tree, other = trees[id(search.points)], trees[id(search.others)]
            leaves = range(0, 1 << tree.levels, _LEAVES_A_TASK)
            tasks += [(search.wanted, tree, other, first, result) for first in leaves]
    run(_look_up, tasks)
    return results


def warm_up() -> None:
    """Load the compiled code, or compile it where that has not happened on this machine.

    A tenth of a second, or a few seconds the first time: for a viewer to call in a thread before the
    user waits for a number.
    """
    points = np.zeros((2, 3))
    nearest([Search(points, points, np.ones(2, dtype=bool))])


class _Tree:
    """Points in the order of the leaves of a balanced binary tree, and the box of each node.

    Attributes
    ----------
    points : (3, n) float64 array
        Missing axes are 0.
    order : (n,) int64 array
        Where each point stood.
    boxes : (nodes, 2, 3) float64 array
        Lowest and highest corner of each node; those below node i are 2 i + 1 and 2 i + 2.
    levels : int
        Steps from the root to a leaf: there are 2**levels leaves.
    """

    def __init__(self, points: FloatArray) -> None:
        self.points = np.zeros((3, len(points)))
        self.points[: points.shape[1]] = points.T
        self.order = np.arange(len(points))
        self.levels = max(0, ceil(log2(len(points) / _LEAF_POINTS)))
        self.boxes = np.empty(((2 << self.levels) - 1, 2, 3))
        grow(self.points, self.order, self.boxes, self.levels)


def _look_up(task: tuple[BoolArray, _Tree, _Tree, int, FloatArray]) -> None:
    wanted, tree, other, first, result = task
    last = min(first + _LEAVES_A_TASK, 1 << tree.levels)
    mine, others = (tree.points, tree.order, tree.levels), (other.points, other.boxes, other.levels)
    look_up(mine, wanted, (first, last), others, result)
