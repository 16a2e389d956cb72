"""How many networks a training's own speed allows, by the rule that decided how many were planned."""

from __future__ import annotations

from collections.abc import Callable

from napari_medunet.engine.examples.example import Example
from napari_medunet.engine.plan import Plan
from napari_medunet.engine.planning.network_size import step_gflop
from napari_medunet.engine.planning.rules.facts import DataFacts, annotated_share
from napari_medunet.engine.planning.rules.grid import sizes_on_grid
from napari_medunet.engine.planning.rules.network import networks_by_effort, of_the_widest
from napari_medunet.engine.planning.rules.reasons import by_rules
from napari_medunet.engine.settings import TrainSettings

_NEARLY = 0.9  # of the steps that a network needs: a plan is not changed for less than that


def fitting_networks(plan: Plan, examples: list[Example]) -> Callable[[float, float], int] | None:
    """The rule that says how many networks fit into so many seconds at so many Gflop/s.

    None where the user, or a plan that was given, has decided how many there are, or epochs end the
    training.

    Parameters
    ----------
    plan : Plan
        Of all networks.
    examples : list of Example
    """
    choice = str(plan.network.networks)
    if plan.budget.epochs or plan.hold_out.folds or not by_rules(plan, "network.networks", choice):
        return None
    settings = TrainSettings(annotation=plan.annotation, budget=plan.budget)
    data = DataFacts(
        examples=examples,
        settings=settings,
        spacing_mm=plan.grid.spacing_mm,
        sizes=sizes_on_grid(examples, plan.grid.spacing_mm),
        axis=plan.axis,
        channels=plan.channels,
        label_values=plan.labels,
        annotated_share=annotated_share(examples),
    )
    wide_by_rule = by_rules(plan, "network.filters", str(plan.network.filters))
    gflop = step_gflop(of_the_widest(plan, None if wide_by_rule else plan.network.filters))

    def fitting(seconds: float, gflops: float) -> int:
        return networks_by_effort(plan, data, seconds * gflops / gflop / _NEARLY)[0]

    return fitting
