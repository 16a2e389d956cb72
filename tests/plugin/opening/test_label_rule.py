"""Which files open as labels."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest

from napari_medunet.engine.files.nifti import open_volume, read_volume
from napari_medunet.engine.settings import OpenSettings
from napari_medunet.plugin.opening.label_rule import looks_like_labels


def labels(dtype="uint8", highest=7):
    voxels = np.zeros((6, 5, 4), dtype)
    voxels[1:3, 2:4, 1] = 2
    voxels[4, 4, 3] = highest
    return voxels


def save(path, voxels, intent=None):
    path.parent.mkdir(exist_ok=True)
    image = nib.Nifti1Image(voxels, np.eye(4))
    if intent:
        image.header.set_intent(intent)
    nib.save(image, path)
    return path


NAMED = [
    "case_seg", "case_label", "case_labels-cn_4", "brain_mask", "mask2", "sub-01_dseg", "aparc+aseg",
    "case segmentation", "truth", "case_GT", "T1w_parc", "lesion-mask", "labelmap",
]  # fmt: skip
NOT_NAMED = ["case", "segment_7", "T1_masked", "unlabelled", "brainmask", "visegrad", "gtx", "T1w"]


@pytest.mark.parametrize("name", NAMED)
def test_names_of_labels(tmp_path, name):
    assert looks_like_labels(read_volume(save(tmp_path / f"{name}.nii", labels())))


@pytest.mark.parametrize("name", NOT_NAMED)
def test_names_of_images(tmp_path, name):
    assert not looks_like_labels(read_volume(save(tmp_path / f"{name}.nii", labels())))


@pytest.mark.parametrize(
    ("folder", "expected"),
    [("labelsTr", True), ("masks", True), ("Predictions_1", True), ("imagesTr", False)],
)
def test_folders_of_labels(tmp_path, folder, expected):
    path = save(tmp_path / folder / "case.nii", labels())
    assert looks_like_labels(read_volume(path)) == expected


@pytest.mark.parametrize(
    "dtype", ["int8", "uint16", "int32", "uint32", "int64", "float32", "float64"]
)
def test_the_type_does_not_count(tmp_path, dtype):
    voxels = labels(dtype)
    assert looks_like_labels(read_volume(save_as(tmp_path / "a_seg.nii", voxels)))
    assert not looks_like_labels(read_volume(save_as(tmp_path / "a.nii", voxels)))


def save_as(path, voxels):
    nib.save(nib.Nifti1Image(voxels, np.eye(4), dtype=voxels.dtype), path)
    return path


@pytest.mark.parametrize(
    "voxels",
    [
        labels("float32") / 2,
        labels("float32") * np.float32(np.nan),
        labels("int16") - 1,
        np.arange(4096, dtype=np.int16).reshape(16, 16, 16),
        np.stack([labels(), labels()], -1),
        labels("complex64"),
    ],
    ids=["fractions", "nan", "negative", "many", "series", "complex"],
)
def test_what_is_called_labels_and_holds_none(tmp_path, voxels):
    assert not looks_like_labels(read_volume(save(tmp_path / "a_seg.nii", voxels)))


def test_a_file_that_says_so_may_hold_any_number_of_labels(tmp_path):
    many = np.arange(4096, dtype=np.int16).reshape(16, 16, 16)
    assert looks_like_labels(read_volume(save(tmp_path / "a.nii", many, "label")))
    assert not looks_like_labels(read_volume(save(tmp_path / "a.nii", many + 0.5, "label")))


def test_preferences_change_the_rule(tmp_path):
    plain = read_volume(save(tmp_path / "case.nii", labels()))
    named = read_volume(save(tmp_path / "case_seg.nii", labels()))
    lesion = read_volume(save(tmp_path / "sub-1_Lesion.nii", labels()))
    never, by_content = OpenSettings(labels="never"), OpenSettings(labels="by content")
    assert [looks_like_labels(v, never) for v in (plain, named)] == [False, False]
    assert [looks_like_labels(v, by_content) for v in (plain, named)] == [True, True]
    more = OpenSettings(label_names="*_roi, *_lesion*")
    assert [looks_like_labels(v, more) for v in (plain, named, lesion)] == [False, True, True]


def test_big_packed_files_are_judged_like_others(tmp_path):
    voxels = np.zeros((300, 300, 200), np.int16)  # more than 32 MiB: read where it is looked at
    voxels[5:9, 5:9, 5:9] = 3
    assert looks_like_labels(open_volume(save(tmp_path / "a_seg.nii.gz", voxels)))
    voxels[0, 0, 0] = -1
    assert not looks_like_labels(open_volume(save(tmp_path / "b_seg.nii.gz", voxels)))
