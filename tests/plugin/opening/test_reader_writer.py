"""The reader, the writers and the sample data, called as napari calls them."""

from __future__ import annotations

import struct
from itertools import permutations, product
from typing import get_args

import nibabel as nib
import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Image, Labels, _layer_actions
from napari.settings import _clear_plugin_settings_cache, get_plugin_settings, get_settings
from napari.utils.notifications import notification_manager
from npe2 import PluginManager, PluginManifest
from qtpy.QtWidgets import QFileDialog

from napari_medunet.engine.settings import OpenSettings
from napari_medunet.plugin.opening.menu import open_by_default, save_selected
from napari_medunet.plugin.opening.reader import get_reader, read_layers
from napari_medunet.plugin.opening.writer import write_layers

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


@pytest.mark.parametrize("painted", [False, True])
def test_labels_of_a_scaled_file_keep_their_numbers_until_somebody_paints(tmp_path, painted):
    image = nib.Nifti1Image(some_labels(), np.eye(4))
    image.header.set_slope_inter(2, 0)
    path = tmp_path / "scan_mask.nii"
    content = bytearray(image.to_bytes())
    struct.pack_into("<2f", content, 112, 2, 0)
    path.write_bytes(content)
    viewer = ViewerModel()
    (labels,) = viewer.open(path, plugin=PLUGIN)
    if painted:
        labels.data[0, 0, 0] = 5
    (written,) = viewer.layers.save(str(tmp_path / "out.nii"), plugin=PLUGIN)
    again = nib.load(written)
    assert again.dataobj.slope == (1 if painted else 2)
    assert np.asarray(again.dataobj).sum() == 2 * some_labels().sum() + 5 * painted
    if not painted:
        np.testing.assert_array_equal(again.dataobj.get_unscaled(), some_labels())


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
    assert truth.name == f"{image.name} truth"
    assert image.data.shape == truth.data.shape
    assert set(np.unique(truth.data)) == {0, 1, 2}
    np.testing.assert_array_equal(image.scale, truth.scale)


def open_files(*paths, **options):
    return ViewerModel().open([str(path) for path in paths], plugin=PLUGIN, **options)


def save_image(path, voxels, **fields):
    image = nib.Nifti1Image(voxels, oblique())
    for name, value in fields.items():
        image.header[name] = value
    nib.save(image, path)
    return path


def test_time_leads_with_its_step(tmp_path):
    path = save_image(tmp_path / "bold.nii", scan((6, 5, 4, 3)), xyzt_units=2 | 16)
    image = nib.load(path)
    image.header["pixdim"][4] = 720
    nib.save(nib.Nifti1Image(scan((6, 5, 4, 3)), None, image.header), path)
    (layer,) = open_files(path)
    assert layer.axis_labels == ("t", "z", "y", "x")
    assert layer.data.shape == (3, 4, 5, 6)
    assert layer.scale[0] == pytest.approx(0.72, rel=1e-5)
    assert str(layer.units[0]) == "second"


def test_colours_channels_components_and_complex_numbers(tmp_path, notifications):
    for channels, dtype in (("RGB", "rgb"), ("RGBA", "rgba")):
        colours = np.zeros((6, 5, 4), [(c, "u1") for c in channels])
        colours["G"] = 200
        (layer,) = open_files(save_image(tmp_path / f"{dtype}.nii.gz", colours))
        assert layer.rgb
        assert layer.data.shape == (4, 5, 6, 3)
        assert layer.data[0, 0, 0].tolist() == [0, 200, 0]
    layers = open_files(save_image(tmp_path / "two.nii.gz", scan((6, 5, 4, 2)), xyzt_units=2))
    assert [layer.name for layer in layers] == ["two channel 1", "two channel 2"]
    layers = open_files(save_image(tmp_path / "warp.nii", scan((6, 5, 4, 1, 3)), intent_code=1007))
    assert [layer.name for layer in layers] == [f"warp component {i}" for i in (1, 2, 3)]
    notifications.clear()
    (layer,) = open_files(save_image(tmp_path / "k.nii", (scan() * (3 + 4j)).astype(np.complex64)))
    assert layer.name == "k magnitude"
    np.testing.assert_allclose(layer.data.max(), 5 * np.abs(scan()).max(), rtol=1e-6)
    assert any("their magnitude is shown" in told.message for told in notifications)


