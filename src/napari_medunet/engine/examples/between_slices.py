"""Between painted slices: what is where nobody painted, guessed from the shapes of the slices that were.

A shape is its signed distance, positive inside, in mm (Herman, Zheng & Bucholtz 1992, "Shape-based
interpolation", IEEE Computer Graphics and Applications 12(3)). Between two painted slices the distances of
both are blended, once the shapes' centres are aligned; a shape that only one of them has ends halfway.
Beyond the outermost slices shapes end, too: who paints every n-th slice of a structure leaves the next one
out because nothing is on it.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from napari_medunet.engine.examples.annotation import annotated_across

ClassArray = npt.NDArray[np.int16]
FloatArray = npt.NDArray[np.float32]

# How far a boundary is from where it is guessed, in mm for each mm to the nearest painted slice.
_SLOPES = np.geomspace(0.03, 2, 25)
_USUAL_SLOPE = 0.3  # where too few slices were painted to measure it, M32
_REACH = 16  # voxels around a shape in which its distance is told; beyond it is taken for so many
_MOST_ODDS = 20.0  # e to the power of these: certain
# That a structure ends with the slices that were painted is what is usual, no more.
_ODDS_OF_AN_END, _MOST_ODDS_OF_AN_END = 2.0, 4.0  # for each distance of two slices, and in all


@dataclass(frozen=True, eq=False)
class Guess:
    """A guess for each voxel that nobody annotated.

    Attributes
    ----------
    classes : (z, y, x) int16 array
        The annotation where there is one.
    odds : (z, y, x) float16 array
        Natural logarithm of the odds that it is right; 0 where nothing is known, infinite where annotated.
    slope : float
        How far boundaries are from where they are guessed, in mm for each mm to the nearest painted slice.
    """

    classes: ClassArray
    odds: npt.NDArray[np.float16]
    slope: float

    def weigh(self, probabilities: FloatArray, slices: slice, recall: Sequence[float] = ()) -> None:
        """Weigh a network's probabilities by the guess, in place: both have seen something else.

        A class that the network finds in a share of its voxels only it rules out no more than so.

        Parameters
        ----------
        probabilities : (classes, slices, rows, columns) array
        slices : slice
            Of the guess, along the first axis.
        recall : sequence of float
            Of each class, as far as the network was measured; 1 if not given.
        """
        for number, share in enumerate(recall):
            probabilities[number] *= share
            probabilities[number] += 1 - share
        guessed = self.classes[slices][None].clip(0).astype(np.intp)
        odds = np.exp(self.odds[slices].astype(np.float32).clip(0, _MOST_ODDS))[None]
        weighed = np.take_along_axis(probabilities, guessed, 0) * odds
        np.put_along_axis(probabilities, guessed, weighed, 0)
        probabilities /= probabilities.sum(axis=0)


def guess_between(annotation: ClassArray, spacing_mm: tuple[float, ...]) -> Guess | None:
    """Guess the classes between and beyond the slices of a volume that are annotated as a whole.

    Parameters
    ----------
    annotation : (z, y, x) int16 array
        Classes, 0 for background, and less than 0 where nobody annotated.
    spacing_mm : (z, y, x) floats

    Returns
    -------
    Guess or None
        None where all is annotated, or no slice as a whole.
    """
    known = annotation >= 0
    if known.all():
        return None
    axis = annotated_across(known)
    across = np.moveaxis(annotation, axis, 0)
    painted = np.flatnonzero((across >= 0).all(axis=(1, 2)))
    if not painted.size:
        return None
    plane_mm = tuple(mm for other, mm in enumerate(spacing_mm) if other != axis)
    stack = _Stack(across, painted.tolist(), spacing_mm[axis], (plane_mm[0], plane_mm[1]))
    classes, odds = np.array(across), np.full(across.shape, np.inf, np.float16)
    slope = stack.slope()
    for index, found, likely in stack.guesses(slope):
        unknown = across[index] < 0
        classes[index][unknown] = found[unknown]
        odds[index][unknown] = likely[unknown]
    return Guess(
        np.ascontiguousarray(np.moveaxis(classes, 0, axis)),
        np.ascontiguousarray(np.moveaxis(odds, 0, axis)),
        slope,
    )


@dataclass(frozen=True, eq=False)
class _Shape:
    """A class on one slice, within a box; it may not be there."""

    inside: npt.NDArray[np.bool_]
    distance_mm: FloatArray  # to the border, positive inside
    centre: npt.NDArray[np.float64]  # (row, column)

    @property
    def there(self) -> bool:
        return bool(self.inside.any())


class _Stack:
    """Annotated slices of a volume, with the axis across them first.

    Parameters
    ----------
    across : (slices, rows, columns) int16 array
    painted : list of int
        Slices that are annotated as a whole, ascending.
    thickness_mm : float
        Distance of neighbouring slices.
    plane_mm : (row, column) floats
    """

    def __init__(
        self,
        across: ClassArray,
        painted: list[int],
        thickness_mm: float,
        plane_mm: tuple[float, float],
    ) -> None:
        self._across, self._painted = across, painted
        self._thickness_mm, self._plane_mm = thickness_mm, plane_mm
        gaps = [after - before for before, after in itertools.pairwise(painted)]
        self._gap = float(np.median(gaps)) if gaps else None

    def slope(self) -> float:
        """How far boundaries are from where they are guessed: slices are left out, and guessed.

        The scale of a logistic distribution that makes what was painted there most likely.
        """
        seen: list[tuple[npt.NDArray[Any], npt.NDArray[np.bool_]]] = []
        painted = self._painted
        for before, left_out, after in zip(painted, painted[1:], painted[2:], strict=False):
            found, margin_mm = next(self._between(before, after, [left_out]))
            distance_mm = self._thickness_mm * min(left_out - before, after - left_out)
            seen.append((margin_mm / distance_mm, found == self._across[left_out]))
        if not seen:
            return _USUAL_SLOPE
        margins = np.concatenate([margin[margin < 3] for margin, _ in seen])
        right = np.concatenate([found[margin < 3] for margin, found in seen])
        signed = np.where(right, margins, -margins)
        loss = [np.logaddexp(0, -signed / slope).sum() for slope in _SLOPES]
        return float(_SLOPES[int(np.argmin(loss))])

    def guesses(self, slope: float) -> Iterator[tuple[int, ClassArray, FloatArray]]:
        """Each slice that was not painted, with its guessed classes and their odds."""
        painted = self._painted
        for before, after in itertools.pairwise(painted):
            inner = list(range(before + 1, after))
            for index, (found, margin_mm) in zip(
                inner, self._between(before, after, inner), strict=True
            ):
                distance_mm = self._thickness_mm * min(index - before, after - index)
                yield index, found, _odds(margin_mm, slope * distance_mm)
        yield from self._beyond(painted[0], range(painted[0] - 1, -1, -1), slope)
        yield from self._beyond(painted[-1], range(painted[-1] + 1, len(self._across)), slope)

    def _between(
        self, before: int, after: int, inner: list[int]
    ) -> Iterator[tuple[ClassArray, FloatArray]]:
        """Classes of slices between two painted ones, and how far their boundaries are, in mm."""
        pairs = []
        for number in self._classes(before) | self._classes(after):
            box = self._box((before, after), number)
            one, other = (self._shape(index, number, box) for index in (before, after))
            pairs.append((number, box, one, other))
        for index in inner:
            share = (index - before) / (after - before)
            drawn = ((n, box, _blended(one, other, share)) for n, box, one, other in pairs)
            yield self._nearest(drawn)

    def _beyond(
        self, last: int, indices: range, slope: float
    ) -> Iterator[tuple[int, ClassArray, FloatArray]]:
        """Slices beyond the outermost painted one: shapes end about as far away as slices are apart."""
        shapes = []
        for number in self._classes(last):
            box = self._box((last,), number)
            shapes.append((number, box, self._shape(last, number, box).distance_mm))
        as_there, margin_mm = self._nearest(shapes)
        for index in indices:
            distance = abs(index - last)
            share = distance / self._gap if self._gap else 0.0
            ending = ((n, box, _shrunk(there, min(1.0, share / 2))) for n, box, there in shapes)
            found, inner_mm = self._nearest(ending)
            odds = _odds(
                np.where(found > 0, inner_mm, margin_mm), slope * distance * self._thickness_mm
            )
            # The next slice, as far away as slices are apart, was not painted: it would hold nothing.
            gone = (found == 0) & (as_there > 0)
            odds[gone] = np.clip(_ODDS_OF_AN_END * (share - 1), 0, _MOST_ODDS_OF_AN_END)
            yield index, found, odds

    def _classes(self, index: int) -> set[int]:
        return {number for number in np.unique(self._across[index]).tolist() if number > 0}

    def _box(self, indices: tuple[int, ...], number: int) -> tuple[slice, slice]:
        """Rows and columns that hold a class on some slices, and `_REACH` more on each side."""
        held = np.any([self._across[index] == number for index in indices], axis=0)
        rows, columns = (np.flatnonzero(held.any(axis=axis)) for axis in (1, 0))
        return (
            slice(max(0, rows[0] - _REACH), rows[-1] + _REACH + 1),
            slice(max(0, columns[0] - _REACH), columns[-1] + _REACH + 1),
        )

    def _shape(self, index: int, number: int, box: tuple[slice, slice]) -> _Shape:
        inside = self._across[index][box] == number
        if not inside.any():
            return _Shape(inside, np.zeros(inside.shape, np.float32), np.zeros(2))
        centre = np.asarray(ndimage.center_of_mass(inside))
        if inside.all():  # the whole slice has no border that distances could be measured to
            far = np.full(inside.shape, _REACH * min(self._plane_mm), np.float32)
            return _Shape(inside, far, centre)
        border = min(self._plane_mm) / 2  # it lies between two voxels
        outer = ndimage.distance_transform_edt(~inside, self._plane_mm) - border
        # Beyond the image's edge nothing is known: a shape that touches it is not thinner there.
        inner = ndimage.distance_transform_edt(inside, self._plane_mm) - border
        return _Shape(inside, np.where(inside, inner, -outer).astype(np.float32), centre)

    def _nearest(
        self, drawn: Iterable[tuple[int, tuple[slice, slice], FloatArray]]
    ) -> tuple[ClassArray, FloatArray]:
        """The class of each voxel of a slice, and how far its boundary is, in mm."""
        plane = self._across.shape[1:]
        far = -_REACH * min(self._plane_mm)
        best, second = np.full(plane, far, np.float32), np.full(plane, far, np.float32)
        classes = np.zeros(plane, np.int16)
        for number, box, distance_mm in drawn:
            here, next_to = best[box], second[box]
            better = distance_mm > here
            np.maximum(next_to, np.where(better, here, distance_mm), out=next_to)
            here[better] = distance_mm[better]
            classes[box][better] = number
        classes[best <= 0] = 0
        margin = np.where(best > 0, np.minimum(best, (best - second) / 2), -best)
        return classes, margin


def _blended(one: _Shape, other: _Shape, share: float) -> FloatArray:
    """Signed distance of a shape on the way from one slice to another, of which one may not have it."""
    if not other.there:
        return _shrunk(one.distance_mm, share)
    if not one.there:
        return _shrunk(other.distance_mm, 1 - share)
    way = other.centre - one.centre
    if not _better_moved(one, other, way):
        way = np.zeros(2)
    return np.asarray(
        (1 - share) * _moved(one, share * way) + share * _moved(other, (share - 1) * way),
        np.float32,
    )


def _shrunk(distance_mm: FloatArray, share: float) -> FloatArray:
    """Signed distance of a shape that is gone halfway to where the share is 1."""
    return np.asarray((1 - share) * distance_mm - share * distance_mm.max(), np.float32)


def _better_moved(one: _Shape, other: _Shape, way: npt.NDArray[np.float64]) -> bool:
    """Whether shapes overlap more once their centres lie on each other; of several pieces they may not."""
    # By whole voxels: so both slices overlap as much whichever of them is moved.
    moved = ndimage.shift(one.inside, np.rint(way), order=0)
    return int((moved & other.inside).sum()) > int((one.inside & other.inside).sum())


def _moved(shape: _Shape, way: npt.NDArray[np.float64]) -> FloatArray:
    if not way.any():
        return shape.distance_mm
    moved: FloatArray = ndimage.shift(shape.distance_mm, way, order=1, mode="nearest")
    return moved


def _odds(margin_mm: FloatArray, scale_mm: float) -> FloatArray:
    return np.asarray(np.minimum(margin_mm / scale_mm, _MOST_ODDS), np.float32)
