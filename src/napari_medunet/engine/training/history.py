"""The scores of all epochs as files: a table for people and scripts, and events for TensorBoard."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from napari_medunet.engine.files.saving import atomic_write


def write_history(path: Path, history: Sequence[Mapping[str, float]]) -> None:
    """Write one row for each epoch and one column for each score, as `Progress.scores` names them.

    Raises
    ------
    OSError
        If the file cannot be written.
    """
    names = list(dict.fromkeys(name for scores in history for name in scores))
    text = io.StringIO(newline="")
    table = csv.DictWriter(text, names)  # a score that an epoch lacks is an empty field
    table.writeheader()
    table.writerows({**scores, "epoch": int(scores["epoch"])} for scores in history)
    with atomic_write(path) as stream:
        stream.write(text.getvalue().encode())


def tensorboard_writer(folder: Path) -> Any | None:
    """A writer of TensorBoard's event files; None where the package `tensorboard` is not installed."""
    if find_spec("tensorboard") is None:
        return None
    from tensorboard.summary import Writer

    return Writer(str(folder))


def write_events(writer: Any, scores: Mapping[str, float]) -> None:
    """Write the scores of an epoch as TensorBoard's scalars, training and validation in one chart each.

    Parameters
    ----------
    writer : tensorboard.summary.Writer
    scores : mapping of str to float
        As in `Progress.scores`.
    """
    for name, value in scores.items():
        if name != "epoch":
            side = "validation" if name.startswith("val_") else "training"
            tag = f"{name.removeprefix('val_')}/{side}"
            writer.add_scalar(tag, value, step=int(scores["epoch"]))
    writer.flush()
