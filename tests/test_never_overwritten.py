"""No writer replaces what is a user's: each of them at each kind of target, driven at random."""

import json
import os
import shutil
import zipfile
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, PngImagePlugin

from napari_medunet import api, cli
from napari_medunet.engine.errors import MedunetError
from napari_medunet.engine.evaluation.evaluation import Evaluation
from napari_medunet.engine.evaluation.metrics.scores import evaluate_case
from napari_medunet.engine.evaluation.report.html import REPORT, write_html
from napari_medunet.engine.evaluation.scores_csv import SCORES
from napari_medunet.engine.examples.example import make_example
from napari_medunet.engine.examples.phantoms import make_phantom
from napari_medunet.engine.files.files import write_labels_like
from napari_medunet.engine.files.listing import list_cases
from napari_medunet.engine.files.marks import IMAGE, LABELS
from napari_medunet.engine.files.saving import Kind, atomic_write, check_target, write_target
from napari_medunet.engine.planning.plan_file import PLAN, write_plan
from napari_medunet.engine.planning.plan_maker import make_plan
from napari_medunet.engine.prediction.folders import sort_cases
from napari_medunet.engine.prediction.model_file import SEGMENTER
from napari_medunet.engine.settings import TrainSettings
from napari_medunet.engine.volume import Volume, affine_from_spacing

SCAN, TRUTH = make_phantom(0, (4, 24, 24))
SLICE = Volume(np.zeros((1, 5, 6), np.uint8), affine_from_spacing((1, 1, 1)))
PICTURE = np.arange(30, dtype=np.uint8).reshape(1, 5, 6)


def make_the_plan():
    return make_plan([make_example(SCAN, TRUTH, TrainSettings().annotation)], TrainSettings())


def scores():
    return Evaluation({"a": evaluate_case(TRUTH, TRUTH)})


def save_bytes(path, overwrite):
    """A segmenter, as far as a writer cares: Keras is not needed to know one."""
    with write_target(path, SEGMENTER, overwrite) as stream, zipfile.ZipFile(stream, "w") as zipped:
        zipped.writestr("card.json", json.dumps({"format": 1, "plan": {}}))


@dataclass(frozen=True)
class Writer:
    """One that writes a file, given a path and whether to replace, and the kind that it writes."""

    name: str
    write: object
    kind: Kind


WRITERS = [
    Writer("a.nii.gz", lambda p, o: api.write(TRUTH, p, o), LABELS),
    Writer("a.nii", lambda p, o: write_labels_like(p, TRUTH.voxels, SCAN, o), LABELS),
    Writer("a.png", lambda p, o: write_labels_like(p, PICTURE, SLICE, o), LABELS),
    Writer("a.tif", lambda p, o: write_labels_like(p, 300 * PICTURE.astype(int), SLICE, o), LABELS),
    Writer("b.nii.gz", lambda p, o: api.write(SCAN, p, o), IMAGE),
    Writer("a.csv", lambda p, o: scores().to_csv(p, o), SCORES),
    Writer("a.html", lambda p, o: write_html(scores(), p, overwrite=o), REPORT),
    Writer("a.json", lambda p, o: write_plan(p, make_the_plan(), o), PLAN),
    Writer("a.medunet", save_bytes, SEGMENTER),
]


def of_the_user(writer, path):
    """A file of the same ending that another program made."""
    if path.name.endswith((".nii", ".nii.gz")):
        nib.save(nib.Nifti1Image(np.ones((3, 4, 5), np.uint8), np.eye(4)), path)
    elif path.suffix == ".png":
        Image.fromarray(PICTURE[0]).save(path)
    elif path.suffix == ".tif":
        tifffile.imwrite(path, PICTURE[0])
    elif path.suffix == ".medunet":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("notes.txt", "mine")
    else:
        path.write_text('{"case": 1}\n' if path.suffix == ".json" else "case,age\n1,2\n")


def another_kind(writer, path):
    other = next(one for one in WRITERS if one.kind is not writer.kind)
    other.write(path.with_name(other.name), False)
    path.with_name(other.name).rename(path)


