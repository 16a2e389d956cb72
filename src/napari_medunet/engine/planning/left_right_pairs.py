"""Left and right: which labels look like the two of a pair, which mirrored images would mix up."""

from __future__ import annotations

from collections import Counter
from itertools import combinations
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from napari_medunet.engine.examples.example import Example

_ALIKE = 1.5  # times as many voxels, at most, has the larger one of a pair
# Their centres are further from each other than so many times their mean half width from left to right.
_APART = 1.0
_FEW_VOXELS = 500_000  # of which structures are measured


class _Structure(NamedTuple):
    """One label of one volume: voxels, and mean and standard deviation along z, y and x in mm."""

    voxels: int
    centre: npt.NDArray[np.float64]
    spread: npt.NDArray[np.float64]


def left_and_right(examples: list[Example]) -> list[tuple[int, int]]:
    """Pairs of labels that look like the left and the right one of a pair of organs.

    They are about as large, as high and as far to the front, and lie beside each other from left to
    right. Only their place tells them apart, which a mirrored image shows wrongly.

    Returns
    -------
    list of (int, int)
        Labels in ascending order: pairs in at least half of the examples that hold both.
    """
    held: Counter[tuple[int, int]] = Counter()
    beside: Counter[tuple[int, int]] = Counter()
    for example in examples:
        found = _structures(example)
        for pair in combinations(sorted(found), 2):
            held[pair] += 1
            beside[pair] += _are_beside(found[pair[0]], found[pair[1]])
    return sorted(pair for pair, count in beside.items() if count and 2 * count >= held[pair])


def _are_beside(one: _Structure, other: _Structure) -> bool:
    distance = np.abs(one.centre - other.centre)
    half_width = one.spread + other.spread  # of an ellipsoid it is 1.1 times the mean half width
    as_large = max(one.voxels, other.voxels) <= _ALIKE * min(one.voxels, other.voxels)
    beside = distance[2] > _APART * half_width[2] and (distance[:2] < half_width[:2] / 2).all()
    return bool(as_large and beside)


def _structures(example: Example) -> dict[int, _Structure]:
    """The labels of an example by their value, measured on some of its voxels."""
    step = max(1, round((example.labels.size / _FEW_VOXELS) ** (1 / 3)))
    steps = tuple(step if size >= 8 * step else 1 for size in example.labels.shape)
    some = tuple(slice(None, None, step) for step in steps)
    coarse = np.where(example.annotated[some], example.labels[some], 0)
    places = np.argwhere(coarse > 0) * (np.asarray(example.image.spacing_mm) * steps)
    labels = coarse[coarse > 0]
    voxel = np.asarray(example.image.spacing_mm)
    found = {}
    for label in np.unique(labels).tolist():
        inside = places[labels == label]
        spread = np.maximum(inside.std(axis=0), voxel)
        found[label] = _Structure(len(inside), inside.mean(axis=0), spread)
    return found
