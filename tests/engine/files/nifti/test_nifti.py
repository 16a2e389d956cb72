"""NIfTI in and out: real files, nibabel as the second opinion."""

from __future__ import annotations

import gzip
import tempfile
from itertools import permutations, product
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_medunet.engine.files.nifti import read_volume, write_labels, write_volume
from napari_medunet.engine.volume import Volume, affine_from_spacing

ORIENTATIONS = [
    (axes, signs) for axes in permutations(range(3)) for signs in product((1, -1), repeat=3)
]


def rotation(angles: tuple[float, float, float]) -> np.ndarray:
    matrix = np.eye(3)
    for axis, angle in enumerate(angles):
        turn = np.eye(3)
        first, second = (axis + 1) % 3, (axis + 2) % 3
        turn[first, first] = turn[second, second] = np.cos(angle)
        turn[first, second], turn[second, first] = -np.sin(angle), np.sin(angle)
        matrix = matrix @ turn
    return matrix


@st.composite
def disk_affines(draw: st.DrawFn) -> np.ndarray:
    """Any of the 48 orientations, tilted, anisotropic and a little sheared."""
    axes, signs = draw(st.sampled_from(ORIENTATIONS))
    zooms = draw(st.tuples(*[st.floats(0.2, 6)] * 3))
    angles = draw(st.one_of(st.just((0.0,) * 3), st.tuples(*[st.floats(-0.6, 0.6)] * 3)))
    shear = np.eye(3)
    shear[0, 1] = draw(st.sampled_from([0.0, 0.1]))
    affine = np.eye(4)
    affine[:3, :3] = rotation(angles) @ shear @ (np.eye(3)[:, axes] * signs * zooms)
    affine[:3, 3] = draw(st.tuples(*[st.floats(-200, 200)] * 3))
    return affine.astype(np.float32).astype(np.float64)  # what a header can hold


shapes = st.tuples(*[st.integers(1, 5)] * 3)
DISK_AXES = {  # leading axes, and the lengths of the axes behind space that they are on disk
    "": (),
    "t": (3,),
    "c": (3,),
    "v": (1, 2),
    "v t": (3, 2),
    "d6": (1, 1, 2),
    "d7 t": (2, 1, 1, 3),
    "rgb": (),
}


def save(
    path: Path, voxels: np.ndarray, affine: np.ndarray | None = None, **fields: object
) -> Path:
    image = nib.Nifti1Image(voxels, np.eye(4) if affine is None else affine)
    for name, value in fields.items():
        image.header[name] = value
    nib.save(image, path)
    return path


