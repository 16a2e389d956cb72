"""Tables of one case and of many, with means that say what they leave out.

NaN stands for "not defined" and is left out of means, with "k of n" beside them. A label missed on one
side has infinite distances: they make the mean infinite, and the mean of the finite ones stands beside
it. Nothing is left out silently.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from math import isinf, isnan

from napari_medunet.engine.evaluation.metrics.label_scores import CaseScores
from napari_medunet.engine.evaluation.metrics.metric import Metric
from napari_medunet.engine.evaluation.metrics.score_table import (
    AT_A_GLANCE,
    ScoreTable,
    how_measured,
    label_table,
)
from napari_medunet.engine.evaluation.metrics.table import metric_table
from napari_medunet.engine.evaluation.summary import Summary, summarise
from napari_medunet.engine.labels import label_name
from napari_medunet.engine.settings import EvaluateSettings

_CAPTION = "-: not defined; k of n: the mean is of k; in brackets: the mean without inf"


def case_table(
    case: CaseScores,
    settings: EvaluateSettings | None = None,
    names: Mapping[int, str] | None = None,
) -> ScoreTable:
    """Lay out the scores of one case by label, with their mean over labels."""
    table = label_table(case.name, case.rows, settings, names)
    if len(case.labels) < 2:
        return replace(table, caption=_CAPTION)
    known, mean = metric_table(settings), summarise(case.labels.values())
    cells = (_cell(known[name], mean[name], spread=False) for name in AT_A_GLANCE)
    return replace(table, caption=_CAPTION, means=(("mean", *cells),))


def summary_table(
    summaries: Mapping[int | str, Mapping[str, Summary]],
    cases: int,
    settings: EvaluateSettings | None = None,
    names: Mapping[int, str] | None = None,
) -> ScoreTable:
    """Lay out the mean of each label and group over some cases.

    Parameters
    ----------
    summaries : mapping of label or group to metric to Summary
    cases : int
        How many there are.
    settings : EvaluateSettings, optional
    names : mapping of label to str, optional
        What to call the labels.
    """
    known = metric_table(settings)
    shown = [known[name] for name in AT_A_GLANCE]
    return ScoreTable(
        f"{cases} cases, mean ± standard deviation\n{how_measured(settings)}",
        ("Label", *(metric.heading for metric in shown)),
        tuple(
            (label_name(row, names), *(_cell(metric, found[metric.name]) for metric in shown))
            for row, found in summaries.items()
        ),
        _CAPTION,
    )


def _cell(metric: Metric, summary: Summary, spread: bool = True) -> str:
    """A mean and, in lines below it, its spread, the mean without infinity, and what is defined."""
    text = metric.number(summary.mean)
    if spread and not isnan(summary.sd):
        text += f"\n±{metric.number(summary.sd)}"
    if isinf(summary.mean) and not isnan(summary.mean_finite):
        text += f"\n({metric.number(summary.mean_finite)})"
    if summary.n < summary.of:
        text += f"\n{summary.n} of {summary.of}"
    return text
