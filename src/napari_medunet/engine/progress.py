"""What a long job and its caller share: progress in one direction, a request to stop in the other.

A job calls `report(Progress(...))` after each batch, tile or file. To end a job, `report` raises:
`Cancelled` ends it without a result; `StopRequested` asks a training to end now and return the best
segmenter so far. Jobs without an intermediate result let either exception pass.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal


class Cancelled(Exception):
    """The caller wants the job to end now, without a result."""


class StopRequested(Exception):
    """The caller wants training to end now and to return the best segmenter so far."""


class Elsewhere(Exception):
    """The caller has named another folder for what a job has made and found no room for.

    Raised in answer to a report that `wants_folder` only.

    Attributes
    ----------
    folder : Path
    """

    def __init__(self, folder: Path) -> None:
        super().__init__(str(folder))
        self.folder = folder


@dataclass(frozen=True)
class Scores:
    """Scores of a network over the batches of an epoch: means over classes, except the loss."""

    loss: float
    dice: float
    iou: float
    precision: float
    recall: float
    accuracy: float


@dataclass(frozen=True)
class Part:
    """One of several trainings that share the minutes.

    Attributes
    ----------
    kind : "fold" or "network"
    number, count : int
        Of this one, from 1, and of all.
    """

    kind: Literal["fold", "network"]
    number: int
    count: int

    def __str__(self) -> str:
        return f"{self.kind} {self.number}"


@dataclass(frozen=True)
class EpochScores:
    """The scores of a training after one of its epochs.

    Attributes
    ----------
    epoch : int
        From 1.
    minutes : float
        Since the training began.
    learning_rate : float
    validation : Scores
    training : Scores or None
        None where the epoch was ended before any batch was learned from.
    label_dice : dict of label to float
        On validation, of each label that is there.
    part : Part or None
        Of which fold or network they are, where there are several.
    """

    epoch: int
    minutes: float
    learning_rate: float
    validation: Scores
    training: Scores | None = None
    label_dice: dict[int, float] = field(default_factory=dict)
    part: Part | None = None

    def as_row(self) -> dict[str, float]:
        """One number a column, as tables and programs want it.

        Columns are ``epoch``, ``minutes``, ``learning_rate``; ``loss``, ``dice`` and so on of training; the
        same of validation after ``val_``; ``val_dice_1`` and so on of each label; and ``fold`` and
        ``folds``, or ``network`` and ``networks``, where there are several.
        """
        row = {
            "epoch": self.epoch,
            "minutes": self.minutes,
            "learning_rate": self.learning_rate,
            **(vars(self.training) if self.training else {}),
            **{f"val_{name}": value for name, value in vars(self.validation).items()},
            **{f"val_dice_{label}": dice for label, dice in self.label_dice.items()},
        }
        if self.part is None:
            return row
        kind = self.part.kind
        return {kind: self.part.number, f"{kind}s": self.part.count, **row}


@dataclass(frozen=True)
class Progress:
    """One report of a job.

    Attributes
    ----------
    fraction : float
        Share of the job that is done, from 0 to 1.
    message : str
        What is being done now, in words for the user.
    seconds_left : float or None
        Estimate of the time to the end, in seconds; None where nothing is known yet.
    scores : EpochScores or None
        Set once an epoch by training.
    warning : str
        What the user should know, in one line; empty in nearly every report.
    wants_folder : bool
        Whether there is no room for what was made: somebody should name another folder.
    note : str
        What a log is to keep, in one line, and no reason to worry; empty in nearly every report.
    """

    fraction: float
    message: str
    seconds_left: float | None = None
    scores: EpochScores | None = None
    warning: str = ""
    wants_folder: bool = False
    note: str = ""


ProgressCallback = Callable[[Progress], None]


def ignore(progress: Progress) -> None:
    """Take a report and do nothing: the default where nobody listens."""
