"""Plausibility of training examples: what is odd about them, said before the first minute is spent.

What cannot be meant is refused by `make_example`; here stands what needs a look at all examples together.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from napari_medunet.engine.examples.example import Example
from napari_medunet.engine.examples.statistics import (
    LARGEST,
    extent_mm,
    sample_channels,
)

_NAMED = 3  # cases in one warning
_OTHER_SCALE = 8.0  # times the median spacing and extent of all: no two patients differ so much
_MANY_OBJECTS = 8  # labels of a case; with fewer each may well be a kind of its own
_ALONE_MANY = 40  # labels of a single case
_SCATTERED = 0.5  # spread of one label's places over the cases, against that of all labels
_BY_CHANCE = 0.85  # the same where numbers are left out between the labels
_ALIKE = 6.0  # times that one object is as large as another
_MOST_LABEL = 100_000  # a table of places up to it fits into memory
_LARGE = 2**22  # voxels; of larger labels every second voxel of each axis is looked at
_LOOKED_AT = 12  # cases in which places are looked up
_CT_AIR, _CT_WATER = -200.0, -50.0  # HU


def find_oddities(examples: Sequence[Example]) -> list[str]:
    """Say what is odd about examples: one sentence for each kind of oddity, with its remedy.

    Parameters
    ----------
    examples : sequence of Example

    Returns
    -------
    sentences : list of str
        Empty for nearly all sets of examples.
    """
    looks: tuple[Callable[[Sequence[Example]], str], ...] = (
        _numbered_objects,
        _two_kinds_of_masks,
        _same_as_labels,
        _other_scale,
        _odd_intensities,
    )
    return [sentence for look in looks if examples and (sentence := look(examples))]


def named(names: Sequence[str]) -> str:
    """Some names, and how many more there are.

    >>> named(["a", "b", "c", "d"])
    "'a', 'b', 'c' and 1 more"
    """
    shown = ", ".join(f"'{name}'" for name in names[:_NAMED])
    more = len(names) - _NAMED
    return f"{shown} and {more} more" if more > 0 else shown


def value_range(sample: npt.NDArray[np.float64]) -> tuple[float, float]:
    """Lowest and highest intensity of a sample, but for one in a thousand."""
    low, high = np.percentile(sample, (0.1, 99.9))
    return float(low), float(high)


def has_broken_voxels(example_voxels: npt.NDArray[Any]) -> bool:
    """Whether some voxel is farther from 0 than any unit of measurement goes."""
    if example_voxels.dtype.kind != "f" or example_voxels.dtype.itemsize < 4:
        return False
    return bool(example_voxels.max() > LARGEST or example_voxels.min() < -LARGEST)


def _numbered_objects(examples: Sequence[Example]) -> str:
    """Whether each object has a number of its own, as in instance masks."""
    step = max(1, len(examples) // _LOOKED_AT)
    places = [_places(example.labels) for example in examples[::step][:_LOOKED_AT]]
    places = [one for one in places if one]
    if not places or np.mean([len(one) for one in places]) < _MANY_OBJECTS:
        return ""
    kinds = set().union(*places)
    found = _is_each_an_object(places, kinds)
    if not found:
        return ""
    return (
        f"The labels look like numbered objects and not like kinds: up to {max(map(len, places))} in a "
        f"case, {found}. Each of {len(kinds)} labels or more is learned as a kind of its own; where all "
        "objects are of one kind, give them the same label."
    )


_Places = dict[int, npt.NDArray[np.float64]]


def _is_each_an_object(places: list[_Places], kinds: set[int]) -> str:
    """In what labels behave like the numbers of objects; empty where they are kinds."""
    counts = [len(one) for one in places]
    counted = [max(one) <= 1.15 * len(one) for one in places]  # 1, 2, 3 ..., perhaps with a gap
    if len(places) < 3 and max(counts) > _ALONE_MANY and all(counted):
        sizes = np.concatenate([[place[-1] for place in one.values()] for one in places])
        small, large = np.percentile(sizes, (10, 90))
        alike = bool(large <= _ALIKE * small)
        return "counted from 1 and all of about the same size" if alike else ""
    if len(places) < 2:
        return ""
    scattered = _SCATTERED if np.mean(counted) >= 0.8 else _BY_CHANCE
    if max(counts) > min(counts) and _scatter(places) > scattered:
        return "each at another place in every case"
    once = sum(sum(label in one for one in places) == 1 for label in kinds)
    if len(places) >= 3 and len(kinds) >= 20 and once > 0.6 * len(kinds):
        return "most of them in one case only"
    return ""


def _places(labels: npt.NDArray[np.integer[Any]]) -> _Places:
    """Of each label the centre of its bounding box, in shares of the volume's sides, and its size."""
    thinned = labels[::2, ::2, ::2] if labels.size > _LARGE else labels
    if not thinned.size or not _MANY_OBJECTS <= int(thinned.max()) <= _MOST_LABEL:
        return {}
    whole = thinned if thinned.dtype.kind == "i" else thinned.astype(np.int32)
    boxes = ndimage.find_objects(whole)
    found = {}
    for label, box in enumerate(boxes, 1):
        if box is not None:
            sides = np.array([one.stop - one.start for one in box], float)
            centre = [
                (one.start + one.stop) / 2 / n for one, n in zip(box, thinned.shape, strict=True)
            ]
            found[label] = np.array([*centre, sides.prod()])
    return found


