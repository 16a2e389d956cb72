"""What the world's NIfTI and Analyze files contain: each kind opens, nibabel as the second opinion."""

from __future__ import annotations

import gzip
import struct
from dataclasses import replace
from itertools import permutations, product
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_medunet.engine.files.listing import list_cases
from napari_medunet.engine.files.nifti import (
    is_nifti,
    read_volume,
    without_suffix,
    write_labels,
    write_volume,
)
from napari_medunet.engine.volume import Volume

DISK = np.arange(60, dtype=np.int16).reshape(3, 4, 5)
TYPES = ["u1", "i1", "i2", "u2", "i4", "u4", "i8", "u8", "f4", "f8", "c8", "c16"]
KINDS = {
    "nifti1": (nib.Nifti1Image, nib.Nifti1Header, "a.nii"),
    "nifti2": (nib.Nifti2Image, nib.Nifti2Header, "a.nii"),
    "nifti1 pair": (nib.Nifti1Pair, nib.nifti1.Nifti1PairHeader, "a.img"),
    "nifti2 pair": (nib.Nifti2Pair, nib.nifti2.Nifti2PairHeader, "a.img"),
    "analyze": (nib.Spm99AnalyzeImage, nib.spm99analyze.Spm99AnalyzeHeader, "a.img"),
}


def make(folder: Path, kind: str, voxels: np.ndarray = DISK, order: str = "<") -> Path:
    """Write a file or a pair, its header and voxels in the given byte order."""
    image_class, header_class, name = KINDS[kind]
    header = header_class(endianness=order)
    header.set_data_dtype(voxels.dtype)
    affine = np.diag([-2.0, 3, 4, 1])
    affine[:3, 3] = (4, -6, -8)  # voxel (2, 2, 2) is the origin: SPM keeps whole numbers
    if kind == "analyze":
        header.set_data_shape(voxels.shape)
        header.set_zooms((2, 3, 4))
        header["origin"][:3] = 3
    nib.save(image_class(voxels, affine, header), folder / name)
    (folder / "a.mat").unlink(missing_ok=True)
    return folder / name


def by_place(volume):
    """Values by rounded position in mm."""
    index = np.indices(volume.shape).reshape(3, -1)
    places = (volume.affine[:3, :3] @ index).T + volume.affine[:3, 3]
    return dict(zip(map(tuple, places.round(2)), volume.voxels.ravel().tolist(), strict=True))


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_opens_with_the_same_voxels_in_the_same_places(tmp_path, kind, order):
    volume = read_volume(make(tmp_path, kind, order=order))
    wanted = {
        (4 - 2 * i, -6 + 3 * j, -8 + 4 * k): int(DISK[i, j, k])
        for i, j, k in np.ndindex(*DISK.shape)
    }
    assert volume.voxels.dtype.isnative
    assert volume.name == "a"
    assert by_place(volume) == wanted
    write_volume(tmp_path / "b.nii.gz", volume)
    np.testing.assert_array_equal(np.asanyarray(nib.load(tmp_path / "b.nii.gz").dataobj), DISK)
    again = read_volume(tmp_path / "b.nii.gz")
    assert by_place(again) == wanted
    np.testing.assert_array_equal(again.affine, volume.affine)


