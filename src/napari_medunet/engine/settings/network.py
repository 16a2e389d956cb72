"""Options of the network, open and decided."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from napari_medunet.engine.settings.bounds import Depth, Filters, Networks, Pools
from napari_medunet.engine.settings.grid import PLAN
from napari_medunet.engine.settings.tree import Settings


class NetworkSettings(Settings):
    """What the network is, as far as a user has chosen it."""

    filters: Filters | None = Field(
        default=None,
        description="Filters of the network's first level, doubled on each level below.",
        json_schema_extra=PLAN,
    )
    networks: Networks | None = Field(
        default=None,
        description=(
            "Networks that share the minutes and predict together, each with first weights of its own."
        ),
        json_schema_extra=PLAN,
    )
    depth: Depth | None = Field(
        default=None, description="Levels of the network.", json_schema_extra=PLAN
    )
    dropout: Annotated[float, Field(ge=0, lt=1)] = Field(
        default=0.0,
        description="Share of the features that are dropped by chance at the deepest levels.",
    )
    normalisation: Literal["batch", "instance"] = Field(
        default="batch", description="Normalise features over the batch or over each image."
    )


class NetworkPlan(NetworkSettings):
    """What the network is, with nothing left open.

    Attributes
    ----------
    pools : tuple of tuples of 1 or 2
        By how much each axis of the patch is pooled below each level but the deepest; halved
        everywhere if not given. An axis of thick slices waits until the others are as coarse.
    networks : int
        That share the minutes, and whose probabilities are averaged.
    """

    filters: Filters = 32
    networks: Networks = 1
    depth: Depth = Field(title="levels")
    pools: Pools
