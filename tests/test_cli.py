"""The command line on real files.

Most commands run in this process, by the function that the program calls: the backend starts once. What is
interrupted, and what looks at the machine, has a process of its own; `test_readme` runs the commands as a
person does.
"""

import contextlib
import gzip
import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path

import nibabel
import numpy as np
import PIL.Image
import pytest

import napari_medunet
from napari_medunet import cli
from napari_medunet.cli import console
from napari_medunet.cli import training as cli_training
from napari_medunet.cli.demo import annotate_slices
from napari_medunet.engine.examples.example import make_example
from napari_medunet.engine.examples.phantoms import make_phantom
from napari_medunet.engine.files.nifti import write_labels, write_volume
from napari_medunet.engine.hardware import machine, speed
from napari_medunet.engine.plan import Plan
from napari_medunet.engine.planning.plan_maker import make_plan
from napari_medunet.engine.prediction.model_file import read_card
from napari_medunet.engine.progress import Progress
from napari_medunet.engine.settings import TrainSettings
from napari_medunet.engine.training.learning import probe
from napari_medunet.engine.training.run.run_folder import RunFolder
from napari_medunet.engine.training.shares import Shares
from napari_medunet.progress_bar import text_console

QUICK = ("--minutes", "2", "--epochs", "1", "--filters", "4", "--depth", "2", "--dims", "2d")


@dataclass
class Ran:
    """What a command has left."""

    returncode: int
    stdout: str
    stderr: str


def run(*arguments):
    """Run a command in this process."""
    out, err = io.StringIO(), io.StringIO()
    shown = text_console(file=err)
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
        patch.setattr(console, "_errors", shown)
        code = cli.run([str(argument) for argument in arguments])
    return Ran(code, out.getvalue(), err.getvalue())


def run_alone(*arguments):
    """Run a command in a process of its own."""
    command = [sys.executable, "-m", "napari_medunet", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=600)