@pytest.mark.parametrize("tilt", [0.0, 0.3])
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("kind", [k for k in KINDS if k != "analyze"])
def test_labels_return_to_the_grid_of_every_kind_in_all_48_orientations(
    tmp_path, kind, order, tilt
):
    image_class, header_class, name = KINDS[kind]
    turn = np.array(
        [[np.cos(tilt), -np.sin(tilt), 0], [np.sin(tilt), np.cos(tilt), 0.1 * tilt], [0, 0, 1]]
    )
    for axes, signs in product(permutations(range(3)), product((1, -1), repeat=3)):
        affine = np.eye(4)
        affine[:3, :3] = turn @ (np.eye(3)[:, axes] * signs * (1.5, 2, 3))
        affine[:3, 3] = (10, -20, 30)
        header = header_class(endianness=order)
        header.set_data_dtype(np.int16)
        nib.save(image_class(DISK, affine, header), tmp_path / name)
        image = read_volume(tmp_path / name)
        write_labels(tmp_path / "b.nii", image.voxels, image, overwrite=True)
        before, after = nib.load(tmp_path / name), nib.load(tmp_path / "b.nii")
        np.testing.assert_array_equal(np.asanyarray(after.dataobj), DISK)
        np.testing.assert_array_equal(after.affine, before.affine)
        assert after.get_data_dtype() == np.uint8


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("kind", [k for k in KINDS if k != "analyze"])
def test_every_type_opens_and_is_written_as_it_was(tmp_path, kind, dtype, order):
    voxels = np.asfortranarray(DISK).astype(dtype)
    volume = read_volume(make(tmp_path, kind, voxels, order))
    assert volume.voxels.dtype == np.dtype(dtype)
    write_volume(tmp_path / "b.nii", volume)
    after = nib.load(tmp_path / "b.nii")
    assert after.get_data_dtype() == np.dtype(dtype)
    np.testing.assert_array_equal(np.asanyarray(after.dataobj), voxels)


@pytest.mark.parametrize("packed", ["hdr", "img", "both"])
def test_either_half_of_a_pair_may_be_packed_and_either_may_be_asked_for(tmp_path, packed):
    make(tmp_path, "nifti1 pair")
    names = []
    for half in ("hdr", "img"):
        path = tmp_path / f"a.{half}"
        if packed in (half, "both"):
            (tmp_path / f"a.{half}.gz").write_bytes(gzip.compress(path.read_bytes()))
            path.unlink()
            path = tmp_path / f"a.{half}.gz"
        names.append(path.name)
    for name in names:
        volume = read_volume(tmp_path / name)
        assert (volume.name, volume.shape) == ("a", (5, 4, 3))
    assert list(list_cases(tmp_path)) == ["a"]


def test_names_are_taken_in_either_case(tmp_path):
    path = make(tmp_path, "nifti1")
    mixed = path.rename(tmp_path / "Mixed.Nii")
    assert read_volume(mixed).name == "Mixed"
    folder = tmp_path / "pair"
    folder.mkdir()
    make(folder, "nifti1 pair")
    (folder / "a.hdr").rename(folder / "a.HDR")
    assert read_volume(folder / "a.img").name == "a"
    for name in ("x.NII.GZ", "x.Hdr", "x.img.GZ"):
        assert is_nifti(Path(name))
        assert without_suffix(Path(name)) == "x"


def test_gzip_is_known_by_its_content_and_may_have_several_members(tmp_path):
    content = make(tmp_path, "nifti1").read_bytes()
    (tmp_path / "packed.nii").write_bytes(gzip.compress(content))
    (tmp_path / "plain.nii.gz").write_bytes(content)
    members = b"".join(gzip.compress(content[i : i + 100]) for i in range(0, len(content), 100))
    (tmp_path / "members.nii.gz").write_bytes(members)
    (tmp_path / "padded.nii.gz").write_bytes(gzip.compress(content) + b"\0" * 512)
    for name in ("packed.nii", "plain.nii.gz", "members.nii.gz", "padded.nii.gz"):
        np.testing.assert_array_equal(
            np.sort(read_volume(tmp_path / name).voxels.ravel()), DISK.ravel()
        )


def test_analyze_states_no_direction_and_the_user_is_told(tmp_path):
    volume = read_volume(make(tmp_path, "analyze"))
    assert volume.source.affine_from == "SPM origin"
    assert "left. Check left and right" in volume.source.notes[0]
    header = bytearray((tmp_path / "a.hdr").read_bytes())
    header[252:263] = bytes(11)  # no origin: centred, as nibabel does it
    (tmp_path / "a.hdr").write_bytes(header)
    volume = read_volume(tmp_path / "a.img")
    assert volume.source.affine_from == "voxel size"
    np.testing.assert_allclose(volume.source.affine, nib.load(tmp_path / "a.img").affine)