def _scatter(places: list[_Places]) -> float:
    """Spread of the same label over the cases, against that of all labels: near 1 for numbers by chance."""
    shared = [label for label in set().union(*places) if sum(label in one for one in places) > 1]
    groups = [np.array([one[label][:3] for one in places if label in one]) for label in shared]
    if not groups:
        return 1.0
    everywhere = np.concatenate(groups).var(axis=0).sum()
    within = np.concatenate([group - group.mean(axis=0) for group in groups])
    freedom = len(within) - len(groups)  # a mean of few is drawn to them
    return float(np.sqrt((within**2).sum() / max(1, freedom) / everywhere)) if everywhere else 0.0


def _two_kinds_of_masks(examples: Sequence[Example]) -> str:
    """Whether some masks are of 0 and 1, and others of 0 and 255."""
    found: dict[int, list[str]] = {1: [], 255: []}
    for example in examples:
        highest = int(example.labels.max())
        if highest not in found or not np.isin(example.labels, (0, highest)).all():
            return ""
        found[highest].append(example.name)
    if not all(found.values()):
        return ""
    return (
        f"{len(found[1])} masks hold 0 and 1, and {len(found[255])} hold 0 and 255, such as "
        f"{named(found[255])}: 1 and 255 are learned as two kinds. If they mean the same, write it with "
        "the same number."
    )


def _same_as_labels(examples: Sequence[Example]) -> str:
    """Whether images are their own labels."""
    same = [
        e.name
        for e in examples
        if not e.image.leading_axes
        and (e.image.voxels[::5, ::5, ::5] == e.labels[::5, ::5, ::5]).all()  # seldom, and quick
        and np.array_equal(e.image.voxels, e.labels)
    ]
    if not same:
        return ""
    return (
        f"The image and the labels of {named(same)} are the same, voxel for voxel: was one folder or layer "
        "given for both? Choose the images that the labels were painted on."
    )


def _other_scale(examples: Sequence[Example]) -> str:
    """Whether the voxels of some images are many times larger or smaller than those of the others."""
    if len(examples) < 3:
        return ""
    spacing = np.array([example.image.spacing_mm for example in examples])
    extent = np.array([extent_mm(example.image) for example in examples])
    factors = [
        np.exp(np.abs(np.log(values[:, 1:] / np.median(values[:, 1:], axis=0)))).min(axis=1)
        for values in (spacing, extent)
    ]
    other = np.flatnonzero(np.minimum(*factors) > _OTHER_SCALE).tolist()
    if not other:
        return ""
    first, usual = spacing[other[0]], np.median(spacing, axis=0)
    return (
        f"The scale of {named([examples[index].name for index in other])} is another one than that of most "
        f"images: voxels of {_by(first)} mm against {_by(usual)} mm, and as much smaller or larger as a "
        "whole. Correct the unit or resolution in the files if they show the same."
    )


def _odd_intensities(examples: Sequence[Example]) -> str:
    """Whether some images hold one value, or values that no measurement gives, or are no CT beside CT."""
    ranges = [[value_range(one) for one in sample_channels(e.image)] for e in examples]
    broken = [e.name for e in examples if has_broken_voxels(e.image.voxels)]
    if broken:
        return (
            f"Some voxels of {named(broken)} are beyond {LARGEST:g}, which no measurement gives: they are "
            "cut. Replace them if they are many."
        )
    flat = [
        example.name
        for example, found in zip(examples, ranges, strict=True)
        if all(low == high for low, high in found) and np.ptp(example.image.voxels) == 0
    ]
    if flat:
        return f"Every voxel of {named(flat)} has the same value: there is nothing to see. Leave it out."
    lowest = np.array([found[0][0] for found in ranges])
    if len(ranges[0]) > 1 or 3 * np.count_nonzero(lowest < _CT_AIR) < 2 * len(examples):
        return ""
    scaled = [examples[index].name for index in np.flatnonzero(lowest > _CT_WATER).tolist()]
    if not scaled:
        return ""
    return (
        f"Most images are CT in HU, and {named(scaled)} holds nothing below {_CT_WATER:g}: is it in other "
        "units? Convert it to HU, in which air is -1000."
    )


def _by(values: Any) -> str:
    return " x ".join(f"{value:.3g}" for value in values)
