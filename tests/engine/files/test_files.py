"""Files by their endings: reading, writing labels alike, listing and pairing."""

from __future__ import annotations

from dataclasses import replace

import nibabel as nib
import numpy as np
import pytest
from PIL import Image

from napari_medunet.engine.files.files import label_file, read, write, write_labels_like
from napari_medunet.engine.files.listing import case_name, list_cases
from napari_medunet.engine.files.pairing import pair


def save_nifti(path, shape=(3, 4, 5)):
    path.parent.mkdir(exist_ok=True)
    nib.save(nib.Nifti1Image(np.zeros(shape, np.uint8), np.eye(4)), path)
    return path


def save_png(path):
    path.parent.mkdir(exist_ok=True)
    Image.fromarray(np.arange(12, dtype=np.uint8).reshape(3, 4)).save(path)
    return path


@pytest.mark.parametrize("suffix", [".nii.gz", ".nii", ".NII.GZ", ".png", ".tif", ".jpeg"])
def test_read_and_write_by_ending(tmp_path, suffix):
    save = save_nifti if "nii" in suffix.lower() else save_png
    path = save(tmp_path / f"case.v2{suffix}")
    volume = read(path)
    assert volume.name == case_name(path) == "case.v2"
    out = label_file(tmp_path, "out", path)
    labels = (np.arange(np.prod(volume.shape)) % 3).reshape(volume.shape)
    write_labels_like(out, labels, volume)
    again = read(out, as_labels=True)
    np.testing.assert_array_equal(again.voxels, labels)
    np.testing.assert_allclose(again.affine, volume.affine)


@pytest.mark.parametrize(
    ("shape", "lowest"), [((4, 5, 6), -780), ((4, 5, 6, 3), 0), ((4, 5, 6, 1, 3), -3)]
)
def test_an_image_of_whole_numbers_is_written_as_an_image(tmp_path, shape, lowest):
    stored = (np.arange(np.prod(shape)) + lowest).astype(np.int16).reshape(shape)
    nib.save(nib.Nifti1Image(stored, np.eye(4)), tmp_path / "a.nii")
    write(tmp_path / "b.nii", read(tmp_path / "a.nii"))
    again = nib.load(tmp_path / "b.nii")
    assert again.get_data_dtype() == np.int16
    np.testing.assert_array_equal(np.asanyarray(again.dataobj), stored)
    with pytest.raises(ValueError, match="wanted a name that ends in"):
        write(tmp_path / "b.png", read(tmp_path / "a.nii"))


def test_an_image_without_negative_numbers_stays_one_and_labels_stay_labels(tmp_path):
    stored = np.arange(120, dtype=np.int16).reshape(4, 5, 6)
    nib.save(nib.Nifti1Image(stored, np.eye(4)), tmp_path / "a.nii.gz")
    volume = read(tmp_path / "a.nii.gz")
    write(tmp_path / "b.nii", volume)
    again = nib.load(tmp_path / "b.nii")
    assert again.get_data_dtype() == np.int16
    assert again.header.get_intent()[0] == "none"
    painted = replace(volume, voxels=(volume.voxels > 60).astype(np.int16))
    for labels in (painted, read(tmp_path / "a.nii.gz", as_labels=True)):
        write(tmp_path / "c.nii", labels, overwrite=True)
        again = nib.load(tmp_path / "c.nii")
        assert again.get_data_dtype() == np.uint8
        assert again.header.get_intent()[0] == "label"


def test_other_kinds_are_refused(tmp_path):
    (tmp_path / "a.mha").touch()
    with pytest.raises(ValueError, match="of no kind"):
        read(tmp_path / "a.mha")
    with pytest.raises(OSError, match="is missing"):
        read(tmp_path / "nowhere.mha")
    volume = read(save_nifti(tmp_path / "a.nii"))
    with pytest.raises(ValueError, match="wrong ending"):
        write_labels_like(tmp_path / "a.mha", np.zeros(volume.shape, int), volume)


def test_cases_are_listed_by_name_without_what_is_no_volume(tmp_path):
    for name in ("b.nii.gz", "a.nii", "c.png", ".hidden.nii.gz", "._b.nii.gz"):
        (tmp_path / name).touch()
    for name in (".b.nii.gz.1234.part", "README.txt", "b.nii.gz.part"):
        (tmp_path / name).touch()
    (tmp_path / "folder.nii.gz").mkdir()
    assert list(list_cases(tmp_path)) == ["a", "b", "c"]
    assert list_cases(str(tmp_path / "b.nii.gz")) == {"b": tmp_path / "b.nii.gz"}


def test_lists_that_cannot_be_made(tmp_path):
    with pytest.raises(ValueError, match=r"holds no volumes; wanted files that end in .nii"):
        list_cases(tmp_path)
    with pytest.raises(OSError, match="is missing"):
        list_cases(tmp_path / "nowhere")
    (tmp_path / "notes.txt").touch()
    with pytest.raises(ValueError, match="of no kind"):
        list_cases(tmp_path / "notes.txt")
    (tmp_path / "a.nii.gz").touch()
    (tmp_path / "a.png").touch()
    with pytest.raises(ValueError, match=r"two files for the case 'a': a.nii.gz and a.png"):
        list_cases(tmp_path)


def test_pairs_by_name_and_what_has_no_partner(tmp_path):
    images, labels = tmp_path / "images", tmp_path / "labels"
    for folder, names in ((images, "abc"), (labels, "bcd")):
        folder.mkdir()
        for name in names:
            (folder / f"{name}.nii.gz").touch()
    found = pair(images, labels)
    assert found.pairs == {
        name: (images / f"{name}.nii.gz", labels / f"{name}.nii.gz") for name in "bc"
    }
    first, second = found.unpaired
    assert first.startswith(f"'a' in '{images}'")
    assert second.startswith(f"'d' in '{labels}'")


def test_names_pair_across_kinds(tmp_path):
    for name in ("images/a.jpg", "masks/a.png"):
        path = tmp_path / name
        path.parent.mkdir()
        path.touch()
    assert list(pair(tmp_path / "images", tmp_path / "masks").pairs) == ["a"]


def test_one_file_each_pairs_whatever_the_names(tmp_path):
    for name in ("scan.nii.gz", "truth.nii"):
        (tmp_path / name).touch()
    found = pair(tmp_path / "scan.nii.gz", tmp_path / "truth.nii")
    assert found.pairs == {"scan": (tmp_path / "scan.nii.gz", tmp_path / "truth.nii")}
    assert found.unpaired == []


def test_nothing_in_common_is_an_error(tmp_path):
    for name in ("images/a.png", "masks/b.png"):
        path = tmp_path / name
        path.parent.mkdir()
        path.touch()
    with pytest.raises(ValueError, match=r"'a' against 'b'.*Rename them alike"):
        pair(tmp_path / "images", tmp_path / "masks")
