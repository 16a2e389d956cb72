"""What the settings of all jobs share."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

WhichAnnotated = Literal["all", "slices", "voxels"]
"""Which voxels of an annotation count."""

Millimetres = Annotated[float, Field(gt=0, lt=1e6, allow_inf_nan=False)]
"""Length of a voxel's side."""


class Settings(BaseModel):
    """Options of a job: they are not changed, and unknown ones are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)

    def chosen(self) -> set[str]:
        """Names of the options that are not at their default."""
        fields = type(self).model_fields.items()
        return {name for name, field in fields if getattr(self, name) != field.default}
