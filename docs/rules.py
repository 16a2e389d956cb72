"""The table of rules in docs/training.md, made from the code.

Run `python docs/rules.py` after a rule has changed: it rewrites what stands between the two markers.
A rule in words is the body of its function's docstring, in which a constant of the module in backticks
stands for its value; the options come from the settings. A test holds that the page has what is made here.
"""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from napari_medunet.engine.plan import title_of
from napari_medunet.engine.planning import compute_budget, memory
from napari_medunet.engine.planning.rules import (
    augmentation,
    grid,
    intensity,
    levels,
    network,
    schedule,
)
from napari_medunet.engine.settings import TrainSettings

PAGE = Path(__file__).with_name("training.md")
BEGIN = "<!-- Made by docs/rules.py from the code: change it there. -->"
END = "<!-- End of what docs/rules.py makes. -->"

RULES: dict[str, Callable[..., Any]] = {
    "grid.spacing_mm": grid.spacing,
    "grid.looked_across": grid.looked_across,
    "grid.dims": grid.dims,
    "grid.patch": grid.patch,
    "grid.intensity": intensity.intensity,
    "network.depth": levels.pools,
    "schedule.learning_rate": schedule.learning_rate,
    "schedule.augmentation": augmentation.augmentation,
    "schedule.unaugmented_tail": augmentation.unaugmented_tail,
    "schedule.flip_axes": augmentation.flip_axes,
    "schedule.self_training": schedule.self_training,
    "network.networks": network.networks,
    "schedule.batch": network.batch,
    "network.filters": network.filters,
    "steps": compute_budget.expected_steps,
    "memory": memory.fitting_plan,
}
"""The function that decides, by the path of the plan's field, in the order of the decisions."""

# Where the option is called otherwise than the field that it decides.
_CALLED = {"flip_axes": "flip", "steps": "minutes"}


def made() -> str:
    """The table of all rules, and the lists of those that take the first line that holds."""
    rows, lists = [], []
    for path, rule in RULES.items():
        words, lines = rule_in_words(rule)
        rows.append(f"| {title_of(path)} | {option_of(path)} | {words} |")
        if lines:
            lists += ["", f"{title_of(path).capitalize()}:", "", *lines]
    return "\n".join(["| decided | option | rule |", "|---|---|---|", *rows, *lists])


def rule_in_words(rule: Callable[..., Any]) -> tuple[str, list[str]]:
    """The body of a rule's docstring: its sentences in one line, and the lines of its list."""
    body = (inspect.getdoc(rule) or "").partition("\n\n")[2]
    body = re.split(r"\n\n?\w+\n-{3,}\n", f"\n{body}")[0]
    if not body.strip():
        raise ValueError(f"{rule.__name__} does not say its rule; give its docstring a body.")
    told = re.sub(r"`(_?[A-Z][A-Z_0-9]*)(?:\[(\w+)\])?`", _value_in(rule), body)
    told = re.sub(r"\b(M\d+)\b", lambda found: _link(found[1]), told)
    text, *items = re.split(r"\n- ", told)
    return " ".join(text.split()), ["- " + " ".join(item.split()) for item in items]


def option_of(path: str) -> str:
    """The option of the command line with which a user decides instead; empty where there is none."""
    field = path.rpartition(".")[2]
    name = _CALLED.get(field, field)
    leaf = TrainSettings.choices().get(name)
    if leaf is None:
        return ""
    dashed = name.replace("_", "-")
    return f"`--no-{dashed}`" if leaf.field.default is True else f"`--{dashed}`"


def page_with(block: str, page: str) -> str:
    """The page with what stands between the markers made anew."""
    before, _, rest = page.partition(BEGIN)
    _, found, after = rest.partition(END)
    if not found:
        raise ValueError(
            f"{PAGE.name} lacks the markers; wanted {BEGIN!r} and {END!r} around a table."
        )
    return f"{before}{BEGIN}\n\n{block}\n\n{END}{after}"


def _value_in(rule: Callable[..., Any]) -> Callable[[re.Match[str]], str]:
    constants = vars(sys.modules[rule.__module__])

    def value(found: re.Match[str]) -> str:
        constant = constants[found[1]]
        if found[2] is not None:
            constant = constant[int(found[2])]
        return f"{constant:,}" if isinstance(constant, int) else f"{constant:,g}"

    return value


def _link(number: str) -> str:
    return f"[{number}](decisions.md#{number.lower()})"


if __name__ == "__main__":
    PAGE.write_text(page_with(made(), PAGE.read_text("utf-8")), "utf-8")
