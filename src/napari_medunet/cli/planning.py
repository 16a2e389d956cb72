"""What `train` and `plan` say about the plan."""

from __future__ import annotations

from pathlib import Path

from rich.table import Table

from napari_medunet.cli import console
from napari_medunet.engine.examples.coverage import coverage
from napari_medunet.engine.examples.example import Example
from napari_medunet.engine.plan import Plan
from napari_medunet.engine.planning.plan_file import read_plan
from napari_medunet.engine.planning.plan_maker import Reason, check_given_plan, reasoned_plan
from napari_medunet.engine.settings import TrainSettings

_LOOKED_AT = 10  # annotations: a look takes seconds where they are large


def choose_plan(
    examples: list[Example], settings: TrainSettings, file: Path | None, as_json: bool
) -> Plan:
    """Take the plan of a file, or make one by the rules, and print it with its reasons.

    Raises
    ------
    OSError, ValueError
        One line, if the file holds no plan, or one for other examples, or settings say otherwise.
    """
    if file is None:
        plan, reasons = reasoned_plan(examples, settings)
    else:
        plan, reasons = check_given_plan(read_plan(file), examples, settings)
    show_plan(plan, reasons, as_json)
    warn_of_scattered(examples, settings)
    return plan


def warn_of_scattered(examples: list[Example], settings: TrainSettings) -> None:
    """Warn where all voxels count, and annotations look like a few painted slices."""
    if settings.annotated != "all":
        return
    painted = [example.labels for example in examples if example.labels.any()]
    found = [coverage(labels, settings.axis) for labels in painted[:_LOOKED_AT]]
    if 2 * sum(not one.unbroken for one in found) > len(found):
        console.print_warning(
            "Most annotations hold labels in scattered slices, and all others count as background. If they "
            "are not annotated yet, give --annotated slices."
        )


def show_plan(plan: Plan, reasons: list[Reason], as_json: bool) -> None:
    """Print a plan and why it is so."""
    if as_json:
        words = [reason._asdict() for reason in reasons]
        console.print_json(event="plan", plan=plan.model_dump(mode="json"), reasons=words)
        return
    console.print_line(f"Plan: {plan.describe()}")
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    for reason in reasons:
        table.add_row(*reason)
    console.print_line(table)
