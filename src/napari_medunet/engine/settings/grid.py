"""Options of the grid that a network looks at, open and decided."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from napari_medunet.engine.settings.bounds import AsText, AxisName, SpacingMm, Voxels
from napari_medunet.engine.settings.tree import Settings

PLAN: dict[str, Any] = {
    "group": "Plan, decided by rules where nothing is given",
    "unset": "automatic",
}
"""Of options that a plan decides: their section of a command's help, and what a form shows for None."""


class GridSettings(Settings):
    """The grid that the network looks at, as far as a user has chosen it."""

    dims: Literal["auto", "2d", "2.5d", "3d"] = Field(
        default="auto",
        description="Look at slices (2d), at slices with their neighbours (2.5d) or at blocks (3d).",
        json_schema_extra=PLAN,
    )
    looked_across: Literal["auto", "z", "y", "x"] = Field(
        default="auto",
        description=(
            "Look at slices across this axis, not at blocks: z (axial slices), y (coronal), x "
            "(sagittal); auto looks across the one on which slices were painted, or the coarsest."
        ),
        json_schema_extra=PLAN,
    )
    spacing_mm: Annotated[SpacingMm | None, AsText] = Field(
        default=None,
        title="Spacing (mm)",
        description="Resample to this spacing in mm, along z, y and x: 2x1x1.",
        json_schema_extra=PLAN,
    )
    patch: Annotated[
        tuple[Annotated[int, Field(ge=4, le=1024)], ...] | None,
        Field(min_length=2, max_length=3),
        AsText,
    ] = Field(
        default=None,
        description=(
            "Voxels of a training patch: 256x256, or 64x64x64 in 3D; rounded up to what the network's "
            "levels divide."
        ),
        json_schema_extra=PLAN,
    )
    intensity: Literal["auto", "zscore", "ct"] = Field(
        default="auto",
        description=(
            "Normalise intensities by each image's own mean and deviation (zscore), or by the range of "
            "what is labelled in all (ct)."
        ),
        json_schema_extra=PLAN,
    )


class GridPlan(Settings):
    """The grid that the network looks at, with nothing left open.

    Attributes
    ----------
    dims : "2d", "2.5d" or "3d"
        Slices, slices with their neighbours, or blocks.
    context : int
        Slices on each side of a slice that the network sees with it, as channels (2.5D).
    looked_across : "z", "y" or "x"
        Axis across the slices; it is moved to the front of the network's grid. "z" in 3D.
    spacing_mm : three floats
        In array order (z, y, x); across the slices a 2D plan never resamples.
    patch : two or three ints
        Size of a training patch in voxels, without or with the axis across the slices.
    intensity : "zscore" or "ct"
        Normalise by each image's own mean and deviation, or by the window and statistics below.
    window : four floats
        Lowest and highest intensity, mean and standard deviation for "ct".
    """

    dims: Literal["2d", "2.5d", "3d"] = Field(title="dimensions")
    context: Annotated[int, Field(ge=0, le=4)] = 0
    looked_across: AxisName = Field(default="z", title="slices across")
    spacing_mm: SpacingMm = Field(title="spacing")
    patch: Annotated[tuple[Voxels, ...], Field(min_length=2, max_length=3)]
    intensity: Literal["zscore", "ct"] = Field(default="zscore", title="intensities")
    window: tuple[float, float, float, float] = (0.0, 1.0, 0.0, 1.0)
