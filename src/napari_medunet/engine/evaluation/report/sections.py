"""What the sections of a report hold: numbers as text, plots as SVG. The words are in the templates."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import islice
from math import isinf, isnan
from typing import TYPE_CHECKING

import numpy as np

from napari_medunet.engine.errors import told
from napari_medunet.engine.evaluation.comparison import Comparison
from napari_medunet.engine.evaluation.evaluation import Evaluation
from napari_medunet.engine.evaluation.metrics.metric import Metric
from napari_medunet.engine.evaluation.metrics.table import metric_table, shown_metrics
from napari_medunet.engine.evaluation.plots.cuts import MOST_DRAWN, of_labels, worst_labels
from napari_medunet.engine.evaluation.report import figures
from napari_medunet.engine.evaluation.report.overlays import (
    CaseFiles,
    best_and_worst,
    overlay_figure,
)
from napari_medunet.engine.evaluation.report.tables import fold_rows
from napari_medunet.engine.evaluation.summary import Summary
from napari_medunet.engine.labels import label_name
from napari_medunet.engine.prediction.card import Card, LabelMeans

if TYPE_CHECKING:
    from markupsafe import Markup
    from matplotlib.figure import Figure

# What a report shows at a glance; "All metrics" has the others.
MAIN = ("dice", "iou", "precision", "recall", "nsd", "hd95", "hd", "assd", "volume_similarity")

MOST_LISTED = 200  # labels of a table; all of them stand in the CSV
MOST_ROWS = 2_000  # of the table of cases

Row = tuple[str, ...]


@dataclass(frozen=True, eq=False)
class ReportParts:
    """What a report shows beside the scores, each part if it is given.

    Attributes
    ----------
    files : dict of case name to CaseFiles
        To draw the best and the worst cases.
    title : str
    versus : (str, Evaluation, Comparison) or None
        Another segmenter on the same cases, its name first.
    card : Card or None
        Of the segmenter that made the predictions, for its training curves.
    """

    files: Mapping[str, CaseFiles] = field(default_factory=dict)
    title: str = "Segmentation against truth"
    versus: tuple[str, Evaluation, Comparison] | None = None
    card: Card | None = None


@dataclass(frozen=True)
class MeanCell:
    """A mean, the mean without infinity where it differs, its interval, and the number of values."""

    mean: str
    finite: str
    interval: str
    count: str
    some: bool  # whether it is not of all


@dataclass(frozen=True)
class ComparisonContent:
    """The comparison of two segmenters."""

    first: str
    second: str
    plot: Markup
    rows: list[Row]


@dataclass(frozen=True)
class Picture:
    """A case as a picture, or why there is none."""

    name: str
    svg: Markup | None = None
    error: str = ""


@dataclass(frozen=True)
class TrainingContent:
    """A segmenter in words, and the curves of its networks."""

    lines: list[str]
    curves: list[Markup]


@dataclass(frozen=True)
class MeasuredContent:
    """All that needs a case; what is empty or None has no section."""

    main_headings: list[str]
    summary: list[tuple[str, list[MeanCell]]]
    micro: str
    details: list[Row]
    spread: Markup | None
    comparison: ComparisonContent | None
    confusion: Markup
    pictures: list[Picture]
    fold_headings: list[str]
    folds: list[Row]
    training: TrainingContent | None
    cases: list[Row]
    labels_cut: str
    case_rows: int  # of which `cases` may be the first


def measured_content(evaluation: Evaluation, parts: ReportParts) -> MeasuredContent:
    """Gather what the report says of the cases."""
    known = metric_table(evaluation.settings)
    main = [known[name] for name in MAIN]
    listed = of_labels(evaluation, worst_labels(evaluation, MOST_LISTED))
    summaries, names, card = listed.summary(), evaluation.names, parts.card
    fold_metrics = LabelMeans.model_fields
    return MeasuredContent(
        main_headings=[metric.title for metric in main],
        summary=[
            (label_name(row, names), [_mean_cell(metric, found[metric.name]) for metric in main])
            for row, found in summaries.items()
        ],
        micro=_micro(evaluation, main),
        details=_details(listed, summaries),
        spread=_spread(evaluation, parts) if evaluation.rows else None,
        comparison=_comparison(parts.versus[2], names) if parts.versus else None,
        confusion=_svg(figures.confusion_figure(evaluation)),
        pictures=_pictures(evaluation, parts.files),
        fold_headings=[known[name].title for name in fold_metrics],
        folds=_folds(card, [known[name] for name in fold_metrics]) if card else [],
        training=_training(card) if card else None,
        cases=list(islice(_case_rows(evaluation, main), MOST_ROWS)),
        labels_cut=_labels_cut(evaluation),
        case_rows=sum(len(case.rows) for case in evaluation.cases.values()),
    )


def _labels_cut(evaluation: Evaluation) -> str:
    """What plots and tables leave out; empty where that is nothing."""
    count = len(evaluation.labels)
    if count <= MOST_DRAWN:
        return ""
    text = f"There are {count:,} labels: the {MOST_DRAWN} worst, by their mean Dice, are drawn"
    if count > MOST_LISTED:
        text += f", and the {MOST_LISTED} worst are listed in the summary"
    return text + "; the CSV file has all of them."


def _spread(evaluation: Evaluation, parts: ReportParts) -> Markup:
    labels = worst_labels(evaluation, MOST_DRAWN)
    name = parts.versus[2].names[0] if parts.versus else "prediction"
    evaluations = {name: of_labels(evaluation, labels)}
    if parts.versus:
        evaluations[parts.versus[0]] = parts.versus[1]
    return _svg(figures.spread_figure(evaluations))


def _case_rows(evaluation: Evaluation, main: list[Metric]) -> Iterator[Row]:
    for name, case in evaluation.cases.items():
        for row, scores in case.rows.items():
            numbers = (metric.number(getattr(scores, metric.name)) for metric in main)
            yield (name, label_name(row, evaluation.names), *numbers)


def _micro(evaluation: Evaluation, main: list[Metric]) -> str:
    """Ratios over the voxels of all labels and cases; empty where there is one label."""
    if len(evaluation.labels) < 2:
        return ""
    every = evaluation.micro()["all labels"]
    shown = (metric for metric in main if metric.name in every)
    return ", ".join(f"{metric.heading} {metric.number(every[metric.name])}" for metric in shown)


def _details(
    evaluation: Evaluation, summaries: Mapping[int | str, Mapping[str, Summary]]
) -> list[Row]:
    """A line for each label and metric."""
    micro = evaluation.micro()
    rows: list[Row] = []
    for row, found in summaries.items():
        for metric in shown_metrics(evaluation.settings).values():
            one, ratio = found[metric.name], micro.get(row, {}).get(metric.name)
            cell = _mean_cell(metric, one)
            rows.append(
                (
                    label_name(row, evaluation.names),
                    metric.title,
                    f"{cell.mean} ({cell.finite})" if cell.finite else cell.mean,
                    cell.interval,
                    metric.number(one.sd),
                    metric.number(one.median),
                    metric.span(one.q1, one.q3),
                    cell.count,
                    "" if ratio is None else metric.number(ratio),
                )
            )
    return rows


def _comparison(comparison: Comparison, names: Mapping[int, str]) -> ComparisonContent:
    known = metric_table(comparison.settings)
    rows: list[Row] = []
    for row, found in _most_different(comparison, MOST_LISTED).differences.items():
        for metric in (known[name] for name in MAIN):
            one = found[metric.name]
            rows.append(
                (
                    label_name(row, names),
                    metric.title,
                    *map(metric.number, (one.first_mean, one.second_mean, one.mean)),
                    metric.span(one.ci_low, one.ci_high),
                    metric.number(one.median),
                    "-" if isnan(one.p_value) else f"{one.p_value:.3g}",
                    f"{one.first_larger} : {one.second_larger}",
                    f"{one.n} of {one.of}",
                )
            )
    drawn = figures.difference_figure(_most_different(comparison, MOST_DRAWN), names=names)
    return ComparisonContent(*comparison.names, _svg(drawn), rows)


def _most_different(comparison: Comparison, most: int) -> Comparison:
    """Leave out all but the labels in whose mean Dice the two differ most."""
    found = comparison.differences
    if len(found) <= most:
        return comparison
    by_size = sorted(found, key=lambda row: -np.nan_to_num(abs(found[row]["dice"].mean)))
    kept = set(by_size[:most])
    return replace(comparison, differences={row: one for row, one in found.items() if row in kept})


def _pictures(evaluation: Evaluation, files: Mapping[str, CaseFiles]) -> list[Picture]:
    best, worst = best_and_worst(evaluation)
    known = metric_table()["dice"]
    shown = []
    for name in (*best, *worst):
        if name not in files:
            continue
        dice = known.number(evaluation.mean_over_labels(name)["dice"].mean)
        kind = "best" if name in best else "worst"
        try:
            figure = overlay_figure(files[name], f"{kind}: {name}, Dice {dice}")
            shown.append(Picture(name, _svg(figure)))
        except Exception as error:  # one picture must not end the report; a bug is told as one
            shown.append(Picture(name, error=told(error)))
    return shown


def _folds(card: Card, metrics: list[Metric]) -> list[Row]:
    """Scores of each fold, where the segmenter was cross-validated."""
    return [
        (name, what, *(metric.number(getattr(means, metric.name)) for metric in metrics))
        for name, rows in fold_rows(card).items()
        for what, means in rows.items()
    ]


def _training(card: Card) -> TrainingContent:
    curves = [_svg(figures.training_figure(one.history)) for one in card.networks]
    return TrainingContent(card.describe().split("\n"), curves)


def _mean_cell(metric: Metric, one: Summary) -> MeanCell:
    infinite = isinf(one.mean) and not isnan(one.mean_finite)
    return MeanCell(
        metric.number(one.mean),
        metric.number(one.mean_finite) if infinite else "",
        metric.span(one.ci_low, one.ci_high),
        f"{one.n} of {one.of}",
        one.n < one.of,
    )


def _svg(figure: Figure) -> Markup:
    from markupsafe import Markup

    return Markup(figures.as_svg(figure))  # noqa: S704  (matplotlib escapes its words)