def links(path):
    yield path
    yield Path(os.path.relpath(path))
    link, hard = path.with_name(f"link-{path.name}"), path.with_name(f"hard-{path.name}")
    link.symlink_to(path)
    os.link(path, hard)
    yield from (link, hard)
    folder = path.parent.with_name(path.parent.name + "-link")
    folder.symlink_to(path.parent)
    yield folder / path.name


@given(
    writer=st.sampled_from(WRITERS),
    target=st.sampled_from(["missing", "folder", "user's", "another kind", "ours", "dangling"]),
    overwrite=st.booleans(),
)
@settings(max_examples=60, deadline=None)
def test_only_what_is_ours_is_replaced_and_only_with_a_word(
    tmp_path_factory, writer, target, overwrite
):
    path = tmp_path_factory.mktemp("writers") / writer.name
    if target == "folder":
        path.mkdir()
    elif target == "user's":
        of_the_user(writer, path)
    elif target == "another kind":
        another_kind(writer, path)
    elif target == "ours":
        writer.write(path, False)
    elif target == "dangling":
        path.symlink_to(path.with_name("gone"))
    before = path.read_bytes() if path.is_file() else None
    if target == "missing" or (target == "ours" and overwrite):
        check_target(path, writer.kind, overwrite)
        writer.write(path, overwrite)
        assert writer.kind.is_ours(path)
        kept = path.with_name("a.bak.medunet")
        assert kept.exists() == (target == "ours" and writer.kind is SEGMENTER)
    else:
        with pytest.raises((MedunetError, OSError)):
            check_target(path, writer.kind, overwrite)
        with pytest.raises((MedunetError, OSError)) as refusal:
            writer.write(path, overwrite)
        assert "\n" not in str(refusal.value)
        assert (path.read_bytes() if path.is_file() else None) == before
        assert path.is_symlink() == (target == "dangling")
    assert not list(path.parent.glob(".*"))


@pytest.mark.parametrize("writer", WRITERS, ids=lambda writer: writer.name)
def test_what_is_read_is_never_written_onto_by_any_name(tmp_path, writer):
    (tmp_path / "in").mkdir()
    path = tmp_path / "in" / writer.name
    writer.write(path, False)  # of our own kind: only that it is read protects it
    for name in links(path):
        with pytest.raises(MedunetError, match="is read here"):
            check_target(name, writer.kind, True, [path])
        with pytest.raises(MedunetError, match="is read here"):
            check_target(path, writer.kind, True, [name])


def test_a_volume_is_not_written_onto_the_file_it_was_read_from(tmp_path):
    path = api.write(TRUTH, tmp_path / "a.nii.gz")
    with pytest.raises(MedunetError, match="is read here"):
        api.write(api.read(path, as_labels=True), path, overwrite=True)


