"""The report: everything in one file, no links, right numbers, and a script that only sorts."""

import re
from dataclasses import replace
from html.parser import HTMLParser

import nibabel as nib
import numpy as np
import pytest

from napari_medunet.engine.evaluation.comparison import compare
from napari_medunet.engine.evaluation.evaluation import Evaluation, evaluate_files
from napari_medunet.engine.evaluation.metrics.scores import score_labels
from napari_medunet.engine.evaluation.metrics.table import METRICS, metric_table
from napari_medunet.engine.evaluation.report.figures import (
    as_svg,
    confusion_figure,
    spread_figure,
    training_figure,
)
from napari_medunet.engine.evaluation.report.html import html_report, write_html
from napari_medunet.engine.evaluation.report.overlays import CaseFiles, best_and_worst
from napari_medunet.engine.evaluation.report.sections import ReportParts
from napari_medunet.engine.progress import EpochScores, Scores
from napari_medunet.engine.settings import EvaluateSettings

VOID = {"meta", "br", "path", "use", "image", "rect", "circle", "line"}


class Page(HTMLParser):
    """What a page holds: balanced tags, ids that are used, and addresses."""

    def __init__(self, text):
        super().__init__()
        self.open, self.addresses, self.text = [], [], []
        self.tags = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.addresses += [v for k, v in attributes if k in ("src", "href", "xlink:href")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, text):
        self.text.append(text)


def block(moved=0, label=1, shape=(6, 14, 15)):
    labels = np.zeros(shape, np.uint8)
    labels[1:5, 3 + moved : 8 + moved, 3:9] = label
    labels[1:5, 3 + moved : 8 + moved, 9:12] = 2
    return labels


@pytest.fixture
def files(tmp_path):
    """Five cases, each worse than the one before; the last one lacks label 2; and their images."""
    found = {}
    for place in range(5):
        prediction = block(place % 4)
        if place == 4:
            prediction[prediction == 2] = 0
        image = block() * 50.0 + np.random.default_rng(place).normal(size=prediction.shape)
        paths = []
        for kind, voxels in (("truth", block()), ("prediction", prediction), ("image", image)):
            path = tmp_path / kind / f"case_{place}.nii.gz"
            path.parent.mkdir(exist_ok=True)
            nib.Nifti1Image(voxels, np.diag([3.0, 1, 0.8, 1])).to_filename(path)
            paths.append(path)
        found[f"case_{place}"] = CaseFiles(*paths)
    return found


@pytest.fixture
def evaluation(files) -> Evaluation:
    pairs = {name: (case.truth, case.prediction) for name, case in files.items()}
    return evaluate_files(pairs, EvaluateSettings(group=["whole=1,2"]), unpaired=["no <partner>"])


def test_the_page_is_whole_and_links_to_nothing(evaluation, files, tmp_path):
    other = Evaluation(dict(list(evaluation.cases.items())[1:]), settings=evaluation.settings)
    versus = ("B & C", other, compare(evaluation, other, ("A", "B & C")))
    parts = ReportParts(files, "A & B", versus)
    path = tmp_path / "report.html"
    write_html(replace(evaluation, names={1: "<tumour>", 2: "liver"}), path, parts)
    text = path.read_text(encoding="utf-8")
    page = Page(text)
    assert page.open == []
    assert all(a.startswith(("#", "data:image/png;base64,")) for a in page.addresses)
    # Names of XML languages are no links; nothing else may look like one.
    assert set(re.findall(r"https?://[^\"' <]+", text)) <= {
        "http://www.w3.org/2000/svg",
        "http://www.w3.org/1999/xlink",
    }
    shown = "".join(page.text)
    assert "<tumour>" in shown
    assert ">F1<" not in text  # it is the same number as Dice
    assert "no <partner>" in shown
    assert "was measured for one of the two only" in shown
    assert page.tags.count("figure") == 5  # 3 best, 2 worst
    for heading in ("Summary", "Spread over cases", "Comparison", "Confusion matrix",
                    "Best and worst cases", "Cases", "Definitions", "Settings and versions"):  # fmt: skip
        assert f"<h2>{heading}</h2>" in text


def test_the_numbers_are_the_evaluations(evaluation):
    text = html_report(evaluation, ReportParts())
    summary = evaluation.summary()
    assert f"<b>{summary[1]['dice'].mean:.3f}</b>" in text
    assert f"{summary[1]['dice'].ci_low:.3f} .. {summary[1]['dice'].ci_high:.3f}" in text
    row = evaluation.cases["case_3"].labels[1]
    assert f"<td>case_3</td><td>1</td><td>{row.dice:.3f}</td>" in text
    assert "<b>inf</b>" in text  # the label that one prediction lacks
    assert f"({summary[2]['hd95'].mean_finite:.2f})" in text
    assert "4 of 5" in text


def test_best_and_worst_are_each_named_once(evaluation):
    best, worst = best_and_worst(evaluation)
    assert (len(best), len(worst)) == (3, 2)
    assert not set(best) & set(worst)
    dice = {n: evaluation.mean_over_labels(n)["dice"].mean for n in evaluation.cases}
    assert dice[best[0]] == max(dice.values())
    assert dice[worst[0]] == min(dice.values())
    assert best_and_worst(Evaluation({})) == ([], [])


def test_a_picture_that_cannot_be_drawn_does_not_stop_the_report(evaluation, files):
    gone = {name: CaseFiles(f.truth, f.truth.with_name("gone.nii")) for name, f in files.items()}
    text = html_report(evaluation, ReportParts(files=gone))
    assert "No picture of 'case_0'" in text


def test_without_images_the_labels_are_drawn(evaluation, files):
    bare = {name: CaseFiles(f.truth, f.prediction) for name, f in files.items()}
    assert Page(html_report(evaluation, ReportParts(files=bare))).tags.count("figure") == 5


def test_nothing_measured_is_a_report_too():
    text = html_report(Evaluation({}, {"a": "broken <file>"}), ReportParts())
    assert "broken &lt;file&gt;" in text
    assert "0 cases measured, 1 could not be" in text


def test_a_single_case_and_empty_labels_make_a_report():
    empty = score_labels(np.zeros((3, 4, 5), int), np.zeros((3, 4, 5), int))
    assert Page(html_report(Evaluation({"empty": empty}), ReportParts())).open == []


def test_plots_hold_words_as_words_and_no_metadata(evaluation):
    named = replace(evaluation, names={1: "tumour"})
    svg = as_svg(spread_figure({"a": named, "b": named}))
    assert svg.startswith("<svg")
    assert ">tumour</text>" in svg
    assert "rdf" not in svg
    assert "<text" in as_svg(confusion_figure(evaluation))
    scores = Scores(loss=1.0, dice=0.5, iou=0.4, precision=0.5, recall=0.5, accuracy=0.9)
    history = [EpochScores(epoch, epoch / 2, 1e-3, scores, scores) for epoch in (1, 2)]
    assert "stroke-dasharray" in as_svg(training_figure(history))


def test_a_matrix_of_many_labels_is_drawn():
    truth = np.arange(400).reshape(20, 20)
    found = Evaluation({"a": score_labels(truth, truth.T)})
    assert as_svg(confusion_figure(found)).startswith("<svg")


def test_every_metric_is_defined_with_what_the_settings_chose():
    known = metric_table(EvaluateSettings(percentile=90, beta=0.5, boundary_mm=7))
    assert tuple(known) == METRICS
    assert known["hd95"].heading == "HD90"
    assert "90th percentiles" in known["hd95"].text
    assert known["f_beta"].heading == "F0.5"
    assert "within 7 mm" in known["boundary_iou"].text
