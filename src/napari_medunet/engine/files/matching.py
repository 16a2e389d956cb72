"""Which names of two lists belong together, where that can be read in one way only."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

from napari_medunet.engine.files.naming import Candidates, readings


@dataclass
class Match:
    """Which names of two lists belong together.

    Attributes
    ----------
    partners : dict of str to str
        From the first list to the second.
    several : dict of str to list of str
        Names of the first that may have several partners, or a partner that may have several, with all of
        them.
    unlike : list of (str, str)
        Partners that are not called alike.
    """

    partners: dict[str, str] = field(default_factory=dict)
    several: Candidates = field(default_factory=dict)
    unlike: list[tuple[str, str]] = field(default_factory=list)


def match(first: Sequence[str], second: Sequence[str]) -> Match:
    """Pair names by one reading after the other, the surest first, where each allows one partner only."""
    found = Match()
    taken: set[str] = set()
    for reading in readings():
        if len(found.partners) == len(first) and len(taken) == len(second):
            break
        candidates = reading.candidates(first, second)
        suitors: dict[str, int] = defaultdict(int)
        for names in candidates.values():
            for name in names:
                suitors[name] += 1
        for one, names in candidates.items():
            if one in found.partners:
                if set(names) - taken:
                    found.several.setdefault(one, names)
            elif len(names) > 1 or suitors[names[0]] > 1:
                found.several.setdefault(one, names)
            elif names[0] not in taken:
                found.partners[one] = names[0]
                taken.add(names[0])
                if not reading.is_plain:
                    found.unlike.append((one, names[0]))
    return found


def match_names(first: Sequence[str], second: Sequence[str]) -> dict[str, str]:
    """Partner in the second list of each name of the first that has one."""
    return match(first, second).partners
