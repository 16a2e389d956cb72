"""The split into training and validation, and the folds of a cross-validation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from napari_medunet.engine.errors import MedunetError
from napari_medunet.engine.examples.annotation import annotated_slices
from napari_medunet.engine.examples.example import Example, case_labels

_MOST_HELD_OUT = 8  # more tell little more about which epoch is best, and training misses them, M18


def split_examples(
    examples: list[Example], share: float, seed: int, axis: int = 0
) -> tuple[list[Example], list[Example]]:
    """Split at random into training and validation, by case where there are enough.

    With fewer than five cases, annotated slices are held out instead, by an `annotated` mask of each
    side. With fewer than five slices nothing is held out, and validation uses the training data.

    Parameters
    ----------
    share : float
        Of the cases or slices that go to validation.
    seed : int
    axis : int
        Across the slices of examples that are annotated throughout; of others it is found.

    Returns
    -------
    training, validation : lists of Example
        Disjoint in their annotated voxels, except in the last case above.
    """
    if not share:
        return examples, examples
    rng = np.random.default_rng(seed)
    if len(examples) >= 5:
        held = _hold_out([case_labels(e) for e in examples], share, rng)
        training = [e for i, e in enumerate(examples) if i not in held]
        return training, [examples[i] for i in sorted(held)] or examples
    return _split_slices(examples, share, rng, axis)


def split_folds(held: Sequence[set[int]], count: int, seed: int) -> list[list[int]]:
    """Divide cases at random into folds of about the same size, each label over as many as it can be.

    Rare labels are dealt first, each case to the fold that has the fewest with its label, as in
    the iterative stratification of Sechidis et al. 2011 (ECML PKDD, algorithm 1), which does the same
    with the wanted share of each fold.

    Parameters
    ----------
    held : sequence of sets of int
        The labels that each case holds.
    count : int
        Of the folds, at least 2.
    seed : int

    Returns
    -------
    folds : list of lists of int
        Ascending indices into `held`; every case is in one fold, and sizes differ by one at most.

    Raises
    ------
    MedunetError
        If there are fewer cases than folds.

    Examples
    --------
    Five cases, of which two hold the rare label 2: each of two folds has one of them.

    >>> folds = split_folds([{1}, {1, 2}, {1}, {1, 2}, {1}], count=2, seed=0)
    >>> sorted(len(fold) for fold in folds)
    [2, 3]
    >>> [len({1, 3} & set(fold)) for fold in folds]
    [1, 1]
    """
    if len(held) < count:
        raise MedunetError(_too_few(len(held), count))
    order = np.random.default_rng(seed).permutation(len(held)).tolist()
    # -1 stands for being there at all: a label that every case has, so that none is left over.
    classes = [{-1, *labels} for labels in held]
    holders = {c: [i for i in order if c in classes[i]] for c in set().union(*classes)}
    smallest, larger = divmod(len(held), count)
    folds: list[list[int]] = [[] for _ in range(count)]

    def deal(index: int, label: int) -> None:
        full = sum(len(fold) > smallest for fold in folds)
        room = [fold for fold in folds if len(fold) < smallest + (full < larger)]
        room.sort(key=lambda fold: (sum(label in classes[i] for i in fold), len(fold)))
        room[0].append(index)

    dealt: set[int] = set()
    for label in sorted(holders, key=lambda c: (len(holders[c]), c)):
        for index in holders[label]:
            if index not in dealt:
                deal(index, label)
        dealt.update(holders[label])
    return [sorted(fold) for fold in folds]


def _too_few(cases: int, folds: int) -> str:
    if cases < 2:
        return (
            f"Cross-validation leaves out whole cases, and there is {cases}; wanted at least 2. Add cases, "
            "or train without folds: slices are held out then."
        )
    return (
        f"{cases} cases cannot be divided into {folds} folds; wanted a case or more in each. Choose "
        f"{cases} folds or fewer, or add cases."
    )


def _split_slices(
    examples: list[Example], share: float, rng: np.random.Generator, axis: int
) -> tuple[list[Example], list[Example]]:
    """Hold out whole annotated slices, on the axis on which each example was painted."""
    slices = [(case, box) for case, e in enumerate(examples) for box in _annotated_slices(e, axis)]
    if len(slices) < 5:
        return examples, examples
    held = _hold_out([set(np.unique(examples[c].labels[box])) for c, box in slices], share, rng)
    if not held:
        return examples, examples
    masks = [np.zeros_like(example.annotated) for example in examples]
    for case, box in (slices[number] for number in held):
        masks[case][box] = True
    pairs = list(zip(examples, masks, strict=True))
    training = [replace(e, annotated=e.annotated & ~m) for e, m in pairs]
    validation = [replace(e, annotated=e.annotated & m) for e, m in pairs]
    return [e for e in training if e.annotated.any()], [e for e in validation if e.annotated.any()]


def _annotated_slices(example: Example, axis: int) -> list[tuple[slice | int, ...]]:
    """Indices of the slices in which something was annotated."""
    slices = annotated_slices(example.annotated, axis)
    return [(slice(None),) * across + (index,) for across, index in slices]


def _hold_out(classes: list[set[int]], share: float, rng: np.random.Generator) -> set[int]:
    """Choose at random what is held out: rare classes first, and none that training needs.

    Parameters
    ----------
    classes : list of sets of int
        The labels that each case or slice holds.
    share : float
        Of the cases or slices, at least one where one can be spared.

    Returns
    -------
    set of int
        Indices into `classes`.
    """
    order = rng.permutation(len(classes)).tolist()
    holders = {c: [i for i in order if c in classes[i]] for c in set().union(*classes)}
    wanted = min(max(1, round(share * len(classes))), _MOST_HELD_OUT)
    held: set[int] = set()

    def can_be_spared(index: int) -> bool:
        others = ([i for i in holders[c] if i != index and i not in held] for c in classes[index])
        return all(others)

    rarest_first = sorted(holders, key=lambda c: (len(holders[c]), c))
    for index in [i for c in rarest_first for i in holders[c][:1]] + order:
        if len(held) < wanted and can_be_spared(index):
            held.add(index)
    return held
