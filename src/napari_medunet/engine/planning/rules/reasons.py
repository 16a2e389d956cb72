"""Reasons of decisions, collected while they are taken."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from napari_medunet.engine.plan import Reason

T = TypeVar("T")


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
