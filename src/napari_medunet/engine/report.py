"""Scores over many cases: measuring files, means over cases and labels, and tables of them.

NaN stands for "not defined" and is left out of means, with "k of n" beside them. A label missed on
one side has infinite distances: they make the mean infinite, and the mean of the finite ones stands
beside it. Nothing is left out silently.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from io import StringIO
from math import inf, isfinite, isinf, isnan, nan, sqrt
from pathlib import Path
from statistics import fmean, median
from typing import TYPE_CHECKING, Any

from napari_medunet.engine.progress import Progress, Report, ignore
from napari_medunet.engine.saving import saved_whole
from napari_medunet.engine.scores import (
    ABSENT,
    METRICS,
    CaseScores,
    LabelScores,
    evaluate_case,
    score_labels,
)
from napari_medunet.engine.settings import EvaluateSettings

if TYPE_CHECKING:
    from rich.table import Table

__all__ = [
    "METRICS",
    "CaseScores",
    "Evaluation",
    "LabelScores",
    "Summary",
    "case_table",
    "evaluate_case",
    "evaluate_files",
    "score_labels",
    "summarise",
    "summary_table",
    "to_json",
    "write_csv",
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


@dataclass(frozen=True)
class Summary:
    """One metric over several cases or labels.

    Attributes
    ----------
    mean, sd, median : float
        Of the values that are defined. Infinite values make the mean infinite and the standard
        deviation NaN; so is that of a single value.
    n, of : int
        How many values are defined, and how many there are.
    mean_finite : float
        Mean of the finite values; NaN where there are none.
    """

    mean: float
    sd: float
    median: float
    n: int
    of: int
    mean_finite: float


@dataclass(frozen=True, eq=False)
class Evaluation:
    """The scores of many cases.

    Attributes
    ----------
    cases : dict of str to CaseScores
        Every case has every label that some case has: absent ones score NaN.
    failures : dict of str to str
        What could not be measured, and why, in one line each.
    unpaired : tuple of str
        Names that had no partner.
    settings : EvaluateSettings
    """

    cases: dict[str, CaseScores]
    failures: dict[str, str] = field(default_factory=dict)
    unpaired: tuple[str, ...] = ()
    settings: EvaluateSettings = field(default_factory=EvaluateSettings)

    def __post_init__(self) -> None:
        labels = self.labels
        filled = {
            name: replace(case, labels={k: case.labels.get(k, ABSENT) for k in labels})
            for name, case in self.cases.items()
        }
        object.__setattr__(self, "cases", filled)  # the way to fill a field of a frozen dataclass

    @property
    def labels(self) -> list[int]:
        """Labels that some case has, ascending."""
        return sorted({label for case in self.cases.values() for label in case.labels})

    def summary(self) -> dict[int, dict[str, Summary]]:
        """Each metric of each label over the cases."""
        return {
            label: summarise([case.labels[label] for case in self.cases.values()])
            for label in self.labels
        }

    def mean_over_labels(self, name: str) -> dict[str, Summary]:
        """Each metric of a case over its labels: the unweighted mean of the defined ones."""
        return summarise(self.cases[name].labels.values())


def summarise(scores: Iterable[LabelScores]) -> dict[str, Summary]:
    """Summarise each metric over cases or labels, each counting the same."""
    rows = list(scores)
    return {metric: _summary([getattr(row, metric) for row in rows]) for metric in METRICS}


def evaluate_files(
    pairs: Mapping[str, tuple[Path, Path]],
    settings: EvaluateSettings | None = None,
    report: Report = ignore,
    unpaired: Iterable[str] = (),
) -> Evaluation:
    """Measure predictions in files against truths in files.

    A pair that cannot be read or measured is named in `failures`, and the rest goes on.

    Parameters
    ----------
    pairs : mapping of case name to (truth path, prediction path)
    settings : EvaluateSettings, optional
    report : callable
        Called before each case and at the end; raise `Cancelled` in it to stop.
    unpaired : iterable of str
        Names without a partner, to be carried into the evaluation.
    """
    settings = settings or EvaluateSettings()
    cases: dict[str, CaseScores] = {}
    failures: dict[str, str] = {}
    for done, (name, (truth, prediction)) in enumerate(pairs.items()):
        report(Progress(done / len(pairs), f"Measuring {name}"))
        try:
            scores = _measure_files(truth, prediction, settings)
            cases[name] = replace(scores, name=name)
        except (ValueError, OSError, MemoryError) as error:
            failures[name] = " ".join(str(error).split()) or type(error).__name__
    report(Progress(1.0, f"Measured {len(cases)} of {len(pairs)} cases"))
    return Evaluation(cases, failures, tuple(unpaired), settings)


def to_json(evaluation: Evaluation) -> str:
    """Write an evaluation as JSON; NaN and infinity are the strings "nan" and "inf".

    ``cases`` holds name, label and metric; ``summary`` label, metric and the fields of `Summary`;
    ``mean_over_labels`` the same for each case; ``overall_accuracy`` a number for each case;
    ``failures`` and ``unpaired`` what was not measured; ``settings`` how the rest was.
    """
    content = {
        "cases": {
            name: {str(label): scores.as_dict() for label, scores in case.labels.items()}
            for name, case in evaluation.cases.items()
        },
        "summary": {
            str(label): {metric: vars(summary) for metric, summary in metrics.items()}
            for label, metrics in evaluation.summary().items()
        },
        "mean_over_labels": {
            name: {metric: vars(s) for metric, s in evaluation.mean_over_labels(name).items()}
            for name in evaluation.cases
        },
        "overall_accuracy": {name: case.accuracy for name, case in evaluation.cases.items()},
        "failures": evaluation.failures,
        "unpaired": evaluation.unpaired,
        "settings": evaluation.settings.model_dump(),
    }
    return json.dumps(_jsonable(content), indent=2, allow_nan=False)


def write_csv(evaluation: Evaluation, path: Path) -> None:
    """Write a line for each case and label, with a column for each metric.

    Raises
    ------
    OSError
        Where the file cannot be written; an earlier one is then still whole.
    """
    text = StringIO()
    rows = csv.writer(text)
    rows.writerow(["case", "label", *METRICS])
    for name, case in evaluation.cases.items():
        for label, scores in case.labels.items():
            rows.writerow([name, label, *scores.as_dict().values()])
    with saved_whole(Path(path)) as stream:
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
        called = (names or {}).get(label, str(label))
        table.add_row(called, *(_summary_text(summary[metric]) for metric in _SHOWN))
    return table


def case_table(
    case: CaseScores,
    settings: EvaluateSettings | None = None,
    names: Mapping[int, str] | None = None,
) -> Table:
    """Lay out the scores of one case by label, with their mean over labels, for a terminal."""
    table = _table(case.name, settings or EvaluateSettings())
    for label, scores in case.labels.items():
        called = (names or {}).get(label, str(label))
        table.add_row(called, *(_text(getattr(scores, metric)) for metric in _SHOWN))
    if len(case.labels) > 1:
        mean = summarise(case.labels.values())
        table.add_section()
        table.add_row("mean", *(_summary_text(mean[metric], sd=False) for metric in _SHOWN))
    return table


def _measure_files(truth: Path, prediction: Path, settings: EvaluateSettings) -> CaseScores:
    from napari_medunet.engine.files import read  # what reads files is heavier than what measures

    return evaluate_case(read(truth, as_labels=True), read(prediction, as_labels=True), settings)


def _summary(values: list[float]) -> Summary:
    defined = [value for value in values if not isnan(value)]
    finite = [value for value in defined if isfinite(value)]
    mean_finite = fmean(finite) if finite else nan
    if not defined:
        return Summary(nan, nan, nan, 0, len(values), nan)
    if len(finite) < len(defined):
        return Summary(inf, nan, median(defined), len(defined), len(values), mean_finite)
    spread = sum((value - mean_finite) ** 2 for value in finite)
    sd = sqrt(spread / (len(finite) - 1)) if len(finite) > 1 else nan
    return Summary(mean_finite, sd, median(finite), len(finite), len(values), mean_finite)


def _jsonable(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _jsonable(item) for key, item in value.items()}
    if isinstance(value, float) and not isfinite(value):
        return str(value)  # "nan" or "inf": JSON has neither
    return value


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