def voxel_positions(affine: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    index = np.indices(shape).reshape(3, -1)
    return (affine[:3, :3] @ index).T + affine[:3, 3]


def patch_header(path: Path, **fields: object) -> Path:
    """Overwrite fields of an uncompressed file's header."""
    content = path.read_bytes()
    header = nib.Nifti1Header(content[:348], check=False)
    for name, value in fields.items():
        header[name] = value
    path.write_bytes(header.binaryblock + content[348:])
    return path


@given(affine=disk_affines(), shape=shapes, suffix=st.sampled_from([".nii", ".nii.gz"]))
@settings(max_examples=150, deadline=None)
def test_every_voxel_keeps_its_value_and_its_place(affine, shape, suffix):
    disk = np.arange(np.prod(shape), dtype=np.int16).reshape(shape)
    with tempfile.TemporaryDirectory() as folder:
        path = save(Path(folder, f"scan{suffix}"), disk, affine)
        volume = read_volume(path)
        # Each value occurs once: sorted by value, positions can be compared.
        ours = voxel_positions(volume.affine, volume.shape)[np.argsort(volume.voxels.ravel())]
        np.testing.assert_allclose(ours, voxel_positions(affine, shape), atol=1e-4)
        assert volume.name == "scan"
        assert volume.voxels.dtype == np.int16


@given(affine=disk_affines(), shape=shapes)
@settings(max_examples=60, deadline=None)
def test_axes_run_inferior_posterior_left(affine, shape):
    with tempfile.TemporaryDirectory() as folder:
        volume = read_volume(save(Path(folder, "a.nii"), np.zeros(shape, np.uint8), affine))
    toward = nib.aff2axcodes(volume.affine)
    assert toward == ("I", "P", "L")


@given(affine=disk_affines(), shape=shapes, turn=st.sampled_from(ORIENTATIONS))
@settings(max_examples=100, deadline=None)
def test_a_file_stored_in_another_order_opens_the_same(affine, shape, turn):
    """Reorienting a file changes how it lies on disk, not what is where."""
    disk = np.arange(np.prod(shape), dtype=np.float32).reshape(shape)
    image = nib.Nifti1Image(disk, affine)
    axes, signs = turn
    turned = image.as_reoriented(np.column_stack([axes, signs]))
    with tempfile.TemporaryDirectory() as folder:
        nib.save(image, Path(folder, "a.nii.gz"))
        nib.save(turned, Path(folder, "b.nii.gz"))
        first, second = read_volume(Path(folder, "a.nii.gz")), read_volume(Path(folder, "b.nii.gz"))
    places = []
    for volume in (first, second):
        order = np.argsort(volume.voxels.ravel())
        places.append(voxel_positions(volume.affine, volume.shape)[order])
    np.testing.assert_allclose(*places, atol=1e-3)


@given(
    affine=disk_affines(),
    shape=shapes,
    suffix=st.sampled_from([".nii", ".nii.gz"]),
    highest=st.sampled_from([1, 255, 256, 65535, 65536, 2**32]),
)
@settings(max_examples=100, deadline=None)
def test_labels_return_to_the_grid_on_disk(affine, shape, suffix, highest):
    truth = np.zeros(shape, np.int64)
    truth[-1, 0, 0] = highest
    with tempfile.TemporaryDirectory() as folder:
        path = save(
            Path(folder, "scan.nii.gz"), truth.astype(np.float64), affine, descrip=b"scanner 7"
        )
        image = read_volume(path)
        out = Path(folder, "deep", f"seg{suffix}")
        write_labels(out, image.voxels.astype(np.int64), image)
        before, after = nib.load(path), nib.load(out)
        np.testing.assert_array_equal(np.asanyarray(after.dataobj), truth)
        np.testing.assert_array_equal(after.affine, before.affine)
        assert after.get_data_dtype() == np.min_scalar_type(highest)
        for field in ("sform_code", "qform_code", "xyzt_units", "descrip", "quatern_b", "pixdim"):
            np.testing.assert_array_equal(after.header[field], before.header[field])
        assert [p.name for p in out.parent.iterdir()] == [out.name]


@given(affine=disk_affines(), shape=shapes, leading=st.sampled_from(sorted(DISK_AXES)))
@settings(max_examples=80, deadline=None)
def test_an_image_written_and_read_is_the_same(affine, shape, leading):
    disk_shape = shape + DISK_AXES[leading]
    rng = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as folder:
        if leading == "rgb":
            voxels = np.zeros(shape, [("R", "u1"), ("G", "u1"), ("B", "u1")])
            for channel in "RGB":
                voxels[channel] = rng.integers(0, 255, shape)
        else:
            voxels = rng.normal(size=disk_shape).astype(np.float32)
        units = 2 if leading == "c" else 10  # mm, without and with seconds
        path = save(Path(folder, "a.nii.gz"), voxels, affine, xyzt_units=units)
        volume = read_volume(path)
        again_path = Path(folder, "b.nii.gz")
        write_volume(again_path, volume)
        again = read_volume(again_path)
        np.testing.assert_array_equal(np.asarray(nib.load(again_path).dataobj), voxels)
    np.testing.assert_array_equal(again.voxels, volume.voxels)
    np.testing.assert_array_equal(again.affine, volume.affine)
    assert again.leading_axes == volume.leading_axes
    assert volume.leading_axes == (("c",) if leading == "rgb" else tuple(leading.split()))


@given(affine=disk_affines(), shape=shapes)
@settings(max_examples=60, deadline=None)
def test_a_volume_made_in_memory_keeps_voxels_and_affine(affine, shape):
    voxels = np.arange(np.prod(shape), dtype=np.uint16).reshape(shape)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "a.nii")
        write_volume(path, Volume(voxels, affine))
        volume = read_volume(path)
    ours = voxel_positions(volume.affine, volume.shape)[np.argsort(volume.voxels.ravel())]
    np.testing.assert_allclose(ours, voxel_positions(affine, shape), atol=1e-3)


