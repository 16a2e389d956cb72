"""The reader, the writers and the sample data, called as napari calls them."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Image, Labels
from napari.utils.notifications import notification_manager
from npe2 import PluginManager, PluginManifest

from napari_medunet.plugin.reader import get_reader, read_layers

PLUGIN = "napari-medunet"


@pytest.fixture(autouse=True)
def plugins():
    """Napari's own readers and writers, and this plugin's, as in a running napari."""
    manager = PluginManager.instance()
    for name in (PLUGIN, "napari"):
        if name not in manager:
            manager.register(PluginManifest.from_distribution(name))
    return manager


@pytest.fixture
def notifications():
    notification_manager.records.clear()
    yield notification_manager.records
    notification_manager.records.clear()


def oblique() -> np.ndarray:
    cos, sin = np.cos(0.3), np.sin(0.3)
    affine = np.array(
        [[-2 * cos, 0, 3 * sin, 5], [0, 1.5, 0, 6], [2 * sin, 0, 3 * cos, 7], [0, 0, 0, 1]]
    )
    return affine.astype(np.float32).astype(float)


def save(path, voxels, affine=None, intent=None):
    path.parent.mkdir(exist_ok=True)
    image = nib.Nifti1Image(voxels, np.eye(4) if affine is None else affine)
    if intent:
        image.header.set_intent(intent)
    nib.save(image, path)
    return path


def scan(shape=(6, 5, 4)):
    return np.random.default_rng(0).normal(size=shape).astype(np.float32)


def some_labels(shape=(6, 5, 4), dtype=np.uint8):
    labels = np.zeros(shape, dtype)
    labels[1:3, 2:4, 1] = 2
    labels[4, 4, 3] = 7
    return labels


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz", "A.NII.GZ"])
def test_a_file_opens_on_naparis_own_way(tmp_path, name):
    path = save(tmp_path / name.lower(), scan(), oblique()).rename(tmp_path / name)
    viewer = ViewerModel()
    (layer,) = viewer.open(path, plugin=PLUGIN)
    assert isinstance(layer, Image)
    assert layer.name == name[:1]
    assert layer.data.shape == (4, 5, 6)
    assert viewer.dims.order == (0, 1, 2)


def test_the_reader_leaves_other_files_alone():
    assert get_reader("a.tif") is None
    assert get_reader(["a.nii", "b.tif"]) is None
    assert get_reader(["a.nii", "b.nii.gz"]) is read_layers


@pytest.mark.parametrize(
    ("name", "voxels", "intent", "kind"),
    [
        ("labelsTr/case.nii.gz", some_labels(), None, "labels"),
        ("masks/case.nii", some_labels(), None, "labels"),
        ("scans/case_seg.nii.gz", some_labels(dtype=np.float32), None, "labels"),
        ("scans/sub-01_dseg.nii.gz", some_labels(dtype=np.int32), None, "labels"),
        ("scans/brain_mask.nii.gz", some_labels(), None, "labels"),
        ("scans/case.nii.gz", some_labels(), "label", "labels"),
        ("scans/case.nii.gz", some_labels(), None, "image"),
        ("labels/case.nii.gz", scan(), None, "image"),
        ("scans/masked.nii.gz", np.arange(1000, dtype=np.int16).reshape(10, 10, 10), None, "image"),
        ("scans/segment_7.nii.gz", some_labels(), None, "image"),
        ("labels/negative.nii.gz", some_labels().astype(np.int8) - 1, None, "image"),
        ("labels/series.nii.gz", some_labels((6, 5, 4, 2)), None, "image"),
    ],
)
def test_what_opens_as_labels(tmp_path, name, voxels, intent, kind):
    found = read_layers(str(save(tmp_path / name, voxels, intent=intent)))
    assert {layer[2] for layer in found} == {kind}


def test_a_bad_file_is_told_in_one_line_and_the_others_open(tmp_path, notifications):
    good = save(tmp_path / "good.nii.gz", scan())
    bad = tmp_path / "bad.nii.gz"
    bad.write_bytes(good.read_bytes()[:100])
    viewer = ViewerModel()
    assert viewer.open(bad, plugin=PLUGIN) == []
    (told,) = notifications
    assert told.severity == "error"
    assert "bad.nii.gz' is truncated" in told.message
    assert "\n" not in told.message
    notifications.clear()
    layers = viewer.open([str(bad), str(good)], stack=True, plugin=PLUGIN)
    assert [layer.name for layer in layers] == ["good"]
    assert len(notifications) == 1


def test_what_the_user_should_know_is_told(tmp_path, notifications):
    read_layers(str(save(tmp_path / "plain.nii.gz", scan())))
    assert notifications == []
    read_layers(str(save(tmp_path / "tilted.nii.gz", scan((60, 50, 40)), oblique())))
    (told,) = notifications
    assert told.severity == "info"
    assert "'tilted.nii.gz' is oblique: it is shown in its own scanner frame" in told.message


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz", ""])
def test_labels_drawn_on_an_opened_image_are_saved_on_its_grid(tmp_path, suffix):
    original = save(tmp_path / "scan.nii.gz", scan(), oblique())
    viewer = ViewerModel()
    (image,) = viewer.open(original, plugin=PLUGIN)
    data = np.zeros(image.data.shape, np.int32)
    data[0, 1, 2] = 300
    labels = viewer.add_labels(data, scale=image.scale, translate=image.translate)
    labels.metadata = dict(image.metadata)
    (written,) = viewer.layers[-1:].save(str(tmp_path / f"out{suffix}"), plugin=PLUGIN)
    assert written == str(tmp_path / f"out{suffix or '.nii.gz'}")
    before, after = nib.load(original), nib.load(written)
    assert after.shape == before.shape
    assert after.get_data_dtype() == np.uint16
    np.testing.assert_array_equal(after.affine, before.affine)
    # array (z, y, x) runs to (I, P, L); the disk to (L, A, S)
    assert np.argwhere(np.asarray(after.dataobj) == 300).tolist() == [[2, 3, 3]]
    (again,) = ViewerModel().open(written, plugin=PLUGIN)
    assert isinstance(again, Labels)
    np.testing.assert_array_equal(again.data, data)


def test_an_image_is_saved_as_it_was(tmp_path):
    original = save(tmp_path / "scan.nii.gz", scan(), oblique())
    viewer = ViewerModel()
    viewer.open(original, plugin=PLUGIN)
    (written,) = viewer.layers.save(str(tmp_path / "out.nii"), plugin=PLUGIN)
    np.testing.assert_array_equal(nib.load(written).dataobj, nib.load(original).dataobj)
    np.testing.assert_array_equal(nib.load(written).affine, nib.load(original).affine)


def test_saving_over_an_opened_file_keeps_the_layer_alive(tmp_path):
    path = save(tmp_path / "scan_mask.nii", some_labels())
    viewer = ViewerModel()
    (labels,) = viewer.open(path, plugin=PLUGIN)
    labels.data[0, 0, 0] = 9
    viewer.layers.save(str(path), plugin=PLUGIN)
    assert labels.data[0, 0, 0] == 9
    assert labels.data.sum() == some_labels().sum() + 9
    assert np.asarray(nib.load(path).dataobj).sum() == some_labels().sum() + 9


def test_layers_that_never_were_nifti_are_saved_where_napari_shows_them(tmp_path):
    viewer = ViewerModel()
    viewer.add_labels(some_labels(), scale=(3, 2, 1), translate=(10, 20, 30))
    (written,) = viewer.layers.save(str(tmp_path / "a.nii.gz"), plugin=PLUGIN)
    image = nib.load(written)
    assert image.header.get_zooms() == (1, 2, 3)
    np.testing.assert_allclose(image.affine[:3, 3], (-30, -20, -10))
    (again,) = ViewerModel().open(written, plugin=PLUGIN)
    np.testing.assert_array_equal(again.translate, (10, 20, 30))
    np.testing.assert_array_equal(again.data, some_labels())


def test_labels_of_a_series_are_saved_whole(tmp_path):
    viewer = ViewerModel()
    viewer.add_labels(np.stack([some_labels(dtype=np.int64)] * 2))
    (written,) = viewer.layers.save(str(tmp_path / "a.nii.gz"), plugin=PLUGIN)
    assert nib.load(written).shape == (4, 5, 6, 2)
    assert nib.load(written).get_data_dtype() == np.uint8


def test_what_cannot_be_saved_is_an_os_error_in_one_line(tmp_path):
    (tmp_path / "file").touch()
    viewer = ViewerModel()
    viewer.add_labels(some_labels())
    with pytest.raises(OSError, match="Cannot write"):
        viewer.layers.save(str(tmp_path / "file" / "a.nii.gz"), plugin=PLUGIN)
    viewer.layers.clear()
    viewer.add_image(scan(), rotate=(0, 0, 10))
    with pytest.raises(OSError, match="rotated or sheared"):
        viewer.layers.save(str(tmp_path / "a.nii.gz"), plugin=PLUGIN)


def test_the_sample_is_an_image_with_its_truth():
    image, truth = ViewerModel().open_sample(PLUGIN, "phantoms")
    assert isinstance(image, Image)
    assert isinstance(truth, Labels)
    assert image.data.shape == truth.data.shape
    assert set(np.unique(truth.data)) == {0, 1, 2}
    np.testing.assert_array_equal(image.scale, truth.scale)
