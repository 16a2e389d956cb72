"""Big files are read where they are looked at, and give what a whole read gives."""

from __future__ import annotations

import gzip
import time
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from napari_medunet.engine.files.nifti import (
    LazyVoxels,
    open_volume,
    read,
    read_volume,
    write_volume,
)

INDICES = [
    0,
    -1,
    (2, 3),
    (Ellipsis, 3),
    (slice(None), 4),
    (slice(1, 3), slice(None, None, -1), 2),
    (0, 1, 2, 3),
    (slice(None, None, 2), slice(None, None, 3)),
    ([0, 2], 1),
    (None, 1),
    (slice(0, 0),),
]


@pytest.fixture(autouse=True)
def everything_is_big(monkeypatch):
    monkeypatch.setattr(read, "_LAZY_BYTES", 0)


def series(folder: Path, name: str, slope: float = 1, order: str = "<") -> Path:
    voxels = np.random.default_rng(0).integers(-900, 900, (40, 40, 5, 4)).astype(np.int16)
    header = nib.Nifti1Header(endianness=order)
    header.set_data_dtype(np.int16)
    header["xyzt_units"] = 10
    image = nib.Nifti1Image(voxels, np.diag([2.0, -3, 4, 1]), header)
    image.header.set_slope_inter(slope, 0)
    nib.save(image, folder / name)
    return folder / name


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("slope", [1, 0.5])
@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz"])
def test_every_index_gives_what_a_whole_read_gives(tmp_path, name, slope, order):
    path = series(tmp_path, name, slope, order)
    whole, lazy = read_volume(path), open_volume(path)
    for index in INDICES:
        part = lazy.voxels[index]
        np.testing.assert_array_equal(part, whole.voxels[index])
        assert part.dtype == whole.voxels.dtype
    np.testing.assert_array_equal(np.asarray(lazy.voxels), whole.voxels)
    np.testing.assert_array_equal(lazy.affine, whole.affine)
    for fact in ("shape", "ndim", "dtype", "size", "nbytes"):
        assert getattr(lazy.voxels, fact) == getattr(whole.voxels, fact)
    assert len(lazy.voxels) == len(whole.voxels)
    is_plain = name == "a.nii" and slope == 1 and order == "<"
    assert isinstance(lazy.voxels, LazyVoxels) != is_plain


def test_the_first_slices_are_there_before_the_file_is_read(tmp_path):
    voxels = np.random.default_rng(0).integers(0, 4000, (256, 256, 400)).astype(np.int16)
    path = tmp_path / "a.nii.gz"
    nib.save(
        nib.Nifti1Image(voxels, np.diag([-1.0, 1, -1, 1])), path
    )  # first on disk is first here
    lazy = open_volume(path).voxels
    np.testing.assert_array_equal(lazy[0], voxels[:, ::-1, 0].T)
    assert lazy._unpacking is not None
    assert not lazy._unpacking._checked
    lazy.complete()
    np.testing.assert_array_equal(lazy[-1], voxels[:, ::-1, -1].T)


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz"])
def test_what_was_opened_lazily_can_be_saved(tmp_path, name):
    path = series(tmp_path, name, 0.5)
    write_volume(tmp_path / "b.nii.gz", open_volume(path))
    np.testing.assert_array_equal(
        read_volume(tmp_path / "b.nii.gz").voxels, read_volume(path).voxels
    )


def test_damage_shows_where_it_is_reached_and_when_all_is_checked(tmp_path):
    content = series(tmp_path, "a.nii.gz").read_bytes()
    bad_checksum = tmp_path / "sum.nii.gz"
    bad_checksum.write_bytes(content[:-8] + b"\0\0\0\0" + content[-4:])
    with pytest.raises(ValueError, match=r"sum\.nii\.gz' is truncated or damaged"):
        open_volume(bad_checksum).voxels.complete()
    truncated = tmp_path / "cut.nii.gz"
    truncated.write_bytes(content[: len(content) - 100])
    lazy = open_volume(truncated).voxels
    for look in (lazy.complete, lambda: lazy[-1], lambda: np.asarray(lazy)):
        with pytest.raises(ValueError, match=r"cut\.nii\.gz' is truncated"):
            look()


def test_values_are_copies_where_they_are_computed(tmp_path):
    lazy = open_volume(series(tmp_path, "a.nii", 0.5)).voxels
    lazy[0][...] = 7
    assert (lazy[0] != 7).any()
    assert np.asarray(lazy, dtype=np.float64).dtype == np.float64
    with pytest.raises(ValueError, match="copied"):
        np.asarray(lazy, copy=False)


def test_a_series_opens_without_being_read(tmp_path):
    """Eight sparse GB, scaled: what is looked at takes a moment, and the rest is never touched."""
    path = tmp_path / "big.nii"
    header = nib.Nifti1Header()
    header.set_data_shape((128, 128, 64, 4000))
    header.set_data_dtype(np.int16)
    header.set_sform(np.eye(4), 1)
    header["scl_slope"], header["vox_offset"], header["magic"] = 0.5, 352, b"n+1"
    with path.open("wb") as stream:
        stream.write(header.binaryblock)
        stream.truncate(352 + 128 * 128 * 64 * 4000 * 2)
    start = time.perf_counter()
    lazy = open_volume(path).voxels
    assert lazy[3999].shape == (64, 128, 128)
    assert time.perf_counter() - start < 2


def test_an_unlimited_file_is_not_unpacked_forever(tmp_path):
    path = series(tmp_path, "a.nii")
    (tmp_path / "bomb.nii.gz").write_bytes(gzip.compress(path.read_bytes() + bytes(2**26)))
    with pytest.raises(ValueError, match="far more than its header claims"):
        open_volume(tmp_path / "bomb.nii.gz").voxels.complete()
