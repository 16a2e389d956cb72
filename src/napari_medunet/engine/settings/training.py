"""Options of a training."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from napari_medunet.engine.settings.common import Millimetres, Settings, WhichAnnotated

MOST_FOLDS = 20  # of a cross-validation, and networks in one segmenter

# `group` is a section of a command's help, `unset` what a form shows for None.
_AUGMENTATION: dict[str, Any] = {"group": "Augmentation", "unset": "preset"}
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


class TrainSettings(Settings):
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
        default=0.1,
        description="Share of the cases, 8 at most, kept out of training, to measure each epoch on.",
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
    networks: Annotated[int, Field(ge=1, le=MOST_FOLDS)] | None = Field(
        default=None,
        description=(
            "Networks that share the minutes and predict together, each with first weights of its own."
        ),
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
            "Where only some slices are annotated, learn also from what the network says of the rest, "
            "labels where it is sure; never done where single voxels are."
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
            "How much the training images are varied by chance; auto takes strong in 3D where little is "
            "annotated, else standard. Each part below that is not given is as in this preset."
        ),
        json_schema_extra=_AUGMENTATION,
    )
    unaugmented_tail: Annotated[float, Field(ge=0, le=1)] | None = Field(
        default=None,
        description=(
            "Share of the training, at its end, that learns from the images as they are, mirrored at most; "
            "if not given 0.3 where all is annotated, else 0."
        ),
        json_schema_extra=_AUGMENTATION | {"unset": "automatic"},
    )
    flip: Literal["auto", "none", "left-right", "all"] = Field(
        default="auto",
        description=(
            "Axes along which training images are mirrored by chance; auto mirrors left and right where "
            "no labels look like a pair of them, there are fewer than ten, and the preset is not none."
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
        """What one fold of several is trained with."""
        return self.of_part(number, self.folds or 1)

    def of_part(self, number: int, count: int) -> TrainSettings:
        """What one network of several is trained with: its share of the minutes, and a seed of its own.

        Networks that begin with different weights err in different places, which their mean gains by.
        """
        from numpy.random import SeedSequence

        # Not the next seeds: trainings by neighbouring ones would share networks.
        seed = int(SeedSequence((self.seed, number)).generate_state(1)[0]) if number else self.seed
        return self.model_copy(update={"minutes": self.minutes / count, "seed": seed})
