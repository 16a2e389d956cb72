"""No writer of the viewer replaces what is a user's: each of them at each kind of target."""

from __future__ import annotations

import json
import os
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from napari.layers import Image, Labels

from napari_medunet.engine.evaluation.metrics.scores import score_labels
from napari_medunet.plugin.measure.widget import MetricsWidget
from napari_medunet.plugin.opening.writer import write_layers
from napari_medunet.plugin.train.widget import TrainWidget

Write = Callable[[Path, bool], None]


def cube() -> np.ndarray:
    labels = np.zeros((6, 8, 8), np.uint8)
    labels[2:4, 2:5, 2:5] = 1
    return labels


def save_segmenter(path: Path) -> None:
    """A segmenter, as far as a writer cares: Keras is not needed to know one."""
    with zipfile.ZipFile(path, "w") as zipped:
        zipped.writestr("card.json", json.dumps({"format": 1, "plan": {}}))


def save_scan(path: Path) -> Path:
    scan = np.random.default_rng(0).normal(size=(8, 8, 6)).astype(np.float32)
    nib.save(nib.Nifti1Image(scan, np.eye(4)), path)
    return path


def save_layer(layer: Image | Labels) -> Write:
    def write(path: Path, overwrite: bool) -> None:
        write_layers(str(path), [layer.as_layer_data_tuple()])

    return write


def writer_of(name: str, viewer: Any, folder: Path) -> Write:
    """What a button or a menu of the viewer calls, given a path and whether a dialog has asked."""
    if name == "scores.csv":
        measure = MetricsWidget(viewer)
        viewer.window.add_dock_widget(measure)
        measure.cases, measure.scores = {"a": None}, {"a": score_labels(cube(), cube())}
        return measure.save_csv
    if name == "mine.medunet":
        train = TrainWidget(viewer)
        viewer.window.add_dock_widget(train)
        train.segmenter_path = folder / "session.medunet"
        save_segmenter(train.segmenter_path)
        return train.save_segmenter
    if name == "labels.nii.gz":
        return save_layer(viewer.add_labels(cube(), name="labels").__wrapped__)
    return save_layer(viewer.add_image(cube().astype(np.float32), name="image").__wrapped__)


def make_target(kind: str, path: Path, scan: Path, write: Write) -> None:
    if kind == "hard link to what is read":
        os.link(scan, path)
    elif kind == "link to what is read":
        path.symlink_to(scan)
    elif kind == "link to nowhere":
        path.symlink_to(path.with_name("gone"))
    elif kind == "folder":
        path.mkdir()
    elif kind == "user's":
        if path.name.endswith(".nii.gz"):
            save_scan(path)
        else:
            path.write_text("case,age\n1,2\n")
    else:
        write(path, False)


NAMES = ["scores.csv", "mine.medunet", "labels.nii.gz", "image.nii.gz"]
KINDS = [
    "user's",
    "hard link to what is read",
    "link to what is read",
    "link to nowhere",
    "folder",
    "ours without a word",
]


@pytest.mark.parametrize("name", NAMES)
def test_what_a_dialog_asked_for_replaces_what_is_ours_only(
    viewer: Any, tmp_path: Path, notifications: list[str], name: str
) -> None:
    scan = save_scan(tmp_path / "scan.nii.gz")
    viewer.open(scan, plugin="napari-medunet")
    write = writer_of(name, viewer, tmp_path)
    for kind in KINDS:
        path = tmp_path / kind / name
        path.parent.mkdir()
        make_target(kind, path, scan, write)
        check_refusal(write, path, kind, notifications)
    path = tmp_path / "ours" / name
    path.parent.mkdir()
    write(path, False)
    before = path.stat().st_ino
    write(path, True)
    assert path.stat().st_ino != before
    kept = [one.name for one in path.parent.iterdir() if one != path]
    assert kept == (["mine.bak.medunet"] if name == "mine.medunet" else [])


def check_refusal(write: Write, path: Path, kind: str, notifications: list[str]) -> None:
    """One line says that the target is not written, and nothing has changed."""
    no_word = kind == "ours without a word"
    asked = path
    if no_word and path.name.endswith(".nii.gz"):  # a name that no dialog asked about
        asked = path.with_name(path.name.removesuffix(".nii.gz"))
    root = path.parent.parent
    before = {one: one.read_bytes() for one in root.rglob("*") if one.is_file()}
    said = len(list(notifications))
    try:
        write(asked, not no_word)
    except OSError as error:
        refusal = str(error)
    else:
        (refusal,) = list(notifications)[said:]
    assert "\n" not in refusal, kind
    assert path.name in refusal, kind
    assert {one: one.read_bytes() for one in root.rglob("*") if one.is_file()} == before, kind
    assert os.path.lexists(path), kind
