"""Incremental scores: counts and surfaces are updated from the voxels that have changed.

A stroke changes a few hundred voxels of millions. Counts change by those voxels alone. Whether a voxel is
surface depends on its face neighbours alone, so surface points change only around those voxels; and a
label none of whose points has changed keeps its distances. The scores are those of `score_labels`, exactly.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from math import prod
from operator import is_
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_medunet.engine.errors import MedunetError
from napari_medunet.engine.evaluation.metrics.confusion import Confusion, confusion_matrix
from napari_medunet.engine.evaluation.metrics.label_pairs import (
    Box,
    axes_in_memory_order,
    checked_spacing,
    foreground_box,
    grown,
    joined,
    only_axes,
    pair_labels,
    slabs,
)
from napari_medunet.engine.evaluation.metrics.label_scores import (
    CaseScores,
    overlap_scores,
    with_distances,
    with_known_distances,
)
from napari_medunet.engine.evaluation.metrics.mask import evaluation_mask
from napari_medunet.engine.evaluation.metrics.surface.surface_points import Points, points_in
from napari_medunet.engine.evaluation.metrics.surface.surfaces import (
    NOTHING,
    SurfaceDistances,
    all_surface_distances,
)
from napari_medunet.engine.evaluation.metrics.threads import in_threads
from napari_medunet.engine.labels import LabelArray, as_labels
from napari_medunet.engine.settings import EvaluateSettings

TRUTH, PREDICTION = 0, 1

_NAMES = ("Truth", "Prediction")
_LARGE = 8  # a box above one part in so many of the volume: counting anew is faster


class IncrementalScores:
    """The counts and surfaces of a truth and a prediction that are being edited.

    Parameters
    ----------
    truth, prediction : (z, y, x) or (y, x) arrays of labels
        They are copied: what is painted in them later is seen by `update`.
    spacing_mm : sequence of float, optional
        Distance between voxels along each axis, in mm; 1 where it is not given.
    settings : EvaluateSettings, optional

    Raises
    ------
    MedunetError
        See `label_pairs.pair_labels`.
    """

    def __init__(
        self,
        truth: npt.ArrayLike,
        prediction: npt.ArrayLike,
        spacing_mm: Sequence[float] | None = None,
        settings: EvaluateSettings | None = None,
    ) -> None:
        self._settings = settings or EvaluateSettings()
        both = as_labels(truth, "Truth"), as_labels(prediction, "Prediction")
        spacing = checked_spacing(*both, spacing_mm, None)
        self._kind = both[TRUTH].shape, spacing, self._settings
        self._voxel_ml = prod(spacing) / 1000
        self._shape = both[TRUTH].shape
        self._axes = axes_in_memory_order(both[TRUTH])
        self._spacing_mm = tuple(spacing[axis] for axis in self._axes)
        self._labels = [_small_copy(only_axes(labels, self._axes)) for labels in both]
        self._begin()

    def fits(
        self, shape: tuple[int, ...], spacing_mm: Sequence[float], settings: EvaluateSettings
    ) -> bool:
        """Whether labels of this shape and spacing can be measured incrementally."""
        return self._kind == (tuple(shape), tuple(spacing_mm), settings)

    def update(self, side: int, labels: npt.ArrayLike, box: Box | None = None) -> None:
        """Update counts and surfaces from the voxels that have changed.

        Parameters
        ----------
        side : int
            `TRUTH` or `PREDICTION`.
        labels : array of the shape that it had
        box : tuple of slice, optional
            Where changes are, with start and stop along each axis; anywhere where it is not given.

        Raises
        ------
        MedunetError
            Where the labels are none, or no voxel of the truth counts any more.
        """
        own = self._labels[side]
        now = as_labels(labels, _NAMES[side])
        if now.shape != self._shape:
            raise MedunetError(
                f"{_NAMES[side]} is {now.shape} voxels now, and was {self._shape}: begin anew."
            )
        box = tuple((box or [slice(0, n) for n in now.shape])[axis] for axis in self._axes)
        now = only_axes(now, self._axes)
        changed = _changed_box(own, now, box)
        if changed is None:
            return
        seen = now[changed].copy()  # who paints meanwhile tells of it later
        if not _holds(own.dtype, seen):
            self._labels[side] = own.astype(np.int64)
        before = own[changed].copy()
        self._labels[side][changed] = seen
        large = before.size * _LARGE > own.size
        same_kind = self._labels[side] is own and not (side == TRUTH and self._sparse)
        if large or not same_kind:
            self._begin()
        else:
            self._count(side, changed, before)
            self._find_points(changed)

    def scores(self, name: str = "case") -> CaseScores:
        """Scores from counts and distances; regions, lesions and groups are left out (NaN)."""
        confusion = self._confusion()
        labels = overlap_scores(confusion, self._voxel_ml, self._settings)
        stale = {k: both for k, both in self._points.items() if k not in self._distances}
        self._distances |= all_surface_distances(stale, self._spacing_mm)
        fill = with_known_distances if self._partial else with_distances
        for label, scores in labels.items():
            distances = self._distances.get(label, NOTHING)
            labels[label] = fill(scores, distances, self._settings)
        return CaseScores(name, labels, confusion, partial=self._partial, settings=self._settings)

    def _begin(self) -> None:
        """Count everything."""
        self._truth, self._annotated = evaluation_mask(self._labels[TRUTH], self._settings)
        both = self._truth, self._labels[PREDICTION]
        pair = pair_labels(*both, self._spacing_mm, self._annotated)
        self._partial = pair.partial
        self._sparse = self._annotated is not None or self._truth is not self._labels[TRUTH]
        confusion = confusion_matrix(pair)
        met = map(tuple, confusion.labels[confusion.pairs].tolist())
        self._voxels = Counter(dict(zip(met, confusion.voxels.tolist(), strict=True)))
        self._distances: dict[int, SurfaceDistances] = {}
        box = grown(joined([foreground_box(one) for one in both]), self._truth.shape)
        self._points = points_in(*both, _cut(box), self._annotated)

    def _count(self, side: int, box: Box, before: LabelArray) -> None:
        """Count the voxels of a box that have changed, as they were and as they are."""
        after = [self._truth[box], self._labels[PREDICTION][box]]
        counts = before != after[side]
        if self._annotated is not None:
            counts &= self._annotated[box]
        is_now = [labels[counts] for labels in after]
        was = is_now.copy()
        was[side] = before[counts]
        self._voxels.update(_tally(*is_now))
        self._voxels.subtract(_tally(*was))

    def _find_points(self, box: Box) -> None:
        """Find the surfaces anew where voxels have changed, and around them."""
        near = grown(box, self._truth.shape)
        found = points_in(self._truth, self._labels[PREDICTION], _cut(near), self._annotated)
        nothing = Points.none(self._truth.ndim)
        for label in {*self._points, *found}:
            known = self._points.get(label, (nothing, nothing))
            kept = [points.outside(near) for points in known]
            if label not in found and all(map(is_, kept, known)):
                continue  # it is elsewhere
            new = found.get(label, (nothing, nothing))
            both = [some.with_(more) for some, more in zip(kept, new, strict=True)]
            self._points[label] = both[TRUTH], both[PREDICTION]
            self._distances.pop(label, None)

    def _confusion(self) -> Confusion:
        met = sorted({label for pair, n in self._voxels.items() if n for label in pair} - {0})
        place = {label: at for at, label in enumerate([0, *met])}
        pairs = sorted(
            ((place[t], place[p]), n) for (t, p), n in self._voxels.items() if n or t == p == 0
        )
        return Confusion(
            labels=np.array(list(place)),
            pairs=np.array([pair for pair, _ in pairs]),
            voxels=np.array([n for _, n in pairs]),
        )


def _small_copy(labels: LabelArray) -> LabelArray:
    """Copy labels, in a byte each where they fit."""
    few = labels.size == 0 or (labels.min() >= 0 and labels.max() < 256)
    return np.array(labels, dtype=np.uint8 if few else None, order="C", copy=True)


def _holds(dtype: np.dtype[Any], labels: LabelArray) -> bool:
    limits = np.iinfo(dtype)
    return bool(limits.min <= labels.min() and labels.max() <= limits.max)


def _changed_box(own: LabelArray, now: LabelArray, box: Box) -> Box | None:
    """Find the smallest box within a box that holds all that differs."""

    def changed_in(part: Box) -> Box:
        found = foreground_box(own[part] != now[part])
        return tuple(
            slice(p.start + f.start, p.start + f.stop) for p, f in zip(part, found, strict=True)
        )

    boxes = in_threads(changed_in, _cut(box))
    changed = joined(boxes) if boxes else box
    return changed if all(side.stop > side.start for side in changed) else None


def _cut(box: Box) -> list[Box]:
    """Cut a box into runs of planes that fit a processor's cache."""
    first = box[0].start
    parts = [part for (part,) in slabs(tuple(side.stop - side.start for side in box))]
    return [(slice(first + part.start, first + part.stop), *box[1:]) for part in parts]


def _tally(truth: LabelArray, prediction: LabelArray) -> dict[tuple[int, int], int]:
    """How often each label of the truth meets each of the prediction."""
    labels, codes = np.unique(np.concatenate([truth, prediction]), return_inverse=True)
    keys = codes[: truth.size] * labels.size + codes[truth.size :]
    met, voxels = np.unique(keys, return_counts=True)
    first, second = (labels[part].tolist() for part in np.divmod(met, max(labels.size, 1)))
    return dict(zip(zip(first, second, strict=True), voxels.tolist(), strict=True))
