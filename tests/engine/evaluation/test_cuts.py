"""Many labels: the worst are drawn, all are counted, and a report stays small."""

import numpy as np
import pytest
import tifffile
from hypothesis import given
from hypothesis import strategies as st

from napari_medunet.engine.evaluation.comparison import compare
from napari_medunet.engine.evaluation.evaluation import evaluate_files
from napari_medunet.engine.evaluation.metrics.confusion import confusion_matrix
from napari_medunet.engine.evaluation.metrics.label_pairs import pair_labels
from napari_medunet.engine.evaluation.plots import cuts
from napari_medunet.engine.evaluation.report.html import html_report
from napari_medunet.engine.evaluation.report.overlays import CaseFiles, overlay_figure
from napari_medunet.engine.evaluation.report.sections import ReportParts

SIDE, STEP = 15, 8  # more cells than are listed


def cells():
    labels = np.zeros((SIDE * STEP, SIDE * STEP), np.uint16)
    for number in range(SIDE * SIDE):
        row, column = (STEP * place + 1 for place in divmod(number, SIDE))
        labels[row : row + 5, column : column + 5] = number + 1
    return labels


def worse(labels, which=20):
    """Labels of which a few have shrunk."""
    worse = labels.copy()
    worse[(labels > 0) & (labels <= which) & (np.indices(labels.shape)[1] % STEP > 2)] = 0
    return worse


def evaluated(tmp_path, prediction, folder):
    truth = cells()
    files = {}
    for name in "ab":
        paths = [tmp_path / f"truth-{name}.tif", tmp_path / f"{folder}-{name}.tif"]
        for path, labels in zip(paths, (truth, prediction), strict=True):
            tifffile.imwrite(path, labels)
        files[name] = tuple(paths)
    return evaluate_files(files), files


@pytest.mark.slow
def test_a_report_of_many_labels_is_small_and_says_what_it_leaves_out(tmp_path):
    evaluation, files = evaluated(tmp_path, worse(cells()), "worse")
    other, _ = evaluated(tmp_path, cells(), "same")
    versus = "same", other, compare(evaluation, other, ("worse", "same"))
    drawn = {name: CaseFiles(*paths) for name, paths in files.items()}
    page = html_report(evaluation, ReportParts(drawn, versus=versus))
    assert "There are 225 labels: the 50 worst" in page
    assert "the 200 worst are listed" in page
    assert "the 50 worst of its labels" in page
    assert "all others" in page
    assert len(page) < 10 * 2**20
    assert set(range(1, 21)) < set(cuts.worst_labels(evaluation, 50))


def test_few_labels_are_all_there(tmp_path):
    evaluation, _ = evaluated(tmp_path, worse(cells()), "worse")
    few = cuts.of_labels(evaluation, [1, 2, 3])
    assert cuts.worst_labels(few, 50) == [1, 2, 3]
    assert "are drawn" not in html_report(few, ReportParts())


def test_outlines_of_a_ragged_mask_become_pixels(tmp_path):
    noise = np.random.default_rng(0).integers(0, 2, (1200, 900)).astype(np.uint8)
    tifffile.imwrite(tmp_path / "a.tif", noise)
    tifffile.imwrite(tmp_path / "b.tif", 1 - noise)
    figure = overlay_figure(CaseFiles(tmp_path / "a.tif", tmp_path / "b.tif"), "noise")
    assert all(one.get_rasterized() for one in figure.axes[0].collections)
    assert len(figure.axes[0].collections) == 2


def test_masks_without_an_outline_have_a_picture(tmp_path):
    for name, labels in (("line", np.ones((1, 30))), ("full", np.ones((9, 9)))):
        tifffile.imwrite(tmp_path / f"{name}.tif", labels.astype(np.uint8))
        figure = overlay_figure(CaseFiles(*[tmp_path / f"{name}.tif"] * 2), name)
        assert figure.axes[0].images


@given(seed=st.integers(0, 99), labels=st.integers(2, 120))
def test_what_is_not_drawn_of_a_confusion_is_counted_as_others(seed, labels):
    random = np.random.default_rng(seed)
    truth, prediction = random.integers(0, labels, (2, 40, 40))
    whole = confusion_matrix(pair_labels(truth, prediction))
    shown, cut = cuts.confusion_to_draw(whole)
    assert shown.total == whole.total
    assert cut == (whole.labels.size > 51)
    if cut:
        assert shown.labels.size == 52
    for label in shown.labels[: -1 if cut else None].tolist():
        assert shown.counts(label) == whole.counts(label)
