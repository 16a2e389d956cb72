"""Boundary IoU, centres, lesions, groups, what counts, and other grids: by hand and by law."""

from math import inf, isnan, sqrt

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import ndimage

from napari_medunet.engine.evaluation.metrics import overlap
from napari_medunet.engine.evaluation.metrics.confusion import Counts, confusion_matrix
from napari_medunet.engine.evaluation.metrics.label_pairs import pair_labels
from napari_medunet.engine.evaluation.metrics.lesions import match_lesions
from napari_medunet.engine.evaluation.metrics.regions import LabelMasks
from napari_medunet.engine.evaluation.metrics.scores import evaluate_case, score_labels
from napari_medunet.engine.evaluation.metrics.table import METRICS
from napari_medunet.engine.grids import labels_on_grid_of
from napari_medunet.engine.settings import EvaluateSettings, read_groups
from napari_medunet.engine.volume import Volume, affine_from_spacing

law = settings(max_examples=30, deadline=None)
MASK = hnp.arrays(bool, (6, 5, 7))


def line(*labels) -> np.ndarray:
    return np.array(labels, dtype=np.uint8)


def scores(truth, prediction, spacing=None, **options):
    return score_labels(truth, prediction, spacing, EvaluateSettings(**options)).labels[1]


# --- counts -------------------------------------------------------------------------------------


def test_f_beta_by_hand():
    counts = Counts(true_positive=6, false_positive=2, false_negative=4, true_negative=8)
    assert overlap.f_beta(counts, 1) == overlap.dice(counts)
    assert overlap.f_beta(counts, 2) == pytest.approx(5 * 6 / (5 * 6 + 4 * 4 + 2))
    precision, recall = overlap.precision(counts), overlap.recall(counts)
    assert overlap.f_beta(counts, 0.5) == pytest.approx(
        1.25 * precision * recall / (0.25 * precision + recall)
    )
    assert isnan(overlap.f_beta(Counts(0, 0, 0, 4), 2))
    assert overlap.f_beta(Counts(0, 3, 0, 4), 2) == overlap.f_beta(Counts(0, 0, 3, 4), 2) == 0


def test_kappa_by_hand():
    # po = 14/20, pe = (10/20)(8/20) + (10/20)(12/20) = 0.5
    assert overlap.kappa(Counts(6, 2, 4, 8)) == pytest.approx(0.4)
    assert overlap.kappa(Counts(5, 0, 0, 5)) == 1
    assert overlap.kappa(Counts(0, 5, 5, 0)) == -1
    assert isnan(overlap.kappa(Counts(0, 0, 0, 9)))
    assert isnan(overlap.kappa(Counts(9, 0, 0, 0)))
    assert overlap.kappa(Counts(0, 0, 3, 6)) == 0


def test_kappa_over_all_labels_by_hand():
    truth, prediction = line(0, 0, 1, 1, 2, 2), line(0, 1, 1, 1, 2, 0)
    confusion = confusion_matrix(pair_labels(truth, prediction))
    chance = (2 * 2 + 2 * 3 + 2 * 1) / 36
    assert overlap.overall_kappa(confusion) == pytest.approx((4 / 6 - chance) / (1 - chance))


def test_volume_differences():
    found = scores(line(1, 1, 1, 1, 0, 0), line(1, 0, 0, 0, 0, 0), (2000.0,))
    assert found.volume_difference_ml == pytest.approx(-6)
    assert found.relative_volume_difference == pytest.approx(-0.75)
    only = scores(line(0, 0, 0), line(0, 1, 0), (1000.0,))
    assert (only.volume_difference_ml, only.relative_volume_difference) == (1, inf)


# --- boundary and centre ------------------------------------------------------------------------


