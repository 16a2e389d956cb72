"""What was measured, as JSON, CSV and tables for a terminal.

NaN stands for "not defined" and is left out of means, with "k of n" beside them. A label missed on
one side has infinite distances: they make the mean infinite, and the mean of the finite ones stands
beside it. Nothing is left out silently.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping
from io import StringIO
from math import isfinite, isinf, isnan
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_medunet.engine.evaluation.comparison import Comparison
from napari_medunet.engine.evaluation.evaluation import Evaluation, evaluate_files
from napari_medunet.engine.evaluation.metrics.scores import (
    METRICS,
    CaseScores,
    LabelScores,
    evaluate_case,
    score_labels,
)
from napari_medunet.engine.evaluation.summary import Summary, summarise
from napari_medunet.engine.files.saving import atomic_write
from napari_medunet.engine.settings import EvaluateSettings

if TYPE_CHECKING:
    from rich.table import Table

__all__ = [
    "METRICS",
    "CaseScores",
    "Comparison",
    "Evaluation",
    "LabelScores",
    "Summary",
    "as_content",
    "case_table",
    "comparison_content",
    "comparison_table",
    "evaluate_case",
    "evaluate_files",
    "score_labels",
    "summarise",
    "summary_table",
    "to_json",
    "write_csv",
    "write_csv_of",
]

_SHOWN = {  # columns of a table in a terminal; files have all metrics
    "dice": "Dice",
    "iou": "IoU",
    "precision": "Precision",
    "recall": "Recall",
    "hd": "HD",
    "hd95": "HD{percentile:g}",
    "assd": "ASSD",
    "nsd": "NSD",
}


def to_json(evaluation: Evaluation) -> str:
    """Write an evaluation as JSON; NaN and infinity are the strings "nan" and "inf"."""
    return json.dumps(as_content(evaluation), indent=2, allow_nan=False)


def as_content(evaluation: Evaluation) -> dict[str, Any]:
    """Give an evaluation as what JSON can hold; NaN and infinity are the strings "nan" and "inf".

    ``cases`` holds name, label (or group) and metric; ``summary`` label, metric and the fields of
    `Summary`; ``micro`` label and ratio, over the voxels of all cases; ``mean_over_labels`` and
    ``micro_over_labels`` the same for each case; ``overall_accuracy`` and ``overall_kappa`` a number for
    each case; ``confusion`` the voxels of all cases, rows of the truth; ``resampled``, ``partial``,
    ``failures`` and ``unpaired`` what was changed, measured in part and not measured; ``settings`` how
    the rest was.
    """
    cases = evaluation.cases
    confusion = evaluation.confusion()
    content = {
        "cases": {
            name: {str(row): scores.as_dict() for row, scores in case.rows.items()}
            for name, case in cases.items()
        },
        "summary": {
            str(row): {metric: vars(summary) for metric, summary in found.items()}
            for row, found in evaluation.summary().items()
        },
        "micro": {str(row): found for row, found in evaluation.micro().items()},
        "mean_over_labels": {
            name: {metric: vars(s) for metric, s in evaluation.mean_over_labels(name).items()}
            for name in cases
        },
        "micro_over_labels": {name: evaluation.micro_over_labels(name) for name in cases},
        "overall_accuracy": {name: case.accuracy for name, case in cases.items()},
        "overall_kappa": {name: case.kappa for name, case in cases.items()},
        "confusion": {
            "labels": confusion.labels.tolist(),
            "pairs": confusion.labels[confusion.pairs].tolist(),
            "voxels": confusion.voxels.tolist(),
        },
        "resampled": evaluation.resampled,
        "partial": evaluation.partial,
        "failures": evaluation.failures,
        "unpaired": list(evaluation.unpaired),
        "settings": evaluation.settings.model_dump(),
    }
    return _jsonable(content)  # type: ignore[no-any-return]


def comparison_content(comparison: Comparison) -> dict[str, Any]:
    """Give a comparison as what JSON can hold: names, cases, and label, metric and difference."""
    content = {
        "names": list(comparison.names),
        "cases": comparison.cases,
        "left_out": comparison.left_out,
        "differences": {
            str(row): {metric: vars(difference) for metric, difference in found.items()}
            for row, found in comparison.differences.items()
        },
    }
    return _jsonable(content)  # type: ignore[no-any-return]


def write_csv(evaluation: Evaluation, path: Path) -> None:
    """Write a line for each case and label, with a column for each metric.

    Raises
    ------
    OSError
        Where the file cannot be written; an earlier one is then still whole.
    """
    write_csv_of({"": evaluation}, path)


def write_csv_of(evaluations: Mapping[str, Evaluation], path: Path) -> None:
    """Write the scores of several segmenters into one table, their names in its first column.

    With one of them there is no such column.
    """
    text = StringIO()
    rows = csv.writer(text)
    named = len(evaluations) > 1
    rows.writerow([*(["segmentation"] if named else []), "case", "label", *METRICS])
    for segmentation, evaluation in evaluations.items():
        for name, case in evaluation.cases.items():
            for label, scores in case.rows.items():
                first = [segmentation] if named else []
                rows.writerow([*first, name, label, *scores.as_dict().values()])
    with atomic_write(Path(path)) as stream:
        stream.write(text.getvalue().encode())


def summary_table(evaluation: Evaluation, names: Mapping[int, str] | None = None) -> Table:
    """Lay out the mean of each label over the cases, for a terminal.

    Parameters
    ----------
    evaluation : Evaluation
    names : mapping of label to str, optional
        What to call the labels.
    """
    table = _table(f"{len(evaluation.cases)} cases, mean ± standard deviation", evaluation.settings)
    for label, summary in evaluation.summary().items():
        table.add_row(_called(label, names), *(_summary_text(summary[m]) for m in _SHOWN))
    return table


def case_table(
    case: CaseScores,
    settings: EvaluateSettings | None = None,
    names: Mapping[int, str] | None = None,
) -> Table:
    """Lay out the scores of one case by label, with their mean over labels, for a terminal."""
    table = _table(case.name, settings or EvaluateSettings())
    for label, scores in case.rows.items():
        table.add_row(_called(label, names), *(_text(getattr(scores, metric)) for metric in _SHOWN))
    if len(case.labels) > 1:
        mean = summarise(case.labels.values())
        table.add_section()
        table.add_row("mean", *(_summary_text(mean[metric], sd=False) for metric in _SHOWN))
    return table


def comparison_table(comparison: Comparison, names: Mapping[int, str] | None = None) -> Table:
    """Lay out the differences of two segmenters by label, for a terminal."""
    from rich import box
    from rich.table import Table

    first, second = comparison.names
    table = Table(
        title=f"{first} minus {second}, {len(comparison.cases)} cases",
        caption="95 % bootstrap interval of the mean difference; p: Wilcoxon signed rank, two-sided",
        box=box.SIMPLE_HEAD,
        padding=(0, 0, 0, 1),
    )
    for heading in ("Label", "Metric"):
        table.add_column(heading)
    for heading in (first, second, "Difference", "Interval", "p", "n"):
        table.add_column(heading, justify="right")
    for row, found in comparison.differences.items():
        for metric in ("dice", "hd95", "assd", "nsd"):
            one = found[metric]
            means = (_text(one.first_mean), _text(one.second_mean), _text(one.mean))
            interval = f"{_text(one.ci_low)} .. {_text(one.ci_high)}"
            counted = f"{one.n} of {one.of}" if one.n < one.of else str(one.n)
            table.add_row(
                _called(row, names), metric, *means, interval, f"{one.p_value:.3g}", counted
            )
    return table


def _jsonable(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _jsonable(item) for key, item in value.items()}
    if isinstance(value, float) and not isfinite(value):
        return str(value)  # "nan" or "inf": JSON has neither
    return value


def _called(row: int | str, names: Mapping[int, str] | None) -> str:
    return (names or {}).get(row, str(row)) if isinstance(row, int) else row


def _table(title: str, settings: EvaluateSettings) -> Table:
    from rich import box
    from rich.table import Table

    title += f"\ndistances in mm, NSD at {settings.tolerance_mm:g} mm"
    table = Table(
        title=title,
        caption="-: not defined; k of n: the mean is of k; in brackets: the mean without inf",
        box=box.SIMPLE_HEAD,
        padding=(0, 0, 0, 1),  # fits 80 columns
    )
    table.add_column("Label")
    for heading in _SHOWN.values():
        heading = heading.format(percentile=settings.percentile)
        table.add_column(heading, justify="right", min_width=len(heading))
    return table


def _text(value: float) -> str:
    return "-" if isnan(value) else f"{value:.3f}"


def _summary_text(summary: Summary, sd: bool = True) -> str:
    """A mean and, in lines below it, its spread, the mean without infinity, and what is defined."""
    text = _text(summary.mean)
    if sd and not isnan(summary.sd):
        text += f"\n±{summary.sd:.3f}"
    if isinf(summary.mean) and not isnan(summary.mean_finite):
        text += f"\n({summary.mean_finite:.3f})"
    if summary.n < summary.of:
        text += f"\n{summary.n} of {summary.of}"
    return text
