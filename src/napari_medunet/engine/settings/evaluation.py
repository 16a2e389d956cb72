"""Options of a measurement."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Annotated, Literal

from pydantic import Field, field_validator

from napari_medunet.engine.errors import MedunetError
from napari_medunet.engine.settings.bounds import WhichAnnotated
from napari_medunet.engine.settings.tree import Settings


class EvaluateSettings(Settings):
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


def read_groups(texts: Iterable[str]) -> dict[str, tuple[int, ...]]:
    """Read groups of labels, one ``name=1,2`` each.

    Raises
    ------
    MedunetError
        Where one cannot be read, a name is a number, or two are the same.

    Examples
    --------
    >>> read_groups(["tumour=1,2", "organ=3"])
    {'tumour': (1, 2), 'organ': (3,)}
    """
    groups: dict[str, tuple[int, ...]] = {}
    for text in texts:
        name, _, labels = (part.strip() for part in text.partition("="))
        if (
            not name
            or name.lstrip("-").isdecimal()
            or not re.fullmatch(r"\d+(\s*,\s*\d+)*", labels)
        ):
            raise MedunetError(
                f"'{text}' is no group of labels; wanted a name and labels: tumour=1,2"
            )
        if name in groups:
            raise MedunetError(f"the group '{name}' is given twice; wanted each name once")
        groups[name] = tuple(int(label) for label in labels.split(","))
    return groups
