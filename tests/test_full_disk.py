"""A disk that is full when a training ends: what took minutes is kept until it stands somewhere."""

import os
import subprocess
import sys
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from napari_medunet.cli import console, cross_validating
from napari_medunet.cli.keeping import write_somewhere
from napari_medunet.engine.examples.example import Example
from napari_medunet.engine.examples.phantoms import make_phantom
from napari_medunet.engine.files.files import write_labels_like
from napari_medunet.engine.files.saving import free_name
from napari_medunet.engine.files.scratch import NoRoom, scratch_folder
from napari_medunet.engine.progress import Cancelled, StopRequested
from napari_medunet.worker import room
from napari_medunet.worker.room import Room

KB = 2**10
resource = pytest.importorskip("resource", reason="Windows limits no files")

SAVE = """
import resource, sys
from planned import train_by
from napari_medunet.engine.examples.example import make_example
from napari_medunet.engine.examples.phantoms import make_phantom
from napari_medunet.engine.prediction.segmenter import Segmenter
from napari_medunet.engine.settings import TrainSettings
from napari_medunet.engine.training.run.run_folder import RunFolder
from pathlib import Path

folder = Path(sys.argv[1])
settings = TrainSettings.of(minutes=1, epochs=2, filters=4, depth=2, dims="2d")
examples = [make_example(*make_phantom(0, (8, 24, 24)), settings.annotation)]
_, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
warnings = []

def full(progress):
    if progress.message.startswith("Epoch 1"):  # no file may grow from here on
        resource.setrlimit(resource.RLIMIT_FSIZE, (1, hard))
    warnings.append(progress.warning)

segmenter = train_by(settings, examples, full, run=RunFolder.new(folder / "run"))
assert any("run folder is not kept" in warning for warning in warnings), warnings
try:
    segmenter.save(folder / "m.medunet")
    sys.exit("saved on a full disk?")
except OSError as error:
    assert "No folder has room" in str(error), error
assert not list(folder.glob("*.medunet"))
resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
Segmenter.load(segmenter.save(folder / "m.medunet"))
print("kept")
"""


@pytest.mark.slow
def test_a_training_outlives_a_full_disk_and_is_saved_when_there_is_room(tmp_path):
    """A real limit on files, in a process of its own: HDF5 ended it by a segmentation fault."""
    ran = subprocess.run(
        [sys.executable, "-c", SAVE, str(tmp_path)],
        capture_output=True, text=True, timeout=600, cwd=tmp_path.parent,
        env={**os.environ, "PYTHONPATH": ":".join(sys.path)},
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.endswith("kept\n")


@pytest.fixture
def limit():
    """Sets how large a file may be, as a full disk or a quota does."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    yield lambda size: resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_scratch_folder_has_the_room_that_was_asked_for(tmp_path, limit):
    with scratch_folder(64 * KB) as folder:
        (folder / "a").write_bytes(bytes(64 * KB))
    assert not folder.exists()
    limit(32 * KB)
    with pytest.raises(NoRoom, match="set TMPDIR"), scratch_folder(64 * KB):
        pass


def test_another_folder_is_taken_where_the_first_cannot_be_written(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", "/proc")  # nothing can be made there
    with scratch_folder(KB, tmp_path) as folder:
        assert folder.parent == tmp_path


def save(array, path, overwrite):
    with path.open("wb" if overwrite else "xb") as stream:
        np.save(stream, array)


def test_a_command_writes_elsewhere_and_says_where(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "s.npy").write_bytes(b"mine")
    (tmp_path / "file").touch()

    def write(path, overwrite):
        save(np.arange(3), path, overwrite)

    place = write_somewhere(write, tmp_path / "file" / "s.npy", True)
    assert place == tmp_path / "s-2.npy"
    assert (tmp_path / "s.npy").read_bytes() == b"mine"
    np.testing.assert_array_equal(np.load(place), [0, 1, 2])


def test_predictions_of_folds_go_elsewhere_together(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    image, truth = make_phantom(0, (4, 8, 8))
    examples = [
        Example(replace(image, name=name), truth.voxels, truth.voxels >= 0) for name in "abc"
    ]
    tried, told = [], []
    monkeypatch.setattr(console, "print_warning", told.append)

    def write(path, labels, like, overwrite):
        tried.append(path)
        if "full" in path.parts:
            raise OSError(f"no room in {path}")
        write_labels_like(path, labels, like, overwrite)

    monkeypatch.setattr(cross_validating, "write_labels_like", write)
    found = SimpleNamespace(labels=dict.fromkeys(range(3), truth.voxels))
    loaded = SimpleNamespace(examples=examples)
    targets = {n: tmp_path / "full" / "x-folds" / "predictions" / f"{n}.nii.gz" for n in "abc"}
    kept = cross_validating._write_predictions(found, loaded, targets, True)
    folder = tmp_path / "x-folds" / "predictions"
    assert kept == {name: folder / f"{name}.nii.gz" for name in "abc"}
    assert all(path.exists() for path in kept.values())
    assert sum("full" in path.parts for path in tried) == 1
    (said,) = told
    assert "could not be written" in said


def test_where_nothing_can_be_written_the_error_is_that_of_the_place(tmp_path):
    def write(path, overwrite):
        raise OSError(f"no room in {path}")

    with pytest.raises(OSError, match=r"no room in .*/a/s\.npy"):
        write_somewhere(write, tmp_path / "a" / "s.npy", False)


def test_the_child_keeps_a_result_until_there_is_room(tmp_path, monkeypatch):
    monkeypatch.setattr(room, "_TRY_AGAIN_SECONDS", 0.0)
    place, said = tmp_path / "later" / "a.npy", []

    def report(progress):
        said.append(progress)
        if len(said) == 2:
            place.parent.mkdir()  # somebody has made room
        raise StopRequested  # the training has ended: there is no more to stop

    Room(tmp_path, report).write(lambda: save(np.arange(3), place, False))
    np.testing.assert_array_equal(np.load(place), [0, 1, 2])
    assert all("waiting for space" in one.message for one in said)
    assert [bool(one.warning) for one in said] == [True, False]
    assert [one.wants_folder for one in said] == [True, False]  # a person is asked once

    def cancel(progress):
        raise Cancelled

    with pytest.raises(Cancelled):
        Room(tmp_path, cancel).write(lambda: save(np.arange(3), place, False))


@pytest.mark.parametrize(
    ("name", "second"),
    [("a.nii.gz", "a-2.nii.gz"), ("v1.2.csv", "v1.2-2.csv"), ("a", "a-2"), (".x", ".x-2")],
)
def test_a_name_that_is_taken_gets_a_number(tmp_path, name, second):
    assert free_name(tmp_path / name) == tmp_path / name
    (tmp_path / name).symlink_to("nowhere")
    assert free_name(tmp_path / name) == tmp_path / second
