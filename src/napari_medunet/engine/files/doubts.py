"""Doubts: what of many files cannot be meant, said once for all of a kind."""

from __future__ import annotations

import re
from collections.abc import Iterable

_NUMBERS = re.compile(r"-?\d[\d.]*(e[-+]?\d+)?( x \d[\d.]*(e[-+]?\d+)?)*")


def once_each(doubts: Iterable[str]) -> list[str]:
    """The first doubt of each kind, with the number of files that raise it.

    Parameters
    ----------
    doubts : iterable of str
        Sentences that begin with the name of a file.

    Examples
    --------
    >>> once_each(["'a.jpg' is turned.", "'b.jpg' is turned."])
    ["'a.jpg' is turned. (1 more file is alike.)"]
    >>> once_each(["'a' has voxels of 5 x 5 mm.", "'b' has voxels of 7 x 7.5 x 8 mm."])
    ["'a' has voxels of 5 x 5 mm. (1 more file is alike.)"]
    """
    kinds: dict[str, list[str]] = {}
    for doubt in doubts:
        kinds.setdefault(kind_of(doubt), []).append(doubt)
    return [f"{first}{_and_more(len(others))}" for first, *others in kinds.values()]


def kind_of(doubt: str) -> str:
    """What a doubt says, whatever file it is about: without its first name in quotes, and any numbers."""
    return re.sub(_NUMBERS, "#", re.sub(r"'.*?' ?", "", doubt, count=1))


def _and_more(count: int) -> str:
    if not count:
        return ""
    return f" ({count} more {'file is' if count == 1 else 'files are'} alike.)"
