"""On volumes from the world, where there are some: MEDUNET_DATA names a folder with images/ and labels/."""

import nibabel
import numpy as np

from napari_medunet.engine.evaluation.metrics.scores import evaluate_case
from napari_medunet.engine.examples.example import make_example
from napari_medunet.engine.files.files import read, write_labels_like
from napari_medunet.engine.files.pairing import pair
from napari_medunet.engine.planning.plan_maker import make_plan
from napari_medunet.engine.settings import TrainSettings


def test_labels_come_back_as_they_were(real_data, tmp_path):
    for name, (_, labels_path) in pair(real_data / "images", real_data / "labels").pairs.items():
        labels = read(labels_path, as_labels=True)
        whole = labels.voxels.astype(np.uint8)
        written = tmp_path / f"{name}.nii.gz"
        write_labels_like(written, whole, labels)
        before, after = nibabel.load(labels_path), nibabel.load(written)
        np.testing.assert_array_equal(np.asarray(after.dataobj), np.asarray(before.dataobj))
        np.testing.assert_array_equal(after.affine, before.affine)
        assert evaluate_case(labels, read(written)).labels[1].dice == 1


def test_every_pair_becomes_an_example_and_all_of_them_a_plan(real_data):
    settings = TrainSettings()
    pairs = pair(real_data / "images", real_data / "labels").pairs
    examples = [
        make_example(read(image), read(labels, as_labels=True), settings.annotation)
        for image, labels in pairs.values()
    ]
    plan = make_plan(examples, settings)
    assert plan.labels == (0, 1, 2)
    assert plan.grid.spacing_mm == (1.0, 1.0, 1.0)
