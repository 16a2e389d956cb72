"""Run folders: what they keep, and trainings that go on after they were ended."""

import csv
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pytest
from planned import train_by

from napari_medunet.cli.demo import annotate_slices
from napari_medunet.engine.examples.example import make_example
from napari_medunet.engine.examples.phantoms import make_phantom
from napari_medunet.engine.files.nifti import write_labels, write_volume
from napari_medunet.engine.planning.plan_maker import make_plan
from napari_medunet.engine.prediction.segmenter import Segmenter
from napari_medunet.engine.progress import Cancelled, EpochScores, Scores
from napari_medunet.engine.settings import TrainSettings
from napari_medunet.engine.training import train
from napari_medunet.engine.training.run.run_folder import RunFolder

pytestmark = pytest.mark.slow

SETTINGS = TrainSettings.of(
    minutes=5, epochs=4, filters=4, depth=2, dims="2d", batch=4, annotated="slices"
)


def examples():
    pairs = [make_phantom(seed, (12, 32, 32)) for seed in range(2)]
    return [
        make_example(image, annotate_slices(truth, 4), SETTINGS.annotation)
        for image, truth in pairs
    ]


def epochs_in(folder):
    with (folder / "history.csv").open(newline="") as stream:
        return [int(row["epoch"]) for row in csv.DictReader(stream)]


@pytest.fixture(scope="module")
def ended(tmp_path_factory):
    """A run folder whose training was cancelled in its third epoch."""
    folder = tmp_path_factory.mktemp("runs") / "ended"

    def cancel(report):
        if report.message.startswith("Epoch 3, step 2"):
            raise Cancelled

    with pytest.raises(Cancelled):
        train_by(SETTINGS, examples(), cancel, run=RunFolder.new(folder))
    return folder


@pytest.fixture
def run_folder(ended, tmp_path):
    return shutil.copytree(ended, tmp_path / "run")


def test_a_run_folder_holds_plan_log_history_and_checkpoints(run_folder):
    names = {path.name for path in run_folder.iterdir()}
    assert {"run.json", "plan.json", "log.txt", "history.csv"} < names
    assert {"checkpoint-1.npz", "checkpoint-2.npz"} & names
    assert epochs_in(run_folder) == [1, 2]
    header = (run_folder / "history.csv").read_text().splitlines()[0].split(",")
    for name in ("loss", "dice", "iou", "precision", "recall", "accuracy"):
        assert {name, f"val_{name}"} <= set(header)
    assert {"val_dice_1", "val_dice_2"} <= set(header)
    assert "Cancelled" in (run_folder / "log.txt").read_text()


def test_a_resumed_training_ends_as_if_nothing_had_happened(run_folder):
    run = RunFolder.open(run_folder)
    resumed = train(examples(), run.begun_plan, run=run)
    (card,) = resumed.card.networks
    assert [scores.epoch for scores in card.history] == [1, 2, 3, 4]
    assert epochs_in(run_folder) == [1, 2, 3, 4]
    whole = train_by(SETTINGS, examples())
    for one, other in zip(*(s.networks[0].get_weights() for s in (resumed, whole)), strict=True):
        np.testing.assert_array_equal(one, other)
    run.finish()
    with pytest.raises(ValueError, match="its training is done"):
        RunFolder.open(run_folder)


def test_changed_examples_are_refused(run_folder):
    run = RunFolder.open(run_folder)
    first, second = examples()
    painted = first.labels.copy()
    painted[0, 0, 0] = 1
    with pytest.raises(ValueError, match=r"have changed.*labels.*train anew"):
        train([replace(first, labels=painted), second], run.begun_plan, run=run)
    with pytest.raises(ValueError, match="'phantom_01' is missing"):
        train([first], run.begun_plan, run=run)


