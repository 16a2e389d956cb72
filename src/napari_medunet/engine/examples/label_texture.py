"""Label texture: whether an array holds labels at all, told by how its values lie beside one another.

Labels lie in pieces of one number. In a picture, in a mask that was saved as JPEG and in one with soft
edges, values run into one another instead: a voxel has a lower and a higher neighbour, and few equal ones.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from napari_medunet.engine.errors import MedunetError

Slice = npt.NDArray[Any]

_SIDE = 256  # pixels of a window: a look is to cost little beside reading
_SLICES = 2  # across each axis
_ENOUGH = 8  # slices that hold a label, to choose from
_FEW = 64  # pixels: fewer say nothing
_BETWEEN = 0.5  # share of pixels that have a lower and a higher neighbour, in what is no label
_ALIKE = 0.6  # share of neighbours of the same value, in what is no label at most
_LEVELS = 3  # values between background and the commonest label, at least
_WHITE = range(250, 256)  # the highest value of a mask that was a picture
_BETWEEN_IN_WHITE = (
    0.2  # JPEG makes ripples beside edges, of which few lie between their neighbours
)
_BETWEEN_ALONE = 0.9  # where there is a single value between black and white


def blended_values(labels: npt.NDArray[Any]) -> int:
    """How many values run into one another where there should be labels; 0 for what looks like labels.

    Parameters
    ----------
    labels : (z, y, x) array of integers
    """
    windows = list(_windows(labels))
    if not windows:
        return 0
    values, counts = _count(windows)
    if values.size <= 2:
        return 0
    held = values > 0
    commonest = values[held][counts[held].argmax()]
    judged = [(w > 0) & (w != commonest) for w in windows]
    found = sum(int(np.count_nonzero(one)) for one in judged)
    levels = int(np.count_nonzero(held)) - 1
    white = int(values[-1]) in _WHITE
    if found < _FEW or levels < (1 if white else _LEVELS):
        return 0
    if _mean(_alike, windows, judged) >= _ALIKE:  # nearly all labels end here
        return 0
    graded = _BETWEEN_IN_WHITE if white else _BETWEEN
    wanted = graded if levels >= _LEVELS else _BETWEEN_ALONE
    return int(values.size) if _mean(_between, windows, judged) >= wanted else 0


def check_texture(labels: npt.NDArray[Any], what: str) -> None:
    """Refuse a picture in the place of labels, each shade of which would count as a kind of its own.

    Parameters
    ----------
    labels : (z, y, x) array of integers
    what : str
        What to call them: "Labels 'case_7'".

    Raises
    ------
    MedunetError
        If their values run into one another: see `blended_values`.
    """
    count = blended_values(labels)
    if count:
        raise MedunetError(
            f"{what} look like a picture: {count} values or more that run into one another; wanted pieces "
            "of one whole number each. Is it a scan? Choose its labels. JPEG, soft edges and resizing do "
            "that to masks, too: save them anew as PNG, TIFF or NIfTI without smoothing, or set what is "
            "above the middle to 1 and all else to 0."
        )


def looks_like_labels(voxels: npt.NDArray[Any]) -> bool:
    """Whether an image holds few whole numbers in pieces, as labels do and images seldom."""
    windows = list(_windows(voxels))
    if not windows:
        return False
    values, _ = _count(windows)
    if values.size > _FEW or (values != np.floor(values)).any():
        return False
    return bool(np.mean([_alike(window).mean() for window in windows]) > 0.8)


def _windows(labels: npt.NDArray[Any]) -> Iterator[Slice]:
    """Some windows of slices that hold a label, across each axis: painted slices may lie across any."""
    flat = [axis for axis in range(3) if labels.shape[axis] == 1]
    for axis in flat[:1] or range(3):
        held = _held(labels, axis, 16)
        if held.size < _ENOUGH:  # small or thin labels: a closer look
            held = _held(labels, axis, 64)
        for index in _spread(held, _SLICES):
            # A view: `np.take` first copies a volume that lies in the order of the disk, all of it.
            yield from _cut(labels[(slice(None),) * axis + (index,)])


def _held(labels: npt.NDArray[Any], axis: int, fine: int) -> npt.NDArray[np.intp]:
    """Slices across an axis that hold a label, by a grid of about so many voxels to either side."""
    steps = [max(1, size // fine) for size in labels.shape]
    steps[axis] = 1
    thinned = labels[tuple(slice(None, None, step) for step in steps)]
    others = tuple(a for a in range(3) if a != axis)
    return np.flatnonzero((thinned != 0).any(axis=others))


def _cut(whole: Slice) -> Iterator[Slice]:
    """Windows of a slice, four at most, where it holds something."""
    bounds = []
    filled = whole != 0
    for axis in (0, 1):
        held = np.flatnonzero(filled.any(axis=1 - axis))
        if not held.size:
            return
        low, high = max(0, held[0] - 1), min(whole.shape[axis], held[-1] + 2)
        last = max(low, high - _SIDE)
        bounds.append([(start, min(high, start + _SIDE)) for start in sorted({low, last})])
    for top, bottom in bounds[0]:
        for left, right in bounds[1]:
            yield whole[top:bottom, left:right]


def _spread(values: npt.NDArray[np.intp], count: int) -> list[int]:
    """Some of many values, evenly spread."""
    if values.size <= count:
        return [int(value) for value in values]
    places = (np.arange(count) + 0.5) * values.size / count
    return [int(values[int(place)]) for place in places]


def _count(windows: list[Slice]) -> tuple[npt.NDArray[Any], npt.NDArray[np.intp]]:
    """The values of all windows, ascending, and how often each is there."""
    if windows[0].dtype == np.uint8:  # several times as quick as to sort them
        counts = np.sum([np.bincount(w.ravel(), minlength=256) for w in windows], axis=0)
        values = np.flatnonzero(counts)
        return values, counts[values]
    return np.unique(np.concatenate([w.ravel() for w in windows]), return_counts=True)


def _mean(
    look: Callable[[Slice], npt.NDArray[Any]],
    windows: list[Slice],
    judged: list[npt.NDArray[np.bool_]],
) -> float:
    """Mean of what a look finds over the pixels that are judged."""
    found = [look(w)[one] for w, one in zip(windows, judged, strict=True) if one.any()]
    return float(np.concatenate(found).mean())


def _between(window: Slice) -> npt.NDArray[np.bool_]:
    """Whether each pixel has a lower and a higher neighbour."""
    lowest = ndimage.minimum_filter(window, 3, mode="nearest")
    highest = ndimage.maximum_filter(window, 3, mode="nearest")
    between: npt.NDArray[np.bool_] = (lowest < window) & (window < highest)
    return between


def _alike(window: Slice) -> npt.NDArray[np.float32]:
    """Of each pixel the share of its four neighbours that have its value."""
    equal = np.zeros(window.shape, np.float32)
    for first, last in ((np.s_[:-1], np.s_[1:]), (np.s_[:, :-1], np.s_[:, 1:])):
        same = window[first] == window[last]
        equal[first] += same
        equal[last] += same
    equal /= 4
    return equal
