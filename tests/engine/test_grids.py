"""Grids: what belongs together lies on one grid, and what does not is told apart in words."""

from __future__ import annotations

from dataclasses import replace

import nibabel as nib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_medunet.engine.evaluation.metrics.scores import evaluate_case
from napari_medunet.engine.examples.folders import load_examples
from napari_medunet.engine.files.nifti import read_volume
from napari_medunet.engine.grids import fit_labels, grid_difference, lay_on
from napari_medunet.engine.settings import AnnotationSettings
from napari_medunet.engine.volume import Volume, affine_from_spacing

INSIDE = np.zeros((9, 10, 11), np.uint8)
INSIDE[2:6, 3:8, 1:5] = 1


def tilted(degrees: float, spacing=(0.7, 0.9, 2.5)) -> np.ndarray:
    """Affine of a file whose axes are turned about the patient's long axis."""
    cos, sin = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    affine = np.eye(4)
    affine[:3, :3] = np.array([[cos, -sin, 0], [sin, cos, 0], [0, 0, 1]]) * spacing
    affine[:3, 3] = (-30.123456, 12.654321, 7.111111)
    return affine


def from_file(path, affine, voxels=INSIDE) -> Volume:
    nib.save(nib.Nifti1Image(voxels, affine), path)
    return read_volume(path)


@given(degrees=st.floats(-40, 40))
@settings(max_examples=30, deadline=None)
def test_an_affine_of_three_digits_belongs_to_its_image(tmp_path_factory, degrees):
    folder = tmp_path_factory.mktemp("rounded")
    image = from_file(folder / "image.nii", tilted(degrees))
    labels = from_file(folder / "labels.nii", np.round(tilted(degrees), 3))
    fitted, fit = fit_labels(labels, image, resample=False)
    np.testing.assert_allclose(fitted.affine, image.affine, atol=0.02)
    np.testing.assert_array_equal(fitted.voxels, image.voxels)
    assert fit.how == "" or "affine was rounded" in fit.how
    moved = replace(labels, affine=labels.affine + np.eye(4)[:, [3, 3, 3, 0]] * 0.5)
    assert lay_on(moved, image) is None


def test_a_rounded_affine_is_said_once_for_all(tmp_path):
    for name in ("a", "b", "c"):
        for folder, affine in (("images", tilted(20)), ("labels", np.round(tilted(20), 2))):
            (tmp_path / folder).mkdir(exist_ok=True)
            from_file(
                tmp_path / folder / f"{name}.nii", affine, INSIDE * (1 + (folder == "images"))
            )
    loaded = load_examples(tmp_path / "images", tmp_path / "labels", AnnotationSettings())
    (note,) = loaded.notes
    assert note.startswith("Labels of image 'a' and 2 more are taken to lie on the image's grid")


@pytest.mark.parametrize("flip", [(1, 1, 1), (-1, 1, 1), (-1, -1, 1)])
def test_a_file_without_geometry_lies_on_its_image_in_the_order_of_the_file(tmp_path, flip):
    image = from_file(tmp_path / "image.nii", np.diag([*(np.array(flip) * (0.5, 0.5, 3)), 1]))
    labels = from_file(tmp_path / "labels.nii", None)
    fitted, fit = fit_labels(labels, image, resample=False)
    np.testing.assert_array_equal(fitted.voxels, image.voxels)
    assert "does not say where it lies" in fit.how


def test_a_file_with_voxel_sizes_alone_lies_on_an_image_of_the_same_sizes(tmp_path):
    affine = np.diag([-0.7, -0.7, 2.0, 1.0])
    affine[:3, 3] = 8, 9, -3
    image = from_file(tmp_path / "image.nii", affine)
    for sizes, fits in (((0.7, 0.7, 2.0), True), ((0.7, 0.7, 3.0), False)):
        mask = nib.Nifti1Image(INSIDE, None)
        mask.header.set_zooms(sizes)
        nib.save(mask, tmp_path / "labels.nii")
        laid = lay_on(read_volume(tmp_path / "labels.nii"), image)
        assert (laid is not None) == fits
        if laid is not None:
            np.testing.assert_array_equal(laid[0].voxels, image.voxels)
            assert "does not say where it lies" in laid[1].how


def test_a_picture_without_a_scale_has_that_of_its_partner():
    scaled = affine_from_spacing((1.0, 0.000325, 0.000325))
    image = Volume(INSIDE[:1], scaled, "p0")
    mask = Volume(INSIDE[:1], affine_from_spacing((1.0, 1.0, 1.0)), "p0", scale_known=False)
    for one, other in ((image, mask), (mask, image)):
        assert str(fit_labels(one, other, resample=False)[1]) == ""
    with pytest.raises(ValueError, match="mm a voxel"):
        fit_labels(replace(mask, scale_known=True), image, resample=False)


def test_distances_are_in_the_scale_that_one_of_two_pictures_states():
    scaled = affine_from_spacing((1.0, 0.5, 0.5))
    voxels = np.zeros((1, 20, 20), np.uint8)
    voxels[0, 4:9, 4:9] = 1
    truth = Volume(voxels, affine_from_spacing((1.0, 1.0, 1.0)), scale_known=False)
    prediction = Volume(np.roll(voxels, 4, axis=2), scaled)
    assert evaluate_case(truth, prediction).labels[1].hd == 2.0


def test_grids_that_differ_in_direction_only_are_told_so(tmp_path):
    straight = from_file(tmp_path / "a.nii", np.diag([1.0, 1, 1, 1]))
    mirrored = from_file(tmp_path / "b.nii", np.diag([-1.0, 1, 1, 1]))
    assert grid_difference(mirrored, straight) == (
        "only the directions differ: axes on disk run to LAS against RAS"
    )
    turned = from_file(tmp_path / "c.nii", tilted(12.5))
    upright = from_file(tmp_path / "d.nii", tilted(0))
    assert "directions of the axes that differ by 12.5 degrees" in grid_difference(turned, upright)


def test_a_refused_pair_is_told_what_is_doubtful(tmp_path):
    image = from_file(tmp_path / "image.nii", np.diag([2.0, 2, 2, 1]))
    header = nib.Nifti1Header()
    header.set_xyzt_units("meter")
    nib.save(nib.Nifti1Image(INSIDE, np.diag([2.0, 2, 2, 1]), header), tmp_path / "labels.nii")
    labels = read_volume(tmp_path / "labels.nii")
    with pytest.raises(ValueError, match=r"its header is in metres.*2000 x 2000 x 2000 mm"):
        fit_labels(labels, image, resample=False)
