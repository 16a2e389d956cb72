"""Tables of a comparison and of a cross-validation."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from napari_medunet.engine.evaluation.comparison import Comparison, PairedDifference
from napari_medunet.engine.evaluation.metrics.metric import Metric
from napari_medunet.engine.evaluation.metrics.score_table import ScoreTable
from napari_medunet.engine.evaluation.metrics.table import metric_table
from napari_medunet.engine.labels import label_name
from napari_medunet.engine.prediction.card import Card, LabelMeans

_COMPARED = ("dice", "hd95", "assd", "nsd")


def comparison_table(comparison: Comparison, names: Mapping[int, str] | None = None) -> ScoreTable:
    """Lay out the differences of two segmenters by label."""
    first, second = comparison.names
    known = metric_table(comparison.settings)
    return ScoreTable(
        f"{first} minus {second}, {len(comparison.cases)} cases",
        ("Label", "Metric", first, second, "Difference", "Interval", "p", "n"),
        tuple(
            (label_name(row, names), known[name].heading, *_compared(known[name], found[name]))
            for row, found in comparison.differences.items()
            for name in _COMPARED
        ),
        "in mm: HD95, ASSD; 95 % bootstrap interval of the mean difference; p: Wilcoxon signed rank, "
        "two-sided",
        names=2,
    )


def _compared(metric: Metric, found: PairedDifference) -> Iterator[str]:
    yield from map(metric.number, (found.first_mean, found.second_mean, found.mean))
    yield metric.span(found.ci_low, found.ci_high) or "-"
    yield f"{found.p_value:.3g}"
    yield f"{found.n} of {found.of}" if found.n < found.of else str(found.n)


def fold_rows(card: Card) -> dict[str, dict[str, LabelMeans]]:
    """Means over the cases of each fold, and over the folds, by class name and by what they are of.

    Empty where the segmenter was not cross-validated.
    """
    found = card.cross_validation
    if found is None:
        return {}
    return {
        one.name: {
            **{
                f"fold {number} ({len(fold.cases)})": fold.scores[one.value]
                for number, fold in enumerate(found.folds, 1)
            },
            "mean": found.mean[one.value],
            "sd": found.sd[one.value],
        }
        for one in card.classes
    }


def fold_table(card: Card) -> ScoreTable:
    """Lay out the scores of each fold, with their mean and standard deviation."""
    known = metric_table()
    metrics = [known[name] for name in LabelMeans.model_fields]
    rows: list[tuple[str, ...]] = []
    for name, found in fold_rows(card).items():
        rows.append((name, *("" for _ in metrics)))
        for what, means in found.items():
            numbers = (metric.number(getattr(means, metric.name)) for metric in metrics)
            rows.append((f" {what}", *numbers))
    return ScoreTable(
        f"{len(card.networks)} folds, each measured on the cases left out",
        ("", *(metric.heading for metric in metrics)),
        tuple(rows),
        "in brackets: cases; mean and sd are of the folds; distances in mm; -: not defined",
    )
