"""Voxels as a viewer uses them while their file is being read."""

from __future__ import annotations

from copy import deepcopy

import nibabel as nib
import numpy as np
import pytest

from napari_medunet.engine.files.nifti import LazyVoxels, open_volume
from napari_medunet.plugin.opening.shown_voxels import ShownVoxels


@pytest.fixture(scope="module")
def packed(tmp_path_factory):
    voxels = np.random.default_rng(0).integers(0, 9, (128, 128, 600), dtype=np.int32)
    path = tmp_path_factory.mktemp("packed") / "big.nii.gz"
    nib.save(nib.Nifti1Image(voxels, np.diag([-1, -1, 1, 1])), path)
    return path


def shown(path) -> ShownVoxels:
    voxels = open_volume(path).voxels
    assert isinstance(voxels, LazyVoxels)
    return ShownVoxels(voxels)


def test_a_whole_file_is_an_array_that_can_be_copied_and_converted(packed):
    voxels = shown(packed)
    expected = np.asarray(nib.load(packed).dataobj).T[::-1]
    np.testing.assert_array_equal(voxels[300], expected[300])
    np.testing.assert_array_equal(deepcopy(voxels)[:, 5], expected[:, 5])
    np.testing.assert_array_equal(np.max(voxels, axis=0), expected.max(axis=0))
    assert voxels.astype(np.uint8).dtype == np.uint8
    assert (len(voxels), voxels.ndim, voxels.size) == (600, 3, expected.size)


def test_what_is_missing_is_drawn_as_nothing_and_never_taken_for_data(packed, tmp_path):
    content = packed.read_bytes()
    cut = tmp_path / "cut.nii.gz"
    cut.write_bytes(content[: len(content) // 2])
    voxels = shown(cut)
    with pytest.raises(ValueError, match="is truncated"):
        voxels.voxels.complete()
    part = voxels[0, 3:5]
    assert (part.shape, part.dtype, part.any()) == ((2, 128), voxels.dtype, False)
    for whole in (np.asarray, lambda v: v.astype(int)):
        with pytest.raises(ValueError, match="is truncated"):
            whole(voxels)
