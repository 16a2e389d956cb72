"""Types of options that several classes have, each with its bounds."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

MOST_FOLDS = 20
"""Folds of a cross-validation, and networks in one segmenter, at most."""

WhichAnnotated = Literal["all", "slices", "voxels"]
"""Which voxels of an annotation count."""

AxisName = Literal["z", "y", "x"]
"""An axis of a volume, in array order."""

Preset = Literal["none", "light", "standard", "strong"]
"""Presets of the augmentation."""

Millimetres = Annotated[float, Field(gt=0, lt=1e6, allow_inf_nan=False)]
"""Length of a voxel's side."""

SpacingMm = tuple[Millimetres, Millimetres, Millimetres]
"""Along z, y and x."""

Share = Annotated[float, Field(ge=0, le=1)]
Voxels = Annotated[int, Field(ge=1, le=1024)]
Batch = Annotated[int, Field(ge=1, le=256)]
Depth = Annotated[int, Field(ge=2, le=6)]
Filters = Annotated[int, Field(ge=4, le=128)]
LearningRate = Annotated[float, Field(gt=0, le=1)]
Networks = Annotated[int, Field(ge=1, le=MOST_FOLDS)]
Pools = tuple[tuple[Literal[1, 2], ...], ...]
"""By how much each axis of the patch is halved below each level but the deepest."""


def _read_numbers(value: object) -> object:
    """Numbers out of a text such as "64x64" or "2, 1, 1"; None out of an empty one."""
    if not isinstance(value, str):
        return value
    return tuple(re.split(r"\s*[x,\s]\s*", value.strip())) if value.strip() else None


AsText = BeforeValidator(_read_numbers)
"""Several numbers may be typed as one text."""
