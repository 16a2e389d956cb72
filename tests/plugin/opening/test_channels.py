"""Volumes taken apart and stacked."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest

from napari_medunet.engine.files.nifti import read_volume, write_volume
from napari_medunet.engine.volume import Volume, affine_from_spacing, same_grid
from napari_medunet.plugin.opening.channels import split_volume, stack_volumes

AFFINE = affine_from_spacing((3, 2, 1))


def volume(shape, axes=(), dtype=np.float32, name="scan"):
    voxels = np.random.default_rng(0).normal(100, 20, shape).astype(dtype)
    return Volume(voxels, AFFINE, name, axes, (1.0,) * len(axes))


def test_what_can_be_shown_stays_as_it_is():
    for whole in (volume((3, 4, 5)), volume((9, 3, 4, 5), ("t",)), volume((9, 3, 4, 5), ("c",))):
        assert split_volume(whole) == [whole]
    colours = volume((3, 3, 4, 5), ("c",), np.uint8)
    assert split_volume(colours) == [colours]


def test_channels_and_components_become_volumes():
    whole = volume((2, 3, 4, 5), ("c",))
    parts = split_volume(whole)
    assert [part.name for part in parts] == ["scan channel 1", "scan channel 2"]
    np.testing.assert_array_equal(parts[1].voxels, whole.voxels[1])
    assert split_volume(whole, "axis") == [whole]
    components = volume((2, 3, 4, 5), ("v",))
    assert len(split_volume(components)) == 2
    assert split_volume(components, "axis") == [components]
    field = volume((3, 7, 2, 4, 5), ("v", "t"))
    parts = split_volume(field, "axis")
    assert [part.name for part in parts] == [f"scan component {i}" for i in (1, 2, 3)]
    assert [part.leading_axes for part in parts] == [("t",)] * 3
    np.testing.assert_array_equal(parts[2].voxels, field.voxels[2])
    both = split_volume(volume((2, 3, 2, 4, 5), ("v", "c")))
    assert [part.name for part in both][:4] == [
        "scan component 1 channel 1",
        "scan component 1 channel 2",
        "scan component 1 channel 3",
        "scan component 2 channel 1",
    ]


def test_complex_numbers_become_their_magnitude():
    whole = volume((2, 2, 2), dtype=np.complex64)
    (part,) = split_volume(Volume(whole.voxels * (3 + 4j), AFFINE, "phase"))
    assert part.name == "phase magnitude"
    assert part.voxels.dtype == np.float32
    np.testing.assert_allclose(part.voxels, 5 * whole.voxels.real, rtol=1e-6)


def test_a_part_is_saved_on_the_grid_of_its_file(tmp_path):
    field = np.random.default_rng(0).normal(size=(4, 5, 6, 1, 3)).astype(np.float32)
    image = nib.Nifti1Image(field, np.diag([-2, 3, 4, 1]))
    image.header.set_intent("vector")
    nib.save(image, tmp_path / "field.nii.gz")
    parts = split_volume(read_volume(tmp_path / "field.nii.gz"))
    write_volume(tmp_path / "part.nii", parts[1])
    again = nib.load(tmp_path / "part.nii")
    np.testing.assert_array_equal(np.asarray(again.dataobj), field[..., 0, 1])
    np.testing.assert_array_equal(again.affine, image.affine)


def test_stacks_are_channels_of_one_grid():
    first, second = volume((2, 3, 4), name="t1"), volume((2, 3, 4), dtype=np.int16, name="t2")
    stacked = stack_volumes([first, second])
    assert (stacked.name, stacked.leading_axes) == ("t1 and 1 more", ("c",))
    assert stacked.voxels.shape == (2, 2, 3, 4)
    assert same_grid(stacked, first)
    np.testing.assert_array_equal(stacked.voxels[1], second.voxels)


@pytest.mark.parametrize(
    ("other", "word"),
    [
        (volume((2, 3, 5), name="b"), "another grid than 'a'"),
        (Volume(np.zeros((2, 3, 4)), np.eye(4), "b"), "another grid than 'a'"),
        (volume((2, 2, 3, 4), ("t",), name="b"), "cannot be stacked"),
    ],
)
def test_what_does_not_stack_is_refused(other, word):
    with pytest.raises(ValueError, match=word):
        stack_volumes([volume((2, 3, 4), name="a"), other])
