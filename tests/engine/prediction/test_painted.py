"""Painted images: a segmenter knows the images again that it was trained on, and keeps what was painted."""

import dataclasses
import zipfile

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from planned import fine_tune_by, train_by

from napari_medunet.engine.errors import MedunetError
from napari_medunet.engine.examples.example import make_example
from napari_medunet.engine.examples.phantoms import make_phantom
from napari_medunet.engine.files.files import read, write
from napari_medunet.engine.prediction.painted import (
    PaintedCard,
    PaintedImage,
    find_painted,
    remember,
)
from napari_medunet.engine.prediction.segmenter import Segmenter
from napari_medunet.engine.settings import AnnotationSettings, TrainSettings
from napari_medunet.engine.volume import Volume

PAINTED = (3, 6, 9)
QUICK = {"minutes": 5, "epochs": 1, "dims": "2d", "filters": 4, "depth": 2, "validation": 0}


def example(seed=0, slices=PAINTED, axis=0):
    image, labels = make_phantom(seed, (12, 24, 24))
    sparse = np.zeros_like(labels.voxels)
    where = (slice(None),) * axis + (list(slices),)
    sparse[where] = labels.voxels[where]
    painted = Volume(sparse, labels.affine, labels.name)
    return make_example(image, painted, AnnotationSettings(annotated="slices"))


@pytest.fixture(scope="module")
def trained():
    return train_by(TrainSettings.of(annotated="slices", **QUICK), [example()])


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_painted_slices_are_kept_across_each_axis(axis):
    given = example(slices=(5, 6, 8), axis=axis)
    (painted,) = remember([given])
    assert (painted.card.axis, painted.card.slices) == (axis, (5, 6, 8))
    labels = np.full(given.labels.shape, 9, np.uint8)
    painted.restore(labels)
    np.testing.assert_array_equal(labels[given.annotated], given.labels[given.annotated])
    assert (labels[~given.annotated] == 9).all()


def test_what_is_annotated_throughout_or_as_strokes_is_not_kept():
    given = example()
    throughout = dataclasses.replace(given, annotated=np.ones_like(given.annotated))
    strokes = np.zeros_like(given.annotated)
    strokes[4, 3:9, 3:9] = True
    assert remember([throughout, dataclasses.replace(given, annotated=strokes)]) == ()


def test_a_prediction_of_the_image_keeps_what_was_painted_and_one_of_another_does_not(trained):
    given, other = example(), example(seed=1)
    found = trained.predict(given.image).voxels
    np.testing.assert_array_equal(found[given.annotated], given.labels[given.annotated])
    alone = trained.predict(given.image, interpolate=False).voxels
    assert (alone[given.annotated] != given.labels[given.annotated]).any()
    of_other = trained.predict(other.image).voxels
    np.testing.assert_array_equal(of_other, trained.predict(other.image, interpolate=False).voxels)


def test_an_image_is_known_again_from_its_file(trained, tmp_path):
    path = tmp_path / "scan.nii.gz"
    write(path, example().image)
    assert find_painted(trained.painted, read(path)) is trained.painted[0]


def test_a_segmenters_file_keeps_what_was_painted(trained, tmp_path):
    loaded = Segmenter.load(trained.save(tmp_path / "kept"))
    assert [one.card for one in loaded.painted] == [one.card for one in trained.painted]
    for one, other in zip(loaded.painted, trained.painted, strict=True):
        np.testing.assert_array_equal(one.labels, other.labels)


@pytest.mark.parametrize("content", [b"", b"\x00" * 5, b"\x00" * 100_000])
def test_damaged_slices_are_refused_with_one_line(trained, tmp_path, content):
    path, damaged = trained.save(tmp_path / "whole"), tmp_path / "damaged.medunet"
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(damaged, "w") as new:
        for name in old.namelist():
            new.writestr(name, content if name.startswith("painted") else old.read(name))
    with pytest.raises(MedunetError, match="painted slices") as refusal:
        Segmenter.load(damaged)
    assert "\n" not in str(refusal.value)


def test_fine_tuning_keeps_the_newest_strokes_of_each_image(trained):
    corrected, other = example(slices=(4, 5)), example(seed=1)
    again = fine_tune_by(
        TrainSettings.of(annotated="slices", epochs=1), trained, [corrected, other]
    )
    by_image = {one.card.sha256: one.card.slices for one in again.painted}
    assert sorted(by_image.values()) == [PAINTED, (4, 5)]


@hypothesis.given(
    arrays.arrays(
        st.sampled_from([np.uint8, np.uint16, np.uint32, np.uint64]),
        arrays.array_shapes(min_dims=3, max_dims=3, max_side=5),
    )
)
def test_labels_come_back_from_bytes(labels):
    count, rows, columns = labels.shape
    card = PaintedCard(
        sha256="0" * 64,
        shape=(count, rows, columns),
        kind=labels.dtype.name,
        axis=0,
        slices=tuple(range(count)),
    )
    back = PaintedImage.from_bytes(card, PaintedImage(card, labels).to_bytes())
    np.testing.assert_array_equal(back.labels, labels)