def test_boundary_iou_by_hand():
    truth, prediction = np.zeros((2, 9, 9), np.uint8)
    truth[1:8, 1:8] = 1
    prediction[1:8, 2:9] = 1
    # The surfaces are rings of 24 pixels; they share 2 rows of 6 pixels.
    assert scores(truth, prediction, boundary_mm=0).boundary_iou == pytest.approx(12 / 36)
    # Two pixels thick: 40 pixels each; shared are 4 rows of 6, and of the 3 rows between 2 columns
    # of the truth's right edge and 2 of the prediction's left edge that fall into the other's band.
    thick = [ndimage.distance_transform_cdt(np.pad(m, 1))[1:-1, 1:-1] for m in (truth, prediction)]
    bands = [(t > 0) & (t <= 2) for t in thick]
    expected = (bands[0] & bands[1]).sum() / (bands[0] | bands[1]).sum()
    assert scores(truth, prediction, boundary_mm=1).boundary_iou == pytest.approx(expected)
    assert scores(truth, prediction, boundary_mm=99).boundary_iou == pytest.approx(42 / 56)  # IoU


def test_the_boundary_is_in_mm_along_every_axis():
    truth = np.zeros((9, 9), np.uint8)
    truth[1:8, 1:8] = 1
    moved = np.roll(truth, 1, axis=1)
    thin = scores(truth, moved, (5.0, 1.0), boundary_mm=1.0).boundary_iou
    bands = []
    for mask in (truth, moved):
        band = mask.astype(bool)
        columns = np.flatnonzero(mask[4])
        band[2:7, columns[2] : columns[-2]] = (
            False  # two columns left and right, one row up and down
        )
        bands.append(band)
    assert thin == pytest.approx((bands[0] & bands[1]).sum() / (bands[0] | bands[1]).sum())


def test_centres_are_a_distance_in_mm_apart():
    truth = np.zeros((9, 9, 9), np.uint8)
    truth[2:5, 2:5, 2:5] = 1
    moved = np.roll(truth, (1, 2, 3), (0, 1, 2))
    found = scores(truth, moved, (3.0, 1.0, 0.5))
    assert found.centre_distance == pytest.approx(sqrt(3**2 + 2**2 + 1.5**2))


def test_empty_masks():
    for truth, prediction in ((line(0, 1, 1), line(0, 0, 0)), (line(0, 0, 0), line(0, 1, 1))):
        found = scores(truth, prediction)
        assert found.boundary_iou == found.panoptic_quality == found.lesion_f1 == 0
        assert found.centre_distance == inf
        assert isnan(found.segmentation_quality)
    assert isnan(scores(line(0, 1), line(0, 0)).lesion_precision)
    assert scores(line(0, 1), line(0, 0)).lesion_sensitivity == 0
    assert isnan(scores(line(0, 0), line(0, 1)).lesion_sensitivity)
    assert scores(line(0, 0), line(0, 1)).lesion_precision == 0


# --- lesions ------------------------------------------------------------------------------------


def matched(truth, prediction, threshold=0.5, diagonal=True):
    nothing = np.zeros((0, truth.ndim), np.intp)
    masks = LabelMasks(truth != 0, prediction != 0, (nothing, nothing), (1.0,) * truth.ndim)
    return match_lesions(masks, threshold, diagonal)


def test_lesions_by_hand():
    truth = line(1, 1, 1, 1, 0, 1, 1, 0, 0, 1, 0, 0)
    prediction = line(0, 1, 1, 1, 0, 0, 1, 1, 0, 0, 0, 1)
    # found with IoU 3/4; 1/3; missed; and one that is false
    strict = matched(truth, prediction)
    assert (strict.truth, strict.prediction, strict.iou.tolist()) == (3, 3, [0.75])
    loose = scores(truth, prediction, lesion_iou=0.1)
    assert loose.lesions_matched == 2
    assert loose.lesion_sensitivity == loose.lesion_precision == pytest.approx(2 / 3)
    assert loose.lesion_f1 == pytest.approx(2 / 3)
    assert loose.segmentation_quality == pytest.approx((3 / 4 + 1 / 3) / 2)
    assert loose.panoptic_quality == pytest.approx((3 / 4 + 1 / 3) / 3)
    assert loose.panoptic_quality == pytest.approx(loose.segmentation_quality * loose.lesion_f1)


