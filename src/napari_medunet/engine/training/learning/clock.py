"""Clock: how much of the budget is used. And how long an epoch is."""

from __future__ import annotations

import math
import time

from napari_medunet.engine.settings.budget import BudgetSettings

# Steps, and epochs in the minutes: scores come often enough to watch, and seldom enough to cost little.
_SHORTEST_EPOCH, _LONGEST_EPOCH = 12, 100
_FEWEST_EPOCHS, _MOST_EPOCHS = 20, 60


class Clock:
    """How much of the budget is used, in minutes or in epochs, whichever is further.

    Parameters
    ----------
    budget : BudgetSettings
        `minutes` and `epochs` are read.
    used_seconds, schedule : float
        What `seconds` and `schedule` were when the training broke off, where it is resumed.
    """

    def __init__(
        self, budget: BudgetSettings, used_seconds: float = 0.0, schedule: float = 0.0
    ) -> None:
        self._budget_seconds = budget.minutes * 60
        self._epochs = budget.epochs
        self._start = time.monotonic() - used_seconds
        self._begun: float | None = None  # share at which learning began, or went on
        self._came_to = schedule  # before that
        self.epochs_done = 0.0

    def begin(self) -> None:
        """Note that learning has begun: until now images were prepared and graphs compiled."""
        if self._begun is None:
            self._begun = self.share()

    def seconds(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self._start

    def share(self) -> float:
        """Share of the budget that is used, from 0 to 1."""
        return min(1.0, max(self.seconds() / self._budget_seconds, self._share_of_epochs()))

    def schedule(self) -> float:
        """Share of the way from the highest to the lowest learning rate, from 0 to 1.

        If epochs are given it depends on them alone: other work on the machine must not change
        the weights. The minutes may still end the training earlier.
        """
        if self._epochs:
            return min(1.0, self._share_of_epochs())
        if self._begun is None:
            return self._came_to
        done = (self.share() - self._begun) / (1 - self._begun) if self._begun < 1 else 1.0
        return self._came_to + (1 - self._came_to) * done

    def seconds_left(self) -> float:
        """Estimated seconds until the budget is used up."""
        left = self._budget_seconds - self.seconds()
        if self._epochs and self.epochs_done:
            by_epochs = self.seconds() * (self._epochs / self.epochs_done - 1)
            left = min(left, by_epochs)
        return max(0.0, left)

    def _share_of_epochs(self) -> float:
        return self.epochs_done / self._epochs if self._epochs else 0.0


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
