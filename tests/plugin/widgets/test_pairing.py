from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_medunet.plugin.widgets.pairing import (
    case_of,
    suggest_measured,
    suggest_pairs,
    suggest_prediction,
    suggest_truth,
)

NAMES = st.lists(st.text("ab1_ ", min_size=1, max_size=6), max_size=5, unique=True)


def test_one_image_and_one_labels_layer_belong_together_whatever_they_are_called() -> None:
    assert suggest_pairs(["ct"], ["Labels"]) == {"ct": "Labels"}


@pytest.mark.parametrize(
    ("image", "labels"),
    [
        ("case_1", "case_1"),
        ("case_1", "case_1 labels"),
        ("case_1", "case_1_segmentation"),
        ("case_1", "case_1-mask"),
        ("case_1", "Case_1 truth"),
        ("case_1", "case_1 annotation"),
        ("case_1 image", "case_1 labels"),
        ("case_1", "case_1 by Anna"),
    ],
)
def test_names_that_belong_together(image: str, labels: str) -> None:
    pairs = suggest_pairs([image, "other"], ["case_10 labels", labels])
    assert pairs[image] == labels


def test_the_same_name_comes_before_a_name_that_begins_the_same() -> None:
    images = ["a", "a b"]
    assert suggest_pairs(images, ["a b labels", "a labels"]) == {
        "a": "a labels",
        "a b": "a b labels",
    }


def test_without_a_name_in_common_a_grid_that_only_two_share_decides() -> None:
    grids = {"image:x": 1, "image:y": 2, "labels:Labels": 2, "labels:Labels [1]": 1}
    pairs = suggest_pairs(["x", "y"], ["Labels", "Labels [1]"], grids)
    assert pairs == {"x": "Labels [1]", "y": "Labels"}


def test_nothing_is_guessed_where_several_share_a_grid() -> None:
    grids = {"image:x": 1, "image:y": 1, "labels:Labels": 1, "labels:Labels [1]": 1}
    assert suggest_pairs(["x", "y"], ["Labels", "Labels [1]"], grids) == {}


@given(images=NAMES, labels=NAMES)
def test_no_labels_are_suggested_twice(images: list[str], labels: list[str]) -> None:
    pairs = suggest_pairs(images, labels)
    assert set(pairs) <= set(images)
    assert set(pairs.values()) <= set(labels)
    assert len(set(pairs.values())) == len(pairs)


def test_truth_comes_before_an_annotation_and_the_same_case_before_another() -> None:
    others = ["case_2 truth", "case_1 labels", "case_1 truth"]
    assert suggest_truth("case_1 segmentation", others) == "case_1 truth"
    assert suggest_truth("case_1 segmentation", others[:2]) == "case_1 labels"
    assert suggest_truth("whatever", ["Labels"]) == "Labels"


def test_a_prediction_is_known_by_its_name() -> None:
    assert suggest_prediction(["a segmentation", "a truth"]) == "a segmentation"
    assert suggest_prediction(["a", "b"]) == "b"


def test_every_prediction_gets_the_truth_of_its_case() -> None:
    names = [
        "case_1 labels",
        "case_1 segmentation",
        "case_1 truth",
        "case_10 truth",
        "case_10 segmentation [1]",
        "case_3 segmentation",
    ]
    assert suggest_measured(names) == {
        "case_1 segmentation": "case_1 truth",
        "case_10 segmentation [1]": "case_10 truth",
        "case_3 segmentation": None,
    }


def test_what_was_segmented_here_is_a_prediction_whatever_it_is_called() -> None:
    assert suggest_measured(["a net", "a labels"], made=["a net"]) == {"a net": "a labels"}


def test_a_layer_beside_its_truth_is_a_prediction() -> None:
    names = ["a", "a truth", "b", "b gt", "c"]
    assert suggest_measured(names) == {"a": "a truth", "b": "b gt"}


@given(NAMES)
def test_no_layer_is_its_own_truth(names: list[str]) -> None:
    for prediction, truth in suggest_measured(names).items():
        assert prediction != truth
        assert prediction in names
        assert truth is None or truth in names


@pytest.mark.parametrize(
    ("name", "case"),
    [
        ("case_07 segmentation", "case_07"),
        ("case_07 segmentation [2]", "case_07"),
        ("case_07_prediction_labels", "case_07"),
        ("case_07 out-of-fold segmentation [1]", "case_07"),
        ("segmentation", "segmentation"),
        ("7", "7"),
    ],
)
def test_the_case_is_what_is_left_of_a_name(name: str, case: str) -> None:
    assert case_of(name) == case