def test_spms_scale_of_an_analyze_image_counts(tmp_path):
    make(tmp_path, "analyze")
    header = bytearray((tmp_path / "a.hdr").read_bytes())
    struct.pack_into("<f", header, 112, 0.5)
    (tmp_path / "a.hdr").write_bytes(header)
    volume = read_volume(tmp_path / "a.hdr")
    assert volume.voxels.dtype == np.float32
    assert volume.voxels.max() == 29.5


@pytest.mark.parametrize(
    ("shape", "unit", "axes", "voxels_shape"),
    [
        ((3,), 0, (), (1, 1, 3)),
        ((3, 4), 0, (), (1, 4, 3)),
        ((3, 4, 1, 1, 1, 1, 1), 8, (), (1, 4, 3)),
        ((3, 4, 5, 6), 8, ("t",), (6, 5, 4, 3)),
        ((3, 4, 5, 6), 16, ("t",), (6, 5, 4, 3)),
        ((3, 4, 5, 6), 0, ("c",), (6, 5, 4, 3)),
        ((3, 4, 5, 6), 32, ("c",), (6, 5, 4, 3)),  # Hz
        ((3, 4, 5, 1, 2), 8, ("v",), (2, 5, 4, 3)),
        ((3, 4, 5, 6, 2), 8, ("v", "t"), (2, 6, 5, 4, 3)),
        ((3, 4, 5, 1, 1, 2), 8, ("d6",), (2, 5, 4, 3)),
        ((2, 2, 2, 2, 3, 4, 5), 8, ("d7", "d6", "v", "t"), (5, 4, 3, 2, 2, 2, 2)),
    ],
)
def test_one_to_seven_axes(tmp_path, shape, unit, axes, voxels_shape):
    image = nib.Nifti1Image(np.arange(np.prod(shape), dtype=np.int32).reshape(shape), np.eye(4))
    image.header["xyzt_units"] = 2 + unit
    nib.save(image, tmp_path / "a.nii.gz")
    volume = read_volume(tmp_path / "a.nii.gz")
    assert (volume.leading_axes, volume.voxels.shape) == (axes, voxels_shape)
    assert any("taken for channels" in note for note in volume.source.notes) == ("c" in axes)
    write_volume(tmp_path / "b.nii.gz", volume)
    after = nib.load(tmp_path / "b.nii.gz")
    np.testing.assert_array_equal(np.squeeze(after.dataobj), np.squeeze(image.dataobj))
    assert after.header["xyzt_units"] == 2 + unit


@pytest.mark.parametrize(("unit", "factor"), [("sec", 1), ("msec", 1e-3), ("usec", 1e-6)])
def test_steps_in_time_become_seconds_and_go_back_in_their_unit(tmp_path, unit, factor):
    image = nib.Nifti1Image(np.zeros((2, 2, 2, 3), np.uint8), np.eye(4))
    image.header.set_xyzt_units("micron", unit)
    image.header.set_zooms((1, 1, 1, 800))
    nib.save(image, tmp_path / "a.nii")
    volume = read_volume(tmp_path / "a.nii")
    assert volume.leading_scale == pytest.approx((800 * factor,))
    np.testing.assert_allclose(volume.spacing_mm, (0.001,) * 3)
    write_volume(tmp_path / "b.nii", volume)
    after = nib.load(tmp_path / "b.nii").header
    assert (after.get_xyzt_units(), after.get_zooms()[3]) == (("micron", unit), 800)


