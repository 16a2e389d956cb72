"""Options of a prediction."""

from __future__ import annotations

from pydantic import Field

from napari_medunet.engine.settings.tree import Settings


class PredictSettings(Settings):
    """What a user can choose before a prediction."""

    tta: bool = Field(
        default=True,
        title="Average mirrored copies",
        description=(
            "Average over copies mirrored as in training: a little more accurate, and twice as slow for "
            "each axis."
        ),
    )
    interpolate: bool = Field(
        default=True,
        title="Keep painted slices",
        description=(
            "Where slices of the image were painted for the training, leave them as they are, and take "
            "their shapes into account between them."
        ),
    )
    largest_component: bool = Field(
        default=False, description="Keep only the largest connected piece of each label."
    )
