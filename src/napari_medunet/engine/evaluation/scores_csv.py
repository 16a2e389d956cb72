"""Every score of every case as a CSV file."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from io import StringIO
from pathlib import Path

from napari_medunet.engine.evaluation.metrics.label_scores import CaseScores
from napari_medunet.engine.evaluation.metrics.table import METRICS
from napari_medunet.engine.files.paths import AnyPath, expand_home
from napari_medunet.engine.files.saving import Kind, write_target

_NAMED, _FIRST = "segmentation", ("case", "label")


def _holds_scores(path: Path) -> bool:
    """Whether a file begins as a table of scores does."""
    with path.open("rb") as stream:
        header = next(csv.reader([stream.readline(2**16).decode("utf-8-sig")]))
    columns = header[header[0] == _NAMED :]
    return tuple(columns[:2]) == _FIRST and len(columns) > 2 and set(columns[2:]) <= set(METRICS)


SCORES = Kind("table of scores", _holds_scores)


def write_csv(
    segmentations: Mapping[str, Mapping[str, CaseScores]],
    path: AnyPath,
    overwrite: bool = False,
) -> None:
    """Write a line for each case and label, with a column for each metric.

    Parameters
    ----------
    segmentations : mapping of name to cases
        Where there are several, their names stand in the first column.
    path : path of the file
    overwrite : bool
        Replace a table of scores that is there.

    Raises
    ------
    OSError, MedunetError
        Where the file cannot be written or must not be replaced; an earlier one is then still whole.
    """
    text = StringIO()
    rows = csv.writer(text)
    named = len(segmentations) > 1
    rows.writerow([*([_NAMED] if named else []), *_FIRST, *METRICS])
    for segmentation, cases in segmentations.items():
        for name, case in cases.items():
            for label, scores in case.rows.items():
                first = [segmentation] if named else []
                rows.writerow([*first, name, label, *scores.as_dict().values()])
    with write_target(expand_home(path), SCORES, overwrite) as stream:
        stream.write(text.getvalue().encode(errors="backslashreplace"))
