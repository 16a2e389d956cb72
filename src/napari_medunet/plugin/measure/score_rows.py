"""The rows of the table of scores: what each cell says of a case, a label or a mean."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from math import isinf, isnan

from napari_medunet.engine.evaluation.evaluation import Evaluation
from napari_medunet.engine.evaluation.metrics.metric import Metric
from napari_medunet.engine.evaluation.metrics.scores import CaseScores
from napari_medunet.engine.evaluation.metrics.table import SLOW, LabelScores, shown_metrics
from napari_medunet.engine.evaluation.summary import Summary, summarise

_ABSENT = "Not defined: the label is absent, so there is nothing to measure."
_UNKNOWN = "Not measured: some voxels of the truth do not count, and this takes the whole shape."
_INFINITE = "Infinite: only one of prediction and truth has the label."
_LATER = "Takes longer than the rest: it follows when the brush rests."


@dataclass(frozen=True)
class ScoreRow:
    """One line: a label of a case, or what stands below them.

    Attributes
    ----------
    case, label : str
        What its first two cells say.
    place : (case, label) or None
        Where it leads; None for means.
    cells : dict of metric to (text, tooltip)
    values : dict of metric to float
        To sort by.
    """

    case: str
    label: str
    place: tuple[str, int | str] | None
    cells: Mapping[str, tuple[str, str]]
    values: Mapping[str, float] = field(default_factory=dict)


def body_rows(
    evaluation: Evaluation, names: Mapping[int, str], quick: Collection[str] = ()
) -> list[ScoreRow]:
    """Rows of all cases and their labels.

    Parameters
    ----------
    evaluation : Evaluation
    names : mapping of label to str
        What the labels are called, where that is known.
    quick : collection of str
        Cases for which the slow metrics are still to come.
    """
    known = shown_metrics(evaluation.settings)
    return [
        ScoreRow(
            name,
            label_text(label, names),
            (name, label),
            {m: _cell(case, scores, known[m], name in quick) for m in known},
            {metric: getattr(scores, metric) for metric in known},
        )
        for name, case in evaluation.cases.items()
        for label, scores in case.rows.items()
    ]


def mean_rows(
    evaluation: Evaluation,
    names: Mapping[int, str],
    quick: Collection[str],
    shown: Collection[str],
) -> list[ScoreRow]:
    """Means: of each label over the cases, where there are several, and over everything.

    Where the mean of a shown metric leaves something out a row below it says how many it is of.
    """
    later = SLOW if quick else frozenset[str]()
    cases, labels = evaluation.cases, evaluation.labels
    rows: list[ScoreRow] = []
    if len(cases) > 1 and len(labels) > 1:
        for row in evaluation.rows:
            rows += _mean_rows(label_text(row, names), evaluation.of(row), later, shown)
    everything = [scores for case in cases.values() for scores in case.labels.values()]
    if everything:
        called = "all" if len(cases) > 1 and len(labels) > 1 else ""
        if len(cases) > 1 and len(labels) == 1:
            called = label_text(labels[0], names)
        rows += _mean_rows(called, everything, later, shown, alone=len(cases) == 1)
    return rows


def label_text(label: int | str, names: Mapping[int, str]) -> str:
    """What to call a label: its number, and its name where that is known."""
    name = names.get(label) if isinstance(label, int) else None
    return f"{label} {name}" if name else str(label)


def _mean_rows(
    called: str,
    scores: Sequence[LabelScores],
    later: Collection[str],
    shown: Collection[str],
    alone: bool = False,
) -> list[ScoreRow]:
    summaries = summarise(scores)
    first = ("", "mean") if alone else ("mean", called)
    second = ("", "of") if alone else ("of", called)
    known = shown_metrics()
    cells = {m: _mean(summaries[m], known[m], m in later) for m in known}
    rows = [ScoreRow(*first, None, cells)]
    if any(summaries[m].n < summaries[m].of for m in shown if m not in later):
        shares = {  # without it the mean would hide what it leaves out
            metric: (f"{summaries[metric].n} of {summaries[metric].of}", cells[metric][1])
            for metric in known
        }
        rows.append(ScoreRow(*second, None, shares))
    return rows


def _cell(case: CaseScores, scores: LabelScores, metric: Metric, quick: bool) -> tuple[str, str]:
    value = getattr(scores, metric.name)
    if isnan(value) and metric.needs != "voxels":
        if case.partial and not isnan(scores.dice):
            return "n/a", _UNKNOWN
        if quick and metric.is_slow:
            return "...", _LATER
    return _score(value, metric)


def _score(value: float, metric: Metric) -> tuple[str, str]:
    """A score and what there is to say about it."""
    if isnan(value):
        return "absent", _ABSENT
    return metric.number(value), _INFINITE if isinf(value) else ""


def _mean(summary: Summary, metric: Metric, later: bool) -> tuple[str, str]:
    """A mean, and of how many it is."""
    if later:
        return "...", _LATER
    text, tooltip = _score(summary.mean, metric) if summary.n else ("-", "")
    share = f"Mean of {summary.n} of {summary.of}."
    if isinf(summary.mean) and not isnan(summary.mean_finite):
        share += f" Of the finite ones: {_score(summary.mean_finite, metric)[0]}."
    return text, f"{share} {tooltip}".strip()
