"""What passes between the viewer and its child: one JSON object a line, small, without NaN.

To the child: ``run`` (a job), ``stop``, ``cancel``. From the child: ``ready`` once, with what it runs
on; then for each job ``progress`` and ``result`` any number of times and one of ``done``, ``stopped``,
``cancelled``, ``failed``. Arrays never travel this way, see `handover`.
"""

from __future__ import annotations

import json
import math
from typing import Any

from napari_medunet.engine.errors import MedunetError
from napari_medunet.engine.progress import Progress

Message = dict[str, Any]


def encode(message: Message) -> bytes:
    """One line of JSON, with its end of line.

    Raises
    ------
    ValueError
        If some number is NaN or infinite: JSON has neither.
    """
    return json.dumps(message, allow_nan=False, separators=(",", ":")).encode() + b"\n"


def decode(line: bytes) -> Message:
    """Read what `encode` wrote.

    Raises
    ------
    ValueError
        If the line is no JSON object.
    """
    message = json.loads(line)
    if not isinstance(message, dict):
        raise MedunetError(f"Wanted a JSON object on one line; got {line[:80]!r}.")
    return message


def encode_progress(progress: Progress) -> Message:
    """Progress as JSON values; numbers that JSON lacks become "nan", "inf" and "-inf"."""
    left = progress.seconds_left
    return {
        "fraction": _encode_number(progress.fraction),
        "message": progress.message,
        "seconds_left": None if left is None else _encode_number(left),
        "scores": {name: _encode_number(value) for name, value in progress.scores.items()},
        "warning": progress.warning,
    }


def decode_progress(message: Message) -> Progress:
    """Read what `encode_progress` made."""
    left = message["seconds_left"]
    return Progress(
        fraction=float(message["fraction"]),
        message=message["message"],
        seconds_left=None if left is None else float(left),
        scores={name: float(value) for name, value in message["scores"].items()},
        warning=message["warning"],
    )


def _encode_number(value: float) -> float | str:
    number = float(value)  # scores may be numpy's scalars, which json refuses
    return number if math.isfinite(number) else str(number)
