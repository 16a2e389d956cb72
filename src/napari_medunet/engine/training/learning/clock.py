"""Clock: how much of the budget is used. And how long an epoch is."""

from __future__ import annotations

import math
import time

from napari_medunet.engine.settings.budget import BudgetSettings
from napari_medunet.engine.settings.schedule import SchedulePlan
from napari_medunet.engine.training.shares import Shares

# Steps, and epochs in the minutes: scores come often enough to watch, and seldom enough to cost little.
_SHORTEST_EPOCH, _LONGEST_EPOCH = 12, 100
_FEWEST_EPOCHS, _MOST_EPOCHS = 20, 60
_WARM_UP = 0.03  # share of the training in which the learning rate rises
# Seconds, and share of the minutes, that learning gets at least, however long everything took before it.
_AT_LEAST, _AT_LEAST_SHARE = 5.0, 0.25


class Clock:
    """How much of the budget is used, in minutes or in epochs, whichever is further.

    Learning ends before the minutes do, by as much as what comes after it is foreseen to take.

    Parameters
    ----------
    budget : BudgetSettings
        `minutes` and `epochs` are read.
    used_seconds, schedule : float
        What `seconds` and `schedule` were when the training broke off, where it is resumed.
    shares : Shares, optional
        Where the training is one of several parts, or began before now.
    """

    def __init__(
        self,
        budget: BudgetSettings,
        used_seconds: float = 0.0,
        schedule: float = 0.0,
        shares: Shares | None = None,
    ) -> None:
        self._epochs = budget.epochs
        self._shares = shares or Shares(budget.minutes)
        self._shares.resume(used_seconds)
        self._start = self._shares.began - used_seconds
        self._least = min(_AT_LEAST, _AT_LEAST_SHARE * 60 * budget.minutes)
        self._reserved = 0.0
        self._longer = 0.0
        self._begun: float | None = (
            None  # seconds when learning began, or its end was foreseen anew
        )
        self._came_to = schedule  # by then
        self.epochs_done = 0.0

    def begin(self) -> None:
        """Note that learning has begun: until now images were prepared and graphs compiled."""
        if self._begun is None:
            self._begun = self.seconds()
            if not self._epochs:  # with epochs the minutes are a limit, and nothing more
                self._longer = max(0.0, self._least - (self._planned_end() - self._begun))

    @property
    def learning(self) -> bool:
        """Whether learning has begun."""
        return self._begun is not None

    def foresee(self, seconds: float) -> None:
        """Note how long it will take from the end of learning to the end of all.

        The learning rate falls on from where it is, and has come to its lowest by the new end.
        """
        self._rest()
        self._reserved = seconds

    def share_among(self, parts: int) -> None:
        """Let fewer parts share the time: this one gets more of it, and learns on."""
        self._rest()
        self._shares.keep_to(parts)

    def seconds(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self._start

    def share(self) -> float:
        """Share of the budget that is used, from 0 to 1."""
        return min(1.0, max(self.seconds() / self._end(), self._share_of_epochs()))

    def schedule(self) -> float:
        """Share of the way from the highest to the lowest learning rate, from 0 to 1.

        If epochs are given it depends on them alone: other work on the machine must not change
        the weights. The minutes may still end the training earlier.
        """
        if self._epochs:
            return min(1.0, self._share_of_epochs())
        if self._begun is None:
            return self._came_to
        whole = self._end() - self._begun
        done = (self.seconds() - self._begun) / whole if whole > 0 else 1.0
        return self._came_to + (1 - self._came_to) * min(1.0, done)

    def seconds_left(self) -> float:
        """Estimated seconds until the budget is used up."""
        left = self._end() - self.seconds()
        if self._epochs and self.epochs_done:
            by_epochs = self.seconds() * (self._epochs / self.epochs_done - 1)
            left = min(left, by_epochs)
        return max(0.0, left)

    def _rest(self) -> None:
        """Keep what the schedule has come to: from here on it may be another way to the end."""
        if self._begun is not None:
            self._came_to = self.schedule()
            self._begun = self.seconds()

    def _end(self) -> float:
        """Seconds at which learning is to end."""
        return max(1e-9, self._planned_end() + self._longer)

    def _planned_end(self) -> float:
        """The same, if nobody grants it more: below 0 where what follows takes longer than the minutes."""
        return self._shares.seconds - self._reserved

    def _share_of_epochs(self) -> float:
        return self.epochs_done / self._epochs if self._epochs else 0.0


def learning_rate(schedule: SchedulePlan, share: float) -> float:
    """Learning rate after a share of the training: it rises, then falls along a cosine to a hundredth."""
    cosine = 0.5 * (1 + math.cos(math.pi * share))
    highest = schedule.learning_rate * schedule.learning_rate_factor
    return highest * max(0.01, cosine * min(1.0, 0.1 + share / _WARM_UP))


def steps_per_epoch(patches: int, batch: int, expected: float | None = None) -> int:
    """Batches of an epoch, in which `patches` are seen once where they are neither few nor many.

    Parameters
    ----------
    patches, batch : int
    expected : float, optional
        Steps of the whole training, where the minutes end it: epochs are as long as lets some dozens of
        them fit.
    """
    shortest, longest = float(_SHORTEST_EPOCH), float(_LONGEST_EPOCH)
    if expected is not None:
        longest = min(longest, max(shortest, expected / _FEWEST_EPOCHS))
        shortest = min(longest, max(shortest, expected / _MOST_EPOCHS))
    return math.ceil(min(longest, max(shortest, patches / batch)))
