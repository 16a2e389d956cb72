"""Options of an annotation: which of its voxels are annotated."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from napari_medunet.engine.settings.bounds import WhichAnnotated
from napari_medunet.engine.settings.tree import Settings


class AnnotationSettings(Settings):
    """How images and annotations are read for training: which voxels count, and where they lie."""

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
    ignore_label: Annotated[int, Field(ge=0)] | None = Field(
        default=None,
        description="The label of voxels that do not count, as where nobody could tell what they are.",
    )
    painted_across: Literal["auto", "z", "y", "x"] = Field(
        default="auto",
        description=(
            "Axis across the painted slices: z (axial slices), y (coronal), x (sagittal); auto finds it "
            "in each volume. It says nothing of what the network looks at."
        ),
    )
    resample: bool = Field(
        default=False,
        description="Bring labels on another grid to the image's (nearest), not refuse them.",
    )
    time_as_channels: bool = Field(
        default=False,
        description=(
            "Take the time points of an image for channels: as SimpleITK's JoinSeries writes multi-modal "
            "scans."
        ),
    )
