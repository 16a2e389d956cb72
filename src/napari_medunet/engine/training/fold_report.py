"""Progress through the folds of a cross-validation, and the wish to stop on the way."""

from __future__ import annotations

import time

from napari_medunet.engine.progress import Progress, Report, StopRequested

_TRAINING = 0.95  # share of a fold's progress; the rest is for its predictions


class Dropped(Exception):
    """A fold that is not the first was stopped before its training was done."""


class Wish:
    """The wish to stop, remembered: it comes once, and only a training ends for it."""

    def __init__(self, report: Report) -> None:
        self._report = report
        self.stop = False

    def __call__(self, progress: Progress) -> None:
        """Pass a report on, and swallow a wish to stop."""
        try:
            self._report(progress)
        except StopRequested:
            self.stop = True


class FoldReport:
    """Reports of one fold, as reports of all."""

    def __init__(self, wish: Wish, number: int, count: int) -> None:
        self._wish, self._number, self._count = wish, number, count
        self._start = time.monotonic()

    def to_training(self, progress: Progress) -> None:
        """Pass on a report of the training, which obeys a wish to stop."""
        self._pass_on(progress, progress.fraction * _TRAINING)
        if self._wish.stop:
            raise Dropped if self._number else StopRequested

    def to_predictions(self, progress: Progress) -> None:
        """Pass on a report of the predictions, which take the fold to its end."""
        self._pass_on(progress, _TRAINING + progress.fraction * (1 - _TRAINING))

    def _pass_on(self, progress: Progress, fraction: float) -> None:
        left = progress.seconds_left
        if left is not None:  # further folds take as long as this one
            left += (self._count - 1 - self._number) * (time.monotonic() - self._start + left)
        number = self._number + 1
        scores = {"fold": float(number), **progress.scores} if progress.scores else {}
        self._wish(
            Progress(
                (self._number + fraction) / self._count,
                f"Fold {number} of {self._count}: {progress.message}",
                left,
                scores,
                progress.warning and f"Fold {number}: {progress.warning}",
            )
        )
