"""Shares: the minutes of a training, by the clock on the wall, and what each of its parts gets of them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_BEGAN: ContextVar[float | None] = ContextVar("began", default=None)


@contextmanager
def counted_from(began: float) -> Iterator[None]:
    """Context whose trainings count their minutes from a moment on.

    That somebody waits for imports, for files to be read and for a plan counts, too: what was promised is
    when the segmenter is there.

    Parameters
    ----------
    began : float
        What `time.monotonic` gave, or would have given, when the user asked for the training.
    """
    token = _BEGAN.set(began)
    try:
        yield
    finally:
        _BEGAN.reset(token)


class Shares:
    """When a training is to have ended, and how the parts that are left share the time until then.

    A part that takes longer than its share takes it from all that follow, and not from the end. Where
    nobody has said from when on minutes count (`counted_from`), they do from now on.

    Parameters
    ----------
    minutes : float
        Of all parts together.
    count : int
        Parts: networks or folds.

    Attributes
    ----------
    number, count : int
        Of the part under way, from 1, and of all.
    began : float
        When the part under way did, by `time.monotonic`; the first began when the user asked for it.
    voxels_after : float
        That its network has to predict once it is trained.
    """

    def __init__(self, minutes: float, count: int = 1) -> None:
        now, asked = time.monotonic(), _BEGAN.get()
        self.began = now if asked is None else min(now, asked)
        self._end = self.began + 60 * minutes
        self.number, self.count = 1, count
        self.voxels_after = 0.0
        self._used = 0.0
        self._seconds_per_voxel: float | None = None

    @property
    def parts_left(self) -> int:
        """Parts that have not ended, with the one under way."""
        return max(1, self.count - self.number + 1)

    @property
    def seconds(self) -> float:
        """Of the part under way, with what it had used before it was resumed."""
        return max(0.0, self._end - self.began) / self.parts_left

    @property
    def seconds_left(self) -> float:
        """Until all parts are to have ended."""
        return max(0.0, self._end - self._used - time.monotonic())

    def resume(self, used_seconds: float) -> None:
        """Note what the part under way had used before the training broke off."""
        self._used = used_seconds

    def next_part(self) -> None:
        """Go on to the next part: what is left is shared anew."""
        self._end -= self._used
        self._used = 0.0
        self.began = time.monotonic()
        self.number += 1

    def keep_to(self, count: int) -> None:
        """Have fewer parts share the time; the one under way, at the least, stays."""
        self.count = max(self.number, min(self.count, count))

    def predicted(self, seconds: float) -> None:
        """Note how long the predictions of the part under way took, by which the next ones are foreseen."""
        if self.voxels_after:
            self._seconds_per_voxel = seconds / self.voxels_after

    def seconds_after(self, forward: float) -> float:
        """How long the predictions after the training will take.

        Parameters
        ----------
        forward : float
            Seconds in which the network goes through a voxel; an earlier part's predictions tell better.
        """
        known = self._seconds_per_voxel
        return self.voxels_after * (forward if known is None else known)