def one_line_error(ran, code):
    """The error of a failed command: one line, no traceback."""
    assert ran.returncode == code, ran.stderr
    lines = [line for line in ran.stderr.splitlines() if line.startswith("Error: ")]
    assert len(lines) == 1, ran.stderr
    assert "Traceback" not in ran.stderr
    return lines[0]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Images and labels of three phantoms, and a segmenter trained on them."""
    root = tmp_path_factory.mktemp("cli")
    for seed in range(3):
        image, truth = make_phantom(seed, (8, 32, 32))
        write_volume(root / "images" / f"{image.name}.nii.gz", image)
        write_labels(root / "truth" / f"{image.name}.nii.gz", truth.voxels, image)
        sparse = annotate_slices(truth, 3)
        write_labels(root / "labels" / f"{image.name}.nii.gz", sparse.voxels, image)
    return root


@pytest.fixture(scope="module")
def model(folder):
    path = folder / "model.medunet"
    ran = run("train", "--images", folder / "images", "--labels", folder / "labels", "--model", path,
              "--annotated", "slices", "--json", *QUICK)  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    lines = [json.loads(line) for line in ran.stdout.splitlines()]
    assert {line["event"] for line in lines[:-1]} == {"progress", "plan"}
    assert lines[-1]["event"] == "result"
    assert lines[-1]["model"] == str(path)
    assert [line for line in lines if line.get("scores")]
    return path


@pytest.mark.slow
def test_train_predict_evaluate_on_files(folder, model, tmp_path):
    out = tmp_path / "predictions"
    ran = run("predict", model, "--images", folder / "images", "--out", out, "--json")
    assert ran.returncode == 0, ran.stderr
    result = json.loads(ran.stdout.splitlines()[-1])
    assert sorted(result["done"]) == ["phantom_00", "phantom_01", "phantom_02"]
    for path in out.iterdir():
        written, given = nibabel.load(path), nibabel.load(folder / "images" / path.name)
        assert written.shape == given.shape
        assert written.get_data_dtype() == np.uint8
        np.testing.assert_array_equal(written.affine, given.affine)

    again = run("predict", model, "--images", folder / "images", "--out", out, "--json")
    assert len(json.loads(again.stdout.splitlines()[-1])["skipped"]) == 3

    scored = run("evaluate", "--predictions", out, "--truth", folder / "truth", "--json",
                 "--csv", tmp_path / "scores.csv")  # fmt: skip
    assert scored.returncode == 0, scored.stderr
    scores = json.loads(scored.stdout)
    assert set(scores["cases"]) == {"phantom_00", "phantom_01", "phantom_02"}
    assert set(scores["summary"]["1"]["dice"]) >= {"mean", "sd", "median", "n"}
    assert "phantom_01" in (tmp_path / "scores.csv").read_text()


@pytest.mark.slow
def test_folds_are_scored_as_their_files_are_and_averaged(folder, tmp_path):
    path = tmp_path / "folds.medunet"
    ran = run("train", "--images", folder / "images", "--labels", folder / "labels", "--model", path,
              "--annotated", "slices", "--folds", "2", "--json", *QUICK)  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    result = json.loads(ran.stdout.splitlines()[-1])
    assert result["event"] == "result"
    assert result["not_measured"] == []
    assert [len(fold["cases"]) for fold in result["cross_validation"]["folds"]] == [2, 1]
    out = tmp_path / "folds-folds"
    assert result["out_of_fold"] == str(out)
    kept = tmp_path / "folds-run"
    assert result["run"] == str(kept)
    assert (kept / "fold-2" / "history.csv").exists()
    assert not list(kept.rglob("checkpoint*"))
    assert "Cross-validation" in (out / "report.html").read_text(encoding="utf-8")
    scored = run("evaluate", "--predictions", out / "predictions", "--truth", folder / "labels",
                 "--annotated", "slices", "--json", "--csv", tmp_path / "scores.csv")  # fmt: skip
    assert scored.returncode == 0, scored.stderr
    assert (out / "scores.csv").read_text() == (tmp_path / "scores.csv").read_text()
    told = run("info", path).stdout
    assert "2 networks" in told
    assert "cross-validated on 2 folds" in told


@pytest.mark.slow
def test_folds_that_cannot_be_are_one_line(folder, tmp_path):
    arguments = ("train", "--images", folder / "images", "--labels", folder / "labels", "--model",
                 tmp_path / "m")  # fmt: skip
    few = one_line_error(run(*arguments, "--folds", "4"), 1)
    assert "3 cases cannot be divided into 4 folds" in few
    assert "--folds" in one_line_error(run(*arguments, "--folds", "1"), 2)
    assert "needs --folds" in one_line_error(run(*arguments, "--out-of-fold", tmp_path), 2)


@pytest.mark.slow
def test_evaluate_compares_reports_and_goes_on_after_a_broken_file(folder, tmp_path):
    truth = folder / "truth"
    for kind in ("one", "two"):
        (tmp_path / kind).mkdir()
    for place, path in enumerate(sorted(truth.iterdir())):
        given = nibabel.load(path)
        voxels = np.asarray(given.dataobj)
        for kind, moved in (("one", np.roll(voxels, 1, 0)), ("two", voxels)):
            nibabel.Nifti1Image(moved, given.affine).to_filename(tmp_path / kind / path.name)
        if place == 0:
            (tmp_path / "two" / path.name).write_bytes(b"junk")
    arguments = ("evaluate", "--predictions", tmp_path / "one", "--versus", tmp_path / "two",
                 "--truth", truth, "--group", "all=1,2", "--html", tmp_path / "report.html",
                 "--csv", tmp_path / "scores.csv", "--images", folder / "images")  # fmt: skip
    ran = run(*arguments, "--json")
    assert ran.returncode == 1
    assert "'phantom_00' failed" in ran.stderr
    result = json.loads(ran.stdout)
    assert len(result["cases"]) == 3
    assert len(result["versus"]["cases"]) == 2
    assert result["versus"]["failures"].keys() == {"phantom_00"}
    assert result["comparison"]["differences"]["all"]["dice"]["mean"] < 0
    assert result["comparison"]["left_out"] == ["phantom_00"]
    assert result["summary"]["all"]["dice"]["ci_low"] <= result["summary"]["all"]["dice"]["mean"]
    report = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "Best and worst cases" in report
    assert "phantom_02" in report
    assert (tmp_path / "scores.csv").read_text().startswith("segmentation,case,label,dice")
    assert "--overwrite" in one_line_error(run(*arguments), 1)
    shown = run(*arguments, "--overwrite")
    assert shown.returncode == 1
    assert "one minus two, 2 cases" in shown.stdout


def test_predictions_are_not_compared_with_themselves(folder):
    truth = folder / "truth"
    ran = run("evaluate", "--predictions", truth, "--versus", truth, "--truth", truth)
    assert "wanted predictions of another segmenter" in one_line_error(ran, 1)


def test_evaluate_calls_labels_what_tables_beside_them_say(folder, tmp_path):
    truth, predictions = tmp_path / "truth", tmp_path / "predictions"
    for target in (truth, predictions):
        shutil.copytree(folder / "truth", target)
    (truth / "labels.tsv").write_text("index\tname\n1\tkidney\n", encoding="utf-8")
    table = "index\tname\n1\tlump\n2\ttumour\n"
    (predictions / "labels.tsv").write_text(table, encoding="utf-8")
    report = tmp_path / "report.html"
    ran = run("evaluate", "--predictions", predictions, "--truth", truth, "--html", report)
    assert ran.returncode == 0, ran.stderr
    for text in (ran.stdout, report.read_text(encoding="utf-8")):
        assert "kidney" in text
        assert "tumour" in text
        assert "lump" not in text


@pytest.mark.slow
def test_evaluate_refuses_another_grid_and_resamples_where_asked(folder, tmp_path):
    given = nibabel.load(folder / "truth" / "phantom_00.nii.gz")
    voxels = np.pad(np.asarray(given.dataobj), ((0, 2), (0, 0), (0, 0)))
    nibabel.Nifti1Image(voxels, given.affine).to_filename(tmp_path / "phantom_00.nii.gz")
    prediction = tmp_path / "phantom_00.nii.gz"  # one file: the other truths are not asked for
    arguments = ("evaluate", "--predictions", prediction, "--truth", folder / "truth", "--json")
    refused = run(*arguments)
    assert refused.returncode == 1
    assert "another grid" in refused.stderr
    brought = run(*arguments, "--resample")
    assert brought.returncode == 0, brought.stderr
    assert "brought to the truth's grid" in brought.stderr
    result = json.loads(brought.stdout)
    assert result["summary"]["1"]["dice"]["mean"] == 1
    assert "nearest voxel" in result["resampled"]["phantom_00"]


def test_a_group_that_cannot_be_read_is_wrong_usage(folder):
    ran = run("evaluate", "--predictions", folder, "--truth", folder, "--group", "tumour")
    assert "--group" in one_line_error(ran, 2)


@pytest.mark.slow
def test_one_file_in_place_of_a_folder(folder, model, tmp_path):
    image = folder / "images" / "phantom_00.nii.gz"
    assert run("predict", model, "--images", image, "--out", tmp_path).returncode == 0
    ran = run("evaluate", "--predictions", tmp_path / "phantom_00.nii.gz", "--truth",
              folder / "truth" / "phantom_00.nii.gz")  # fmt: skip
    assert ran.returncode == 0
    assert "Dice" in ran.stdout


def test_truth_against_itself_is_perfect(folder):
    ran = run("evaluate", "--predictions", folder / "truth", "--truth", folder / "truth", "--json")
    for metrics in json.loads(ran.stdout)["summary"].values():
        assert metrics["dice"]["mean"] == 1
        assert metrics["hd"]["mean"] == 0
    assert "every case is measured against itself" in ran.stderr


@pytest.mark.slow
def test_pictures_in_colour_with_masks(tmp_path):
    rng = np.random.default_rng(0)
    for number in range(3):
        mask = np.zeros((24, 36), np.uint8)
        row, column = rng.integers(3, 10, 2)
        mask[row : row + 10, column : column + 15] = 255
        colour = rng.integers(0, 60, (24, 36, 3)).astype(np.uint8)
        colour[..., 1] += mask // 2
        for kind, pixels in (("images", colour), ("masks", mask)):
            (tmp_path / kind).mkdir(exist_ok=True)
            PIL.Image.fromarray(pixels).save(tmp_path / kind / f"cell {number}.png")
    model = tmp_path / "cells.medunet"
    ran = run("train", "--images", tmp_path / "images", "--labels", tmp_path / "masks", "--model", model,
              "--minutes", "2", "--epochs", "8", "--filters", "8", "--depth", "2", "--batch", "4",
              "--flip", "all")  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    assert "3 channels" in ran.stdout
    ran = run("predict", model, "--images", tmp_path / "images", "--out", tmp_path / "out")
    assert ran.returncode == 0, ran.stderr
    with PIL.Image.open(tmp_path / "out" / "cell 1.png") as predicted:
        assert predicted.size == (36, 24)
        assert set(np.unique(np.asarray(predicted))) == {0, 255}
    ran = run(
        "evaluate", "--predictions", tmp_path / "out", "--truth", tmp_path / "masks", "--json"
    )
    assert json.loads(ran.stdout)["summary"]["255"]["dice"]["mean"] > 0.8


@pytest.mark.slow
def test_several_models_are_averaged(folder, model, tmp_path):
    image = folder / "images" / "phantom_00.nii.gz"
    ran = run("predict", model, model, "--images", image, "--out", tmp_path / "two", "--tta",
              "--largest-component")  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    assert (tmp_path / "two" / "phantom_00.nii.gz").exists()


@pytest.mark.slow
def test_a_broken_file_does_not_stop_the_others(folder, model, tmp_path):
    images = tmp_path / "images"
    shutil.copytree(folder / "images", images)
    whole = (images / "phantom_01.nii.gz").read_bytes()
    (images / "phantom_01.nii.gz").write_bytes(whole[: len(whole) // 2])
    ran = run("predict", model, "--images", images, "--out", tmp_path / "out")
    assert ran.returncode == 1
    assert ran.stderr.count("Warning: 'phantom_01' failed") == 1
    assert "Traceback" not in ran.stderr
    assert len(list((tmp_path / "out").iterdir())) == 2


@pytest.mark.slow
def test_a_broken_pair_does_not_stop_a_training(folder, tmp_path):
    shutil.copytree(folder / "images", tmp_path / "images")
    shutil.copytree(folder / "labels", tmp_path / "labels")
    other = make_phantom(0, (9, 32, 32))
    write_labels(
        tmp_path / "labels" / "phantom_01.nii.gz", other[1].voxels, other[0], overwrite=True
    )
    (tmp_path / "labels" / "phantom_02.nii.gz").unlink()
    (tmp_path / "labels" / "labels.tsv").write_text("index\tname\n1\tkidney\n", encoding="utf-8")
    ran = run("train", "--images", tmp_path / "images", "--labels", tmp_path / "labels",
              "--model", tmp_path / "m", *QUICK)  # fmt: skip
    assert ran.returncode == 1
    assert "another grid than image 'phantom_01' (9 x 32 x 32 against 8 x 32 x 32" in ran.stderr
    assert "'phantom_02' in" in ran.stderr
    assert [one.name for one in read_card(tmp_path / "m.medunet").classes] == ["kidney", "label 2"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "options", "message"),
    [
        ("none", (), "No label is painted"),
        ("none", ("--annotated", "slices"), "hold no label"),
        ("fractions", (), "no integers, such as 0.5"),
        ("single", ("--annotated", "voxels"), "single class [1]"),
        ("nan", (), "NaN or infinite"),
        ("grids", (), "another grid"),
        ("empty folder", (), "holds no volumes"),
        ("missing folder", (), "is missing"),
    ],
)
def test_bad_input_to_train_is_one_line(kind, options, message, folder, tmp_path):
    image, truth = make_phantom(0, (10, 32, 32))
    images, labels = tmp_path / "images", tmp_path / "labels"
    labels.mkdir()
    voxels = truth.voxels.astype(np.float32)
    if kind == "none":
        voxels *= 0
    elif kind == "fractions":
        voxels += 0.5
    elif kind == "single":
        voxels = np.minimum(voxels, 1)
    elif kind == "nan":
        image.voxels[0, 0, 0] = np.nan
    write_volume(images / "case.nii.gz", image)
    if kind == "grids":
        voxels = voxels[:-1]
    if kind == "missing folder":
        labels.rmdir()
    elif kind != "empty folder":
        affine = nibabel.load(images / "case.nii.gz").affine
        on_disk = voxels.transpose(2, 1, 0)[::-1, ::-1, ::-1]
        nibabel.save(nibabel.Nifti1Image(on_disk, affine), labels / "case.nii.gz")
    ran = run(
        "train", "--images", images, "--labels", labels, "--model", tmp_path / "m", *options, *QUICK
    )
    assert message in one_line_error(ran, 1)
    assert not (tmp_path / "m.medunet").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--minutes", "0"), "--minutes is 0.0: Input should be greater than 0"),
        (("--minutes", "soon"), "Invalid value for '--minutes'"),
        (("--spacing-mm", "1"), "--spacing-mm is '1': too few numbers. Resample to this spacing"),
        (("--patch", "64*64"), "--patch is '64*64': Input should be a valid integer"),
        (("--annotated", "some"), "'some' is not one of"),
        (("--surprise",), "No such option"),
    ],
)
def test_wrong_usage_is_one_line_and_code_2(arguments, message, folder, tmp_path):
    ran = run("train", "--images", folder / "images", "--labels", folder / "labels", "--model",
              tmp_path / "m", *arguments)  # fmt: skip
    assert message in one_line_error(ran, 2)


@pytest.mark.slow
def test_a_resumed_training_takes_no_other_options(tmp_path):
    run_folder = RunFolder.new(tmp_path / "run")
    image, truth = make_phantom(0, (8, 32, 32))
    examples = [make_example(image, truth, TrainSettings().annotation)]
    run_folder.begin(examples, make_plan(examples, TrainSettings()))
    ran = run("train", "--resume", run_folder.path)
    assert "holds no checkpoint" in one_line_error(ran, 1)
    (run_folder.path / "checkpoint-1.npz").write_bytes(b"")
    ran = run("train", "--resume", run_folder.path, "--epochs", "9")
    assert "leave all others out" in one_line_error(ran, 2)


@pytest.mark.slow
def test_a_segmenter_is_fine_tuned_on_files(folder, model, tmp_path):
    path = tmp_path / "more.medunet"
    given = ("train", "--images", folder / "images", "--labels", folder / "labels", "--model", path)
    replay = ("--replay-images", folder / "images", "--replay-labels", folder / "truth")
    quick = ("--minutes", "2", "--epochs", "1", "--annotated", "slices", "--start-from", model)
    ran = run(*given, *replay, *quick, "--json")
    assert ran.returncode == 0, ran.stderr
    said = [json.loads(line) for line in ran.stdout.splitlines()]
    (plan,) = [line for line in said if line["event"] == "plan"]
    assert plan["plan"] == read_card(path).plan.model_dump(mode="json")
    reasons = plan["plan"]["reasons"]
    assert {"network", "schedule.unaugmented_tail"} <= reasons.keys()
    why = "of which slices count, as in the segmenter's last training"
    assert reasons["replayed"]["why"] == why
    result = said[-1]
    assert (tmp_path / "more-run" / "history.csv").exists()
    assert result["run"] == str(tmp_path / "more-run")
    assert read_card(path).plan.grid.patch == read_card(model).plan.grid.patch
    strokes = tmp_path / "strokes"
    for file in (folder / "labels").iterdir():  # background has a label of its own here, not there
        on_disk = nibabel.load(file)
        painted = np.asarray(on_disk.dataobj).copy()
        painted[1:3, 1:3] = 9
        strokes.mkdir(exist_ok=True)
        nibabel.save(nibabel.Nifti1Image(painted, on_disk.affine), strokes / file.name)
    ran = run("train", "--images", folder / "images", "--labels", strokes, "--model", path, *replay,
              *quick, "--annotated", "voxels", "--background-label", "9", "--overwrite")  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    assert "failed" not in ran.stderr
    assert (tmp_path / "more.bak.medunet").exists()
    ran = run(*given, *quick, "--filters", "8", "--overwrite")
    assert "filters cannot be chosen" in one_line_error(ran, 1)


@pytest.mark.slow
def test_an_unwritable_output_is_found_before_the_work(folder, model, tmp_path):
    (tmp_path / "file").write_text("in the way")
    ran = run("train", "--images", folder / "images", "--labels", folder / "labels", "--model",
              tmp_path / "file" / "m.medunet")  # fmt: skip
    assert "Cannot write" in one_line_error(ran, 1)
    assert "epoch" not in ran.stderr
    ran = run("predict", model, "--images", folder / "images", "--out", tmp_path / "file")
    assert "Cannot write" in one_line_error(ran, 1)


@pytest.mark.slow
def test_a_model_that_is_none_is_refused(folder, tmp_path):
    path = tmp_path / "fake.medunet"
    path.write_bytes(gzip.compress(b"no model"))
    ran = run("predict", path, "--images", folder / "images", "--out", tmp_path / "out")
    assert "no segmenter" in one_line_error(ran, 1)
    assert "no segmenter" in one_line_error(run("info", path), 1)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGINT for one child")
def test_interrupting_a_training_keeps_the_best(folder, tmp_path):
    path = tmp_path / "stopped.medunet"
    child = subprocess.Popen(
        [sys.executable, "-m", "napari_medunet", "train", "--images", folder / "images", "--labels",
         folder / "labels", "--model", path, "--minutes", "30", "--filters", "4", "--dims", "2d", "--json"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    for line in child.stdout:
        if json.loads(line).get("scores"):
            child.send_signal(signal.SIGINT)
            break
    output, errors = child.communicate(timeout=600)
    assert child.returncode == 0, errors
    assert json.loads(output.splitlines()[-1])["event"] == "result"
    assert path.exists()


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGINT for one child")
def test_interrupting_what_keeps_nothing_says_so(tmp_path):
    child = subprocess.Popen(
        [sys.executable, "-m", "napari_medunet", "demo", "--out", tmp_path / "demo", "--json"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    child.stdout.readline()  # it has begun
    child.send_signal(signal.SIGINT)
    _, errors = child.communicate(timeout=600)
    assert child.returncode == 130
    assert errors.strip() == "Error: Interrupted: what was finished is kept."


def test_an_interrupt_that_a_library_swallows_is_not_lost(capsys):
    with console.interruptible(), console.shown(True, "Demo") as report:
        with contextlib.suppress(BaseException):  # as libraries do while they are imported
            signal.raise_signal(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            report(Progress(0.5, "Training"))
    assert not capsys.readouterr().out
    with console.interruptible(), console.shown(True, "Demo") as report:
        report(Progress(0.5, "Training"))
    assert json.loads(capsys.readouterr().out)["message"] == "Training"


@pytest.mark.slow
def test_info_speaks_of_images_labels_and_segmenters(folder, model):
    image = run("info", folder / "images" / "phantom_00.nii.gz").stdout
    assert "2 x 1 x 1" in image
    assert "sform" in image
    labels = json.loads(run("info", folder / "truth" / "phantom_00.nii.gz", "--json").stdout)
    assert labels["labels"].startswith("0: ")
    assert "D U-Net, 2 levels from 4 filters" in run("info", model).stdout


def edited(plan, **changes):
    """The JSON of a plan with other values of some options, as somebody edits it."""
    plan = json.loads(json.dumps(plan))
    for name, value in changes.items():
        *branches, last = Plan.leaves()[name].path
        inner = plan
        for branch in branches:
            inner = inner[branch]
        inner[last] = value
    return plan


@pytest.mark.slow
def test_a_plan_says_why_and_can_be_edited_and_trained(folder, tmp_path):
    data = ("--images", folder / "images", "--labels", folder / "truth")
    file, model = tmp_path / "plan.json", tmp_path / "edited"
    ran = run("plan", *data, "--patch", "16x16", "--looked-across", "x", "--out", file)
    assert ran.returncode == 0, ran.stderr
    said = [line.split(maxsplit=1)[0] for line in ran.stdout.splitlines()]
    assert {"Plan:", "spacing", "dimensions", "patch", "batch"} <= set(said)
    assert "Warning" not in ran.stderr
    plan = json.loads(file.read_text())
    assert plan["grid"]["patch"] == [16, 16]
    assert plan["grid"]["looked_across"] == "x"
    assert "reasons" not in plan
    scattered = shutil.copytree(folder / "truth", tmp_path / "scattered")
    for path in scattered.iterdir():
        on_disk = nibabel.load(path)
        labels = np.asarray(on_disk.dataobj).copy()
        labels[..., ::2] = 0
        nibabel.save(nibabel.Nifti1Image(labels, on_disk.affine), path)
    ran = run("plan", "--images", folder / "images", "--labels", scattered)
    assert "are not annotated yet, give --annotated slices" in ran.stderr
    file.write_text(json.dumps(edited(plan, filters=4, batch=3)))
    ran = run("train", *data, "--model", model, "--plan", file, "--epochs", "1", "--json")
    assert ran.returncode == 0, ran.stderr
    (event,) = (e for e in map(json.loads, ran.stdout.splitlines()) if e["event"] == "plan")
    assert event["plan"] == json.loads(run("info", f"{model}.medunet", "--json").stdout)["plan"]
    assert event["plan"]["network"]["filters"] == 4
    assert event["plan"]["schedule"]["batch"] == 3
    for wrong, said in (
        ({"batch": 0}, "schedule.batch: Input"),
        ({"channels": 3}, "of 3 channels"),
    ):
        file.write_text(json.dumps(edited(plan, **wrong)))
        ran = run("train", *data, "--model", model, "--plan", file, "--overwrite")
        assert said in one_line_error(ran, 1)


def test_the_minutes_count_from_when_the_command_was_entered(monkeypatch):
    left = []
    monkeypatch.setattr(
        cli_training, "train_anew", lambda *given: left.append(Shares(minutes=10).seconds_left) or 0
    )
    assert cli.run(["train"], began=time.monotonic() - 60) == 0
    assert 0 < left[0] <= 540
    assert machine.process_began() <= time.monotonic()


@pytest.mark.slow
def test_train_measures_the_machine_before_it_plans_and_once_only(folder, tmp_path, monkeypatch):
    monkeypatch.delenv("MEDUNET_SPEED")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(speed, "_here", {})
    monkeypatch.setattr(probe, "measure", lambda dims, threads: 10.0 * dims)
    plans = []
    monkeypatch.setattr(
        cli_training, "_train", lambda loaded, plan, run, as_json: plans.append(plan) or 0
    )
    data = ("--images", folder / "images", "--labels", folder / "truth")
    for minutes in (0.5, 2, 2):
        ran = run("train", *data, "--model", tmp_path / "one.medunet", "--minutes", minutes)
        assert ran.returncode == 0, ran.stderr
        assert ("Measuring" in ran.stderr) == (len(plans) == 2)
    why = [plan.reasons["steps"].why for plan in plans]
    assert why[0].endswith("a guess, not measured yet")
    assert "measured on this machine: " in why[1] == why[2]


@pytest.mark.slow
def test_doctor_says_what_will_run():
    facts = json.loads(run_alone("doctor", "--json").stdout)
    assert facts["speed in training"].count("a guess, not measured yet") == 2
    assert facts["backend"].startswith("tensorflow 2")
    assert facts["precision"] in ("float32", "mixed_bfloat16")
    assert isinstance(facts["advice"], list)


@pytest.mark.skipif(sys.platform != "linux", reason="TensorFlow and JAX have GPUs on Linux only")
def test_doctor_says_how_a_gpu_is_put_to_use(tmp_path, monkeypatch):
    tool = tmp_path / "nvidia-smi"  # the driver's: all that is looked for
    tool.touch(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    facts = json.loads(run_alone("doctor", "--json").stdout)
    if not facts["device"].startswith("CPU"):
        pytest.skip("a GPU is in use here")
    assert any("KERAS_BACKEND=jax" in advice for advice in facts["advice"])


@pytest.mark.parametrize(
    "command", ["", "demo", "train", "plan", "predict", "evaluate", "info", "doctor"]
)
def test_every_command_helps(command):
    ran = run(*command.split(), "--help")
    assert ran.returncode == 0
    assert "Usage" in ran.stdout
    assert ran.stderr == ""


def test_help_shows_the_settings_own_words_and_defaults():
    text = " ".join(run("train", "--help").stdout.split())
    for name, leaf in TrainSettings.choices().items():
        assert f"--{name.replace('_', '-')}" in text
        assert leaf.field.description.split(",")[0][:40] in text
    assert "--rotate" not in text  # of plans and Python alone


def test_the_bare_command_prints_its_help_as_help():
    ran = run()
    assert ran.returncode == 0
    assert ran.stdout == run("--help").stdout
    assert ran.stderr == ""


def test_options_in_the_help_and_in_messages_are_options_that_there_are():
    commands = ("demo", "train", "plan", "predict", "evaluate", "info", "doctor")
    known = {"--version", "--plugin"}  # the second is napari's
    for command in commands:
        known |= set(re.findall(r"--[a-z][a-z-]*", run(command, "--help").stdout))
    known |= {name.replace("--", "--no-", 1) for name in known}
    source = Path(napari_medunet.__file__).parent
    for file in source.rglob("*.py"):
        found = set(re.findall(r"(?<![\w-])--[a-z][a-z-]*[a-z](?![\w-])", file.read_text("utf-8")))
        assert found <= known, file


def test_home_is_home_behind_an_equals_sign_too(folder, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    shutil.copytree(folder / "truth", tmp_path / "truth")
    given = ["--predictions=~/truth", "--truth", "~/truth", "--csv=~/s.csv", "--html=~/r.html"]
    ran = run("evaluate", *given)
    assert ran.returncode == 0, ran.stderr
    assert {"r.html", "s.csv"} <= {p.name for p in tmp_path.iterdir()}
    assert not Path("./~").exists()
    message = one_line_error(run("info", "~nosuchuser/a.nii"), 1)
    assert "no such home folder" in message


def test_a_truth_without_prediction_fails_and_is_named(folder, tmp_path):
    shutil.copytree(folder / "truth", tmp_path / "predictions")
    (tmp_path / "predictions" / "phantom_01.nii.gz").unlink()
    ran = run("evaluate", "--predictions", tmp_path / "predictions", "--truth", folder / "truth")
    message = one_line_error(ran, 1)
    assert "1 of 3 truths have no prediction in predictions: 'phantom_01'" in message
    assert "Dice" in ran.stdout  # the others are measured
    ran = run("evaluate", "--predictions", folder / "truth", "--truth", tmp_path / "predictions")
    assert ran.returncode == 0  # a prediction that nobody asked for
    assert "'phantom_01'" in ran.stderr


def test_masks_of_0_and_255_beside_those_of_0_and_1_are_hinted_at(tmp_path):
    for name, value in (("truth", 255), ("predictions", 1)):
        (tmp_path / name).mkdir()
        mask = np.zeros((8, 8), np.uint8)
        mask[2:5, 2:5] = value
        PIL.Image.fromarray(mask).save(tmp_path / name / "a.png")
    ran = run("evaluate", "--predictions", tmp_path / "predictions", "--truth", tmp_path / "truth")
    assert "No label is in both: truth holds 255, predictions hold 1." in ran.stderr


def test_a_link_that_leads_nowhere_fails_and_stops_no_other(folder, tmp_path):
    for part in ("images", "labels"):
        shutil.copytree(folder / part, tmp_path / part)
    (tmp_path / "images" / "phantom_01.nii.gz").unlink()
    (tmp_path / "images" / "phantom_01.nii.gz").symlink_to("../.git/annex/objects/x")
    ran = run("plan", "--images", tmp_path / "images", "--labels", tmp_path / "labels", *QUICK[2:])
    assert ran.returncode == 1
    assert "Plan: " in ran.stdout
    assert "'phantom_01' failed: " in ran.stderr
    assert "symbolic link that leads to no file" in ran.stderr


def test_an_output_folder_that_leads_nowhere_is_called_so(folder, tmp_path):
    (tmp_path / "out").symlink_to(tmp_path / "gone" / "away")
    csv = tmp_path / "out" / "scores.csv"
    ran = run(
        "evaluate", "--predictions", folder / "truth", "--truth", folder / "truth", "--csv", csv
    )
    assert "is a symbolic link that leads to no file" in one_line_error(ran, 1)


def test_files_that_are_not_called_alike_are_paired_and_it_is_said(folder, tmp_path):
    for part, ending in (("images", "_0000"), ("labels", "")):
        (tmp_path / part).mkdir()
        for file in (folder / part).iterdir():
            name = file.name.replace(".nii.gz", f"{ending}.nii.gz")
            shutil.copy(file, tmp_path / part / name)
    ran = run("plan", "--images", tmp_path / "images", "--labels", tmp_path / "labels", *QUICK[2:])
    assert ran.returncode == 0, ran.stderr
    assert "Note: 3 of 3 pairs are not called alike" in ran.stderr
    assert "'phantom_00_0000' with 'phantom_00'" in ran.stderr


@pytest.mark.skipif(os.name == "nt", reason="names on Windows are UTF-16")
@pytest.mark.parametrize("encoding", ["utf-8", "cp1252", "ascii"])
def test_any_name_is_printed_somehow(encoding, tmp_path):
    command = [sys.executable, "-m", "napari_medunet", "info"]
    for name in (b"K\xf6rper.nii", "срез.nii".encode()):
        ran = subprocess.run(
            [*command, os.fsencode(tmp_path) + b"/" + name],
            capture_output=True,
            env={**os.environ, "PYTHONIOENCODING": encoding},
            check=False,
        )
        assert ran.returncode == 1
        assert ran.stderr.startswith(b"Error: ")
        assert b"Traceback" not in ran.stderr
