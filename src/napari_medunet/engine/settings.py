"""Every option once: its default, its range and its help text.

One class per job. The engine takes it, a widget builds its form from it, the command line parses into
it, and the segmenter's card stores it: nobody else repeats a default.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator

MOST_FOLDS = 20  # of a cross-validation, and networks in one segmenter

# `group` is a section of a command's help, `unset` what a form shows for None.
_AUGMENTATION: dict[str, Any] = {"group": "Augmentation", "unset": "preset"}

WhichAnnotated = Literal["all", "slices", "voxels"]
Millimetres = Annotated[float, Field(gt=0, lt=1e6, allow_inf_nan=False)]

_PLAN: dict[str, Any] = {
    "group": "Plan, decided by rules where nothing is given",
    "unset": "automatic",
}


def _read_numbers(value: object) -> object:
    """Numbers out of a text such as "64x64" or "2, 1, 1"; None out of an empty one."""
    if not isinstance(value, str):
        return value
    return tuple(re.split(r"\s*[x,\s]\s*", value.strip())) if value.strip() else None


_AsText = BeforeValidator(_read_numbers)


class _Settings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)


class TrainSettings(_Settings):
    """What a user can choose before a training."""

    minutes: Annotated[float, Field(gt=0, le=10_080)] = Field(
        default=5.0, description="How long training may take, in minutes."
    )
    epochs: Annotated[int, Field(ge=1, le=100_000)] | None = Field(
        default=None,
        description=(
            "End after this many epochs, where the minutes do not end it before; the learning rate "
            "then follows the epochs, and no longer the clock."
        ),
    )
    dims: Literal["auto", "2d", "2.5d", "3d"] = Field(
        default="auto",
        description="Look at slices (2d), at slices with their neighbours (2.5d) or at blocks (3d).",
        json_schema_extra=_PLAN,
    )
    axis: Literal["auto", "z", "y", "x"] = Field(
        default="auto",
        description=(
            "Axis across the slices that are painted or looked at: z (axial slices), y (coronal), x "
            "(sagittal); auto finds it."
        ),
        json_schema_extra=_PLAN,
    )
    spacing_mm: Annotated[tuple[Millimetres, Millimetres, Millimetres] | None, _AsText] = Field(
        default=None,
        title="Spacing (mm)",
        description="Resample to this spacing in mm, along z, y and x: 2x1x1.",
        json_schema_extra=_PLAN,
    )
    patch: Annotated[
        tuple[Annotated[int, Field(ge=4, le=1024)], ...] | None,
        Field(min_length=2, max_length=3),
        _AsText,
    ] = Field(
        default=None,
        description=(
            "Voxels of a training patch: 256x256, or 64x64x64 in 3D; rounded up to what the network's "
            "levels divide."
        ),
        json_schema_extra=_PLAN,
    )
    batch: Annotated[int, Field(ge=1, le=256)] | None = Field(
        default=None, description="Patches in a training step.", json_schema_extra=_PLAN
    )
    learning_rate: Annotated[float, Field(gt=0, le=1)] | None = Field(
        default=None, description="Highest learning rate of the training.", json_schema_extra=_PLAN
    )
    intensity: Literal["auto", "zscore", "ct"] = Field(
        default="auto",
        description=(
            "Normalise intensities by each image's own mean and deviation (zscore), or by the range of "
            "what is labelled in all (ct)."
        ),
        json_schema_extra=_PLAN,
    )
    annotated: WhichAnnotated = Field(
        default="all",
        description=(
            "Which voxels count: all (0 is background everywhere), slices (only slices that hold a "
            "label), voxels (only painted voxels; background has a label of its own)."
        ),
    )
    background_label: Annotated[int, Field(ge=1)] | None = Field(
        default=None, description="The label painted on background, with --annotated voxels."
    )
    validation: Annotated[float, Field(ge=0, le=0.5)] = Field(
        default=0.2,
        description="Share of the cases, 16 at most, kept out of training to choose the best epoch.",
    )
    folds: Annotated[int, Field(ge=2, le=MOST_FOLDS)] | None = Field(
        default=None,
        description=(
            "Cross-validate: divide the cases into so many folds, train a network without each, measure "
            "it on the cases left out, and keep all networks as one segmenter. The minutes are for all "
            "folds together, epochs for each."
        ),
    )
    seed: Annotated[int, Field(ge=0, le=2**32 - 1)] = Field(
        default=0,
        description="Seed of the split, the network's first weights and the augmentation.",
    )
    filters: Annotated[int, Field(ge=4, le=128)] | None = Field(
        default=None,
        description=("Filters of the network's first level, doubled on each level below."),
        json_schema_extra=_PLAN,
    )
    depth: Annotated[int, Field(ge=2, le=6)] | None = Field(
        default=None,
        description="Levels of the network.",
        json_schema_extra=_PLAN,
    )
    dropout: Annotated[float, Field(ge=0, lt=1)] = Field(
        default=0.0,
        description="Share of the features that are dropped by chance at the deepest levels.",
    )
    normalisation: Literal["batch", "instance"] = Field(
        default="batch", description="Normalise features over the batch or over each image."
    )
    self_training: bool = Field(
        default=True,
        description=(
            "Where only part of the volumes is annotated, learn also from what the network is sure of in "
            "the rest."
        ),
    )
    threads: Annotated[int, Field(ge=1, le=1024)] | None = Field(
        default=None,
        description=(
            "Threads of the computation, all of the machine's if not given; with 1, and with epochs, "
            "the same seed gives the same weights again."
        ),
    )
    augmentation: Literal["auto", "none", "light", "standard", "strong"] = Field(
        default="auto",
        description=(
            "How much the training images are varied by chance; auto takes strong where little is "
            "annotated, else standard. Each part below that is not given is as in this preset."
        ),
        json_schema_extra=_AUGMENTATION,
    )
    flip: Literal["auto", "none", "left-right", "all"] = Field(
        default="auto",
        description=(
            "Axes along which training images are mirrored by chance, where the preset is not none; auto "
            "mirrors left and right where no labels look like a pair of them."
        ),
        json_schema_extra=_AUGMENTATION,
    )
    rotate: Annotated[float, Field(ge=0, le=180)] | None = Field(
        default=None,
        description="Turn by up to so many degrees either way, through thick slices by less.",
        json_schema_extra=_AUGMENTATION,
    )
    scale: Annotated[float, Field(ge=0, le=1)] | None = Field(
        default=None,
        description="Make larger or smaller by up to this share: 0.2 is from 1/1.2 to 1.2.",
        json_schema_extra=_AUGMENTATION,
    )
    shift: Annotated[float, Field(ge=0, le=0.5)] | None = Field(
        default=None,
        description="Move by up to this share of the patch.",
        json_schema_extra=_AUGMENTATION,
    )
    elastic: Annotated[float, Field(ge=0, le=1)] | None = Field(
        default=None,
        description="Bend elastically: 1 is as far as goes without a fold.",
        json_schema_extra=_AUGMENTATION,
    )
    blur: Annotated[float, Field(ge=0, le=5)] | None = Field(
        default=None,
        description="Blur with a standard deviation of up to so many voxels.",
        json_schema_extra=_AUGMENTATION,
    )
    low_resolution: Annotated[float, Field(ge=0, le=4)] | None = Field(
        default=None,
        description="Look through voxels that are larger by up to this share: 1 is twice as large.",
        json_schema_extra=_AUGMENTATION,
    )
    gamma: Annotated[float, Field(ge=0, le=2)] | None = Field(
        default=None,
        description="Brighten or darken the middle greys: 0.4 is a gamma from 1/1.4 to 1.4.",
        json_schema_extra=_AUGMENTATION,
    )
    contrast: Annotated[float, Field(ge=0, le=2)] | None = Field(
        default=None,
        description="Change the contrast by up to this share: 0.3 is from 1/1.3 to 1.3.",
        json_schema_extra=_AUGMENTATION,
    )
    brightness: Annotated[float, Field(ge=0, le=3)] | None = Field(
        default=None,
        description="Brighten or darken by up to so many standard deviations of the image.",
        json_schema_extra=_AUGMENTATION,
    )
    noise: Annotated[float, Field(ge=0, le=2)] | None = Field(
        default=None,
        description="Add noise of up to so many standard deviations of the image.",
        json_schema_extra=_AUGMENTATION,
    )

    def of_fold(self, number: int) -> TrainSettings:
        """What one fold of several is trained with: its share of the minutes, and a seed of its own.

        Networks that begin with different weights err in different places, which their mean gains by.
        """
        minutes = self.minutes / (self.folds or 1)
        return self.model_copy(update={"minutes": minutes, "seed": (self.seed + number) % 2**32})


class PredictSettings(_Settings):
    """What a user can choose before a prediction."""

    tta: bool = Field(
        default=True,
        title="Average mirrored copies",
        description=(
            "Average over copies mirrored as in training: a little more accurate, and twice as slow for "
            "each axis."
        ),
    )
    largest_component: bool = Field(
        default=False, description="Keep only the largest connected piece of each label."
    )


class EvaluateSettings(_Settings):
    """How a prediction is measured against the truth."""

    tolerance_mm: Annotated[float, Field(ge=0, le=1_000)] = Field(
        default=1.0, description="Surfaces this close count as equal in the surface Dice, in mm."
    )
    percentile: Annotated[float, Field(gt=0, le=100)] = Field(
        default=95.0, description="Percentile of the surface distances that stands in for HD95."
    )
    nsd: Literal["area", "border"] = Field(
        default="area",
        description=(
            "How the surface Dice counts a surface: area (subvoxel surface elements, weighted by "
            "their area), border (border voxels, each counted once)."
        ),
    )
    beta: Annotated[float, Field(gt=0, le=100)] = Field(
        default=2.0,
        description="How many times as much recall counts as precision does in F-beta.",
    )
    boundary_mm: Annotated[float, Field(ge=0, le=1_000)] = Field(
        default=2.0, description="How thick the boundary is in the boundary IoU, in mm."
    )
    lesion_iou: Annotated[float, Field(ge=0, lt=1)] = Field(
        default=0.5, description="A lesion is found where its IoU is above this."
    )
    lesion_neighbours: Literal["corners", "faces"] = Field(
        default="corners",
        description="Which voxels belong to one lesion: corners (touching anyhow), faces.",
    )
    group: list[str] = Field(
        default=[],
        description="Measure labels together, under a name: tumour=1,2. Repeatable.",
    )
    annotated: WhichAnnotated = Field(
        default="all",
        description=(
            "Which voxels of the truth count: all, slices (only slices that hold a label), voxels "
            "(only painted voxels)."
        ),
    )
    background_label: Annotated[int, Field(ge=1)] | None = Field(
        default=None, description="The truth's label for background, with --annotated voxels."
    )
    ignore_label: int | None = Field(
        default=None, description="The truth's label of voxels that do not count."
    )
    resample: bool = Field(
        default=False,
        description="Bring predictions on another grid to the truth's (nearest), not refuse them.",
    )
    seed: Annotated[int, Field(ge=0, le=2**32 - 1)] = Field(
        default=0, description="Seed of the bootstrap behind the confidence intervals."
    )

    @field_validator("group")
    @classmethod
    def _groups_can_be_read(cls, group: list[str]) -> list[str]:
        read_groups(group)
        return group

    @property
    def groups(self) -> dict[str, tuple[int, ...]]:
        """Labels of each group, by its name."""
        return read_groups(self.group)


class OpenSettings(_Settings):
    """How files become layers in the viewer."""

    labels: Literal["by name", "by content", "never"] = Field(
        default="by name",
        description=(
            "Which files of few whole numbers open as labels: those that say so, by intent code or by "
            "name (by name), all of them (by content), none (never)."
        ),
    )
    label_names: str = Field(
        default="",
        description="More names of label files, with wildcards and commas: *_roi*, lesion*",
    )
    channels: Literal["layers", "axis"] = Field(
        default="layers",
        description=(
            "Channels open as layers of their own, or as one layer with an axis for them, to train on "
            "all at once (axis)."
        ),
    )


def read_groups(texts: Iterable[str]) -> dict[str, tuple[int, ...]]:
    """Read groups of labels, one ``name=1,2`` each.

    Raises
    ------
    ValueError
        Where one cannot be read, a name is a number, or two are the same.
    """
    groups: dict[str, tuple[int, ...]] = {}
    for text in texts:
        name, _, labels = (part.strip() for part in text.partition("="))
        if (
            not name
            or name.lstrip("-").isdecimal()
            or not re.fullmatch(r"\d+(\s*,\s*\d+)*", labels)
        ):
            raise ValueError(
                f"'{text}' is no group of labels; wanted a name and labels: tumour=1,2"
            )
        if name in groups:
            raise ValueError(f"the group '{name}' is given twice; wanted each name once")
        groups[name] = tuple(int(label) for label in labels.split(","))
    return groups