def test_limits_intent_and_extensions_are_kept(tmp_path):
    image = nib.Nifti1Image(DISK, np.eye(4))
    image.header["cal_min"], image.header["cal_max"] = -100, 250
    image.header.set_intent("z score")
    for order in "<>":
        header = image.header.as_byteswapped(order)
        header.extensions.append(nib.nifti1.Nifti1Extension("comment", b"made on scanner 7"))
        header.extensions.append(nib.nifti1.Nifti1Extension(4, b"<AFNI/>" * 9))
        nib.save(nib.Nifti1Image(DISK, np.eye(4), header), tmp_path / "a.nii.gz")
        volume = read_volume(tmp_path / "a.nii.gz")
        assert volume.source.calibration == (-100, 250)
        assert volume.source.intent == 5
        write_volume(tmp_path / "b.nii.gz", volume, overwrite=True)
        after = nib.load(tmp_path / "b.nii.gz")
        assert after.header.get_intent()[0] == "z score"
        assert [e.get_code() for e in after.header.extensions] == [6, 4, 6]  # the last is our mark
        assert after.header.extensions[0].get_content().startswith(b"made on scanner 7")
        np.testing.assert_array_equal(np.asanyarray(after.dataobj), DISK)
    assert read_volume(make(tmp_path, "nifti2")).source.calibration is None


@pytest.mark.parametrize("changed", [False, True])
def test_scaled_voxels_are_written_as_stored_and_changed_ones_as_values(tmp_path, changed):
    content = bytearray(make(tmp_path, "nifti1", order=">").read_bytes())
    struct.pack_into(">2f", content, 112, 0.25, -7)
    (tmp_path / "a.nii").write_bytes(content)
    volume = read_volume(tmp_path / "a.nii")
    if changed:
        volume.voxels[0, 0, 0] += 0.1
    write_volume(tmp_path / "b.nii.gz", volume)
    after = nib.load(tmp_path / "b.nii.gz")
    assert after.get_data_dtype() == (np.float32 if changed else DISK.dtype)
    slope_inter = after.dataobj.slope, after.dataobj.inter
    assert slope_inter == ((1, 0) if changed else (0.25, -7))
    different = np.count_nonzero(np.asanyarray(after.dataobj) != DISK * 0.25 - 7)
    assert different == changed


@pytest.mark.parametrize("dtype", ["f4", "f8", "c8", "c16", "i4", "i8", "u8", "u1"])
@pytest.mark.parametrize("scaling", [(2, 0), (0.37, 1e6), (-3, 0.1)])
@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz"])
def test_scaled_numbers_of_every_type_are_written_as_stored(tmp_path, dtype, scaling, name):
    random = np.random.default_rng(1)
    stored = (random.normal(0, 100, (3, 4, 5)) ** 4).astype(np.float64)
    if dtype[0] in "iu":
        stored = np.abs(stored).clip(0, 250) + 2**60 * (dtype[1] == "8")
    stored = stored.astype(dtype)
    if dtype[0] == "f":
        stored[0, 0, 0] = np.nan
    image = nib.Nifti1Image(stored, np.eye(4), dtype=stored.dtype)
    nib.save(image, tmp_path / "plain.nii")
    content = bytearray((tmp_path / "plain.nii").read_bytes())
    struct.pack_into("<2f", content, 112, *scaling)
    packed = gzip.compress(content) if name.endswith(".gz") else content
    (tmp_path / name).write_bytes(packed)
    volume = read_volume(tmp_path / name)
    write_volume(tmp_path / "b.nii.gz", volume)
    again = nib.load(tmp_path / "b.nii.gz").dataobj
    assert (again.slope, again.inter) == tuple(np.float32(scaling))
    found = again.get_unscaled()
    assert found.dtype == stored.dtype
    np.testing.assert_array_equal(found, stored)
    if dtype == "f4":
        volume.voxels[0, 0, 1] += 1
        write_volume(tmp_path / "c.nii.gz", volume)
        again = nib.load(tmp_path / "c.nii.gz").dataobj
        assert (again.slope, again.inter) == (1, 0)
        np.testing.assert_array_equal(np.asarray(again), volume.voxels.T[::-1, ::-1, ::-1])


