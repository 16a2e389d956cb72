from dataclasses import replace

import numpy as np
import pytest

from napari_medunet.engine.examples.example import (
    as_painted,
    fit_notes,
    label_values,
    make_example,
)
from napari_medunet.engine.settings import TrainSettings
from napari_medunet.engine.volume import Volume, affine_from_spacing

SETTINGS = TrainSettings()


def volume(voxels, name="case", spacing_mm=(2.0, 1.0, 1.0)):
    return Volume(np.asarray(voxels), affine_from_spacing(spacing_mm), name)


def image(shape=(6, 8, 10), name="case"):
    return volume(np.random.default_rng(0).normal(size=shape).astype(np.float32), name)


def painted(shape=(6, 8, 10), name="case"):
    labels = np.zeros(shape, np.uint8)
    labels[2, 3:6, 3:7] = 1
    return volume(labels, name)


def test_labels_of_another_shape_are_refused_with_both_shapes():
    with pytest.raises(ValueError, match=r"another grid.*6 x 8 x 9 against 6 x 8 x 10.*resample"):
        make_example(image(), painted((6, 8, 9)), SETTINGS.annotation)


def test_labels_of_another_spacing_are_refused():
    elsewhere = replace(painted(), affine=affine_from_spacing((2.0, 1.0, 1.1)))
    with pytest.raises(ValueError, match=r"another grid.*1\.1 against 2 x 1 x 1 mm"):
        make_example(image(), elsewhere, SETTINGS.annotation)


def test_an_image_with_nan_is_refused_with_the_number_of_voxels():
    broken = image()
    broken.voxels[0, 0, :3] = np.nan
    with pytest.raises(ValueError, match="'case' has 3 voxels that are NaN or infinite"):
        make_example(broken, painted(), SETTINGS.annotation)


def test_float_labels_that_hold_integers_are_taken():
    labels = replace(painted(), voxels=painted().voxels.astype(np.float32) * 200)
    assert set(np.unique(make_example(image(), labels, SETTINGS.annotation).labels)) == {0, 200}


@pytest.mark.parametrize("value", [0.5, np.nan, np.inf])
def test_float_labels_that_hold_no_integers_are_refused(value):
    voxels = painted().voxels.astype(np.float64)
    voxels[0, 0, 0] = value
    with pytest.raises(ValueError, match="1 voxels are no integers"):
        make_example(image(), volume(voxels), SETTINGS.annotation)


def test_negative_labels_are_refused():
    voxels = painted().voxels.astype(np.int16)
    voxels[0, 0, 0] = -3
    with pytest.raises(ValueError, match="negative label -3"):
        make_example(image(), volume(voxels), SETTINGS.annotation)


def test_a_time_series_is_refused():
    series = Volume(np.zeros((2, 6, 8, 10)), affine_from_spacing((1, 1, 1)), "bold", ("t",), (2.0,))
    with pytest.raises(ValueError, match="Choose one time point"):
        make_example(series, painted(), SETTINGS.annotation)


@pytest.mark.parametrize("axis", ["t", "v"])
def test_channels_as_simpleitk_writes_them_are_channels(axis):
    joined = Volume(
        np.zeros((4, 6, 8, 10)), affine_from_spacing((2, 1, 1)), "case", (axis,), (1.0,)
    )
    annotation = TrainSettings.of(time_as_channels=axis == "t").annotation
    assert make_example(joined, painted(), annotation).image.leading_axes == ("c",)
    if axis == "t":
        with pytest.raises(ValueError, match="--time-as-channels"):
            make_example(joined, painted(), SETTINGS.annotation)


def test_labels_on_another_grid_are_brought_to_the_image_where_asked():
    finer = np.repeat(painted().voxels, 2, axis=0)
    affine = affine_from_spacing((1.0, 1.0, 1.0), (-0.5, 0.0, 0.0))
    resampling = TrainSettings.of(resample=True).annotation
    example = make_example(image(), Volume(finer, affine, "case"), resampling)
    np.testing.assert_array_equal(example.labels, painted().voxels)
    (note,) = fit_notes([example, example])
    assert note.startswith("Labels of image 'case' and 1 more are brought to the image's grid")
    far = replace(painted(), affine=affine_from_spacing((2.0, 1.0, 1.0), (900.0, 0.0, 0.0)))
    with pytest.raises(ValueError, match="lie beside image 'case'"):
        make_example(image(), far, resampling)


@pytest.mark.parametrize("rule", ["slices", "voxels"])
def test_nothing_painted_is_refused_where_only_paint_counts(rule):
    empty = replace(painted(), voxels=np.zeros((6, 8, 10), np.uint8))
    with pytest.raises(ValueError, match="hold no label"):
        make_example(image(), empty, TrainSettings.of(annotated=rule).annotation)


def test_nothing_painted_anywhere_is_refused():
    empty = replace(painted(), voxels=np.zeros((6, 8, 10), np.uint8))
    with pytest.raises(ValueError, match="No label is painted in any of 1 examples"):
        label_values([make_example(image(), empty, SETTINGS.annotation)])


def test_a_single_class_is_refused():
    with pytest.raises(ValueError, match=r"single class \[1\]"):
        label_values(
            [make_example(image(), painted(), TrainSettings.of(annotated="voxels").annotation)]
        )


def test_label_values_are_sorted_and_may_be_large():
    voxels = np.zeros((6, 8, 10), np.int64)
    voxels[1, 1], voxels[2, 2] = 1_000_000, 3
    assert label_values([make_example(image(), volume(voxels), SETTINGS.annotation)]) == (
        0,
        3,
        1_000_000,
    )


def test_background_label_becomes_background_and_the_unpainted_is_ignored():
    labels = np.zeros((6, 8, 10), np.uint8)
    labels[2, 2], labels[3, 3] = 1, 5
    settings = TrainSettings.of(annotated="voxels", background_label=5)
    example = make_example(image(), volume(labels), settings.annotation)
    assert label_values([example]) == (0, 1)
    assert example.annotated.sum() == 20


def test_a_background_label_that_was_never_painted_is_refused():
    settings = TrainSettings.of(annotated="voxels", background_label=9)
    with pytest.raises(ValueError, match="no voxel of the background label 9"):
        make_example(image(), painted(), settings.annotation)


@pytest.mark.parametrize("rule", ["all", "slices", "voxels"])
def test_what_is_ignored_is_not_annotated(rule):
    labels = painted()
    labels.voxels[2, 4, 3:5] = 255
    labels.voxels[4, 0, 0] = 2
    plain = make_example(image(), labels, TrainSettings.of(annotated=rule).annotation)
    settings = TrainSettings.of(annotated=rule, ignore_label=255).annotation
    example = make_example(image(), labels, settings)
    ignored = labels.voxels == 255
    np.testing.assert_array_equal(example.annotated, plain.annotated & ~ignored)
    assert 255 not in label_values([example])
    np.testing.assert_array_equal(as_painted(example, settings), labels.voxels)


def test_labels_of_which_nothing_counts_are_refused():
    labels = painted()
    settings = TrainSettings.of(annotated="voxels", ignore_label=1).annotation
    with pytest.raises(ValueError, match="hold no voxel that counts"):
        make_example(image(), labels, settings)
