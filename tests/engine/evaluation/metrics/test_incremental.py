"""Scores that follow a brush are those of counting anew, whatever was painted."""

from math import nan

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_medunet.engine.evaluation.metrics.incremental import (
    PREDICTION,
    TRUTH,
    IncrementalScores,
)
from napari_medunet.engine.evaluation.metrics.scores import CaseScores, score_labels
from napari_medunet.engine.evaluation.metrics.table import METRICS
from napari_medunet.engine.settings import EvaluateSettings

SHAPE = (9, 7, 8)
SPACING = (2.0, 0.7, 1.1)
LATER = {"boundary_iou", "centre_distance", "segmentation_quality", "panoptic_quality"} | {
    name for name in METRICS if name.startswith("lesion")
}
LABEL = st.sampled_from([0, 0, 1, 2, 3])
BOX = st.tuples(
    *[st.tuples(st.integers(0, n - 1), st.integers(1, 4)).map(lambda s: slice(s[0], s[0] + s[1]))
      for n in SHAPE]
)  # fmt: skip
SIDE = st.sampled_from([TRUTH, PREDICTION, PREDICTION])
STROKE = st.tuples(st.just("paint"), SIDE, BOX, LABEL)
FILL = st.tuples(st.just("fill"), SIDE, LABEL, LABEL)
UNDO = st.tuples(st.just("undo"), SIDE, st.integers(1, 3))
NEW = st.tuples(st.just("new"), SIDE, st.integers(0, 9))
STEPS = st.lists(st.one_of(STROKE, STROKE, STROKE, FILL, UNDO, NEW), min_size=1, max_size=8)
WANTED = st.sampled_from(
    [
        {},
        {"nsd": "border", "percentile": 80, "beta": 1},
        {"annotated": "slices"},
        {"ignore_label": 3},
        {"ignore_label": 3, "nsd": "border"},
        {"annotated": "voxels", "background_label": 3},
        {"background_label": 3},
    ]
)


def assert_same(found: CaseScores, expected: CaseScores) -> None:
    assert found.confusion.labels.tolist() == expected.confusion.labels.tolist()
    assert found.confusion.matrix.tolist() == expected.confusion.matrix.tolist()
    assert list(found.labels) == list(expected.labels)
    for label, scores in expected.labels.items():
        own = found.labels[label].as_dict()
        for name, value in scores.as_dict().items():
            if name not in LATER and not (name == "nsd" and own[name] != own[name]):
                assert own[name] == pytest.approx(value, rel=1e-12, nan_ok=True), (label, name)


