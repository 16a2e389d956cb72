"""Two segmenters, or two raters, on the same cases: how much they differ, and whether by chance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import inf, isinf, isnan, nan

import numpy as np

from napari_medunet.engine.errors import MedunetError
from napari_medunet.engine.evaluation.evaluation import Evaluation
from napari_medunet.engine.evaluation.metrics.table import ABSENT, METRICS
from napari_medunet.engine.evaluation.summary import mean_interval, summarise_values
from napari_medunet.engine.settings import EvaluateSettings


@dataclass(frozen=True)
class PairedDifference:
    """One metric of two segmenters on the same cases: the first minus the second.

    Attributes
    ----------
    first_mean, second_mean : float
        Over the cases that count.
    mean, median : float
        Of the differences; infinite where only one of the two missed the label in some case.
    ci_low, ci_high : float
        95 % bootstrap confidence interval of the mean difference, over cases.
    p_value : float
        Wilcoxon signed rank test, two-sided: 1 where no case differs, NaN without cases.
    n, of : int
        Cases in which the metric is defined for both, and all cases that both have.
    first_larger, second_larger : int
        Cases in which the metric of one is the larger.
    """

    first_mean: float
    second_mean: float
    mean: float
    median: float
    ci_low: float
    ci_high: float
    p_value: float
    n: int
    of: int
    first_larger: int
    second_larger: int


@dataclass(frozen=True, eq=False)
class Comparison:
    """Two evaluations of the same cases.

    Attributes
    ----------
    names : (str, str)
        What the two are called.
    cases : list of str
        What both measured.
    left_out : list of str
        What only one of them measured.
    differences : dict of label or group to dict of metric to PairedDifference
    settings : EvaluateSettings
        How the first was measured.
    """

    names: tuple[str, str]
    cases: list[str]
    left_out: list[str]
    differences: dict[int | str, dict[str, PairedDifference]]
    settings: EvaluateSettings = field(default_factory=EvaluateSettings)


def compare(
    first: Evaluation, second: Evaluation, names: tuple[str, str] = ("first", "second")
) -> Comparison:
    """Compare two segmenters or raters case by case.

    Raises
    ------
    MedunetError
        Where they have no case in common.
    """
    cases = [name for name in first.cases if name in second.cases]
    if not cases:
        raise MedunetError(
            f"'{names[0]}' and '{names[1]}' have no measured case in common; wanted the same cases: "
            "name the files alike."
        )
    rows = [*first.rows, *(row for row in second.rows if row not in first.rows)]
    differences = {}
    for row in rows:
        pairs = [
            tuple(side.cases[name].rows.get(row, ABSENT) for side in (first, second))
            for name in cases
        ]
        differences[row] = {
            metric: paired_difference(
                [getattr(a, metric) for a, _ in pairs],
                [getattr(b, metric) for _, b in pairs],
                first.settings.seed,
            )
            for metric in METRICS
        }
    alone = [name for name in {**first.cases, **second.cases} if name not in cases]
    return Comparison(names, cases, alone, differences, first.settings)


def paired_difference(
    first: Sequence[float], second: Sequence[float], seed: int = 0
) -> PairedDifference:
    """Compare two lists of values, case by case: the first minus the second.

    Cases in which either is not defined are left out. Two infinite values (both missed the label) do
    not differ. The test is Wilcoxon's signed rank test, Biometrics Bulletin 1(6), 1945, in which
    cases that do not differ are dropped and an infinite difference has the highest rank.
    """
    pairs = [(a, b) for a, b in zip(first, second, strict=True) if not (isnan(a) or isnan(b))]
    apart = [0.0 if a == b else a - b for a, b in pairs]
    low, high = mean_interval(apart, seed)
    first_mean, second_mean = (summarise_values([pair[i] for pair in pairs]).mean for i in (0, 1))
    return PairedDifference(
        first_mean=first_mean,
        second_mean=second_mean,
        mean=_mean(apart),
        median=float(np.median(apart)) if apart and not any(map(isinf, apart)) else _middle(apart),
        ci_low=low,
        ci_high=high,
        p_value=_signed_rank(apart),
        n=len(pairs),
        of=len(first),
        first_larger=sum(d > 0 for d in apart),
        second_larger=sum(d < 0 for d in apart),
    )


def _mean(values: list[float]) -> float:
    if not values or {inf, -inf} <= set(values):
        return nan
    return sum(values) / len(values)


def _middle(values: list[float]) -> float:
    """Median of values of which some are infinite: the lower of the two in the middle."""
    return sorted(values)[(len(values) - 1) // 2] if values else nan


def _signed_rank(differences: list[float]) -> float:
    from scipy.stats import wilcoxon

    apart = np.array([d for d in differences if d != 0])
    if apart.size == 0:
        return 1.0 if differences else nan
    largest = np.abs(apart[np.isfinite(apart)]).max(initial=0.0)
    ranked = np.where(np.isinf(apart), np.sign(apart) * (2 * largest + 1), apart)
    return float(wilcoxon(ranked).pvalue)