def test_contrast_follows_the_file_where_it_states_any(tmp_path):
    (layer,) = open_files(save_image(tmp_path / "a.nii", scan(), cal_min=-1, cal_max=1))
    assert layer.contrast_limits == [-1, 1]
    voxels = scan()
    voxels[0, 0] = np.nan, np.inf, -np.inf, 1
    (layer,) = open_files(save_image(tmp_path / "b.nii", voxels))
    assert np.isfinite(layer.contrast_limits).all()


def test_files_open_as_a_stack_where_the_user_asks_for_it(tmp_path, notifications):
    first = save_image(tmp_path / "t1.nii.gz", scan())
    second = save_image(tmp_path / "t2.nii.gz", scan() + 1)
    mask = save_image(tmp_path / "t1_seg.nii.gz", some_labels())
    image, labels = open_files(first, second, mask, stack=True)
    assert image.data.shape == (2, 4, 5, 6)
    assert image.axis_labels == ("c", "z", "y", "x")
    assert isinstance(labels, Labels)
    other = save_image(tmp_path / "other.nii.gz", scan((6, 5, 3)))
    notifications.clear()
    layers = open_files(first, other, stack=True)
    assert [layer.name for layer in layers] == ["t1", "other"]
    assert "another grid than 't1'" in notifications[-1].message


def test_a_folder_of_one_subject_opens_as_its_files(tmp_path, notifications):
    (tmp_path / "sub-01" / "anat").mkdir(parents=True)
    save_image(tmp_path / "sub-01" / "anat" / "sub-01_T1w.nii.gz", scan())
    save_image(tmp_path / "sub-01" / "anat" / "sub-01_dseg.nii.gz", some_labels())
    (tmp_path / "sub-01" / "anat" / "broken.nii.gz").write_bytes(b"")
    layers = open_files(tmp_path / "sub-01")
    assert [(layer.name, type(layer)) for layer in layers] == [
        ("sub-01_T1w", Image),
        ("sub-01_dseg", Labels),
    ]
    assert "broken.nii.gz' is empty" in notifications[0].message
    (tmp_path / "empty").mkdir()
    assert get_reader(str(tmp_path / "empty")) is None


def test_both_halves_of_a_pair_are_one_layer(tmp_path):
    nib.save(nib.Nifti1Pair(scan(), oblique()), tmp_path / "p.hdr")
    (layer,) = read_layers([str(tmp_path / "p.hdr"), str(tmp_path / "p.img")])
    assert layer[1]["name"] == "p"


@pytest.fixture
def preferences():
    """The plugin's part of napari's Preferences, kept in memory."""
    _clear_plugin_settings_cache()
    yield get_plugin_settings(PLUGIN, path_dir=None).opening
    _clear_plugin_settings_cache()


def test_preferences_offer_what_the_engine_takes(preferences):
    for name, field in OpenSettings.model_fields.items():
        shown = type(preferences).model_fields[name]
        assert shown.default == field.default
        assert shown.description == field.description
        if field.annotation is not str:
            assert shown.json_schema_extra["enum"] == list(get_args(field.annotation))
    assert set(type(preferences).model_fields) == set(OpenSettings.model_fields)


def test_preferences_count_when_a_file_is_opened(tmp_path, preferences):
    plain = save_image(tmp_path / "case.nii.gz", some_labels())
    named = save_image(tmp_path / "case_seg.nii.gz", some_labels())
    channels = save_image(tmp_path / "two.nii.gz", scan((6, 5, 4, 2)), xyzt_units=2)
    preferences.labels = "never"
    assert [type(layer) for layer in open_files(plain, named)] == [Image, Image]
    preferences.labels = "by content"
    assert [type(layer) for layer in open_files(plain, named)] == [Labels, Labels]
    preferences.labels, preferences.label_names = "by name", "*_roi*, CASE"
    assert [type(layer) for layer in open_files(plain, named)] == [Labels, Labels]
    preferences.channels = "axis"
    (layer,) = open_files(channels)
    assert layer.axis_labels == ("c", "z", "y", "x")


def test_the_user_may_choose_the_plugin_for_good(tmp_path):
    path = save_image(tmp_path / "case.nii.gz", scan())
    plugins = get_settings().plugins
    before = dict(plugins.extension2reader)
    plugins.extension2reader = {"*.gz": "napari", "*.tif": "napari"}
    try:
        open_by_default()
        (layer,) = ViewerModel().open(path, plugin=None)
        assert layer.name == "case"
        assert plugins.extension2reader["*.tif"] == "napari"
    finally:
        plugins.extension2reader = before


SNAP = '1 255 0 0 1 1 1 "organ"\n300 0 0 255 1 1 1 "lesion"\n'


