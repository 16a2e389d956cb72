"""What was measured, as JSON."""

from __future__ import annotations

import json
from math import isfinite
from typing import Any

from napari_medunet.engine.evaluation.comparison import Comparison
from napari_medunet.engine.evaluation.evaluation import Evaluation


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


def _jsonable(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _jsonable(item) for key, item in value.items()}
    if isinstance(value, float) and not isfinite(value):
        return str(value)  # "nan" or "inf": JSON has neither
    return value
