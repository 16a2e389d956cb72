"""Statistics of training examples: what a segmenter has seen, and a new image is held against."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field

from napari_medunet.engine.examples.example import Example
from napari_medunet.engine.volume import Volume

_SAMPLED = 30_000  # voxels of a channel: enough for percentiles, and quick
_TAILS = (0.1, 99.9)  # percentiles that count as lowest and highest: a broken voxel is neither
LARGEST = 1e30
"""Intensities beyond it are taken for it: squares of larger numbers are none in float32."""

Intensity = Annotated[float, Field(ge=-LARGEST, le=LARGEST, allow_inf_nan=False)]
_Mm = Annotated[float, Field(ge=0, lt=1e12, allow_inf_nan=False)]
Mm3 = tuple[_Mm, _Mm, _Mm]
_Count = Annotated[int, Field(ge=0, lt=2**53)]
_Label = Annotated[int, Field(ge=1, le=2**63 - 1)]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ChannelStatistics(_Frozen):
    """Intensities of one channel, of a sample of voxels.

    Attributes
    ----------
    lowest, highest : float
        Of all images, without the outermost thousandth of each.
    mean, deviation : float
        Over all images.
    levels : int
        Different values in an image, of the image that has the fewest.
    """

    lowest: Intensity
    highest: Intensity
    mean: Intensity
    deviation: Intensity
    levels: _Count


class LabelStatistics(_Frozen):
    """How often a label is there: in so many cases, in so many voxels of all."""

    cases: _Count
    voxels: _Count


class DataStatistics(_Frozen):
    """What a segmenter was trained on.

    Attributes
    ----------
    cases : int
    channels : tuple of ChannelStatistics
    finest_mm, coarsest_mm : (z, y, x) spacing in mm
        Lowest and highest along each axis.
    smallest_mm, largest_mm : (z, y, x) extent in mm
        Of the images, lowest and highest along each axis.
    labels : dict of label to LabelStatistics
    """

    cases: _Count
    channels: Annotated[tuple[ChannelStatistics, ...], Field(min_length=1, max_length=64)]
    finest_mm: Mm3
    coarsest_mm: Mm3
    smallest_mm: Mm3
    largest_mm: Mm3
    labels: Annotated[dict[_Label, LabelStatistics], Field(max_length=1023)]

    def joined(self, other: DataStatistics) -> DataStatistics:
        """Of these cases and others."""
        return DataStatistics(
            cases=self.cases + other.cases,
            channels=tuple(
                _joined(a, b, self.cases / max(1, self.cases + other.cases))
                for a, b in zip(self.channels, other.channels, strict=True)
            ),
            finest_mm=_each(min, self.finest_mm, other.finest_mm),
            coarsest_mm=_each(max, self.coarsest_mm, other.coarsest_mm),
            smallest_mm=_each(min, self.smallest_mm, other.smallest_mm),
            largest_mm=_each(max, self.largest_mm, other.largest_mm),
            labels={
                label: LabelStatistics(
                    cases=sum(
                        one.labels[label].cases for one in (self, other) if label in one.labels
                    ),
                    voxels=sum(
                        one.labels[label].voxels for one in (self, other) if label in one.labels
                    ),
                )
                for label in sorted({*self.labels, *other.labels})
            },
        )


def measure_examples(examples: Sequence[Example]) -> DataStatistics:
    """Statistics of examples, all of as many channels."""
    spacings = np.array([example.image.spacing_mm for example in examples])
    extents = np.array([extent_mm(example.image) for example in examples])
    counts = [count_labels(example.labels) for example in examples]
    samples = [sample_channels(example.image) for example in examples]
    return DataStatistics(
        cases=len(examples),
        channels=tuple(_of_channel(list(one)) for one in zip(*samples, strict=True)),
        finest_mm=_mm(spacings.min(axis=0)),
        coarsest_mm=_mm(spacings.max(axis=0)),
        smallest_mm=_mm(extents.min(axis=0)),
        largest_mm=_mm(extents.max(axis=0)),
        labels={
            label: LabelStatistics(
                cases=sum(label in found for found in counts),
                voxels=sum(found.get(label, 0) for found in counts),
            )
            for label in sorted(set().union(*counts))
        },
    )


def extent_mm(image: Volume) -> npt.NDArray[np.float64]:
    """Length of a volume along (z, y, x), in mm."""
    extent: npt.NDArray[np.float64] = np.asarray(image.shape) * np.asarray(image.spacing_mm)
    return extent


def sample_channels(image: Volume) -> list[npt.NDArray[np.float64]]:
    """Intensities of some voxels of each channel, evenly spread; beyond `LARGEST` they are cut."""
    channels = image.voxels if image.leading_axes else image.voxels[None]
    long = sum(size > 1 for size in image.shape)
    step = int(np.ceil((max(1, channels[0].size) / _SAMPLED) ** (1 / max(1, long))))
    return [
        one[::step, ::step, ::step].ravel().astype(np.float64).clip(-LARGEST, LARGEST)
        for one in channels
    ]


def count_labels(labels: npt.NDArray[np.integer[Any]]) -> dict[int, int]:
    """Voxels of each label, without background."""
    counts: dict[int, int] = {}
    for part in labels:  # slice by slice: the counts of a whole volume take eight times its memory
        if part.dtype.itemsize <= 2 and part.dtype.kind == "u":
            found = np.bincount(part.ravel())
            pairs = [(int(label), int(found[label])) for label in np.flatnonzero(found)]
        else:
            values, numbers = np.unique(part, return_counts=True)
            pairs = [(int(v), int(n)) for v, n in zip(values, numbers, strict=True)]
        for label, number in pairs:
            counts[label] = counts.get(label, 0) + number
    return {label: number for label, number in counts.items() if label > 0}


def _of_channel(samples: list[npt.NDArray[np.float64]]) -> ChannelStatistics:
    tails = np.array([np.percentile(sample, _TAILS) for sample in samples])
    lowest, highest = float(tails[:, 0].min()), float(tails[:, 1].max())
    inner = np.concatenate(samples).clip(lowest, highest)
    return ChannelStatistics(
        lowest=lowest,
        highest=highest,
        mean=float(inner.mean()),
        deviation=float(inner.std()),
        levels=min(int(np.unique(sample).size) for sample in samples),
    )


def _joined(a: ChannelStatistics, b: ChannelStatistics, share: float) -> ChannelStatistics:
    """Of both, where `share` of all cases are those of `a`."""
    mean = share * a.mean + (1 - share) * b.mean
    squares = share * (a.deviation**2 + a.mean**2) + (1 - share) * (b.deviation**2 + b.mean**2)
    return ChannelStatistics(
        lowest=min(a.lowest, b.lowest),
        highest=max(a.highest, b.highest),
        mean=mean,
        deviation=float(np.sqrt(max(0.0, squares - mean**2))),
        levels=min(a.levels, b.levels),
    )


def _mm(values: npt.NDArray[np.float64]) -> Mm3:
    z, y, x = (float(value) for value in values)
    return z, y, x


def _each(choose: Any, first: Mm3, second: Mm3) -> Mm3:
    z, y, x = (float(choose(a, b)) for a, b in zip(first, second, strict=True))
    return z, y, x