def test_names_of_labels_are_shown_and_saved(tmp_path):
    voxels = some_labels(dtype=np.uint16)
    voxels[0, 0, 0], voxels[5, 4, 3] = 1, 300
    path = save_image(tmp_path / "case_seg.nii.gz", voxels)
    (tmp_path / "case_seg.label").write_text(SNAP)
    viewer = ViewerModel()
    (labels,) = viewer.open(path, plugin=PLUGIN)
    place = labels.data_to_world(np.argwhere(labels.data == 300)[0])
    viewer.dims.set_point(0, place[0])
    status = labels.get_status(place, view_direction=None, dims_displayed=[1, 2], world=True)
    assert status["value"] == "300; name: lesion"
    np.testing.assert_array_equal(labels.get_color(300), (0, 0, 1, 1))
    assert labels.get_color(2)[3] == 1  # in no table, and not invisible
    assert labels.get_color(1000)[3] == 1
    (written,) = viewer.layers.save(str(tmp_path / "out"), plugin=PLUGIN)
    assert written.endswith("out.nii.gz")
    assert (tmp_path / "out.tsv").read_text() == (
        "index\tname\tcolor\n1\torgan\t#ff0000\n300\tlesion\t#0000ff\n"
    )
    labels.features = {"index": [1, 4], "name": ["liver", "cyst"]}
    viewer.layers.save(str(tmp_path / "out.nii.gz"), plugin=PLUGIN)
    assert (tmp_path / "out.tsv").read_text() == (
        "index\tname\tcolor\n1\tliver\t#ff0000\n300\tlesion\t#0000ff\n4\tcyst\tn/a\n"
    )


@pytest.mark.parametrize("dtype", ["float64", "int64", "uint32", "float32"])
def test_large_numbers_of_an_atlas_stay_what_they_are(tmp_path, dtype):
    highest = 2**24 if dtype == "float32" else 614454452
    voxels = some_labels(dtype=dtype)
    voxels[0, 0, 0], voxels[1, 0, 0] = highest, highest - 1
    nib.save(nib.Nifti1Image(voxels, np.eye(4), dtype=dtype), tmp_path / "a_dseg.nii.gz")
    viewer = ViewerModel()
    (labels,) = viewer.open(tmp_path / "a_dseg.nii.gz", plugin=PLUGIN)
    assert isinstance(labels, Labels)
    assert np.unique(labels.data).tolist() == [0, 2, 7, highest - 1, highest]
    (written,) = viewer.layers.save(str(tmp_path / "again.nii.gz"), plugin=PLUGIN)
    assert nib.load(written).get_data_dtype() == np.uint32
    np.testing.assert_array_equal(np.asarray(nib.load(written).dataobj), voxels)


def test_several_layers_are_saved_beside_each_other(tmp_path):
    original = save_image(tmp_path / "scan.nii.gz", scan())
    viewer = ViewerModel()
    (image,) = viewer.open(original, plugin=PLUGIN)
    viewer.layers.selection.active = image
    viewer._new_labels()
    viewer.layers[-1].data[0, 1, 2] = 1
    viewer.add_image(scan(), name="a/b", scale=(3, 2, 1))
    written = viewer.layers.save(str(tmp_path / "out.nii"), plugin=PLUGIN)
    names = ["out_scan.nii", "out_scan_-_Labels.nii", "out_a_b.nii"]
    assert written == [str(tmp_path / name) for name in names]
    for name in names[:2]:
        np.testing.assert_array_equal(nib.load(tmp_path / name).affine, nib.load(original).affine)
    np.testing.assert_array_equal(nib.load(written[0]).dataobj, nib.load(original).dataobj)
    assert nib.load(written[1]).get_data_dtype() == np.uint8
    with pytest.raises(OSError, match=r"out_scan.nii' is there already"):
        viewer.layers.save(str(tmp_path / "out.nii"), plugin=PLUGIN)


def test_a_file_that_no_dialog_asked_about_is_not_replaced(tmp_path):
    layer = Image(scan(), name="scan").as_layer_data_tuple()
    assert write_layers(str(tmp_path / "out"), [layer]) == [str(tmp_path / "out.nii.gz")]
    with pytest.raises(OSError, match=r"out.nii.gz' is there already"):
        write_layers(str(tmp_path / "out"), [layer])
    write_layers(str(tmp_path / "out.nii.gz"), [layer])


