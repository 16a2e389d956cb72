"""The report's summary: means with their intervals."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from math import isinf, isnan

from napari_medunet.engine.evaluation.evaluation import Evaluation
from napari_medunet.engine.evaluation.report.definitions import MAIN, definitions
from napari_medunet.engine.evaluation.report.markup import called, number, section, table, unit
from napari_medunet.engine.evaluation.summary import Summary


def summary_section(evaluation: Evaluation, names: Mapping[int, str]) -> str:
    """Means with their intervals: the main metrics at a glance, and all of them below."""
    known = definitions(evaluation.settings)
    summaries = evaluation.summary()
    micro = evaluation.micro()
    heads = [f"{known[m].heading}{unit(known[m].unit)}" for m in MAIN]
    lines = [
        [called(row, names), *(_mean_cell(found[metric]) for metric in MAIN)]
        for row, found in summaries.items()
    ]
    main = table(["Label", *heads], lines)
    heads = ["Label", "Metric", "Mean", "95 % interval", "SD", "Median", "Quartiles", "n", "Micro"]
    detail = [
        [
            called(row, names),
            escape(f"{known[metric].heading}{unit(known[metric].unit)}"),
            *_summary_cells(one),
            number(micro.get(row, {})[metric]) if metric in micro.get(row, {}) else "",
        ]
        for row, found in summaries.items()
        for metric, one in found.items()
    ]
    together = ""
    if len(evaluation.labels) > 1:
        every = micro["all labels"]
        ratios = ", ".join(f"{known[m].heading} {number(every[m])}" for m in MAIN if m in every)
        together = f"<p>All labels, voxels of all cases together (micro): {ratios}.</p>"
    below = (
        "Mean over the cases in which the metric is defined, its 95 % bootstrap interval, and how many "
        "cases that is where it is not all; in brackets the mean of the finite values."
    )
    everything = f"<details><summary>All metrics</summary>{table(heads, detail)}</details>"
    return section("Summary", main + f"<p class='small'>{below}</p>" + together + everything)


def _mean_cell(one: Summary) -> str:
    text = f"<b>{number(one.mean)}</b>"
    if isinf(one.mean) and not isnan(one.mean_finite):
        text += f"<br>({number(one.mean_finite)})"
    if not isnan(one.ci_low):
        text += f"<br><small>{number(one.ci_low)} .. {number(one.ci_high)}</small>"
    if one.n < one.of:
        text += f"<br><small>{one.n} of {one.of}</small>"
    return text


def _summary_cells(one: Summary) -> list[str]:
    interval = "" if isnan(one.ci_low) else f"{number(one.ci_low)} .. {number(one.ci_high)}"
    mean = number(one.mean)
    if isinf(one.mean) and not isnan(one.mean_finite):
        mean += f" ({number(one.mean_finite)})"
    quartiles = "" if isnan(one.q1) else f"{number(one.q1)} .. {number(one.q3)}"
    counted = f"{one.n} of {one.of}"
    return [mean, interval, number(one.sd), number(one.median), quartiles, counted]