@given(
    slope=st.floats(2**-20, 2**20, width=32) | st.floats(-(2**20), -(2**-20), width=32),
    inter=st.floats(-(2**24), 2**24, width=32),
    dtype=st.sampled_from(["i1", "u1", "i2", "u2", "i4"]),
)
@settings(max_examples=100, deadline=None)
def test_scaled_integers_are_found_again(tmp_path_factory, slope, inter, dtype):
    folder = tmp_path_factory.mktemp("scaled")
    limits = np.iinfo(dtype)
    stored = np.random.default_rng(0).integers(limits.min, limits.max, (3, 4, 5), endpoint=True)
    image = nib.Nifti1Image(stored.astype(dtype), np.eye(4))
    nib.save(image, folder / "a.nii")
    content = bytearray((folder / "a.nii").read_bytes())
    struct.pack_into("<2f", content, 112, slope, inter)
    (folder / "a.nii").write_bytes(content)
    write_volume(folder / "b.nii", read_volume(folder / "a.nii"))
    again = nib.load(folder / "b.nii").dataobj
    assert (again.slope, again.inter) == (np.float32(slope), np.float32(inter))
    np.testing.assert_array_equal(again.get_unscaled(), stored)


@pytest.mark.parametrize("shape", [(2, 3), (2, 3, 1), (2, 3, 4, 1), (2, 3, 4, 1, 1), (2, 3, 1, 1)])
def test_axes_of_length_one_stay(tmp_path, shape):
    nib.save(nib.Nifti1Image(np.ones(shape, np.float32), np.eye(4)), tmp_path / "a.nii")
    volume = read_volume(tmp_path / "a.nii")
    write_volume(tmp_path / "b.nii", volume)
    write_labels(tmp_path / "c.nii", volume.voxels.astype(int), volume)
    assert nib.load(tmp_path / "b.nii").shape == shape
    assert nib.load(tmp_path / "c.nii").shape == shape


@given(shear=st.floats(-0.5, 0.5), order=st.sampled_from("<>"), kind=st.sampled_from([1, 2]))
@settings(max_examples=40, deadline=None)
def test_shear_is_kept_in_either_byte_order(tmp_path_factory, shear, order, kind):
    affine = np.diag([-1.5, 2, 3, 1])
    affine[0, 1] = np.float32(shear)
    image_class, header_class = (
        (nib.Nifti1Image, nib.Nifti1Header) if kind == 1 else (nib.Nifti2Image, nib.Nifti2Header)
    )
    folder = tmp_path_factory.mktemp("shear")
    header = header_class(endianness=order)
    header.set_data_dtype(np.int16)
    image = image_class(DISK, affine, header)
    nib.save(image, folder / "a.nii")
    volume = read_volume(folder / "a.nii")
    write_volume(folder / "b.nii", volume)
    after = nib.load(folder / "b.nii")
    assert type(after) is image_class
    np.testing.assert_array_equal(after.affine, nib.load(folder / "a.nii").affine)
    np.testing.assert_array_equal(np.asanyarray(after.dataobj), DISK)


def test_an_axis_too_long_for_nifti_1_is_written_as_nifti_2(tmp_path):
    volume = read_volume(make(tmp_path, "nifti1", np.zeros((3, 1, 1), np.uint8)))
    series = np.zeros((40_000, 1, 1, 3), np.uint8)
    write_volume(
        tmp_path / "b.nii.gz",
        replace(volume, voxels=series, leading_axes=("t",), leading_scale=(0.1,)),
    )
    assert isinstance(nib.load(tmp_path / "b.nii.gz"), nib.Nifti2Image)
    assert read_volume(tmp_path / "b.nii.gz").voxels.shape == series.shape


def test_an_affine_that_nifti_cannot_say_is_refused(tmp_path):
    for affine in (np.diag([1.0, 0, 1, 1]), np.full((4, 4), np.nan)):
        with pytest.raises(ValueError, match="singular or not finite"):
            write_volume(tmp_path / "a.nii", Volume(DISK, affine))
    assert list(tmp_path.iterdir()) == []