def test_labels_that_somebody_has_painted_on_are_no_longer_ours(tmp_path):
    """Also where the program that did it kept the mark."""
    path = api.write(TRUTH, tmp_path / "a.nii.gz")
    found = nib.load(path)
    painted = np.asarray(found.dataobj).copy()
    painted[0, 0, 0] = 2
    nib.save(nib.Nifti1Image(painted, found.affine, found.header), path)
    assert b"napari-medunet" in nib.load(path).header.extensions[0].get_content()
    with pytest.raises(MedunetError, match="whatever the options"):
        api.write(TRUTH, path, overwrite=True)
    write_labels_like(tmp_path / "a.png", PICTURE, SLICE)
    with Image.open(tmp_path / "a.png") as picture:
        about = PngImagePlugin.PngInfo()
        about.add_text("Software", picture.info["Software"])
        other = Image.fromarray(np.asarray(picture) // 2)
    other.save(tmp_path / "a.png", pnginfo=about)
    assert not LABELS.is_ours(tmp_path / "a.png")


def test_old_segmenters_are_kept_each_under_a_name_of_its_own(tmp_path):
    for number in range(3):
        save_bytes(tmp_path / "m.medunet", True)
        with zipfile.ZipFile(tmp_path / "m.medunet", "a") as archive:
            archive.writestr(f"{number}", "")
    held = {}
    for path in tmp_path.glob("*.medunet"):
        with zipfile.ZipFile(path) as archive:
            held[path.name] = archive.namelist()[-1]
    assert held == {"m.bak.medunet": "0", "m.bak-2.medunet": "1", "m.medunet": "2"}


def test_a_file_that_appears_while_another_is_made_stays(tmp_path):
    path = tmp_path / "a.json"
    with pytest.raises(MedunetError, match="there already"):  # noqa: SIM117
        with write_target(path, PLAN, True) as stream:
            stream.write(b"{}")
            path.write_text("mine")
    assert path.read_text() == "mine"
    with atomic_write(path) as stream:
        stream.write(b"ours")
    assert path.read_bytes() == b"ours"


@pytest.mark.parametrize("overwrite", [False, True])
def test_scans_are_not_replaced_by_their_segmentations(tmp_path, overwrite):
    """Where labels would go onto an image, nothing begins; another's file is refused case by case."""
    scans = tmp_path / "scans"
    api.write(SCAN, scans / "a.nii.gz")
    (tmp_path / "link").symlink_to(scans)
    for out in (scans, tmp_path / "link"):
        with pytest.raises(MedunetError, match="is read here"):
            sort_cases({"a": scans / "a.nii.gz"}, out, overwrite)
    out = tmp_path / "out"
    api.write(TRUTH, out / "ours.nii.gz")
    shutil.copy(scans / "a.nii.gz", out / "theirs.nii.gz")
    cases = {name: scans / f"{name}.nii.gz" for name in ("ours", "theirs", "new")}
    found = sort_cases(cases, out, overwrite)
    assert list(found.files) == (["ours", "new"] if overwrite else ["new"])
    assert list(found.skipped) == ([] if overwrite else ["ours", "theirs"])
    assert list(found.refused) == (["theirs"] if overwrite else [])


def test_a_name_that_is_no_target_stops_no_other_case(tmp_path):
    (tmp_path / "circle.nii.gz").symlink_to(tmp_path / "circle.nii.gz")
    api.write(SCAN, tmp_path / "a.nii.gz")
    long = tmp_path / ("x" * 251 + ".nii")  # with .nii.gz it is longer than a name may be
    long.symlink_to(tmp_path / "a.nii.gz")
    found = sort_cases(list_cases(tmp_path), tmp_path / "out")
    assert sorted(found.files) == ["a", "circle"]
    assert list(found.refused) == ["x" * 251]
    circle = tmp_path / "circle.nii.gz"
    with pytest.raises(MedunetError, match="is read here"):
        check_target(circle, LABELS, False, [circle])


def test_commands_refuse_before_they_read(tmp_path, capsys):
    image, truth = tmp_path / "images" / "a.nii.gz", tmp_path / "truth" / "a.nii.gz"
    api.write(SCAN, image)
    api.write(TRUTH, truth)
    save_bytes(tmp_path / "m.medunet", False)
    before = {path: path.read_bytes() for path in (image, truth, tmp_path / "m.medunet")}
    pair = ["--images", image, "--labels", truth]
    for command in (
        ["plan", *pair, "--out", image],
        ["evaluate", "--predictions", truth, "--truth", truth, "--csv", truth],
        ["evaluate", "--predictions", truth, "--truth", truth, "--html", image],
        ["evaluate", "--predictions", truth, "--truth", truth, "--csv", tmp_path / "x", "--html",
         tmp_path / "x"],
        ["train", *pair, "--model", tmp_path / "m", "--start-from", tmp_path / "m.medunet"],
    ):  # fmt: skip
        for word in ([], ["--overwrite"]):
            assert cli.run([str(part) for part in [*command, *word]]) == cli.FAILED
            said = capsys.readouterr().err
            assert "Traceback" not in said
    assert cli.run(["train", *map(str, pair), "--model", str(tmp_path / "m")]) == cli.FAILED
    api.write(SCAN, tmp_path / "demo" / "test" / "images" / "phantom_06.nii.gz")
    assert cli.run(["demo", "--out", str(tmp_path / "demo")]) == cli.FAILED
    assert {path: path.read_bytes() for path in before} == before
