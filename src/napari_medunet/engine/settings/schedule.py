"""Options of how a network learns, open and decided."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from napari_medunet.engine.settings.bounds import Batch, LearningRate, Preset, Share
from napari_medunet.engine.settings.grid import PLAN
from napari_medunet.engine.settings.tree import Settings

_AUGMENTATION: dict[str, Any] = {"group": "Augmentation", "unset": "preset"}

# Strength of a transform of the augmentation; 0 is off.
Rotate = Annotated[float, Field(ge=0, le=180)]  # degrees, through thick slices less
Scale = Annotated[float, Field(ge=0, le=1)]  # share: 0.2 is from 1/1.2 to 1.2
Shift = Annotated[float, Field(ge=0, le=0.5)]  # share of the patch
Elastic = Annotated[float, Field(ge=0, le=1)]  # 1 is as far as goes without a fold
Blur = Annotated[float, Field(ge=0, le=5)]  # standard deviation in voxels
LowResolution = Annotated[float, Field(ge=0, le=4)]  # 1 is voxels twice as large
Gamma = Annotated[float, Field(ge=0, le=2)]  # 0.4 is from 1/1.4 to 1.4
Contrast = Annotated[float, Field(ge=0, le=2)]  # 0.3 is from 1/1.3 to 1.3
Brightness = Annotated[float, Field(ge=0, le=3)]  # standard deviations of the image
Noise = Annotated[float, Field(ge=0, le=2)]  # standard deviations of the image


class StrengthSettings(Settings):
    """Strengths of single transforms of the augmentation, where they differ from the preset's."""

    rotate: Rotate | None = None
    scale: Scale | None = None
    shift: Shift | None = None
    elastic: Elastic | None = None
    blur: Blur | None = None
    low_resolution: LowResolution | None = None
    gamma: Gamma | None = None
    contrast: Contrast | None = None
    brightness: Brightness | None = None
    noise: Noise | None = None


class Strengths(Settings):
    """Strength of each transform of the augmentation."""

    rotate: Rotate = 0.0
    scale: Scale = 0.0
    shift: Shift = 0.0
    elastic: Elastic = 0.0
    blur: Blur = 0.0
    low_resolution: LowResolution = 0.0
    gamma: Gamma = 0.0
    contrast: Contrast = 0.0
    brightness: Brightness = 0.0
    noise: Noise = 0.0


class ScheduleSettings(Settings):
    """How a network learns, as far as a user has chosen it."""

    batch: Batch | None = Field(
        default=None, description="Patches in a training step.", json_schema_extra=PLAN
    )
    learning_rate: LearningRate | None = Field(
        default=None, description="Highest learning rate of the training.", json_schema_extra=PLAN
    )
    self_training: bool = Field(
        default=True,
        description=(
            "Where only some slices are annotated, learn also from what the network says of the rest, "
            "labels where it is sure; never done where single voxels are."
        ),
    )
    augmentation: Literal["auto", "none", "light", "standard", "strong"] = Field(
        default="auto",
        description=(
            "How much the training images are varied by chance; auto takes strong in 3D where little is "
            "annotated, else standard."
        ),
        json_schema_extra=_AUGMENTATION,
    )
    unaugmented_tail: Share | None = Field(
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
    strengths: StrengthSettings = Field(
        default=StrengthSettings(), json_schema_extra={"only_python": True}
    )


class SchedulePlan(Settings):
    """How a network learns, with nothing left open.

    Attributes
    ----------
    learning_rate, learning_rate_factor : float
        Highest learning rate of a training from the beginning, and the factor of this one: less than 1 in
        fine-tuning.
    augmentation : preset
        Preset; `strengths` has its numbers.
    unaugmented_tail : float
        Share of the training, at its end, in which images are mirrored at most.
    flip_axes : tuple of int
        Axes of the patch along which mirrored images are as likely as the images themselves.
    """

    batch: Batch = 16
    learning_rate: LearningRate = 1e-3
    learning_rate_factor: LearningRate = 1.0
    self_training: bool = Field(default=False, title="self-training")
    augmentation: Preset = "standard"
    unaugmented_tail: Share = Field(default=0.0, title="end as it is")
    flip_axes: tuple[Annotated[int, Field(ge=0, le=2)], ...] = Field(default=(), title="mirrored")
    strengths: Strengths = Strengths()
