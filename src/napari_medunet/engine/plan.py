"""Plan: all that is decided before training, and the rules that decide it.

Each rule is a function with its reason, so that a choice can be read, printed and argued with.
"""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator

from napari_medunet.engine.examples import Example, annotated_axis, label_values
from napari_medunet.engine.settings import TrainSettings

Millimetres = Annotated[float, Field(gt=0, lt=1e6, allow_inf_nan=False)]
Voxels = Annotated[int, Field(ge=1, le=1024)]

_MOST_FILTERS = 1024  # as in the classic U-Net: 64 filters over 5 levels
# In 3D a first level of 32 takes five times as long a step as one of 16 (750 ms against 145 ms for two
# volumes of 40 x 56 x 40 on two cores), and learns less in the same minutes.
_FILTERS: dict[int, int] = {2: 32, 3: 16}
_LARGEST_PATCH_2D = 256
_LARGEST_PATCH_3D = 64


class Plan(BaseModel):
    """What the network is, and on which grid it looks.

    A plan comes back from a model file, so every field has bounds.

    Attributes
    ----------
    dims : 2 or 3
        Whether the network looks at slices or at blocks.
    axis : 0, 1 or 2
        Array axis (of z, y, x) across the slices; it is moved to the front of the network's grid.
    spacing_mm : three floats
        Of the network's grid in array order (z, y, x); along `axis` a 2D plan never resamples.
    patch : two or three ints
        Size of a training patch in voxels, without or with `axis`; multiples of 2**(depth - 1).
    labels : tuple of int
        The label of each class, ascending, 0 for background first.
    intensity : "zscore" or "ct"
        Normalise by each image's own mean and deviation, or by the window and statistics below.
    window : four floats
        Lowest and highest intensity, mean and standard deviation for "ct".
    flip_axes : tuple of int
        Axes of the patch along which mirrored images are as likely as the images themselves.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    dims: Literal[2, 3]
    axis: Annotated[int, Field(ge=0, le=2)] = 0
    spacing_mm: tuple[Millimetres, Millimetres, Millimetres]
    patch: Annotated[tuple[Voxels, ...], Field(min_length=2, max_length=3)]
    channels: Annotated[int, Field(ge=1, le=64)] = 1
    labels: Annotated[
        tuple[Annotated[int, Field(ge=0, le=2**63 - 1)], ...], Field(min_length=2, max_length=1024)
    ]
    intensity: Literal["zscore", "ct"] = "zscore"
    window: tuple[float, float, float, float] = (0.0, 1.0, 0.0, 1.0)
    depth: Annotated[int, Field(ge=2, le=6)]
    filters: Annotated[int, Field(ge=4, le=128)] = 32
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    normalisation: Literal["batch", "instance"] = "batch"
    batch: Annotated[int, Field(ge=1, le=256)] = 16
    learning_rate: Annotated[float, Field(gt=0, le=1)] = 1e-3
    flip_axes: tuple[Annotated[int, Field(ge=0, le=2)], ...] = ()

    @model_validator(mode="after")
    def _fits_together(self) -> Plan:
        if len(self.patch) != self.dims:
            raise ValueError(
                f"a {self.dims}D plan has a patch of {self.dims} sizes, not {self.patch}"
            )
        step = 2 ** (self.depth - 1)
        if any(size % step for size in self.patch):
            raise ValueError(
                f"patch {self.patch} is no multiple of {step}, as depth {self.depth} needs"
            )
        if self.filters * 2 ** (self.depth - 1) > _MOST_FILTERS:
            raise ValueError(
                f"{self.filters} filters doubled over {self.depth} levels are more than {_MOST_FILTERS}"
            )
        if self.labels[0] != 0 or list(self.labels) != sorted(set(self.labels)):
            raise ValueError(f"labels {self.labels} are not ascending from background, 0")
        return self

    @property
    def classes(self) -> int:
        """Number of classes, background included."""
        return len(self.labels)

    def describe(self) -> str:
        """Say the plan in one line for the user."""
        size = " x ".join(str(n) for n in self.patch)
        spacing = " x ".join(f"{mm:.3g}" for mm in self.spacing_mm)
        return (
            f"{self.dims}D U-Net, {self.depth} levels from {self.filters} filters, patches of {size} at "
            f"{spacing} mm, batches of {self.batch}, {self.classes - 1} labels, {self.channels} channels"
        )


def make_plan(examples: list[Example], settings: TrainSettings) -> Plan:
    """Decide what to train from the examples and the user's settings.

    Parameters
    ----------
    examples : non-empty list of Example
    settings : TrainSettings

    Raises
    ------
    ValueError
        If the examples do not belong together (different numbers of channels, a single class).
    """
    channels = _channels(examples)
    labels = label_values(examples)
    spacing = _spacing(examples)
    dims = _dims(examples, settings)
    axis = _axis(examples, settings) if dims == 2 else 0
    sizes = _sizes_on_grid(examples, spacing, axis)[3 - dims :]
    largest = _LARGEST_PATCH_2D if dims == 2 else _LARGEST_PATCH_3D
    depth = settings.depth or _depth(sizes, dims)
    patch = _patch(sizes, depth, largest)
    intensity, window = _intensity(examples)
    return Plan(
        dims=dims,
        axis=axis,
        spacing_mm=spacing,
        patch=patch,
        channels=channels,
        labels=labels,
        intensity=intensity,
        window=window,
        depth=depth,
        filters=settings.filters or _FILTERS[dims],
        dropout=settings.dropout,
        normalisation=settings.normalisation,
        batch=_batch(patch),
        flip_axes=_flip_axes(dims, axis, settings),
    )


def _channels(examples: list[Example]) -> int:
    counts = {e.image.voxels.shape[0] if e.image.leading_axes else 1: e.name for e in examples}
    if len(counts) > 1:
        (first, one), (second, other), *_ = sorted(counts.items())
        raise ValueError(
            f"Image '{one}' has {first} channels and image '{other}' has {second}; wanted the same "
            "number in all. Convert them to the same kind, grey or colour."
        )
    return next(iter(counts))


def _dims(examples: list[Example], settings: TrainSettings) -> Literal[2, 3]:
    """Slices unless blocks are asked for: they learn from a few painted slices, and fastest."""
    if settings.dims == "3d":
        thin = [e.name for e in examples if min(e.image.shape) < 4]
        if thin:
            raise ValueError(
                f"Image '{thin[0]}' is fewer than 4 voxels thick; blocks (3d) need more. Choose 2d or auto."
            )
        return 3
    return 2


def _axis(examples: list[Example], settings: TrainSettings) -> int:
    """Across the slices: where the user painted slices, or the volumes' coarsest axis, or z."""
    if any(min(e.image.shape) == 1 for e in examples):
        return int(np.argmin(examples[0].image.shape))
    if settings.annotated != "all":
        axes = [annotated_axis(e.labels) for e in examples]
        return max(set(axes), key=axes.count)
    spacing = np.median([e.image.spacing_mm for e in examples], axis=0)
    return int(np.argmax(spacing)) if spacing.max() > 1.5 * np.median(spacing) else 0