def test_a_lesion_is_matched_once_and_the_threshold_itself_is_not_above_it():
    truth = line(1, 1, 1, 1, 1, 1)
    prediction = line(1, 1, 1, 0, 1, 1)
    both = matched(truth, prediction, 0.0)
    assert both.iou.tolist() == [0.5]  # the larger piece; the other one is false
    assert (both.truth, both.prediction) == (1, 2)
    assert matched(truth, prediction, 0.5).matched == 0


def test_what_touches_at_a_corner_is_one_lesion_or_two():
    diagonal = np.eye(3, dtype=np.uint8)
    assert scores(diagonal, diagonal).lesions_truth == 1
    assert scores(diagonal, diagonal, lesion_neighbours="faces").lesions_truth == 3


@law
@given(MASK, MASK, st.floats(0, 0.9))
def test_lesions_are_those_of_a_search_by_hand(truth, prediction, threshold):
    found = matched(truth, prediction, threshold)
    first, n = ndimage.label(truth, np.ones((3, 3, 3)))
    second, m = ndimage.label(prediction, np.ones((3, 3, 3)))
    assert (found.truth, found.prediction) == (n, m)
    iou = np.array(
        [
            [((first == i) & (second == j)).sum() / ((first == i) | (second == j)).sum()
             for j in range(1, m + 1)]
            for i in range(1, n + 1)
        ]
    ).reshape(n, m)  # fmt: skip
    if threshold >= 0.5:  # then every pair above it is the only one of both
        assert sorted(found.iou) == pytest.approx(sorted(iou[iou > threshold]))
    else:
        assert found.matched <= min(n, m)
        assert (found.iou > threshold).all()
    swapped = matched(prediction, truth, threshold)
    assert sorted(swapped.iou) == pytest.approx(sorted(found.iou))


# --- groups, and what counts --------------------------------------------------------------------


