"""Options of what is held out of training: for validation, and for cross-validation."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from napari_medunet.engine.settings.bounds import MOST_FOLDS
from napari_medunet.engine.settings.tree import Settings


class HoldOutSettings(Settings):
    """What is held out of training: for validation, and for cross-validation."""

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
