"""Plan: all that is decided before training. The rules that decide it are in `planning`."""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from napari_medunet.engine.settings.common import Millimetres
from napari_medunet.engine.settings.training import MOST_FOLDS
from napari_medunet.engine.volume import Volume

Voxels = Annotated[int, Field(ge=1, le=1024)]
Pool = Annotated[tuple[Literal[1, 2], ...], Field(min_length=2, max_length=3)]

Preset = Literal["none", "light", "standard", "strong"]

MOST_CLASSES = 1024  # background included
_MOST_FILTERS = 1024  # as in the classic U-Net: 64 filters over 5 levels


def _halve_all(fields: dict[str, Any]) -> tuple[Pool, ...]:
    everywhere: Pool = (2, 2) if fields["dims"] == 2 else (2, 2, 2)
    levels: int = fields["depth"]
    return (everywhere,) * (levels - 1)


class Plan(BaseModel):
    """What the network is, and on which grid it looks.

    A plan comes back from a model file, so every field has bounds.

    Attributes
    ----------
    dims : 2 or 3
        Whether the network looks at slices or at blocks.
    axis : 0, 1 or 2
        Array axis (of z, y, x) across the slices; it is moved to the front of the network's grid.
    context : int
        Slices on each side of a slice that the network sees with it, as channels (2.5D).
    spacing_mm : three floats
        Of the network's grid in array order (z, y, x); along `axis` a 2D plan never resamples.
    patch : two or three ints
        Size of a training patch in voxels, without or with `axis`; multiples of `steps`.
    channels : int
        Of an image; the network has `inputs`.
    labels : tuple of int
        The label of each class, ascending, 0 for background first.
    intensity : "zscore" or "ct"
        Normalise by each image's own mean and deviation, or by the window and statistics below.
    window : four floats
        Lowest and highest intensity, mean and standard deviation for "ct".
    pools : tuple of tuples of 1 or 2
        By how much each axis of the patch is pooled below each level but the deepest; halved
        everywhere if not given. An axis of thick slices waits until the others are as coarse.
    networks : int
        That share the minutes, and whose probabilities are averaged.
    augmentation : preset
        How much training images are varied by chance.
    unaugmented_tail : float
        Share of the training, at its end, in which they are not, but for being mirrored.
    flip_axes : tuple of int
        Axes of the patch along which mirrored images are as likely as the images themselves.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    dims: Literal[2, 3]
    axis: Annotated[int, Field(ge=0, le=2)] = 0
    context: Annotated[int, Field(ge=0, le=4)] = 0
    spacing_mm: tuple[Millimetres, Millimetres, Millimetres]
    patch: Annotated[tuple[Voxels, ...], Field(min_length=2, max_length=3)]
    channels: Annotated[int, Field(ge=1, le=64)] = 1
    labels: Annotated[
        tuple[Annotated[int, Field(ge=0, le=2**63 - 1)], ...],
        Field(min_length=2, max_length=MOST_CLASSES),
    ]
    intensity: Literal["zscore", "ct"] = "zscore"
    window: tuple[float, float, float, float] = (0.0, 1.0, 0.0, 1.0)
    depth: Annotated[int, Field(ge=2, le=6)]
    pools: tuple[Pool, ...] = Field(default_factory=_halve_all)
    filters: Annotated[int, Field(ge=4, le=128)] = 32
    networks: Annotated[int, Field(ge=1, le=MOST_FOLDS)] = 1
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    normalisation: Literal["batch", "instance"] = "batch"
    batch: Annotated[int, Field(ge=1, le=256)] = 16
    learning_rate: Annotated[float, Field(gt=0, le=1)] = 1e-3
    augmentation: Preset = "standard"
    unaugmented_tail: Annotated[float, Field(ge=0, le=1)] = 0.0
    flip_axes: tuple[Annotated[int, Field(ge=0, le=2)], ...] = ()

    @model_validator(mode="after")
    def _fits_together(self) -> Plan:
        if len(self.patch) != self.dims:
            raise ValueError(
                f"a {self.dims}D plan has a patch of {self.dims} sizes, not {self.patch}"
            )
        if self.context and self.dims == 3:
            raise ValueError("a 3D plan has no context: neighbouring slices are in its blocks")
        if len(self.pools) != self.depth - 1 or any(len(p) != self.dims for p in self.pools):
            raise ValueError(
                f"pools {self.pools} are not {self.depth - 1} times {self.dims} factors, one fewer "
                "than levels"
            )
        if any(size % step for size, step in zip(self.patch, self.steps, strict=True)):
            raise ValueError(
                f"patch {self.patch} is no multiple of {self.steps}, as its {self.depth} levels need"
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

    @property
    def inputs(self) -> int:
        """Channels of the network's input: those of the image, of each slice that it sees."""
        return self.channels * (2 * self.context + 1)

    @property
    def steps(self) -> tuple[int, ...]:
        """What the sizes of the network's input are multiples of, along each axis of the patch."""
        return tuple(math.prod(factors) for factors in zip(*self.pools, strict=True))

    def kernel(self, level: int) -> tuple[int, ...]:
        """Size of the convolutions of a level, 0 the finest: 3, but 1 along an axis still too coarse."""
        if level == self.depth - 1:
            return (3,) * self.dims
        pooled = [max(factors) for factors in zip(*self.pools[: level + 1], strict=True)]
        return tuple(3 if factor == 2 else 1 for factor in pooled)

    def describe(self) -> str:
        """Say the plan in one line for the user."""
        size = " x ".join(str(n) for n in self.patch)
        spacing = " x ".join(f"{mm:.3g}" for mm in self.spacing_mm)
        name = "2.5D" if self.context else f"{self.dims}D"
        return (
            f"{name} U-Net, {self.depth} levels from {self.filters} filters, patches of {size} at "
            f"{spacing} mm, batches of {self.batch}, {self.classes - 1} labels"
            + (f", {self.channels} channels" if self.channels > 1 else "")
            + (f", {self.networks} networks" if self.networks > 1 else "")
        )


_SAME_SPACING = (
    0.02  # a relative difference below it is the rounding of headers, not another scanner
)


def grid_shape(volume: Volume, plan: Plan) -> tuple[int, int, int]:
    """Voxels of a volume on the network's grid, still in the order (z, y, x)."""
    sizes = []
    for axis, (n, mm, target) in enumerate(
        zip(volume.shape, volume.spacing_mm, plan.spacing_mm, strict=True)
    ):
        across = plan.dims == 2 and axis == plan.axis
        same = across or abs(mm / target - 1) < _SAME_SPACING
        sizes.append(n if same else max(1, round(n * mm / target)))
    z, y, x = sizes
    return z, y, x
