"""Planning: a plan from the examples and the user's settings, decision by decision, with its reasons."""

from __future__ import annotations

from typing import Any

from pydantic import ValidationError

from napari_medunet.engine.errors import MedunetError
from napari_medunet.engine.examples.annotation import AXES
from napari_medunet.engine.examples.example import Example, channel_count, label_values
from napari_medunet.engine.plan import MOST_CLASSES, Plan, with_reasons
from napari_medunet.engine.planning.forecast import expect, fitted
from napari_medunet.engine.planning.rules.facts import DataFacts, annotated_share, by
from napari_medunet.engine.planning.rules.grid import (
    decide_grid,
    looked_across,
    sizes_on_grid,
    spacing,
)
from napari_medunet.engine.planning.rules.levels import pools, rounded_up
from napari_medunet.engine.planning.rules.network import decide_network, widest
from napari_medunet.engine.planning.rules.reasons import Reasons
from napari_medunet.engine.planning.rules.schedule import decide_schedule
from napari_medunet.engine.settings import TrainSettings
from napari_medunet.engine.settings.grid import GridPlan
from napari_medunet.engine.settings.network import NetworkPlan


def make_plan(examples: list[Example], settings: TrainSettings) -> Plan:
    """Decide what to train from the examples and the user's settings.

    Parameters
    ----------
    examples : non-empty list of Example
    settings : TrainSettings

    Returns
    -------
    Plan
        With the reason of each decision.

    Raises
    ------
    MedunetError
        If the examples do not belong together (different numbers of channels, a single class), the
        settings do not fit them, or the training does not fit into the memory.
    """
    if not examples:
        raise MedunetError(
            "There is nothing to train on: wanted at least one image with its labels."
        )
    reasons = Reasons()
    data = _look_at(examples, settings, reasons)
    grid, axes = decide_grid(data, reasons)
    network, grid = _decide_levels(grid, axes, data, reasons)
    schedule = decide_schedule(data, axes, reasons)
    plan = _plan_of(data, grid, network, schedule)
    try:
        plan = decide_network(plan, data, reasons)
    except ValidationError as error:
        raise _cannot_be(error) from error
    memory = Reasons()
    plan = expect(fitted(plan, examples, settings, memory), reasons)
    return with_reasons(plan, reasons | memory)


def _look_at(examples: list[Example], settings: TrainSettings, reasons: Reasons) -> DataFacts:
    """Gather the facts for the rules; the grid's spacing and axis are decided on the way."""
    channels, labels = channel_count(examples), label_values(examples)
    if len(labels) > MOST_CLASSES:
        raise MedunetError(
            f"The annotations hold {len(labels) - 1} labels; wanted {MOST_CLASSES - 1} at most. Where each "
            "object has a number of its own, give all of a kind the same label."
        )
    spacing_mm = reasons.decided("grid.spacing_mm", spacing(examples, settings), _millimetres)
    across = looked_across(examples, settings)
    axis = reasons.decided("grid.looked_across", across, AXES.__getitem__)
    sizes = sizes_on_grid(examples, spacing_mm)
    share = annotated_share(examples)
    return DataFacts(examples, settings, spacing_mm, sizes, axis, channels, labels, share)


def _decide_levels(
    grid: GridPlan, axes: list[int], data: DataFacts, reasons: Reasons
) -> tuple[NetworkPlan, GridPlan]:
    """Decide the levels of the network, and round the patch up to what they divide."""
    chosen = data.settings.network
    spacing_mm = [grid.spacing_mm[axis] for axis in axes]
    rule = pools(grid.patch, spacing_mm, chosen.depth)
    halved = reasons.decided("network.depth", rule, lambda found: str(len(found) + 1))
    patch = rounded_up(grid.patch, halved)
    reasons.note("grid.patch", by(patch), reasons["grid.patch"].why)
    network = NetworkPlan(
        filters=widest(len(axes)),
        depth=len(halved) + 1,
        pools=halved,
        dropout=chosen.dropout,
        normalisation=chosen.normalisation,
    )
    return network, grid.model_copy(update={"patch": patch})


def _plan_of(data: DataFacts, grid: GridPlan, network: NetworkPlan, schedule: Any) -> Plan:
    settings = data.settings
    try:
        return Plan(
            channels=data.channels,
            labels=data.label_values,
            annotation=settings.annotation,
            budget=settings.budget,
            grid=grid,
            network=network,
            schedule=schedule,
            hold_out=settings.hold_out,
        )
    except ValidationError as error:
        raise _cannot_be(error) from error


def _cannot_be(error: ValidationError) -> MedunetError:
    said = error.errors()[0]["msg"].removeprefix("Value error, ")
    return MedunetError(
        f"No network can be planned so: {said}. Change what was set, or leave it out."
    )


def _millimetres(spacing: tuple[float, ...]) -> str:
    return " x ".join(f"{mm:.3g}" for mm in spacing) + " mm"
