"""What `train` and `plan` say about the plan."""

from __future__ import annotations

from pathlib import Path

from rich.table import Table

from napari_medunet.cli import console
from napari_medunet.engine.coverage import advice, coverage
from napari_medunet.engine.examples import Example
from napari_medunet.engine.plan import Plan
from napari_medunet.engine.plan_file import read_plan
from napari_medunet.engine.planning import Reason, reasoned_again, reasoned_plan
from napari_medunet.engine.settings import TrainSettings


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
        plan, reasons = reasoned_again(read_plan(file), examples, settings)
    show_plan(plan, reasons, as_json)
    if settings.annotated == "all":
        found = [coverage(one.labels, settings.axis) for one in examples if one.labels.any()]
        doubt = "" if all(one.everywhere for one in found) else advice(found, "all")
        console.print_warnings([doubt] if doubt else [], {})
    return plan


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
