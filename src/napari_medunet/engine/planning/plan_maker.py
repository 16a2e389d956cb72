"""Planning: a plan from the examples and the user's settings, decision by decision, with its reasons."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Literal, NamedTuple, TypeVar

from pydantic import ValidationError

from napari_medunet.engine.errors import MedunetError
from napari_medunet.engine.examples.annotation import AXES
from napari_medunet.engine.examples.example import Example, channel_count, label_values
from napari_medunet.engine.hardware import machine
from napari_medunet.engine.plan import MOST_CLASSES, Plan, grid_shape
from napari_medunet.engine.planning import compute_budget
from napari_medunet.engine.planning.compute_budget import expected_steps, rounded
from napari_medunet.engine.planning.memory import fitting_plan
from napari_medunet.engine.planning.plan_file import check_plan
from napari_medunet.engine.planning.rules import augmentation as augmentation_rules
from napari_medunet.engine.planning.rules import facts
from napari_medunet.engine.planning.rules import grid as grid_rules
from napari_medunet.engine.planning.rules import intensity as intensity_rules
from napari_medunet.engine.planning.rules import patch as patch_rules
from napari_medunet.engine.planning.rules import schedule as schedule_rules
from napari_medunet.engine.settings import TrainSettings

T = TypeVar("T")

NETWORK_SETTINGS = frozenset(
    ("dims", "spacing_mm", "patch", "intensity", "filters", "depth", "dropout", "normalisation")
)
"""Settings that decide what the network is, or on which grid it looks."""
# Others that a plan decides. Across which axis slices were painted is told beside one, too.
_OF_A_PLAN = NETWORK_SETTINGS | {"networks", "batch", "learning_rate"}
_OF_A_PLAN |= {"augmentation", "unaugmented_tail", "flip"}


class Reason(NamedTuple):
    """One decision in words: what was decided, for what, and why."""

    what: str
    choice: str
    why: str


def make_plan(examples: list[Example], settings: TrainSettings) -> Plan:
    """Decide what to train from the examples and the user's settings.

    Parameters
    ----------
    examples : non-empty list of Example
    settings : TrainSettings

    Raises
    ------
    ValueError
        If the examples do not belong together (different numbers of channels, a single class), or the
        settings do not fit them.
    """
    return reasoned_plan(examples, settings)[0]


def reasoned_plan(examples: list[Example], settings: TrainSettings) -> tuple[Plan, list[Reason]]:
    """As `make_plan`, with the reason of each decision, in the order in which they were taken."""
    reasons: list[Reason] = []

    def decided(what: str, rule: tuple[T, str], words: Callable[[T], str] = str) -> T:
        choice, why = rule
        reasons.append(Reason(what, words(choice), why))
        return choice

    channels = channel_count(examples)
    labels = label_values(examples)
    if len(labels) > MOST_CLASSES:
        raise MedunetError(
            f"The annotations hold {len(labels) - 1} labels; wanted {MOST_CLASSES - 1} at most. Where each "
            "object has a number of its own, give all of a kind the same label."
        )
    spacing = decided("spacing", grid_rules.spacing(examples, settings), _millimetres)
    axis = decided("slices across", grid_rules.axis(examples, settings), lambda found: AXES[found])
    sizes = grid_rules.sizes_on_grid(examples, spacing)
    data = facts.DataFacts(examples, settings, spacing, sizes, axis, len(labels) - 1)
    looked_at = decided("dimensions", grid_rules.dims(data), str.upper)
    dims: Literal[2, 3] = 3 if looked_at == "3d" else 2
    in_patch = list(range(3)) if dims == 3 else [a for a in range(3) if a != axis]
    patch, why = patch_rules.patch(data, in_patch, dims)
    patch_spacing = [spacing[a] for a in in_patch]
    pools = decided("levels", patch_rules.pools(patch, patch_spacing, dims, settings), _levels)
    patch = decided("patch", (patch_rules.rounded_up(patch, pools), why), facts.by)
    intensity, window = decided(
        "intensities", intensity_rules.intensity(examples, settings), lambda found: found[0]
    )
    plan = _plan_of(
        dims=dims,
        axis=0 if dims == 3 else axis,
        context=grid_rules.CONTEXT if looked_at == "2.5d" else 0,
        spacing_mm=spacing,
        patch=patch,
        channels=channels,
        labels=labels,
        intensity=intensity,
        window=window,
        depth=len(pools) + 1,
        pools=pools,
        dropout=settings.dropout,
        normalisation=settings.normalisation,
        learning_rate=decided("learning rate", schedule_rules.learning_rate(dims, settings)),
        augmentation=decided("augmentation", augmentation_rules.augmentation(data, dims)),
        unaugmented_tail=decided(
            "unvaried end", augmentation_rules.unaugmented_tail(settings), "{:.0%}".format
        ),
        flip_axes=decided(
            "mirrored", augmentation_rules.flip_axes(data, in_patch), _axis_names(in_patch)
        ),
    )
    networks = decided("networks", schedule_rules.networks(plan, data))
    own = settings.of_part(0, networks)
    batch = decided("batch", schedule_rules.batch(plan, own))
    plan = plan.model_copy(update={"networks": networks, "batch": batch})
    filters = decided("filters", schedule_rules.filters(plan, own))
    plan = _plan_of(**(plan.model_dump() | {"filters": filters}))
    reasons.append(_steps(plan, settings))
    plan, memory = _fitted(plan, examples, settings)
    return plan, [*reasons, memory]


def check_given_plan(
    plan: Plan, examples: list[Example], settings: TrainSettings
) -> tuple[Plan, list[Reason]]:
    """Take a plan that was made before and perhaps edited, with what can be said of it.

    Raises
    ------
    ValueError
        If it is for other examples, its training does not fit into the memory, or settings ask for what
        it has decided.
    """
    check_plan(plan, examples)
    beside = sorted(settings.chosen() & _OF_A_PLAN)
    if beside:
        raise MedunetError(
            f"The plan has decided already: {', '.join(beside)} cannot be chosen beside it. Edit the plan, "
            "or leave one of the two out."
        )
    if settings.folds:  # for which it may not have been made
        plan = plan.model_copy(update={"networks": 1})
    return plan, [_steps(plan, settings), memory_as_planned(plan, examples, settings)]


def memory_as_planned(plan: Plan, examples: list[Example], settings: TrainSettings) -> Reason:
    """The memory that a training takes by a plan that is not to be made smaller.

    Raises
    ------
    ValueError
        If it is not free.
    """
    as_planned = {"batch": plan.batch, "patch": plan.patch, "filters": plan.filters}
    return _fitted(plan, examples, settings.model_copy(update=as_planned))[1]


def _fitted(plan: Plan, examples: list[Example], settings: TrainSettings) -> tuple[Plan, Reason]:
    voxels = sum(math.prod(grid_shape(e.image, plan)) for e in examples)
    fitting, needed, why = fitting_plan(plan, voxels, machine.free_memory_mib(), settings)
    return fitting, Reason("memory", needed, why)


def _plan_of(**fields: Any) -> Plan:
    try:
        return Plan(**fields)
    except ValidationError as error:
        said = error.errors()[0]["msg"].removeprefix("Value error, ")
        raise MedunetError(
            f"No network can be planned so: {said}. Change what was set, or leave it out."
        ) from error


def _steps(plan: Plan, settings: TrainSettings) -> Reason:
    gflops = compute_budget.gflops(settings)
    steps = expected_steps(plan, settings.of_part(0, plan.networks))
    minutes = f"{settings.minutes:g} minutes"
    if plan.networks > 1:
        minutes = f"a network's {settings.minutes / plan.networks:.3g} of {minutes}"
    why = f"as fit into {minutes} at about {gflops:.0f} Gflop/s: {compute_budget.describe()}"
    return Reason("steps", f"about {rounded(steps)}", why)


def _millimetres(spacing: Any) -> str:
    return " x ".join(f"{mm:.3g}" for mm in spacing) + " mm"


def _levels(pools: Any) -> str:
    return str(len(pools) + 1)


def _axis_names(in_patch: list[int]) -> Callable[[tuple[int, ...]], str]:
    return lambda flipped: ", ".join(AXES[in_patch[a]] for a in flipped) or "not at all"
