"""Scores over cases: volumes and files in, means and tables out."""

import csv
import gzip
import json
from dataclasses import replace
from io import StringIO
from math import inf, isnan, nan

import nibabel as nib
import numpy as np
import pytest
from rich.console import Console

from napari_medunet.engine.evaluation.evaluation import Evaluation, evaluate_files
from napari_medunet.engine.evaluation.metrics.scores import CaseScores, evaluate_case, score_labels
from napari_medunet.engine.evaluation.metrics.table import METRICS, LabelScores
from napari_medunet.engine.evaluation.report.json_content import to_json
from napari_medunet.engine.evaluation.summary import summarise
from napari_medunet.engine.evaluation.tables import case_table
from napari_medunet.engine.progress import Cancelled
from napari_medunet.engine.settings import EvaluateSettings
from napari_medunet.engine.volume import Volume, affine_from_spacing

SPACING = (3.0, 1.0, 0.5)


def block(*labels: int, shape=(6, 9, 10)) -> np.ndarray:
    """A block of each label, side by side."""
    voxels = np.zeros(shape, dtype=np.uint8)
    for place, label in enumerate(labels):
        voxels[1:4, 1:5, 1 + 3 * place : 4 + 3 * place] = label
    return voxels


def volume(voxels, spacing=SPACING, origin=(0.0, 0.0, 0.0), name="case_07") -> Volume:
    return Volume(voxels, affine_from_spacing(spacing, origin), name)


def write(path, voxels, affine=None):
    nib.Nifti1Image(voxels, np.diag([0.5, 1, 3, 1]) if affine is None else affine).to_filename(path)
    return path


def shown(table) -> str:
    console = Console(width=80, record=True, file=StringIO())
    console.print(table)
    return console.export_text()


# --- one case -----------------------------------------------------------------------------------


def test_a_case_of_volumes_takes_spacing_and_name_from_the_truth():
    truth, prediction = block(1, 2), np.roll(block(1, 2), 1, axis=0)
    case = evaluate_case(volume(truth), volume(prediction, name="guess"))
    assert case.name == "case_07"
    assert list(case.labels) == [1, 2]
    assert case.labels[1].hd == pytest.approx(3.0)
    assert case.labels[1].volume_truth_ml == pytest.approx(3 * 4 * 3 * 1.5 / 1000)
    assert case.accuracy == pytest.approx((truth == prediction).mean())


def test_spacing_is_not_the_diagonal_of_the_affine(tmp_path):
    spacing = np.array([0.5, 2.0, 4.0])  # along the axes of the array on disk
    turn = np.array(
        [[0, -0.8, 0.6], [0, 0.6, 0.8], [1, 0, 0]]
    )  # axes permuted, and tilted by 37 degrees
    affine = np.eye(4)
    affine[:3, :3] = turn * spacing
    truth, prediction = np.zeros((2, 14, 10, 8), np.uint8)
    truth[3:9, 2:6, 2:5] = 1
    prediction[5:11, 3:7, 2:6] = 1
    paths = [
        write(tmp_path / f"{name}.nii", voxels, affine)
        for name, voxels in (("truth", truth), ("prediction", prediction))
    ]
    found = evaluate_files({"a": tuple(paths)}).cases["a"].labels[1]
    expected = score_labels(truth, prediction, spacing).labels[1]
    assert found.as_dict() == pytest.approx(expected.as_dict(), rel=1e-6, nan_ok=True)


def test_the_settings_choose_percentile_tolerance_and_kind():
    truth, prediction = volume(block(1)), volume(np.roll(block(1), 1, axis=0))
    strict, loose, borders = (
        evaluate_case(truth, prediction, EvaluateSettings(**options)).labels[1]
        for options in (
            {"tolerance_mm": 2.0},
            {"tolerance_mm": 3.0},
            {"tolerance_mm": 2.0, "nsd": "border", "percentile": 50},
        )
    )
    assert strict.nsd < loose.nsd == 1
    assert borders.nsd != strict.nsd
    assert borders.hd95 < strict.hd95


@pytest.mark.parametrize(
    ("other", "message"),
    [
        ({"voxels": block(1, shape=(6, 9, 11))}, r"\(6 x 9 x 11 against 6 x 9 x 10 voxels\)"),
        ({"spacing": (3.0, 1.0, 1.0)}, r"\(3 x 1 x 1 against 3 x 1 x 0.5 mm a voxel\)"),
        ({"origin": (6.0, 0.0, 0.0)}, r"first voxel at \(.*, -6\) against \(.*, 0\) mm"),
    ],
)
def test_another_grid_is_refused_in_one_line(other, message):
    given = {"voxels": block(1), "name": "guess", **other}
    with pytest.raises(ValueError, match=message) as caught:
        evaluate_case(volume(block(1)), volume(**given))
    text = str(caught.value)
    assert text.startswith("Prediction 'guess' is on another grid than truth 'case_07'")
    assert "resample one of them" in text
    assert "\n" not in text