def test_a_cropped_volume_takes_its_own_affine_with_it(tmp_path):
    image = read_volume(save(tmp_path / "a.nii", np.arange(60, dtype="i2").reshape(3, 4, 5)))
    shift = np.eye(4)
    shift[:3, 3] = (1, 0, 0)
    cropped = Volume(image.voxels[1:4], image.affine @ shift, "part", source=image.source)
    write_volume(tmp_path / "b.nii", cropped)
    again = read_volume(tmp_path / "b.nii")
    np.testing.assert_array_equal(again.voxels, cropped.voxels)
    np.testing.assert_allclose(again.affine, cropped.affine)


@pytest.mark.parametrize(
    "dtype", ["u1", "i1", "i2", "u2", "i4", "u4", "i8", "u8", "f4", "f8", "c8"]
)
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("kind", [nib.Nifti1Image, nib.Nifti2Image])
def test_voxels_keep_their_type(tmp_path, dtype, order, kind):
    voxels = np.arange(24).reshape(2, 3, 4).astype(dtype)
    header = (nib.Nifti1Header if kind is nib.Nifti1Image else nib.Nifti2Header)(endianness=order)
    header.set_data_dtype(dtype)
    nib.save(kind(voxels, np.eye(4), header), tmp_path / "a.nii")
    (tmp_path / "a.nii.gz").write_bytes(gzip.compress((tmp_path / "a.nii").read_bytes()))
    for path in (tmp_path / "a.nii", tmp_path / "a.nii.gz"):
        volume = read_volume(path)
        assert volume.voxels.dtype == np.dtype(dtype)
        assert volume.voxels.dtype.isnative
        np.testing.assert_array_equal(np.sort(volume.voxels.ravel()), np.arange(24))


@pytest.mark.parametrize(("dtype", "expected"), [("i2", "f4"), ("f4", "f4"), ("i4", "f8")])
def test_scaling_is_honoured(tmp_path, dtype, expected):
    path = save(tmp_path / "a.nii", np.arange(8).reshape(2, 2, 2).astype(dtype))
    patch_header(path, scl_slope=0.5, scl_inter=-3)
    volume = read_volume(path)
    assert volume.voxels.dtype == np.dtype(expected)
    np.testing.assert_allclose(np.sort(volume.voxels.ravel()), np.arange(8) * 0.5 - 3)
    write_volume(tmp_path / "b.nii", volume)  # and is not applied twice
    np.testing.assert_allclose(read_volume(tmp_path / "b.nii").voxels, volume.voxels)


@pytest.mark.parametrize("slope", [0, np.nan, np.inf])
def test_a_slope_that_means_nothing_is_none(tmp_path, slope):
    path = save(tmp_path / "a.nii", np.ones((2, 2, 2), np.int16))
    assert read_volume(patch_header(path, scl_slope=slope, scl_inter=5)).voxels.dtype == np.int16


@pytest.mark.parametrize(("unit", "factor"), [("meter", 1000), ("micron", 0.001), ("mm", 1)])
def test_units_become_millimetres(tmp_path, unit, factor):
    image = nib.Nifti1Image(np.zeros((2, 2, 2), np.uint8), np.diag([-2.0, -3, -4, 1]))
    image.header.set_xyzt_units(unit)
    nib.save(image, tmp_path / "a.nii")
    volume = read_volume(tmp_path / "a.nii")
    np.testing.assert_allclose(volume.spacing_mm, np.array([4, 3, 2]) * factor)
    write_labels(tmp_path / "b.nii", np.ones((2, 2, 2), bool), volume)
    assert nib.load(tmp_path / "b.nii").header.get_xyzt_units()[0] == unit
    np.testing.assert_allclose(read_volume(tmp_path / "b.nii").affine, volume.affine)