def test_nothing_is_written_where_one_of_several_layers_cannot_be(tmp_path):
    viewer = ViewerModel()
    viewer.add_image(scan(), name="good")
    viewer.add_image(scan(), name="turned", rotate=(0, 0, 10))
    with pytest.raises(OSError, match="'turned' is rotated or sheared"):
        viewer.layers.save(str(tmp_path / "out.nii.gz"), plugin=PLUGIN)
    assert list(tmp_path.iterdir()) == []


def big_scan(path):
    voxels = np.random.default_rng(0).integers(0, 4, (256, 256, 300), dtype=np.int16)
    voxels[..., 149] += 1000  # the middle is brighter than the rest
    nib.save(nib.Nifti1Image(voxels, np.eye(4)), path)
    return voxels


def test_a_big_packed_file_is_shown_at_once_and_completed(tmp_path, viewer, until):
    voxels = big_scan(tmp_path / "big.nii.gz")
    (opened,) = viewer.open(tmp_path / "big.nii.gz", plugin=PLUGIN)
    layer = getattr(opened, "__wrapped__", opened)
    until(lambda: isinstance(layer.data, np.ndarray))
    assert layer.contrast_limits[1] < 1000  # of the whole, and not of what was shown first
    np.testing.assert_array_equal(layer.data[150], voxels[::-1, ::-1, 149].T)
    _layer_actions._duplicate_layer(viewer.__wrapped__.layers)
    assert len(viewer.layers) == 2


def test_damage_behind_what_is_shown_is_told_and_the_layer_goes(tmp_path, viewer, until):
    path = tmp_path / "cut.nii.gz"
    big_scan(path)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * 0.9)])
    notification_manager.records.clear()
    viewer.open(path, plugin=PLUGIN)
    until(lambda: notification_manager.records)
    assert [layer.name for layer in viewer.layers] == []
    (told,) = notification_manager.records
    assert "cut.nii.gz' is truncated" in told.message
    notification_manager.records.clear()


def test_the_menu_saves_what_is_selected(tmp_path, viewer, monkeypatch):
    def say(*arguments):
        proposed.append(arguments[2])
        return str(tmp_path / f"out{len(proposed)}"), arguments[3]

    proposed = []
    monkeypatch.setattr(QFileDialog, "getSaveFileName", say)
    notification_manager.records.clear()
    save_selected()
    viewer.add_image(scan(), name="scan")
    viewer.add_points(np.zeros((1, 3)))
    viewer.layers.selection = set(viewer.layers)
    save_selected()
    viewer.add_image(scan(), name="turned", rotate=(0, 0, 10))
    save_selected()
    assert proposed == ["scan.nii.gz", "turned.nii.gz"]
    np.testing.assert_array_equal(np.asarray(nib.load(tmp_path / "out1.nii.gz").dataobj).T, scan())
    assert [told.message.split(":")[0].split(" /")[0] for told in notification_manager.records] == [
        "Nothing to save",
        "Saved",
        "Layer 'turned' is rotated or sheared; wanted scale and translation only. Open its file with "
        "napari-medunet, or reset the layer's transform.",
    ]
    notification_manager.records.clear()


def all_orientations() -> list[str]:
    pairs = ("RL", "AP", "SI")
    return [
        "".join(pairs[axis][sign] for axis, sign in zip(order, signs, strict=True))
        for order in permutations(range(3))
        for signs in product((0, 1), repeat=3)
    ]


def test_labels_from_naparis_button_are_saved_on_the_grid_whatever_its_orientation(
    tmp_path, viewer
):
    whole = nib.Nifti1Image(scan(), oblique())
    for code in all_orientations()[::7]:  # the engine's tests take all 48; a viewer takes its time
        turn = nib.orientations.ornt_transform(
            nib.io_orientation(whole.affine), nib.orientations.axcodes2ornt(code)
        )
        turned = whole.as_reoriented(turn)
        nib.save(turned, tmp_path / "scan.nii.gz")
        viewer.open(tmp_path / "scan.nii.gz", plugin=PLUGIN)
        viewer.layers.selection = {viewer.layers[0]}
        getattr(viewer, "__wrapped__", viewer)._new_labels()
        image, labels = viewer.layers
        labels.data[np.asarray(image.data) > 0.5] = 3
        (written,) = viewer.layers[-1:].save(str(tmp_path / "drawn.nii.gz"), plugin=PLUGIN)
        drawn = nib.load(written)
        np.testing.assert_array_equal(np.asarray(drawn.dataobj) == 3, turned.get_fdata() > 0.5)
        on_disk = nib.load(tmp_path / "scan.nii.gz")  # an affine is float32 there
        np.testing.assert_array_equal(drawn.affine, on_disk.affine)
        viewer.layers.clear()