def test_turned_axes_are_another_grid():
    turned = affine_from_spacing((1.0, 1.0, 1.0))
    turned[:3, 1] *= -1
    cube = np.ones((4, 4, 4), np.uint8)
    with pytest.raises(ValueError, match="directions of the axes that differ by 180 degrees"):
        evaluate_case(volume(cube, (1.0, 1.0, 1.0)), Volume(cube, turned, "guess"))


def test_volumes_with_a_time_axis_are_refused():
    moving = Volume(np.ones((2, 3, 4, 5)), np.eye(4), "film", ("t",), (1.0,))
    with pytest.raises(ValueError, match=r"Truth 'film' has the axes \(t\) before"):
        evaluate_case(moving, moving)


def test_a_probability_map_is_not_labels():
    soft = volume(block(1) * 0.7)
    with pytest.raises(ValueError, match=r"Prediction: 36 voxels are no integers, such as 0\.7"):
        evaluate_case(volume(block(1)), soft)


# --- many cases ---------------------------------------------------------------------------------


def scored(**values) -> CaseScores:
    confusion = score_labels(np.zeros(2, int), np.zeros(2, int)).confusion
    return CaseScores("case", {1: LabelScores(**values)}, confusion)


def test_a_summary_says_how_many_values_are_defined():
    summary = summarise([LabelScores(dice=0.5), LabelScores(dice=0.9), LabelScores(dice=nan)])
    dice = summary["dice"]
    assert (dice.mean, dice.median, dice.n, dice.of) == (pytest.approx(0.7), 0.7, 2, 3)
    assert dice.sd == pytest.approx(np.std([0.5, 0.9], ddof=1))
    assert summary["hd"].n == 0
    assert isnan(summary["hd"].mean)


def test_a_missed_label_does_not_vanish_from_the_mean_distance():
    hd = summarise([LabelScores(hd=2.0), LabelScores(hd=4.0), LabelScores(hd=inf)])["hd"]
    assert hd.mean == inf
    assert hd.mean_finite == 3
    assert hd.median == 4
    assert (hd.n, hd.of) == (3, 3)
    assert isnan(hd.sd)


def test_a_label_that_some_case_lacks_is_counted_there_as_absent():
    both = score_labels(block(1, 5), block(1, 5))
    one = score_labels(block(1), block(1))
    evaluation = Evaluation({"a": both, "b": one})
    assert list(evaluation.cases["b"].labels) == [1, 5]
    assert isnan(evaluation.cases["b"].labels[5].dice)
    assert evaluation.summary()[5]["dice"].n == 1
    assert evaluation.summary()[5]["dice"].of == 2
    assert evaluation.mean_over_labels("b")["dice"].mean == 1
    assert list(one.labels) == [1]  # what came in is left as it was


def test_a_label_that_the_prediction_misses_lowers_the_mean_over_labels():
    missed = Evaluation({"a": score_labels(block(1, 5), block(1))}).mean_over_labels("a")
    assert missed["dice"].mean == pytest.approx(0.5)
    assert missed["hd"].mean == inf
    assert missed["hd"].mean_finite == 0


# --- files --------------------------------------------------------------------------------------


@pytest.fixture
def pairs(tmp_path):
    """Two good pairs and four that cannot be measured."""
    good, moved = block(1, 2), np.roll(block(1, 2), 1, axis=1)
    truth = write(tmp_path / "truth.nii.gz", good)
    cut = tmp_path / "cut.nii.gz"
    cut.write_bytes(truth.read_bytes()[:-40])
    junk = tmp_path / "junk.nii"
    junk.write_bytes(gzip.compress(b"no volume"))
    other = write(tmp_path / "other.nii", good, np.diag([1.0, 1, 3, 1]))
    return {
        "cut": (truth, cut),
        "one": (truth, write(tmp_path / "one.nii", moved.astype(np.float32))),
        "junk": (truth, junk),
        "missing": (truth, tmp_path / "missing.nii.gz"),
        "other grid": (truth, other),
        "two": (truth, truth),
    }


def test_broken_pairs_are_named_and_the_rest_is_measured(pairs):
    heard = []
    evaluation = evaluate_files(pairs, report=heard.append, unpaired=["case_9"])
    assert list(evaluation.cases) == ["one", "two"]
    assert set(evaluation.failures) == {"cut", "junk", "missing", "other grid"}
    assert all("\n" not in message for message in evaluation.failures.values())
    assert "another grid" in evaluation.failures["other grid"]
    assert evaluation.cases["two"].labels[2].dice == 1
    assert evaluation.unpaired == ("case_9",)
    assert [progress.fraction for progress in heard] == sorted(p.fraction for p in heard)
    assert heard[-1].fraction == 1
    assert "2 of 6" in heard[-1].message


def test_files_give_what_their_arrays_give(pairs):
    found = evaluate_files({"one": pairs["one"]}).cases["one"].labels
    # On disk the axes are (x, y, z) with x fastest: the header's spacing is theirs.
    truth, prediction = (np.asarray(nib.load(path).dataobj) for path in pairs["one"])
    expected = score_labels(truth, prediction, (0.5, 1.0, 3.0)).labels
    for label in (1, 2):
        assert found[label].as_dict() == pytest.approx(expected[label].as_dict())
    assert found[1].hd == pytest.approx(1.0)


