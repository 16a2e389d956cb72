"""What a long job and its caller share: progress one way, a wish to end the other way.

A job calls `report(Progress(...))` after each batch, tile or file. To end a job, `report` raises:
`Cancelled` ends it and drops what it made; `StopRequested` asks training to end now and keep the best
segmenter so far. Jobs that have nothing to keep let either exception travel.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field


class Cancelled(Exception):
    """The caller wants the job to end now and its result to be dropped."""


class StopRequested(Exception):
    """The caller wants training to end now and to return the best segmenter so far."""


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
    scores : mapping of str to float
        Set once an epoch by training: ``epoch``, ``minutes``, ``learning_rate`` and, for training and
        validation, ``loss``, ``dice``, ``iou``, ``precision``, ``recall``, ``f1``, ``accuracy`` (those of
        validation with the prefix ``val_``), and the validation Dice of each label that is there,
        ``val_dice_1`` and so on. Of several folds or networks also which one it is, ``fold`` or
        ``network``, from 1, and how many there are, ``folds`` or ``networks``. Empty in every other
        report.
    warning : str
        What the user should know, in one line; empty in nearly every report.
    """

    fraction: float
    message: str
    seconds_left: float | None = None
    scores: Mapping[str, float] = field(default_factory=dict)
    warning: str = ""


ProgressCallback = Callable[[Progress], None]


def part_of(scores: Mapping[str, float]) -> str:
    """Of which part of a training an epoch's scores are: "fold 2", "network 1"; empty where it has none."""
    kinds = [kind for kind in ("fold", "network") if kind in scores]
    return f"{kinds[0]} {scores[kinds[0]]:.0f}" if kinds else ""


def parts_in(scores: Mapping[str, float]) -> int:
    """How many parts share the minutes of the training that an epoch's scores are of."""
    return int(scores.get("folds") or scores.get("networks") or 1)


def ignore(progress: Progress) -> None:
    """Take a report and do nothing: the default where nobody listens."""
