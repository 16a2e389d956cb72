"""When the command was entered, from which on its minutes count."""

from __future__ import annotations

import time

_began: list[float] = []


def note(began: float | None = None) -> None:
    """Note when the command began, by `time.monotonic`; now if not given."""
    _began[:] = [time.monotonic() if began is None else began]


def when() -> float:
    """When the command that runs began; now where that was not noted."""
    return _began[0] if _began else time.monotonic()