def test_time_leads_with_its_step_in_seconds(tmp_path):
    image = nib.Nifti1Image(np.zeros((4, 3, 2, 5), np.int16), np.eye(4))
    image.header.set_zooms((1, 1, 1, 2500))
    image.header.set_xyzt_units("mm", "msec")
    nib.save(image, tmp_path / "a.nii.gz")
    volume = read_volume(tmp_path / "a.nii.gz")
    assert volume.voxels.shape == (5, 2, 3, 4)
    assert (volume.leading_axes, volume.leading_scale) == (("t",), (2.5,))
    write_volume(tmp_path / "b.nii.gz", volume)
    assert read_volume(tmp_path / "b.nii.gz").leading_scale == (2.5,)
    write_labels(tmp_path / "c.nii.gz", np.zeros((2, 3, 4), int), volume)
    assert nib.load(tmp_path / "c.nii.gz").shape == (4, 3, 2)


def test_two_dimensions_come_back_as_two(tmp_path):
    image = nib.Nifti1Image(np.arange(12, dtype=np.int16).reshape(3, 4), np.diag([2.0, 2, 2, 1]))
    nib.save(image, tmp_path / "a.nii")
    volume = read_volume(tmp_path / "a.nii")
    assert volume.shape == (1, 4, 3)
    write_labels(tmp_path / "b.nii", volume.voxels, volume)
    np.testing.assert_array_equal(np.asarray(nib.load(tmp_path / "b.nii").dataobj), image.dataobj)


def test_a_flat_image_whose_third_step_is_zero_opens(tmp_path):
    path = save(tmp_path / "a.nii", np.zeros((3, 4, 1), np.uint8))
    volume = read_volume(patch_header(path, srow_z=[0, 0, 0, 0], sform_code=1))
    assert volume.spacing_mm == (1, 1, 1)


def test_colours_lead_and_alpha_is_dropped(tmp_path):
    voxels = np.zeros((2, 3, 4), [(c, "u1") for c in "RGBA"])
    voxels["G"] = 7
    volume = read_volume(save(tmp_path / "a.nii.gz", voxels))
    assert volume.leading_axes == ("c",)
    assert volume.voxels.shape == (3, 4, 3, 2)
    assert volume.voxels[:, 0, 0, 0].tolist() == [0, 7, 0]


def test_the_affine_is_chosen_as_stated(tmp_path):
    path = save(tmp_path / "a.nii", np.zeros((2, 3, 4), np.uint8), np.diag([2.0, 2, 2, 1]))
    assert read_volume(path).source.affine_from == "sform"
    broken = patch_header(path, srow_x=[np.nan] * 4)
    volume = read_volume(patch_header(broken, qform_code=1))
    assert volume.source.affine_from == "qform"
    assert "sform is not valid" in volume.source.notes[0]
    nothing = read_volume(patch_header(path, sform_code=0, qform_code=0))
    assert nothing.source.affine_from == "voxel size"
    assert "Check left and right" in nothing.source.notes[0]
    np.testing.assert_allclose(nothing.source.affine, nib.load(path).affine)


@pytest.mark.parametrize("angles", [(0.3, 0.2, -0.4), (np.pi, 0, 0), (0, np.pi / 2, np.pi / 2)])
@pytest.mark.parametrize(
    "fields", [{"sign": 0}, {"longer": 1 + 4e-7}, {"longer": 1.0009}, {"sign": 0, "longer": 1.0009}]
)
def test_a_qform_is_read_as_itk_and_fsl_read_it(tmp_path, angles, fields):
    affine = nib.affines.from_matvec(rotation(angles) * (1, 2, 3), [5, -6, 7])
    image = nib.Nifti1Image(np.arange(24, dtype="i2").reshape(2, 3, 4), None)
    image.set_qform(affine, 1)
    quaternion = np.array([float(image.header[f"quatern_{name}"]) for name in "bcd"])
    exact = np.linalg.norm(quaternion) > 1 - 1e-6
    nib.save(image, tmp_path / "a.nii")
    right = read_volume(tmp_path / "a.nii")
    np.testing.assert_allclose(right.source.affine, affine, atol=2e-5)
    if "longer" in fields and not exact:
        return  # a quaternion has a scalar part that takes up what is missing
    path = patch_header(
        tmp_path / "a.nii",
        pixdim=[fields.get("sign", 1), 1, 2, 3, 1, 1, 1, 1],
        **{
            f"quatern_{name}": part * fields.get("longer", 1)
            for name, part in zip("bcd", quaternion, strict=True)
        },
    )
    volume = read_volume(path)
    assert volume.source.affine_from == "qform"
    np.testing.assert_allclose(volume.affine, right.affine, atol=1e-5)
    write_volume(tmp_path / "b.nii", volume)  # as every reader takes it
    np.testing.assert_allclose(nib.load(tmp_path / "b.nii").affine, affine, atol=1e-3)


