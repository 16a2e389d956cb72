"""Progress through a training of several parts, folds or networks, and the wish to stop on the way."""

from __future__ import annotations

import time

from napari_medunet.engine.progress import Progress, ProgressCallback, StopRequested
from napari_medunet.engine.training.run_folder import RunFolder


class PartAborted(Exception):
    """A part that is not the first was stopped before its training was done."""


class StopLatch:
    """The wish to stop, remembered: it comes once, and only a training ends for it."""

    def __init__(self, report: ProgressCallback) -> None:
        self._report = report
        self.stop = False

    def __call__(self, progress: Progress) -> None:
        """Pass a report on, and swallow a wish to stop."""
        try:
            self._report(progress)
        except StopRequested:
            self.stop = True


class PartReport:
    """Reports of one part, as reports of all.

    Parameters
    ----------
    wish : Wish
    number, count : int
        Of this part, from 0, and of all.
    kind : "fold" or "network"
        What the parts are.
    training : float
        Share of a part's progress that is its training; the rest is for predictions.
    """

    def __init__(
        self, wish: StopLatch, number: int, count: int, kind: str = "fold", training: float = 0.95
    ) -> None:
        self._wish, self._number, self._count = wish, number, count
        self._kind, self._training = kind, training
        self._start = time.monotonic()

    def to_training(self, progress: Progress) -> None:
        """Pass on a report of the training, which obeys a wish to stop."""
        self._pass_on(progress, progress.fraction * self._training)
        if self._wish.stop:
            raise PartAborted if self._number else StopRequested

    def to_predictions(self, progress: Progress) -> None:
        """Pass on a report of the predictions, which take the part to its end."""
        self._pass_on(progress, self._training + progress.fraction * (1 - self._training))

    def lost(self, run: RunFolder | None) -> None:
        """Say, also in the log of the whole, that the part is left out."""
        why = f"{self._kind.capitalize()} {self._number + 1} is left out: its loss was no longer a number."
        if run:
            run.log(f"Warning: {why}")
        self._wish(Progress((self._number + 1) / self._count, "", warning=why))

    def _pass_on(self, progress: Progress, fraction: float) -> None:
        left = progress.seconds_left
        if left is not None:  # further parts take as long as this one
            left += (self._count - 1 - self._number) * (time.monotonic() - self._start + left)
        number = self._number + 1
        part = f"{self._kind.capitalize()} {number}"
        parts = {self._kind: float(number), f"{self._kind}s": float(self._count)}
        scores = {**parts, **progress.scores} if progress.scores else {}
        self._wish(
            Progress(
                (self._number + fraction) / self._count,
                f"{part} of {self._count}: {progress.message}",
                left,
                scores,
                progress.warning and f"{part}: {progress.warning}",
            )
        )
