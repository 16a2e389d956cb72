"""The table of metrics: everything that is measured is in it, and computed by one of its sources."""

from dataclasses import fields
from math import inf, nan

import numpy as np
import pytest

from napari_medunet.engine.evaluation.metrics.confusion import Counts
from napari_medunet.engine.evaluation.metrics.lesions import lesion_metrics
from napari_medunet.engine.evaluation.metrics.overlap import overlap_metrics
from napari_medunet.engine.evaluation.metrics.regions import LabelMasks, region_metrics
from napari_medunet.engine.evaluation.metrics.surface.surfaces import NOTHING, distance_metrics
from napari_medunet.engine.evaluation.metrics.table import (
    METRICS,
    LabelScores,
    metric_table,
    shown_metrics,
)
from napari_medunet.engine.settings import EvaluateSettings


def test_every_field_of_the_scores_is_described():
    assert tuple(field.name for field in fields(LabelScores)) == METRICS
    for name, metric in metric_table().items():
        assert metric.name == name
        assert metric.heading
        assert "{" not in metric.heading + metric.short + metric.text
        assert metric.text.endswith(".")


def test_what_is_computed_is_what_is_described():
    settings, mask = EvaluateSettings(), np.ones((2, 2), bool)
    points = np.argwhere(mask)
    masks = LabelMasks(mask, mask, (points, points), (1.0, 1.0))
    computed = {
        **overlap_metrics(Counts(1, 0, 0, 1), 1.0, 2.0),
        **distance_metrics(NOTHING, settings),
        **region_metrics(masks, settings),
        **lesion_metrics(masks, settings),
    }
    assert set(computed) == set(METRICS)


def test_tables_do_not_say_the_same_number_twice():
    assert set(METRICS) - set(shown_metrics()) == {"f1"}


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("dice", 0.5, "0.500"),
        ("hd95", 12.3456, "12.35"),
        ("lesions_truth", 3.0, "3"),
        ("lesions_truth", 2.5, "2.500"),
        ("lesions_truth", 0.9999999, "1"),
        ("dice", nan, "-"),
        ("hd", inf, "inf"),
        ("relative_volume_difference", -inf, "-inf"),
    ],
)
def test_a_value_is_written_with_the_decimals_of_its_metric(name, value, text):
    assert metric_table()[name].number(value) == text


def test_a_unit_stands_beside_the_heading_where_there_is_one():
    known = metric_table(EvaluateSettings(percentile=90))
    assert known["hd95"].title == "HD90 (mm)"
    assert known["hd95"].narrow_heading == "HD90\nmm"
    assert known["precision"].narrow_heading == "Prec."