def _spacing(examples: list[Example]) -> tuple[float, float, float]:
    """The median of the volumes: half of them are not blown up, and few lose detail."""
    z, y, x = np.median([e.image.spacing_mm for e in examples], axis=0)
    return float(z), float(y), float(x)


def _sizes_on_grid(
    examples: list[Example], spacing_mm: tuple[float, float, float], axis: int
) -> tuple[int, int, int]:
    """Largest usual extent in voxels of the network's grid: three in four volumes fit whole."""
    extents = [np.asarray(e.image.shape) * e.image.spacing_mm / spacing_mm for e in examples]
    sizes = [round(size) for size in np.percentile(extents, 75, axis=0)]
    across = sizes.pop(axis)
    return across, sizes[0], sizes[1]


def _depth(sizes: tuple[int, ...], dims: int) -> int:
    """Levels until the deepest sees the patch as about four voxels across, four at most in 3D.

    One level fewer cost 0.01 of Dice on hippocampus slices of 50 x 35 voxels.
    """
    deepest = 5 if dims == 2 else 4
    return int(np.clip(1 + np.floor(np.log2(max(min(sizes), 1) / 4)), 2, deepest))


def _patch(sizes: tuple[int, ...], depth: int, largest: int) -> tuple[int, ...]:
    """The whole plane or volume where it fits, rounded up to what the network's levels divide."""
    step = 2 ** (depth - 1)
    return tuple(max(step, -(-min(size, largest) // step) * step) for size in sizes)


def _batch(patch: tuple[int, ...]) -> int:
    """Voxels per step about constant, between 2 and 16 patches: memory and step time stay in hand."""
    return int(np.clip(2**18 // int(np.prod(patch)), 2, 16))


def _flip_axes(dims: int, axis: int, settings: TrainSettings) -> tuple[int, ...]:
    """Left-right is the array's last axis, which sagittal slices do not have."""
    if settings.flip == "all":
        return tuple(range(dims))
    if settings.flip == "none" or (dims == 2 and axis == 2):
        return ()
    return (dims - 1,)


def _intensity(
    examples: list[Example],
) -> tuple[Literal["zscore", "ct"], tuple[float, float, float, float]]:
    """CT, told by air far below zero, has absolute units: a fixed window. All else: each its own."""
    samples = np.concatenate(
        [e.image.voxels.ravel()[:: max(1, e.image.voxels.size // 10_000)] for e in examples]
    )
    if np.percentile(samples, 1) > -200 or len(examples[0].image.leading_axes):
        return "zscore", (0.0, 1.0, 0.0, 1.0)
    inside = np.concatenate([_labelled_intensities(e) for e in examples])
    low, high = np.percentile(inside, (0.5, 99.5))
    clipped = np.clip(inside, low, high)
    return "ct", (float(low), float(high), float(clipped.mean()), float(max(clipped.std(), 1e-3)))


def _labelled_intensities(example: Example) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    values = example.image.voxels[example.labels > 0].astype(np.float64)
    return values[:: max(1, values.size // 10_000)]
