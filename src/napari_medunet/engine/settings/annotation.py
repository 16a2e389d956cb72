"""Options of an annotation: which of its voxels are annotated."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from napari_medunet.engine.settings.bounds import WhichAnnotated
from napari_medunet.engine.settings.tree import Settings


class AnnotationSettings(Settings):
    """Which voxels of an annotation count, in training."""

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
    painted_across: Literal["auto", "z", "y", "x"] = Field(
        default="auto",
        description=(
            "Axis across the painted slices: z (axial slices), y (coronal), x (sagittal); auto finds it "
            "in each volume. It says nothing of what the network looks at."
        ),
    )