def test_a_damaged_checkpoint_is_passed_over(run_folder):
    run = RunFolder.open(run_folder)
    newest = run.checkpoints.latest()
    first, second = (run_folder / f"checkpoint-{number}.npz" for number in (1, 2))
    content = max((p for p in (first, second) if p.exists()), key=lambda p: p.stat().st_mtime_ns)
    content = content.read_bytes()
    first.write_bytes(content[: len(content) // 2])
    second.write_bytes(content)
    assert run.checkpoints.latest().epochs == newest.epochs
    flipped = bytearray(content)
    middle = slice(
        len(content) // 2, len(content) // 2 + 200
    )  # longer than what no checksum covers
    flipped[middle] = bytes(255 - byte for byte in flipped[middle])
    second.write_bytes(flipped)
    with pytest.raises(ValueError, match=r"damaged.*Train anew"):
        train_by(SETTINGS, examples(), run=run)


def test_a_training_that_can_be_resumed_is_not_overwritten(run_folder, tmp_path):
    with pytest.raises(OSError, match="--resume"):
        RunFolder.new(run_folder)
    with pytest.raises(OSError, match="is no run folder"):
        RunFolder.open(tmp_path)


def test_a_new_run_leaves_what_is_not_its_own(tmp_path):
    """What a person puts into a run folder stays, and a folder of theirs is no place for a run."""
    cases = examples()
    plan = make_plan(cases, SETTINGS)
    run = RunFolder.new(tmp_path / "run")
    run.begin(cases, plan)
    run.log("Began")
    part = run.of_part("fold-1")
    part.begin(cases, plan)
    part.log("Began")
    kept = [run.path / name for name in ("notes.txt", "tensorboard/notes.txt", "fold-1/notes.txt")]
    kept.append(run.path / "other" / "checkpoint-1.npz")
    for path in kept:
        path.parent.mkdir(exist_ok=True)
        path.write_text("mine")
    (run.path / "history.csv").touch()
    with pytest.raises(ValueError, match="log and history of an earlier training"):
        RunFolder.new(run.path)
    RunFolder.new(run.path, overwrite=True).begin(cases, plan)
    assert [path.read_text() for path in kept] == ["mine"] * 4
    assert not (run.path / "log.txt").exists()
    assert not (part.path / "log.txt").exists()
    (part.path / "history.csv").touch()
    RunFolder.new(run.path).of_part("fold-1")


@pytest.mark.parametrize("name", ["log.txt", "run.json", "plan.json", "history.csv", "fold-1/a"])
def test_a_folder_of_other_files_is_no_place_for_a_run(tmp_path, name):
    mine = tmp_path / name
    mine.parent.mkdir(exist_ok=True)
    mine.write_text('{"mine": 1}')
    with pytest.raises(ValueError, match="wanted an empty or a new folder"):
        RunFolder.new(tmp_path)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [mine]


def test_tensorboard_reads_the_scores(tmp_path):
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    from napari_medunet.engine.training.run.history import tensorboard_writer, write_events

    writer = tensorboard_writer(tmp_path)
    for epoch in (1, 2):
        training, validation = (Scores(loss, 0, 0, 0, 0, 0) for loss in (1 / epoch, 2 / epoch))
        write_events(writer, EpochScores(epoch, 0.1, 1e-3, validation, training))
    writer.close()
    events = EventAccumulator(str(tmp_path)).Reload()
    tags = {"loss/training", "loss/validation", "dice/training", "dice/validation"}
    assert tags <= set(events.Tags()["tensors"])
    assert [event.step for event in events.Tensors("loss/validation")] == [1, 2]


def command(*arguments):
    return [sys.executable, "-m", "napari_medunet", "train", *map(str, arguments)]


def test_killed_and_resumed_weighs_the_same_as_never_killed(tmp_path):
    """Three real processes on one thread: the weights are equal to the last bit."""
    for seed in range(2):
        image, truth = make_phantom(seed, (6, 32, 32))
        write_volume(tmp_path / "images" / f"{image.name}.nii.gz", image)
        write_labels(tmp_path / "labels" / f"{image.name}.nii.gz", truth.voxels, image)
    inputs = ("--images", tmp_path / "images", "--labels", tmp_path / "labels")
    small = (
        "--filters",
        4,
        "--depth",
        2,
        "--epochs",
        10,
        "--threads",
        1,
        "--minutes",
        60,
        "--batch",
        2,
    )
    models = {name: tmp_path / f"{name}.medunet" for name in ("whole", "killed")}
    whole, killed = (command(*inputs, *small, "--model", path) for path in models.values())
    done = subprocess.run(whole, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "give the same weights" in done.stdout

    folder = tmp_path / "killed-run"
    with subprocess.Popen(killed, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as child:
        while not ((folder / "history.csv").exists() and len(epochs_in(folder)) >= 2):
            assert child.poll() is None, child.stdout.read()
            time.sleep(0.01)
        child.kill()
    assert child.returncode == -signal.SIGKILL
    assert not models["killed"].exists()

    again = subprocess.run(command("--resume", folder), capture_output=True, text=True)
    assert again.returncode == 0, again.stderr
    assert "Resumed after epoch" in (folder / "log.txt").read_text()
    assert epochs_in(folder) == epochs_in(tmp_path / "whole-run")
    weights = [Segmenter.load(path).networks[0].get_weights() for path in models.values()]
    for one, other in zip(*weights, strict=True):
        np.testing.assert_array_equal(one, other)