def test_evaluation_can_be_cancelled(pairs):
    def report(progress):
        if progress.fraction > 0.3:
            raise Cancelled

    with pytest.raises(Cancelled):
        evaluate_files(pairs, report=report)


# --- tables -------------------------------------------------------------------------------------


@pytest.fixture
def evaluation() -> Evaluation:
    truth = block(1, 200)
    return Evaluation(
        {
            "a": score_labels(truth, np.roll(truth, 1, axis=1), SPACING, name="a"),
            "b": score_labels(truth, block(1), SPACING, name="b"),
        },
        failures={"c": "no such file"},
    )


def test_json_is_of_the_promised_shape(evaluation):
    content = json.loads(to_json(evaluation), parse_constant=pytest.fail)  # no bare NaN, Infinity
    assert list(content["cases"]) == ["a", "b"]
    assert list(content["cases"]["a"]) == ["1", "200"]
    assert list(content["cases"]["a"]["1"]) == list(METRICS)
    assert content["cases"]["b"]["200"]["hd"] == "inf"
    assert content["cases"]["b"]["200"]["precision"] == "nan"
    assert {"mean", "sd", "median", "n"} <= set(content["summary"]["200"]["dice"])
    assert content["summary"]["200"]["hd"]["mean"] == "inf"
    assert content["summary"]["200"]["precision"]["n"] == 1
    assert content["failures"] == {"c": "no such file"}


def test_csv_has_a_line_for_each_case_and_label(evaluation, tmp_path):
    path = tmp_path / "scores.csv"
    evaluation.to_csv(path)
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["case"], row["label"]) for row in rows] == [
        ("a", "1"),
        ("a", "200"),
        ("b", "1"),
        ("b", "200"),
    ]
    assert float(rows[0]["dice"]) == evaluation.cases["a"].labels[1].dice
    assert rows[3]["hd"] == "inf"
    assert list(tmp_path.iterdir()) == [path]


def test_csv_that_cannot_be_written_is_one_line(evaluation, tmp_path):
    folder = tmp_path / "scores.csv"
    folder.mkdir()
    with pytest.raises(OSError, match=r"scores\.csv"):
        evaluation.to_csv(folder)
    assert list(tmp_path.iterdir()) == [folder]


def test_tables_say_what_their_means_leave_out(evaluation):
    text = shown(replace(evaluation, names={200: "tumour"}))
    assert "tumour" in text
    assert "(1.00)" in text
    assert "1 of 2" in text  # precision of the label that one prediction lacks
    assert "inf" in shown(case_table(evaluation.cases["b"]))
    assert max(map(len, text.splitlines())) <= 80


def test_an_evaluation_prints_as_a_table_and_shows_as_one_in_a_notebook(evaluation):
    named = replace(evaluation, names={200: "<b>"})
    assert "<b>" in str(named)
    assert "2 cases" in str(named)
    assert max(map(len, str(named).splitlines())) <= 80
    page = named._repr_html_()
    assert "&lt;b&gt;" in page
    assert "<b>" not in page
    assert "<td" in page


def test_a_single_case_prints_its_own_scores(evaluation):
    case = evaluation.cases["a"]
    alone = Evaluation({"a": case})
    assert f"{case.labels[1].dice:.3f}" in str(alone)
    assert "mean" in str(alone)
    assert f"{case.labels[1].dice:.3f}" in str(case)
    group = replace(case, name="<i>", groups={"<b>": case.labels[1]})
    page = group._repr_html_()
    assert "&lt;b&gt;" in page
    assert "&lt;i&gt;" in page
    assert "<b>" not in page


def test_a_case_says_how_it_was_measured():
    settings = EvaluateSettings(percentile=50, tolerance_mm=3)
    text = str(score_labels(block(1), block(1), SPACING, settings))
    assert "HD50" in text
    assert "NSD at 3 mm" in text


def test_labels_are_called_what_the_tables_beside_their_files_say(tmp_path):
    pairs = {}
    for name in ("a", "b"):
        for kind in ("truth", "prediction"):
            (tmp_path / kind).mkdir(exist_ok=True)
            write(tmp_path / kind / f"{name}.nii.gz", block(1, 2, 3))
        pairs[name] = (
            tmp_path / "truth" / f"{name}.nii.gz",
            tmp_path / "prediction" / f"{name}.nii.gz",
        )
    table = "index\tname\n1\t{}\n2\t{}\n"
    (tmp_path / "truth" / "labels.tsv").write_text("index\tname\n1\tliver\n")
    (tmp_path / "prediction" / "a.tsv").write_text(table.format("lung", "spleen"))
    assert evaluate_files(pairs).names == {1: "liver", 2: "spleen"}
    (tmp_path / "prediction" / "b.tsv").write_text(table.format("lung", "kidney"))
    assert evaluate_files(pairs).names == {1: "liver"}  # of 2 they say different things
    assert evaluate_files(pairs, names={1: "mine", 3: "bone"}).names == {1: "mine", 3: "bone"}
    assert evaluate_files({}).names == {}
