"""The rows behind the table of scores, without a viewer."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from qtpy.QtCore import Qt

from napari_medunet.engine.evaluation.evaluation import Evaluation
from napari_medunet.engine.evaluation.metrics.incremental import IncrementalScores
from napari_medunet.engine.evaluation.metrics.scores import CaseScores, score_labels
from napari_medunet.engine.evaluation.metrics.table import METRICS, SLOW, LabelScores
from napari_medunet.plugin.measure.score_model import ScoreModel
from napari_medunet.plugin.measure.score_rows import body_rows, mean_rows

VALUES = st.lists(
    st.sampled_from([0.0, 0.25, 0.5, 1.0, math.nan, math.inf]), min_size=1, max_size=8
)


def cubes() -> tuple[np.ndarray, np.ndarray]:
    truth, prediction = np.zeros((2, 8, 8, 8), np.uint8)
    truth[1:5, 1:5, 1:5] = 1
    prediction[2:6, 1:5, 1:5] = 1
    return truth, prediction


def evaluation(dice: list[float]) -> Evaluation:
    confusion = score_labels(*cubes()).confusion
    return Evaluation(
        {
            f"case_{n}": CaseScores(f"case_{n}", {1: LabelScores(dice=value)}, confusion)
            for n, value in enumerate(dice)
        }
    )


def model_of(found: Evaluation) -> ScoreModel:
    model = ScoreModel()
    model.show_metrics(["dice"])
    model.show(body_rows(found, {}), mean_rows(found, {}, (), ["dice"]))
    return model


def test_what_waits_for_the_brush_to_rest_is_what_following_leaves_out() -> None:
    quick = IncrementalScores(*cubes()).scores().labels[1].as_dict()
    whole = score_labels(*cubes()).labels[1].as_dict()
    assert {name for name in METRICS if math.isnan(quick[name])} == SLOW
    assert all(quick[name] == whole[name] for name in METRICS if name not in SLOW)


def test_what_is_still_to_come_is_not_called_absent() -> None:
    found = Evaluation({"a": IncrementalScores(*cubes()).scores()})
    (row,) = body_rows(found, {}, quick={"a"})
    assert row.cells["nsd"][0] == "..."
    assert row.cells["dice"][0] == "0.750"
    assert mean_rows(found, {}, {"a"}, ["nsd"])[0].cells["nsd"][0] == "..."


@given(VALUES, st.booleans())
def test_sorting_moves_rows_and_nothing_else(dice: list[float], descending: bool) -> None:
    model = model_of(evaluation(dice))
    before = [model.texts(row) for row in range(model.rowCount())]
    order = Qt.SortOrder.DescendingOrder if descending else Qt.SortOrder.AscendingOrder
    model.sort(2, order)
    after = [row.values["dice"] for row in model.rows if row.place is not None]
    defined = [value for value in after if not math.isnan(value)]
    assert defined == sorted(defined, reverse=descending)
    assert all(math.isnan(value) for value in after[len(defined) :])  # what is absent comes last
    assert sorted(before) == sorted(model.texts(row) for row in range(model.rowCount()))
    model.sort(-1)
    assert before == [model.texts(row) for row in range(model.rowCount())]


def test_numbers_in_names_sort_as_numbers() -> None:
    model = model_of(evaluation([0.5] * 12))
    model.sort(0, Qt.SortOrder.DescendingOrder)
    assert [row.case for row in model.rows[:3]] == ["case_11", "case_10", "case_9"]


@pytest.mark.parametrize("quick", [(), ("case_0",)])
def test_a_mean_says_what_it_leaves_out(quick: tuple[str, ...]) -> None:
    mean, share = mean_rows(evaluation([0.5, math.nan, 1.0]), {}, quick, ["dice"])
    assert mean.cells["dice"][0] == "0.750"
    assert share.cells["dice"][0] == "2 of 3"
    assert len(mean_rows(evaluation([0.5, 1.0]), {}, quick, ["dice"])) == 1
