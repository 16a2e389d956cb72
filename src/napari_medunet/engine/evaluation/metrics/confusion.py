"""Voxel counts: how often each label of the truth met each label of the prediction."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from napari_medunet.engine.evaluation.metrics.label_pairs import Box, IntArray, LabelPair, slabs
from napari_medunet.engine.evaluation.metrics.threads import in_threads


@dataclass(frozen=True)
class Counts:
    """Voxels of one label against the rest.

    Attributes
    ----------
    true_positive, false_positive, false_negative, true_negative : int
        Voxels that both call the label; that only the prediction does; only the truth; neither.
    """

    true_positive: int
    false_positive: int
    false_negative: int
    true_negative: int

    @property
    def truth(self) -> int:
        """Voxels that the truth calls the label."""
        return self.true_positive + self.false_negative

    @property
    def prediction(self) -> int:
        """Voxels that the prediction calls the label."""
        return self.true_positive + self.false_positive

    @property
    def total(self) -> int:
        """All voxels that were counted."""
        return self.truth + self.false_positive + self.true_negative

    @property
    def absent(self) -> bool:
        """Whether neither truth nor prediction has the label."""
        return self.truth + self.prediction == 0


@dataclass(frozen=True, eq=False)
class Confusion:
    """How often each label of the truth met each label of the prediction.

    Only pairs that occur are stored, so thousands of labels cost no thousands squared.

    Attributes
    ----------
    labels : (k,) int64 array
        Background (0), then the labels present in truth or prediction, ascending.
    pairs : (n, 2) int64 array
        Indices into `labels`: truth, prediction.
    voxels : (n,) int64 array
        Voxels with that pair of labels.
    """

    labels: IntArray
    pairs: IntArray
    voxels: IntArray

    @cached_property
    def total(self) -> int:
        """All voxels that were counted."""
        return int(self.voxels.sum())

    @property
    def matrix(self) -> IntArray:
        """(k, k) voxel counts: rows are labels of the truth, columns those of the prediction."""
        matrix = np.zeros((self.labels.size, self.labels.size), dtype=np.int64)
        matrix[self.pairs[:, 0], self.pairs[:, 1]] = self.voxels
        return matrix

    @property
    def held(self) -> tuple[set[int], set[int]]:
        """Labels that the truth and the prediction hold, without background."""
        met = self.pairs[self.voxels > 0]
        truth, prediction = (set(self.labels[np.unique(met[:, i])].tolist()) for i in (0, 1))
        return truth - {0}, prediction - {0}

    def counts(self, label: int) -> Counts:
        """Count one label against the rest; a label that is absent has no positives."""
        found = np.flatnonzero(self.labels == label)
        if found.size == 0:
            return Counts(0, 0, 0, self.total)
        both, truth, prediction = (int(voxels[found[0]]) for voxels in self.by_label)
        return Counts(both, prediction - both, truth - both, self.total - truth - prediction + both)

    def group_counts(self, members: Iterable[int]) -> Counts:
        """Count several labels as if they were one, against the rest."""
        inside = np.isin(self.labels, list(members))
        truth, prediction = inside[self.pairs].T
        both, either, only = (
            int(self.voxels[where].sum())
            for where in (truth & prediction, truth | prediction, truth & ~prediction)
        )
        return Counts(both, either - both - only, only, self.total - either)

    @cached_property
    def by_label(self) -> tuple[IntArray, IntArray, IntArray]:
        """Voxels of each label in both, in the truth and in the prediction."""
        truth, prediction = self.pairs.T
        sums = np.zeros((3, self.labels.size), dtype=np.int64)
        agree = truth == prediction
        np.add.at(sums[0], truth[agree], self.voxels[agree])
        np.add.at(sums[1], truth, self.voxels)
        np.add.at(sums[2], prediction, self.voxels)
        return sums[0], sums[1], sums[2]


def confusion_matrix(pair: LabelPair) -> Confusion:
    """Count how often each label of the truth met each label of the prediction.

    The four cardinalities of T&H ("Basic cardinalities") are sums over it. It is over the annotated
    voxels where the pair has them, else over the whole array; labels that occur in neither are left
    out.
    """
    codes = pair.labels.size
    keys, voxels = _count_keys(pair, codes)
    background = pair.voxels - int(voxels.sum())
    keys = np.concatenate([[0], keys])
    voxels = np.concatenate([[background], voxels])
    used = np.unique(np.concatenate([[0], keys // codes, keys % codes]))
    pairs = np.stack([np.searchsorted(used, keys // codes), np.searchsorted(used, keys % codes)], 1)
    return Confusion(labels=pair.labels[used], pairs=pairs, voxels=voxels)


def pooled(confusions: Sequence[Confusion]) -> Confusion:
    """Add up the voxels of several cases."""
    labels = np.unique(np.concatenate([np.zeros(1, np.int64), *(c.labels for c in confusions)]))
    # Background stays first, also before negative labels.
    labels = np.concatenate([[0], labels[labels != 0]])
    order = np.argsort(labels)
    keys = [
        order[np.searchsorted(labels, c.labels, sorter=order)][c.pairs] @ [labels.size, 1]
        for c in confusions
    ]
    found, place = np.unique(np.concatenate([[], *keys]).astype(np.int64), return_inverse=True)
    voxels = np.zeros(found.size, dtype=np.int64)
    np.add.at(
        voxels, place, np.concatenate([np.zeros(0, np.int64), *(c.voxels for c in confusions)])
    )
    return Confusion(labels, np.stack(np.divmod(found, labels.size), axis=1), voxels)


def summed(counts: Iterable[Counts]) -> Counts:
    """Add up the counts of several labels or cases."""
    every = list(counts)
    return Counts(
        sum(one.true_positive for one in every),
        sum(one.false_positive for one in every),
        sum(one.false_negative for one in every),
        sum(one.true_negative for one in every),
    )


def _count_keys(pair: LabelPair, codes: int) -> tuple[IntArray, IntArray]:
    """Pairs of codes other than background with background, as truth * codes + prediction."""
    parts = in_threads(lambda slab: _count_slab(pair, codes, slab), slabs(pair.truth.shape))
    keys, place = np.unique(
        np.concatenate([np.zeros(0, np.int64), *(k for k, _ in parts)]), return_inverse=True
    )
    voxels = np.zeros(keys.size, dtype=np.int64)
    np.add.at(voxels, place, np.concatenate([np.zeros(0, np.int64), *(v for _, v in parts)]))
    return keys, voxels


def _count_slab(pair: LabelPair, codes: int, slab: Box) -> tuple[IntArray, IntArray]:
    few = codes <= 256  # then a table of all pairs is small, and the fastest way to count
    key = np.multiply(pair.truth[slab], codes, dtype=np.uint16 if few else np.int64)
    key = key + pair.prediction[slab]
    foreground = key != 0
    if pair.annotated is not None:
        foreground &= pair.annotated[slab]
    found = key[foreground]
    if not few:
        return np.unique(found, return_counts=True)
    table = np.bincount(found)
    keys = np.flatnonzero(table)
    return keys, table[keys]
