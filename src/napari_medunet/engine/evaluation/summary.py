"""Many values of a metric as a few numbers: mean, spread, quartiles, confidence interval.

NaN stands for "not defined" and is left out, with "k of n" beside the rest. Infinity (the distance to a
label that was missed) makes a mean infinite; the mean of the finite ones stands beside it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from math import inf, isfinite, isnan, nan, sqrt
from statistics import fmean

import numpy as np
import numpy.typing as npt

from napari_medunet.engine.evaluation.metrics.table import METRICS, LabelScores

FloatArray = npt.NDArray[np.float64]

RESAMPLES = 2_000
CONFIDENCE = 0.95


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
    q1, q3 : float
        Quartiles, linear interpolation.
    ci_low, ci_high : float
        Bootstrap confidence interval of the mean; NaN where it was not asked for, and of one value.
    """

    mean: float
    sd: float
    median: float
    n: int
    of: int
    mean_finite: float
    q1: float = nan
    q3: float = nan
    ci_low: float = nan
    ci_high: float = nan


def summarise(scores: Iterable[LabelScores]) -> dict[str, Summary]:
    """Summarise each metric over cases or labels, each counting the same (the macro mean)."""
    rows = list(scores)
    return {metric: summarise_values([getattr(row, metric) for row in rows]) for metric in METRICS}


def summarise_cases(scores: Iterable[LabelScores], seed: int = 0) -> dict[str, Summary]:
    """Summarise each metric over cases, with the confidence interval of its mean."""
    rows = list(scores)
    summaries = summarise(rows)
    for metric, summary in summaries.items():
        low, high = mean_interval([getattr(row, metric) for row in rows], seed)
        summaries[metric] = replace(summary, ci_low=low, ci_high=high)
    return summaries


def mean_interval(values: Sequence[float], seed: int = 0) -> tuple[float, float]:
    """Confidence interval of a mean by bootstrap over cases.

    The percentile interval of Efron, "Bootstrap methods: another look at the jackknife", Annals of
    Statistics 7(1), 1979, and Efron and Tibshirani, "An Introduction to the Bootstrap" (1993), chapter
    13: 2,000 samples of the cases with replacement, 95 %. Undefined values are left out; a sample with
    an infinite value has an infinite mean.

    Returns
    -------
    low, high : float
        NaN where fewer than two values are defined.
    """
    known = np.array([value for value in values if not isnan(value)])
    if known.size < 2:
        return nan, nan
    weights = _weights(known.size, seed)
    means = weights @ np.where(np.isfinite(known), known, 0.0)
    above, below = (weights @ (known == side) > 0 for side in (inf, -inf))
    means = np.where(above & below, nan, np.where(above, inf, np.where(below, -inf, means)))
    if np.isnan(means).any():
        return nan, nan
    tail = (1 - CONFIDENCE) / 2
    # An order statistic and not an interpolated one: the ends may be infinite.
    low, high = np.quantile(means, [tail, 1 - tail], method="inverted_cdf")
    return float(low), float(high)


@lru_cache(maxsize=16)
def _weights(n: int, seed: int) -> FloatArray:
    """How much each of n cases weighs in each sample: (samples, n)."""
    draws = np.random.default_rng(seed).multinomial(n, np.full(n, 1 / n), size=RESAMPLES)
    return draws / n


def summarise_values(values: Sequence[float]) -> Summary:
    """Summarise values, NaN among them."""
    defined = sorted(value for value in values if not isnan(value))
    finite = [value for value in defined if isfinite(value)]
    mean_finite = fmean(finite) if finite else nan
    if not defined:
        return Summary(nan, nan, nan, 0, len(values), nan)
    q1, middle, q3 = (_quantile(defined, share) for share in (0.25, 0.5, 0.75))
    counted = len(defined), len(values)
    if len(finite) < len(defined):
        return Summary(inf, nan, middle, *counted, mean_finite, q1, q3)
    spread = sum((value - mean_finite) ** 2 for value in finite)
    sd = sqrt(spread / (len(finite) - 1)) if len(finite) > 1 else nan
    return Summary(mean_finite, sd, middle, *counted, mean_finite, q1, q3)


def _quantile(ascending: list[float], share: float) -> float:
    """Quantile with linear interpolation; next to infinity it is infinite, and never NaN."""
    place = share * (len(ascending) - 1)
    low = int(place)
    if place == low:
        return ascending[low]
    first, second = ascending[low], ascending[low + 1]
    return first if first == second else first + (place - low) * (second - first)
