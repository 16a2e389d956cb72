"""What `train` and `plan` say about the plan."""

from __future__ import annotations

from pathlib import Path

from rich.table import Table
from rich.text import Text

from napari_medunet.cli import console
from napari_medunet.engine.examples.coverage import coverage
from napari_medunet.engine.examples.example import Example
from napari_medunet.engine.examples.folders import LoadedExamples
from napari_medunet.engine.plan import Plan, title_of
from napari_medunet.engine.planning.given_plan import beside_plan, check_given_plan
from napari_medunet.engine.planning.plan_file import read_plan
from napari_medunet.engine.planning.plan_maker import make_plan
from napari_medunet.engine.settings import AnnotationSettings, TrainSettings

_LOOKED_AT = 10  # annotations: a look takes seconds where they are large


def given_plan(file: Path | None, settings: TrainSettings) -> Plan | None:
    """Read the plan of a file, changed by the options beside it; None if no file is given.

    Raises
    ------
    OSError, MedunetError
        One line, if the file holds no plan, or settings say otherwise.
    """
    return None if file is None else beside_plan(read_plan(file), settings)


def choose_plan(
    loaded: LoadedExamples, settings: TrainSettings, given: Plan | None, as_json: bool
) -> Plan:
    """Take a given plan, or make one by the rules, and print it with its reasons.

    Raises
    ------
    MedunetError
        One line, if the given plan is for other examples, or none can be made.
    """
    examples = loaded.examples
    plan = make_plan(examples, settings) if given is None else check_given_plan(given, examples)
    show_plan(plan, loaded.notes, as_json)
    warn_of_scattered(examples, plan.annotation)
    return plan


def warn_of_scattered(examples: list[Example], annotation: AnnotationSettings) -> None:
    """Warn where all voxels count, and annotations look like a few painted slices."""
    if annotation.annotated != "all" or annotation.ignore_label is not None:
        return
    painted = [example.labels for example in examples if example.labels.any()]
    found = [coverage(labels, annotation.painted_across) for labels in painted[:_LOOKED_AT]]
    if 2 * sum(one.scattered for one in found) > len(found):
        console.print_warning(
            "Most annotations hold labels in scattered slices, and all others count as background. If they "
            "are not annotated yet, give --annotated slices."
        )


def show_plan(plan: Plan, warnings: list[str], as_json: bool) -> None:
    """Print a plan and why it is so; for programs what is odd about its examples, too."""
    if as_json:
        console.print_json(event="plan", plan=plan.model_dump(mode="json"), warnings=warnings)
        return
    console.print_line(f"Plan: {plan.describe()}")
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    for path, reason in plan.reasons.items():
        table.add_row(*map(Text, (title_of(path), reason.choice, reason.why)))  # no markup
    console.print_line(table)
