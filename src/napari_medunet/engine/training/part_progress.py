"""Progress of a training of several parts, folds or networks, and a request to stop it."""

from __future__ import annotations

import time
from dataclasses import replace

from napari_medunet.engine.progress import Part, Progress, ProgressCallback, StopRequested
from napari_medunet.engine.training.run.run_folder import RunFolder
from napari_medunet.engine.training.shares import Shares


class PartAborted(Exception):
    """A part that is not the first was stopped before its training was done."""


class StopLatch:
    """Remembers a request to stop, which comes once, until a part's training can obey it."""

    def __init__(self, report: ProgressCallback) -> None:
        self._report = report
        self.stop = False

    def __call__(self, progress: Progress) -> None:
        """Pass a report on, and catch a request to stop."""
        try:
            self._report(progress)
        except StopRequested:
            self.stop = True


class PartReport:
    """Turns reports of one part into reports of the whole.

    Parameters
    ----------
    latch : StopLatch
    part : Part
    training : float
        Share of a part's progress that is its training; the rest is for predictions.
    shares : Shares, optional
        That know how many parts there are now, and when all are to have ended.
    """

    def __init__(
        self,
        latch: StopLatch,
        part: Part,
        training: float = 0.95,
        shares: Shares | None = None,
    ) -> None:
        self._latch, self._part_at_first, self._training = latch, part, training
        self._shares = shares
        self._start = time.monotonic()

    def to_training(self, progress: Progress) -> None:
        """Pass on a report of the training, which obeys a request to stop."""
        self._pass_on(progress, progress.fraction * self._training)
        if self._latch.stop:
            raise PartAborted if self._part.number > 1 else StopRequested

    def to_predictions(self, progress: Progress) -> None:
        """Pass on a report of the predictions, which take the part to its end."""
        self._pass_on(progress, self._training + progress.fraction * (1 - self._training))

    def lost(self, run: RunFolder | None) -> None:
        """Say, also in the log of the whole, that the part is left out."""
        why = f"{str(self._part).capitalize()} is left out: its loss was no longer a number."
        if run:
            run.log(f"Warning: {why}")
        self._latch(Progress(self._part.number / self._part.count, "", warning=why))

    @property
    def _part(self) -> Part:
        count = self._shares.count if self._shares else self._part_at_first.count
        return replace(self._part_at_first, count=count)

    def _pass_on(self, progress: Progress, fraction: float) -> None:
        part, left = self._part, progress.seconds_left
        if left is not None:  # further parts take as long as this one
            left += (part.count - part.number) * (time.monotonic() - self._start + left)
            left = min(left, self._shares.seconds_left) if self._shares else left
        name = str(part).capitalize()
        self._latch(
            Progress(
                (part.number - 1 + fraction) / part.count,
                f"{name} of {part.count}: {progress.message}",
                left,
                progress.scores and replace(progress.scores, part=part),
                warning=progress.warning and f"{name}: {progress.warning}",
                note=progress.note and f"{name}: {progress.note}",
            )
        )
