"""The files of one subject's folder."""

from __future__ import annotations

import pytest

from napari_medunet.plugin.opening.subject_folder import subject_files


def make(root, *names):
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return root


def names(root):
    return [str(path.relative_to(root)) for path in subject_files(root)]


def test_its_own_files_come_first(tmp_path):
    make(tmp_path, "b.nii", "a.nii.gz", "._a.nii.gz", "notes.txt", "old/c.nii", "p.hdr", "p.img")
    assert names(tmp_path) == ["a.nii.gz", "b.nii", "p.hdr"]


def test_else_those_below(tmp_path):
    make(tmp_path, "ses-1/anat/t1.nii", "ses-2/func/bold.nii.gz", "info.json", ".git/x.nii")
    make(tmp_path, "a/b/c/deep.nii", "a/b/c/d/too_deep.nii")
    (tmp_path / "loop").symlink_to(tmp_path, target_is_directory=True)
    assert names(tmp_path) == ["a/b/c/deep.nii", "ses-1/anat/t1.nii", "ses-2/func/bold.nii.gz"]
    assert subject_files(make(tmp_path / "empty", "readme.txt")) == []


def test_a_data_set_is_no_subject(tmp_path):
    make(tmp_path, *(f"sub-{i}/anat.nii.gz" for i in range(41)))
    with pytest.raises(OSError, match="more than 40 volumes") as caught:
        subject_files(tmp_path)
    assert "\n" not in str(caught.value)
