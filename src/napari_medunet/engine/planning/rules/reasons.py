"""Reasons of decisions, collected while they are taken."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from napari_medunet.engine.plan import Plan, Reason

T = TypeVar("T")

AS_SET = "as set"
"""Why something was chosen that the user has set."""


class Reasons(dict[str, Reason]):
    """Reasons by the path of what was decided, in the order of the decisions."""

    def decided(self, path: str, rule: tuple[T, str], words: Callable[[T], str] = str) -> T:
        """Note what a rule has decided, and give its choice.

        Parameters
        ----------
        path : str
            Of the plan's field: "grid.spacing_mm".
        rule : (choice, why)
            What the rule has returned.
        words : callable
            Says the choice in words.
        """
        choice, why = rule
        self.note(path, words(choice), why)
        return choice

    def note(self, path: str, choice: str, why: str) -> None:
        """Say what was chosen for a path, and why."""
        self[path] = Reason(choice=choice, why=why)


def by_rules(plan: Plan, path: str, choice: str) -> bool:
    """Whether the rules decided what a plan has; not the user, and nobody who edited it since."""
    reason = plan.reasons.get(path)
    return reason is not None and reason.choice == choice and reason.why != AS_SET
