"""Options of a training's budget: time, epochs, threads, and the seed."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from napari_medunet.engine.settings.tree import Settings


class BudgetSettings(Settings):
    """The budget of a training: time, epochs, threads; and its seed."""

    minutes: Annotated[float, Field(gt=0, le=10_080)] = Field(
        default=5.0, description="How long training may take, in minutes."
    )
    epochs: Annotated[int, Field(ge=1, le=100_000)] | None = Field(
        default=None,
        description=(
            "End after this many epochs, where the minutes do not end it before; the learning rate "
            "then follows the epochs, and no longer the clock."
        ),
    )
    threads: Annotated[int, Field(ge=1, le=1024)] | None = Field(
        default=None,
        description=(
            "Threads of the computation, all of the machine's if not given; with 1, and with epochs, "
            "the same seed gives the same weights again."
        ),
    )
    seed: Annotated[int, Field(ge=0, le=2**32 - 1)] = Field(
        default=0,
        description="Seed of the split, the network's first weights and the augmentation.",
    )
