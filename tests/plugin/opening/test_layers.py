"""Volume to layer and back."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Image, Labels, Layer, _layer_actions

from napari_medunet.engine.files.nifti import read_volume, write_volume
from napari_medunet.engine.volume import Volume, affine_from_spacing, same_grid
from napari_medunet.plugin.opening.layer_geometry import source_layer
from napari_medunet.plugin.opening.layers import (
    layer_data_from_volume,
    volume_from_layer,
)


def oblique_affine(angle: float = 0.3) -> np.ndarray:
    affine = affine_from_spacing((3, 1, 2), (10, -20, 30))
    cos, sin = np.cos(angle), np.sin(angle)
    turn = np.array([[1, 0, 0], [0, cos, -sin], [0, sin, cos]])
    affine[:3] = turn @ affine[:3]
    return affine


def make_volume(affine: np.ndarray | None = None, **edits: object) -> Volume:
    voxels = np.random.default_rng(0).normal(size=(4, 5, 6)).astype(np.float32)
    volume = Volume(voxels, oblique_affine() if affine is None else affine, "scan")
    return replace(volume, **edits)


def make_layer(volume: Volume, kind: str = "image") -> Layer:
    return Layer.create(*layer_data_from_volume(volume, kind))


@pytest.fixture
def from_disk(tmp_path) -> Volume:
    """Read from an oblique file, so that it has a source."""
    write_volume(tmp_path / "scan.nii.gz", make_volume())
    return read_volume(tmp_path / "scan.nii.gz")


def test_a_volume_comes_back_from_its_layer(from_disk):
    layer = make_layer(from_disk)
    assert layer.name == "scan"
    assert [str(unit) for unit in layer.units] == ["millimeter"] * 3
    assert layer.axis_labels == ("z", "y", "x")
    assert layer.metadata["nifti"] is from_disk.source
    np.testing.assert_array_equal(np.asarray(layer.affine), np.eye(4))
    volume = volume_from_layer(layer)
    assert volume.voxels is layer.data
    np.testing.assert_array_equal(volume.affine, from_disk.affine)
    assert volume.source is from_disk.source


@pytest.mark.filterwarnings("error")
def test_an_oblique_volume_opens_without_napari_warning(from_disk):
    ViewerModel().add_layer(make_layer(from_disk))


def test_time_and_components_lead():
    voxels = np.zeros((2, 3, 4, 5, 6), np.int16)
    volume = Volume(voxels, np.eye(4), "series", ("v", "t"), (1.0, 2.5))
    layer = make_layer(volume)
    assert layer.axis_labels == ("v", "t", "z", "y", "x")
    assert [str(unit) for unit in layer.units[:2]] == ["pixel", "second"]
    again = volume_from_layer(layer)
    assert (again.leading_axes, again.leading_scale) == (("v", "t"), (1.0, 2.5))
    assert again.voxels.shape == voxels.shape


def test_colours_are_shown_as_colours():
    voxels = np.random.default_rng(0).integers(0, 255, (3, 4, 5, 6), dtype=np.uint8)
    volume = make_volume(voxels=voxels, leading_axes=("c",), leading_scale=(1.0,))
    layer = make_layer(volume)
    assert layer.rgb
    assert layer.ndim == 3
    again = volume_from_layer(layer)
    np.testing.assert_array_equal(again.voxels, voxels)
    assert again.leading_axes == ("c",)
    np.testing.assert_array_equal(again.affine, volume.affine)


def test_labels_of_float_type_become_integers():
    layer = make_layer(make_volume(voxels=np.full((4, 5, 6), 3.0)), "labels")
    assert isinstance(layer, Labels)
    assert layer.data.dtype.kind == "u"
    with pytest.raises(ValueError, match="no integers"):
        layer_data_from_volume(make_volume(), "labels")


def test_a_layer_that_was_moved_or_cropped_lies_where_napari_shows_it(from_disk):
    moved = make_layer(from_disk)
    moved.translate = np.add(moved.translate, (0, 0, 7))
    volume = volume_from_layer(moved)
    assert volume.source is None
    direction = from_disk.affine[:3, 2] / from_disk.spacing_mm[2]
    np.testing.assert_allclose(volume.affine[:3, :3], from_disk.affine[:3, :3], atol=1e-5)
    np.testing.assert_allclose(
        volume.affine[:3, 3], from_disk.affine[:3, 3] + 7 * direction, atol=1e-5
    )
    opened = make_layer(volume)
    np.testing.assert_allclose(opened.translate, moved.translate, atol=1e-5)


def test_a_cropped_layer_keeps_the_world_position_of_its_voxels(from_disk):
    whole = make_layer(from_disk)
    shift = np.multiply(whole.scale, (1, 2, 0))
    cropped = Image(
        whole.data[1:, 2:],
        scale=whole.scale,
        translate=whole.translate + shift,
        metadata=whole.metadata,
    )
    volume = volume_from_layer(cropped)
    assert volume.source is None
    index = np.array([2, 1, 3, 1])
    np.testing.assert_allclose(
        volume.affine @ index, from_disk.affine @ np.add(index, (1, 2, 0, 0)), atol=1e-4
    )


def active(viewer: ViewerModel, layer: Layer) -> Layer:
    viewer.layers.selection = {layer}
    viewer.layers.selection.active = layer
    return layer


def only_layer(volume: Volume, kind: str = "image") -> ViewerModel:
    viewer = ViewerModel()
    active(viewer, viewer.add_layer(make_layer(volume, kind)))
    return viewer


def series(**edits: object) -> Volume:
    voxels = np.arange(3 * 4 * 5 * 6).reshape(3, 4, 5, 6).astype(np.float32)
    return make_volume(voxels=voxels, leading_axes=("t",), leading_scale=(3.0,), **edits)


@pytest.mark.parametrize("action", [_layer_actions._project, _layer_actions._split_stack])
def test_naparis_projections_and_splits_never_lead_to_a_wrong_grid(action):
    viewer = only_layer(series())
    action(viewer.layers, 0)  # along time: what is left is a volume
    np.testing.assert_array_equal(volume_from_layer(viewer.layers[-1], []).affine, oblique_affine())
    for volume, axis in [(series(), 1), (series(), 3), (make_volume(), 0), (make_volume(), 2)]:
        viewer = only_layer(volume)
        action(viewer.layers, axis)
        with pytest.raises(ValueError, match="has lost an axis"):
            volume_from_layer(viewer.layers[-1], viewer.layers)
        viewer.layers.selection.active = viewer.layers[-1]
        viewer._new_labels()
        with pytest.raises(ValueError, match="has lost an axis"):
            volume_from_layer(viewer.layers[-1], viewer.layers)


@pytest.mark.filterwarnings("ignore:projection mode")
def test_naparis_conversions_keep_the_grid(from_disk):
    viewer = only_layer(from_disk)
    _layer_actions._duplicate_layer(viewer.layers)
    _layer_actions._convert_to_labels(viewer.layers)
    active(viewer, next(layer for layer in viewer.layers if isinstance(layer, Labels)))
    _layer_actions._convert_dtype(viewer.layers, "int16")
    assert len(viewer.layers) == 3
    for layer in viewer.layers:
        assert same_grid(volume_from_layer(layer, viewer.layers), from_disk)
        assert volume_from_layer(layer, viewer.layers).source is from_disk.source
    colours = make_volume(
        voxels=np.zeros((3, 4, 5, 6), np.uint8), leading_axes=("c",), leading_scale=(1.0,)
    )
    viewer = only_layer(colours)
    _layer_actions._split_rgb(viewer.layers)
    assert len(viewer.layers) == 3
    for layer in viewer.layers:
        assert same_grid(volume_from_layer(layer, viewer.layers), colours)
    viewer.layers.selection = set(viewer.layers)
    _layer_actions._merge_stack(viewer.layers)
    assert volume_from_layer(viewer.layers[0], []).voxels.shape == (3, 4, 5, 6)


def test_labels_drawn_freely_on_tilted_images_lie_in_their_frame_or_are_refused(from_disk):
    viewer = only_layer(from_disk)
    labels = viewer.add_labels(np.zeros((3, 3, 3), int), scale=(3, 1, 2), translate=(0, 0, 0))
    volume = volume_from_layer(labels, viewer.layers)
    np.testing.assert_allclose(volume.affine[:3, :3], from_disk.affine[:3, :3], atol=1e-5)
    viewer.add_layer(make_layer(make_volume(oblique_affine(0.1))))
    with pytest.raises(ValueError, match="tilted against each other"):
        volume_from_layer(labels, viewer.layers)


@pytest.mark.parametrize("seconds", [0.72, 2.0, 0.1, 1 / 3])
def test_the_last_time_point_can_be_reached_and_the_step_is_kept(seconds):
    volume = make_volume(
        voxels=np.zeros((1200, 1, 2, 2), np.uint8),
        leading_axes=("t",),
        leading_scale=(float(np.float32(seconds)),),
    )
    viewer = only_layer(volume)
    assert viewer.dims.nsteps[0] == 1200
    assert volume_from_layer(viewer.layers[0]).leading_scale == volume.leading_scale


def test_layers_made_elsewhere():
    flat = volume_from_layer(Image(np.zeros((5, 6)), scale=(2, 3), translate=(10, 20)))
    assert flat.voxels.shape == (1, 5, 6)
    assert flat.spacing_mm == (1, 2, 3)
    np.testing.assert_allclose(flat.affine[:3, 3], (-20, -10, 0))
    colour = volume_from_layer(Image(np.zeros((5, 6, 4), np.uint8), rgb=True))
    assert (colour.voxels.shape, colour.leading_axes) == ((3, 1, 5, 6), ("c",))
    pages = volume_from_layer(Image(np.zeros((4, 5, 6))))
    assert (pages.voxels.shape, pages.leading_axes) == ((4, 5, 6), ())
    series = volume_from_layer(Image(np.zeros((2, 4, 5, 6)), scale=(9, 1, 2, 3)))
    assert (series.leading_axes, series.leading_scale) == (("t",), (9.0,))
    assert series.spacing_mm == (1, 2, 3)
    film = volume_from_layer(
        Image(np.zeros((4, 5, 6)), scale=(9, 2, 3), axis_labels=("t", "y", "x"))
    )
    assert (film.voxels.shape, film.leading_axes) == ((4, 1, 5, 6), ("t",))
    assert film.spacing_mm == (1, 2, 3)
    stretched = volume_from_layer(Image(np.zeros((4, 5, 6)), affine=np.diag([2, 3, 4, 1])))
    assert stretched.spacing_mm == (2, 3, 4)


def test_other_units_become_millimetres():
    layer = Image(np.zeros((4, 5, 6)), scale=(2, 1, 1), units=("um", "um", "um"))
    np.testing.assert_allclose(volume_from_layer(layer).spacing_mm, (2e-3, 1e-3, 1e-3))


def test_layers_that_cannot_be_taken_are_refused_in_one_line():
    pyramid = Image([np.zeros((8, 8, 8)), np.zeros((4, 4, 4))], multiscale=True)
    turned = Image(np.zeros((4, 5, 6)), rotate=(0, 0, 10))
    sheared = Image(np.zeros((4, 5, 6)), shear=(0.1, 0, 0))
    affine = np.eye(4)
    affine[0, 1] = 0.5
    tilted = Image(np.zeros((4, 5, 6)), affine=affine)
    for layer, word in [
        (pyramid, "multiscale"),
        (turned, "rotated"),
        (sheared, "sheared"),
        (tilted, "rotated or sheared"),
    ]:
        with pytest.raises(ValueError, match=word) as caught:
            volume_from_layer(layer)
        assert layer.name in str(caught.value)
        assert "\n" not in str(caught.value)


def test_labels_from_naparis_own_button_belong_to_their_image(from_disk):
    viewer = ViewerModel()
    other = make_layer(make_volume(affine_from_spacing((1, 1, 1))))
    image = make_layer(from_disk)
    viewer.add_layer(image)
    viewer.add_layer(other)
    viewer.layers.selection.active = image
    viewer._new_labels()
    labels = viewer.layers[-1]
    assert "affine" not in labels.metadata
    assert source_layer(labels, viewer.layers) is image
    volume = volume_from_layer(labels, viewer.layers)
    assert volume.source is from_disk.source
    assert same_grid(volume, from_disk)
    assert volume.voxels is labels.data
    viewer.layers.remove(image)
    assert source_layer(labels, viewer.layers) is None
    assert volume_from_layer(labels, viewer.layers).source is None


def test_labels_of_one_time_point_belong_to_the_series():
    series = make_layer(Volume(np.zeros((2, 4, 5, 6)), oblique_affine(), "s", ("t",), (1.0,)))
    labels = Labels(
        np.zeros((4, 5, 6), int), scale=series.scale[1:], translate=series.translate[1:]
    )
    assert source_layer(labels, [series, labels]) is series
    np.testing.assert_array_equal(
        volume_from_layer(labels, [series, labels]).affine, oblique_affine()
    )


def test_labels_on_a_colour_image():
    image = Image(np.zeros((5, 6, 3), np.uint8), rgb=True)
    labels = Labels(np.zeros((5, 6), int))
    assert source_layer(labels, [image, labels]) is image
    assert volume_from_layer(labels, [image, labels]).shape == (1, 5, 6)
