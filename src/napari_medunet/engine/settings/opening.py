"""Options of opening files in the viewer."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from napari_medunet.engine.settings.tree import Settings


class OpenSettings(Settings):
    """How files become layers in the viewer."""

    labels: Literal["by name", "by content", "never"] = Field(
        default="by name",
        description=(
            "Which files of few whole numbers open as labels: those that say so, by intent code or by "
            "name (by name), all of them (by content), none (never)."
        ),
    )
    label_names: str = Field(
        default="",
        description="More names of label files, with wildcards and commas: *_roi*, lesion*",
    )
    channels: Literal["layers", "axis"] = Field(
        default="layers",
        description=(
            "Channels open as layers of their own, or as one layer with an axis for them, to train on "
            "all at once (axis)."
        ),
    )