def test_a_group_is_measured_as_one_label():
    rng = np.random.default_rng(1)
    truth, prediction = (rng.integers(0, 4, (2, 8, 9, 7)) * 100).astype(np.uint16)
    chosen = EvaluateSettings(group=["tumour=100,200", "gone=7"])
    case = score_labels(truth, prediction, (2, 1, 1), chosen)
    lookup = np.array([0, 1, 1, 0])
    alone = score_labels(lookup[truth // 100], lookup[prediction // 100], (2, 1, 1)).labels[1]
    assert case.groups["tumour"].as_dict() == pytest.approx(alone.as_dict(), nan_ok=True)
    assert isnan(case.groups["gone"].dice)
    assert list(case.rows) == [100, 200, 300, "tumour", "gone"]


@pytest.mark.parametrize("text", ["tumour", "tumour=", "=1,2", "3=1,2", "tumour=1,x", "a=1=2"])
def test_a_group_that_cannot_be_read_is_refused(text):
    with pytest.raises(ValueError, match="is no group of labels; wanted"):
        read_groups([text])
    with pytest.raises(ValueError, match="is no group"):
        EvaluateSettings(group=[text])


def test_a_group_is_given_once():
    with pytest.raises(ValueError, match="given twice"):
        read_groups(["a=1", "a=2"])


def test_voxels_of_the_ignore_label_do_not_count():
    truth, prediction = line(1, 1, 9, 9, 0, 2), line(1, 0, 1, 2, 1, 2)
    chosen = EvaluateSettings(ignore_label=9)
    case = score_labels(truth, prediction, settings=chosen)
    assert list(case.labels) == [1, 2]
    assert case.confusion.counts(1) == Counts(1, 1, 1, 1)
    assert case.labels[1].hd == 4  # known are the surfaces at 0, and at 0 and 4
    assert case.partial
    whole = score_labels(truth, prediction, settings=EvaluateSettings(ignore_label=77))
    assert whole.labels[1].hd == score_labels(truth, prediction).labels[1].hd


def test_a_sparse_truth_is_measured_where_it_was_painted():
    truth, prediction = np.zeros((2, 5, 6, 6), np.uint8)
    truth[2, 1:4, 1:4] = 1
    prediction[:, 1:4, 1:5] = 1
    slices = score_labels(truth, prediction, settings=EvaluateSettings(annotated="slices"))
    assert slices.confusion.counts(1) == Counts(9, 3, 0, 24)
    painted = truth.copy()
    painted[2, 5, :] = 4  # background, painted as such
    prediction[2, 5, 0] = 1
    chosen = EvaluateSettings(annotated="voxels", background_label=4)
    voxels = score_labels(painted, prediction, settings=chosen)
    assert voxels.confusion.counts(1) == Counts(9, 1, 0, 5)
    assert list(voxels.labels) == [1]
    assert isnan(voxels.labels[1].hd)  # scribbles say nothing of surfaces


SPARSE = st.tuples(
    hnp.arrays(np.uint8, (4, 5, 6), elements=st.integers(0, 2)),
    hnp.arrays(np.uint8, (4, 5, 6), elements=st.integers(0, 2)),
    hnp.arrays(bool, (4, 5, 6)).filter(np.any),
)
BORDER = EvaluateSettings(nsd="border")


@law
@given(SPARSE, st.integers(1, 2))  # in the first and last, outside the array is near
def test_one_annotated_slice_is_measured_as_an_image(arrays, place):
    truth, prediction, _ = arrays
    where = np.zeros(truth.shape, bool)
    where[place] = True
    sparse = score_labels(truth, prediction, (3, 1, 2), BORDER, annotated=where)
    image = score_labels(truth[place], prediction[place], (1, 2), BORDER)
    assert sparse.labels.keys() == image.labels.keys()
    for label, found in image.labels.items():
        for name in ("dice", "kappa", "hd", "hd95", "assd", "masd", "nsd"):
            value = getattr(sparse.labels[label], name)
            assert value == pytest.approx(getattr(found, name), nan_ok=True), name


@law
@given(SPARSE, hnp.arrays(np.uint8, (4, 5, 6), elements=st.integers(0, 3)))
def test_voxels_that_do_not_count_change_nothing(arrays, other):
    truth, prediction, where = arrays
    one = score_labels(truth, prediction, (3, 1, 2), BORDER, annotated=where)
    elsewhere = [np.where(where, labels, other) for labels in (truth, prediction)]
    two = score_labels(*elsewhere, (3, 1, 2), BORDER, annotated=where)
    assert one.confusion.matrix.tolist() == two.confusion.matrix.tolist()
    for label, found in one.labels.items():
        assert found.as_dict() == pytest.approx(two.labels[label].as_dict(), nan_ok=True)


@law
@given(SPARSE)
def test_distances_are_between_what_is_known_of_the_surfaces(arrays):
    truth, prediction, where = arrays
    where[0, 0, 0] = False
    found = score_labels(truth, prediction, (3, 1, 2), BORDER, annotated=where).labels
    for label, scores_found in found.items():
        points = [
            known_surface(labels == label, where) * (3, 1, 2) for labels in (truth, prediction)
        ]
        in_both = all((labels[where] == label).any() for labels in (truth, prediction))
        if not in_both:
            assert scores_found.hd == inf
        elif 0 in map(len, points):
            assert isnan(scores_found.hd)
        else:
            apart = np.linalg.norm(points[0][:, None] - points[1][None], axis=2)
            sides = apart.min(axis=1), apart.min(axis=0)
            assert scores_found.hd == pytest.approx(max(side.max() for side in sides))
            assert scores_found.assd == pytest.approx(np.concatenate(sides).mean())


def known_surface(mask, where):
    """Voxels with a face neighbour that counts and is not the label, or at the array's border."""
    known = []
    for index in np.argwhere(mask & where):
        for step in (*np.eye(3, dtype=int), *-np.eye(3, dtype=int)):
            beside = index + step
            outside = (beside < 0).any() or (beside >= mask.shape).any()
            if outside or (where[tuple(beside)] and not mask[tuple(beside)]):
                known.append(index)
                break
    return np.array(known, dtype=float).reshape(-1, 3)


# --- other grids --------------------------------------------------------------------------------


def test_labels_come_to_another_grid_through_the_world():
    rng = np.random.default_rng(0)
    fine = rng.integers(0, 5, (6, 8, 10)).astype(np.uint16) * 300
    labels = Volume(fine, affine_from_spacing((1.0, 1.0, 1.0)), "fine")
    doubled = Volume(np.zeros((12, 16, 20)), labels.affine @ np.diag([0.5, 0.5, 0.5, 1]), "like")
    doubled.affine[:3, 3] = (labels.affine @ [-0.25, -0.25, -0.25, 1])[:3]  # same outer faces
    moved = labels_on_grid_of(labels, doubled)
    assert (moved.voxels == fine.repeat(2, 0).repeat(2, 1).repeat(2, 2)).all()
    assert moved.voxels.dtype == np.uint16
    turned = Volume(fine[:, ::-1], labels.affine @ np.array(
        [[1, 0, 0, 0], [0, -1, 0, 7], [0, 0, 1, 0], [0, 0, 0, 1]]), "turned")  # fmt: skip
    assert (labels_on_grid_of(turned, labels).voxels == fine).all()


def test_labels_too_large_for_a_float_are_not_resampled_wrongly():
    labels = Volume(np.full((2, 2, 2), 2**53 + 1), np.eye(4), "huge")
    with pytest.raises(ValueError, match=r"'huge' has labels above 2\*\*53"):
        labels_on_grid_of(labels, labels)


def test_a_prediction_on_another_grid_is_resampled_only_where_asked():
    truth = np.zeros((6, 8, 8), np.uint8)
    truth[1:5, 2:6, 2:6] = 1
    volume = Volume(truth, affine_from_spacing((2.0, 1.0, 1.0)), "case")
    larger = np.pad(truth, ((0, 0), (0, 0), (0, 2)))
    prediction = Volume(larger, volume.affine, "guess")
    with pytest.raises(ValueError, match="another grid"):
        evaluate_case(volume, prediction)
    found = evaluate_case(volume, prediction, EvaluateSettings(resample=True))
    assert found.labels[1].dice == 1
    assert "6 x 8 x 10 against 6 x 8 x 8 voxels" in found.resampled
    assert evaluate_case(volume, volume, EvaluateSettings(resample=True)).resampled == ""


@law
@given(MASK, MASK, st.floats(0.1, 5))
def test_laws_of_the_new_metrics(truth, prediction, scale):
    spacing = (2.0, 0.7, 1.1)
    one = score_labels(truth, prediction, spacing).labels.get(1)
    if one is None:
        return
    other = score_labels(prediction, truth, spacing).labels[1]
    symmetric = ("boundary_iou", "centre_distance", "kappa", "lesion_f1", "panoptic_quality")
    for name in symmetric:
        assert getattr(one, name) == pytest.approx(getattr(other, name), nan_ok=True), name
    assert one.lesion_sensitivity == pytest.approx(other.lesion_precision, nan_ok=True)
    assert one.volume_difference_ml == pytest.approx(-other.volume_difference_ml)
    larger = EvaluateSettings(boundary_mm=2 * scale, tolerance_mm=scale)
    scaled = score_labels(truth, prediction, [scale * s for s in spacing], larger).labels[1]
    for name in set(METRICS) - {"hd", "hd95", "assd", "masd", "centre_distance"}:
        if not name.endswith("_ml"):
            assert getattr(scaled, name) == pytest.approx(getattr(one, name), nan_ok=True), name
    assert scaled.centre_distance == pytest.approx(scale * one.centre_distance)
