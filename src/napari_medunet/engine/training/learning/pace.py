"""Pace: how fast the steps of a training are, by the clock on the wall."""

from __future__ import annotations

from collections import deque
from statistics import fmean, median

_ENOUGH_STEPS, _ENOUGH_SECONDS = 3, 2.0  # before a pace is known
_RECENT = 20  # steps that say how fast the next ones will be: a machine may slow down on the way
_REMEMBERED = 2000


class Pace:
    """The seconds that steps take, with drawing their patches; the step that is compiled does not count."""

    def __init__(self) -> None:
        self._seconds: deque[float] = deque(maxlen=_REMEMBERED)
        self._sum = 0.0

    def add(self, seconds: float) -> None:
        """Note how long a step took."""
        self._seconds.append(seconds)
        self._sum += seconds

    @property
    def known(self) -> bool:
        """Whether enough steps were seen to say how many will fit."""
        return len(self._seconds) >= _ENOUGH_STEPS and self._sum >= _ENOUGH_SECONDS

    @property
    def step_seconds(self) -> float:
        """Of a step now: the mean of the last ones, since what makes some of them wait goes on."""
        return fmean(list(self._seconds)[-_RECENT:])

    @property
    def usual_step_seconds(self) -> float:
        """Of a step of this training: the median of all."""
        return median(self._seconds)

    def __len__(self) -> int:
        return len(self._seconds)