def test_a_quaternion_that_is_none_is_left_out(tmp_path):
    image = nib.Nifti1Image(np.zeros((2, 3, 4), np.uint8), None)
    image.set_qform(np.eye(4), 1)
    nib.save(image, tmp_path / "a.nii")
    volume = read_volume(patch_header(tmp_path / "a.nii", quatern_b=2))
    assert volume.source.affine_from == "voxel size"
    assert "qform is not valid" in volume.source.notes[0]


@pytest.mark.parametrize(("size", "doubted"), [(1.0, True), (0.001, False)])
def test_metres_with_numbers_of_mm_are_doubted(tmp_path, size, doubted):
    affine = np.diag([size, size, size, 1])
    volume = read_volume(save(tmp_path / "a.nii", np.zeros((2, 3, 4)), affine, xyzt_units=1))
    assert bool(volume.doubts) == doubted
    assert set(volume.doubts) <= set(volume.source.notes)


def test_a_qform_far_from_the_sform_is_told(tmp_path):
    image = nib.Nifti1Image(np.zeros((2, 3, 4), np.uint8), np.eye(4))
    image.set_sform(np.eye(4), 1)
    image.set_qform(nib.affines.from_matvec(np.eye(3), [50, 0, 0]), 1)
    nib.save(image, tmp_path / "a.nii")
    (note,) = read_volume(tmp_path / "a.nii").source.notes
    assert "50 mm apart; the sform counts" in note


def test_a_plain_file_is_mapped_and_never_written_into(tmp_path):
    ones = Volume(np.ones((2, 2, 2), np.int16), affine_from_spacing((1, 1, 1)))
    path = tmp_path / "a.nii"
    write_labels(path, ones.voxels, ones)
    before = path.read_bytes()
    volume = read_volume(path)
    volume.voxels[...] = 9
    write_labels(path, volume.voxels, volume, overwrite=True)  # onto the file that is mapped
    assert (volume.voxels == 9).all()
    assert path.read_bytes() != before
    assert (read_volume(path).voxels == 9).all()


def test_equal_labels_make_equal_files(tmp_path):
    image = Volume(np.zeros((3, 4, 5), np.uint8), affine_from_spacing((1, 1, 1)))
    for name in ("a.nii.gz", "b.nii.gz"):
        write_labels(tmp_path / name, image.voxels, image)
    assert (tmp_path / "a.nii.gz").read_bytes() == (tmp_path / "b.nii.gz").read_bytes()


def test_labels_that_fit_nowhere_are_refused(tmp_path):
    image = Volume(np.zeros((3, 4, 5), np.uint8), affine_from_spacing((1, 1, 1)), "scan")
    out = tmp_path / "a.nii.gz"
    for labels, message in [
        (np.zeros((3, 4, 6), int), "the shape"),
        (np.full((3, 4, 5), 0.5), "whole numbers"),
        (np.full((3, 4, 5), -1), "negative label -1"),
    ]:
        with pytest.raises(ValueError, match=message):
            write_labels(out, labels, image)
    with pytest.raises(ValueError, match="wrong ending"):
        write_labels(tmp_path / "a.txt", image.voxels, image)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").touch()
    image = Volume(np.zeros((3, 4, 5), np.uint8), affine_from_spacing((1, 1, 1)))
    with pytest.raises(OSError, match=r"Cannot write '.*': .*Choose a folder"):
        write_labels(tmp_path / "file" / "a.nii.gz", image.voxels, image)


def test_a_failure_leaves_the_earlier_file_as_it_was(tmp_path):
    path = save(tmp_path / "a.nii.gz", np.ones((2, 2, 2), np.uint8))
    before = path.read_bytes()
    volume = Volume(np.zeros((2, 1, 2, 2, 2), np.uint8), np.eye(4), "odd", ("q", "r"), (1.0, 1.0))
    with pytest.raises(ValueError, match="leading axes"):
        write_volume(path, volume)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["a.nii.gz"]
