"""Plausibility of what is predicted: an image against what the segmenter was trained on, and its result."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_medunet.engine.errors import MedunetError
from napari_medunet.engine.examples.plausibility import has_broken_voxels, value_range
from napari_medunet.engine.examples.statistics import (
    LARGEST,
    ChannelStatistics,
    DataStatistics,
    extent_mm,
    sample_channels,
)
from napari_medunet.engine.plan import Plan, grid_shape
from napari_medunet.engine.volume import Volume

# Times as fine as the finest spacing that was trained on and as small as the smallest image, or as coarse
# and large: a detail or a whole body instead of an organ changes only one of the two, a wrong unit both.
_ODD_SCALE, _WRONG_SCALE = 3.0, 20.0
_FAR_APART = 10.0  # times as large or small a spacing: no two scans of one kind are
_FROM_PIXELS, _TO_PIXELS = 16, 2  # an image that was seen as so few pixels holds nothing
_PADDED = 0.01  # share of voxels of one value
_BEYOND = 0.1  # of the trained range of intensities, beyond its ends
_APART = 0.25  # of the image's own range, from padding to its nearest other value
_CT_WATER = -50.0  # HU
_FEW_LEVELS, _MANY_LEVELS = 8, 64  # different intensities of a mask, and of an image


def check_image_fits(image: Volume, plan: Plan, statistics: DataStatistics | None) -> list[str]:
    """Hold an image against what a segmenter was trained on, before it is segmented.

    Parameters
    ----------
    image : Volume
        With as many channels as the plan.
    plan : Plan
    statistics : DataStatistics or None
        None where nobody has kept them.

    Returns
    -------
    sentences : list of str
        What is odd, one sentence each; empty for nearly all images.

    Raises
    ------
    MedunetError
        If its scale cannot be meant.
    """
    scale = _scale_oddity(image, plan, statistics) or _doubt_of_spacing(image, plan)
    odd = [scale] if scale else []
    if has_broken_voxels(image.voxels):
        odd.append(
            f"Some voxels of '{image.name}' are beyond {LARGEST:g}, which no measurement gives: they are "
            "cut. Replace them if they are many."
        )
    samples = sample_channels(image)
    if all(sample.min() == sample.max() for sample in samples) and np.ptp(image.voxels) == 0:
        return [*odd, f"Every voxel of '{image.name}' has the same value: there is nothing to see."]
    if statistics is None or len(samples) != len(statistics.channels):
        return odd
    looks: tuple[_Look, ...] = (_padding_oddity, _levels_oddity)
    if plan.grid.intensity == "ct":
        looks = (*looks, _ct_oddity)
    for look in looks:
        found = [look(one, seen) for one, seen in zip(samples, statistics.channels, strict=True)]
        odd += [f"'{image.name}' {words}" for words in found if words][:1]
    return odd


def find_result_oddity(labels: npt.NDArray[Any], image: Volume) -> str:
    """Say where a result is empty, or one label everywhere; empty for all other results."""
    first = labels.flat[0] if labels.size else 0
    if (labels != first).any():
        return ""
    if first == 0:
        return f"Nothing was found in '{image.name}': the result is background everywhere."
    return f"Every voxel of '{image.name}' was given the label {first}."


_Look = Callable[[npt.NDArray[np.float64], ChannelStatistics], str]


def _scale_oddity(image: Volume, plan: Plan, statistics: DataStatistics | None) -> str:
    long = np.array([size > 1 for size in image.shape])
    if plan.spatial_dims == 2:
        long[plan.axis] = False
    if not long.any():
        return ""
    sizes = np.array(image.shape)[long]
    tiny = (sizes >= _FROM_PIXELS).all() and (
        np.array(grid_shape(image, plan))[long] <= _TO_PIXELS
    ).all()
    factor = _times_as_small(image, plan, statistics, long)
    if not tiny and 1 / _ODD_SCALE <= factor <= _ODD_SCALE:
        return ""
    spacing, extent = np.array(image.spacing_mm)[long], extent_mm(image)[long]
    said = (
        f"The scale of '{image.name}' is another one than in training: voxels of {_by(spacing)} mm and "
        f"{_by(extent)} mm in all, against {_trained_on(plan, statistics, long)}."
    )
    if tiny or not 1 / _WRONG_SCALE <= factor <= _WRONG_SCALE:
        raise MedunetError(
            f"{said} Correct the unit or resolution in the file; where images of training stated none, "
            "each voxel counted 1 mm: take it out here, or state it there and train anew."
        )
    return f"{said} If it shows the same, correct the unit or resolution in the file."


def _doubt_of_spacing(volume: Volume, plan: Plan) -> str:
    """Say that voxels are not at all of the size that was learned from, as where a unit is wrong."""
    axes = [axis for axis in range(3) if plan.spatial_dims == 3 or axis != plan.axis]
    own, learned = (
        [spacing[axis] for axis in axes] for spacing in (volume.spacing_mm, plan.grid.spacing_mm)
    )
    ratios = [one / other for one, other in zip(own, learned, strict=True)]
    if min(ratios) > 1 / _FAR_APART and max(ratios) < _FAR_APART:
        return ""
    sizes = (" x ".join(f"{size:.3g}" for size in spacing) for spacing in (own, learned))
    return "Image '{}' has a spacing of {} mm, the segmenter was trained at {} mm. Check its scale.".format(
        volume.name, *sizes
    )


def _times_as_small(
    image: Volume, plan: Plan, statistics: DataStatistics | None, long: npt.NDArray[np.bool_]
) -> float:
    """How many times smaller voxels and image are than all that was trained on; below 1 where larger."""
    if statistics is None:
        return 1.0
    spacing, extent = np.array(image.spacing_mm)[long], extent_mm(image)[long]
    finest, smallest = (np.array(v)[long] for v in (statistics.finest_mm, statistics.smallest_mm))
    coarsest, largest = (np.array(v)[long] for v in (statistics.coarsest_mm, statistics.largest_mm))
    smaller = min((finest / spacing).min(), (smallest / extent).min())
    larger = min((spacing / coarsest).min(), (extent / largest).min())
    return float(smaller if smaller > 1 else 1 / larger if larger > 1 else 1.0)


def _trained_on(plan: Plan, statistics: DataStatistics | None, long: npt.NDArray[np.bool_]) -> str:
    if statistics is None:
        return f"{_by(np.array(plan.grid.spacing_mm)[long])} mm"
    finest, coarsest = (np.array(v)[long] for v in (statistics.finest_mm, statistics.coarsest_mm))
    smallest, largest = (np.array(v)[long] for v in (statistics.smallest_mm, statistics.largest_mm))
    return f"{_between(finest, coarsest)} mm and {_between(smallest, largest)} mm"


def _padding_oddity(sample: npt.NDArray[np.float64], seen: ChannelStatistics) -> str:
    """Whether many voxels have one value, far from all others, that training never saw."""
    margin = _BEYOND * (seen.highest - seen.lowest)
    values, counts = np.unique(sample, return_counts=True)
    for value, count, rest in (
        (values[0], counts[0], sample[sample > values[0]]),
        (values[-1], counts[-1], sample[sample < values[-1]]),
    ):
        if count < _PADDED * sample.size or not rest.size:
            continue
        if seen.lowest - margin <= value <= seen.highest + margin:
            continue
        low, high = value_range(rest)
        if max(low - value, value - high) > _APART * (high - low):
            return (
                f"has {count / sample.size:.0%} voxels of {value:g}, which training never saw "
                f"({seen.lowest:g} ... {seen.highest:g}): if it is padding, write it as {seen.lowest:g} or "
                "crop it."
            )
    return ""


def _levels_oddity(sample: npt.NDArray[np.float64], seen: ChannelStatistics) -> str:
    levels = np.unique(sample).size
    if levels > _FEW_LEVELS or seen.levels < _MANY_LEVELS:
        return ""
    return (
        f"holds {levels} different values, and images of training held {seen.levels} and more: is it a "
        "mask? Choose the image."
    )


def _ct_oddity(sample: npt.NDArray[np.float64], seen: ChannelStatistics) -> str:
    if sample.min() < _CT_WATER or seen.lowest >= _CT_WATER:
        return ""
    return (
        f"holds nothing below {_CT_WATER:g}, and the segmenter was trained on CT in HU "
        f"({seen.lowest:g} ... {seen.highest:g}): convert it to HU, in which air is -1000, if it is in "
        "other units."
    )


def _between(low: npt.NDArray[np.float64], high: npt.NDArray[np.float64]) -> str:
    return _by(low) if np.allclose(low, high, rtol=1e-3) else f"{_by(low)} to {_by(high)}"


def _by(values: Any) -> str:
    return " x ".join(f"{value:.3g}" for value in values)
