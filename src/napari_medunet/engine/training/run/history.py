"""The scores of all epochs as files: a table for people and scripts, and events for TensorBoard."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from napari_medunet.engine.files.paths import readable
from napari_medunet.engine.files.saving import atomic_write
from napari_medunet.engine.progress import EpochScores


def write_history(path: Path, history: Sequence[EpochScores]) -> None:
    """Write one row for each epoch and one column for each score, as `EpochScores.as_row` names them.

    Raises
    ------
    OSError
        If the file cannot be written.
    """
    rows = [scores.as_row() for scores in history]
    names = list(dict.fromkeys(name for row in rows for name in row))
    text = io.StringIO(newline="")
    table = csv.DictWriter(text, names)  # a score that an epoch lacks is an empty field
    table.writeheader()
    table.writerows(rows)
    with atomic_write(path) as stream:
        stream.write(text.getvalue().encode())


def tensorboard_writer(folder: Path) -> Any | None:
    """A writer of TensorBoard's event files; None without its package or in a folder it cannot name."""
    if find_spec("tensorboard") is None or readable(str(folder)) != str(folder):
        return None
    from tensorboard.summary import Writer

    return Writer(str(folder))


def write_events(writer: Any, scores: EpochScores) -> None:
    """Write the scores of an epoch as TensorBoard's scalars, training and validation in one chart each.

    Parameters
    ----------
    writer : tensorboard.summary.Writer
    scores : EpochScores
    """
    for name, value in scores.as_row().items():
        if name != "epoch":
            side = "validation" if name.startswith("val_") else "training"
            tag = f"{name.removeprefix('val_')}/{side}"
            writer.add_scalar(tag, value, step=scores.epoch)
    writer.flush()
