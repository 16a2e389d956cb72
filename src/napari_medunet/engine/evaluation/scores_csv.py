"""Every score of every case as a CSV file."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from io import StringIO

from napari_medunet.engine.evaluation.metrics.label_scores import CaseScores
from napari_medunet.engine.evaluation.metrics.table import METRICS
from napari_medunet.engine.files.paths import AnyPath, expand_home
from napari_medunet.engine.files.saving import atomic_write


def write_csv(segmentations: Mapping[str, Mapping[str, CaseScores]], path: AnyPath) -> None:
    """Write a line for each case and label, with a column for each metric.

    Parameters
    ----------
    segmentations : mapping of name to cases
        Where there are several, their names stand in the first column.
    path : path of the file

    Raises
    ------
    OSError
        Where the file cannot be written; an earlier one is then still whole.
    """
    text = StringIO()
    rows = csv.writer(text)
    named = len(segmentations) > 1
    rows.writerow([*(["segmentation"] if named else []), "case", "label", *METRICS])
    for segmentation, cases in segmentations.items():
        for name, case in cases.items():
            for label, scores in case.rows.items():
                first = [segmentation] if named else []
                rows.writerow([*first, name, label, *scores.as_dict().values()])
    with atomic_write(expand_home(path)) as stream:
        stream.write(text.getvalue().encode(errors="backslashreplace"))
