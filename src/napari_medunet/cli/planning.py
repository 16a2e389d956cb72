"""What `train` and `plan` say about the plan, and the file in which it is edited."""

from __future__ import annotations

import json
from pathlib import Path

from pydantic import ValidationError
from rich.table import Table

from napari_medunet.cli import console
from napari_medunet.engine.examples import Example
from napari_medunet.engine.plan import Plan
from napari_medunet.engine.planning import check_plan, reasoned_plan
from napari_medunet.engine.saving import saved_whole
from napari_medunet.engine.settings import TrainSettings


def choose_plan(
    examples: list[Example], settings: TrainSettings, file: Path | None, as_json: bool
) -> Plan:
    """Take the plan of a file, or make one by the rules, and print it with its reasons.

    Raises
    ------
    OSError, ValueError
        One line, if the file holds no plan, or one for other examples.
    """
    if file is None:
        plan, reasons = reasoned_plan(examples, settings)
    else:
        plan, reasons = read_plan(file), []
        check_plan(plan, examples)
    if as_json:
        words = [reason._asdict() for reason in reasons]
        console.print_json(event="plan", plan=plan.model_dump(mode="json"), reasons=words)
        return plan
    console.print_line(f"Plan: {plan.describe()}")
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    for reason in reasons:
        table.add_row(*reason)
    if reasons:
        console.print_line(table)
    return plan


def read_plan(path: Path) -> Plan:
    """Read a plan that `write_plan` wrote and somebody edited.

    Raises
    ------
    OSError
        If the file cannot be read.
    ValueError
        If it is no plan, with the field that is wrong.
    """
    try:
        return Plan.model_validate_json(path.read_bytes())
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the whole"
        raise ValueError(
            f"'{path}' is no plan that can be trained: {where}: {first['msg']}. Correct it, or write a "
            "new one with `napari-medunet plan --out`."
        ) from error
    except OSError as error:
        raise OSError(
            f"Cannot read the plan '{path}': {error.strerror or error}. Check the path."
        ) from error


def write_plan(path: Path, plan: Plan) -> None:
    """Write a plan as JSON, one field a line.

    Raises
    ------
    OSError
        If the file cannot be written.
    """
    fields = plan.model_dump(mode="json")
    lines = (f" {json.dumps(name)}: {json.dumps(value)}" for name, value in fields.items())
    with saved_whole(path) as stream:
        stream.write(("{\n" + ",\n".join(lines) + "\n}\n").encode())