def blobs(seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    labels = np.zeros(SHAPE, np.int32)
    for label in (1, 2, 3, 1):
        z, y, x = (int(rng.integers(0, n - 3)) for n in SHAPE)
        labels[z : z + 4, y : y + 4, x : x + 3] = label
    return labels


def box_of(changed: np.ndarray) -> tuple[slice, ...]:
    where = np.nonzero(changed)
    return tuple(slice(int(w.min()), int(w.max()) + 1) for w in where)


def act(step, arrays, before):
    """Change an array as a user would; return where, and None for anywhere."""
    kind, side, *how = step
    old = arrays[side]
    before[side].append(old.copy())
    if kind == "paint":
        box, label = how
        old[box] = label
        return tuple(slice(s.start, min(s.stop, n)) for s, n in zip(box, SHAPE, strict=True))
    if kind == "fill":
        this, label = how
        changed = old == this
        old[changed] = label
        return box_of(changed) if changed.any() else None
    arrays[side] = blobs(how[0]) if kind == "new" else before[side][-min(how[0], len(before[side]))]
    return None


@settings(max_examples=25, deadline=None)
@given(STEPS, WANTED, st.booleans())
def test_following_is_counting_anew(steps, wanted, tell_where):
    chosen = EvaluateSettings(**wanted)
    arrays = [blobs(100), blobs(101)]
    before = [[arrays[0].copy()], [arrays[1].copy()]]
    followed = IncrementalScores(*arrays, SPACING, chosen)
    assert_same(followed.scores(), score_labels(*arrays, SPACING, chosen))
    for step in steps:
        box = act(step, arrays, before)
        try:
            expected = score_labels(*arrays, SPACING, chosen)
        except ValueError as error:  # nothing is left that counts
            with pytest.raises(ValueError, match=str(error)):
                followed.update(step[1], arrays[step[1]], box)
            return
        followed.update(step[1], arrays[step[1]], box if tell_where else None)
        assert_same(followed.scores(), expected)


@settings(max_examples=10, deadline=None)
@given(STEPS, st.permutations(range(3)))
def test_the_order_of_axes_in_memory_does_not_show(steps, order):
    arrays = [blobs(7), blobs(8)]
    followed = IncrementalScores(arrays[0].transpose(order), arrays[1].transpose(order),
                         [SPACING[axis] for axis in order])  # fmt: skip
    before = [[arrays[0].copy()], [arrays[1].copy()]]
    for step in steps:
        box = act(step, arrays, before)
        box = None if box is None else tuple(box[axis] for axis in order)
        followed.update(step[1], arrays[step[1]].transpose(order), box)
    assert_same(followed.scores(), score_labels(*arrays, SPACING))


def test_several_strokes_can_be_looked_at_together_or_twice():
    arrays = [blobs(1), blobs(2)]
    followed = IncrementalScores(*arrays)
    arrays[PREDICTION][1:3, 2:4, 1:5] = 2
    arrays[TRUTH][4, 4, 4] = 1
    arrays[PREDICTION][7, 6, 7] = 1
    for _ in range(2):
        followed.update(PREDICTION, arrays[PREDICTION])
        followed.update(TRUTH, arrays[TRUTH], (slice(4, 5),) * 3)
    assert_same(followed.scores(), score_labels(*arrays))


@pytest.mark.parametrize("label", [-4, 256, 70_000])
def test_a_label_that_takes_more_room_than_those_before(label):
    arrays = [blobs(1), blobs(2)]
    followed = IncrementalScores(*arrays)
    arrays[PREDICTION][2:5, 2:5, 2:5] = label
    followed.update(PREDICTION, arrays[PREDICTION])
    assert_same(followed.scores(), score_labels(*arrays))


def test_large_volumes_are_cut_into_slabs_that_do_not_show(monkeypatch):
    monkeypatch.setattr("napari_medunet.engine.evaluation.metrics.label_pairs._SLAB_VOXELS", 100)
    arrays = [blobs(3), blobs(4)]
    followed = IncrementalScores(*arrays)
    arrays[PREDICTION][2:6, 1:3, 2:4] = 1
    followed.update(PREDICTION, arrays[PREDICTION])
    assert_same(followed.scores(), score_labels(*arrays))


def test_one_slice_and_one_row_are_followed_too():
    for shape in ((1, 6, 7), (6, 1, 7), (6, 7), (1, 1, 9)):
        arrays = [np.zeros(shape, np.uint8), np.zeros(shape, np.uint8)]
        followed = IncrementalScores(*arrays)
        assert followed.scores().labels == {}
        arrays[TRUTH][..., 1:4] = 1
        arrays[PREDICTION][..., 2:5] = 1
        followed.update(TRUTH, arrays[TRUTH])
        box = tuple(slice(0, n) for n in shape)
        followed.update(PREDICTION, arrays[PREDICTION], box)
        assert_same(followed.scores(), score_labels(*arrays))


def test_what_takes_long_is_left_out():
    scores = IncrementalScores(blobs(1), blobs(2)).scores().labels[1].as_dict()
    missing = {name for name, value in scores.items() if value is nan or value != value}
    assert missing == LATER | {"nsd"}


def test_another_shape_is_refused():
    followed = IncrementalScores(blobs(1), blobs(2))
    with pytest.raises(ValueError, match=r"\(8, 7, 8\) voxels now"):
        followed.update(TRUTH, blobs(1)[1:])
