"""What is no labels is not measured as if it were, and labels of every kind are."""

import io

import nibabel as nib
import numpy as np
import pytest
from PIL import Image
from scipy.ndimage import gaussian_filter, label

from napari_medunet import api, cli
from napari_medunet.cli import console
from napari_medunet.engine.errors import MedunetError
from napari_medunet.engine.evaluation.metrics.scores import evaluate_case
from napari_medunet.engine.examples.phantoms import make_phantom
from napari_medunet.engine.volume import Volume, affine_from_spacing

RNG = np.random.default_rng(0)
SCAN, TRUTH = make_phantom(0, (12, 64, 64))
BALL = TRUTH.voxels > 0
SMOOTH = gaussian_filter(BALL.astype(float), 1.5)


def as_jpeg(mask):
    stream = io.BytesIO()
    Image.fromarray(np.uint8(255 * mask)).save(stream, "JPEG", quality=75)
    return np.asarray(Image.open(stream))


def volume(voxels, name="case"):
    return Volume(np.asarray(voxels), affine_from_spacing((1, 1, 1)), name)


NO_LABELS = {
    "a scan": SCAN.voxels.astype(np.int16),
    "a scan in HU": (np.where(BALL, 40, -1000) + RNG.normal(0, 30, BALL.shape)).astype(np.int16),
    "JPEG": np.stack([as_jpeg(one) for one in BALL]),
    "probabilities": (255 * SMOOTH).astype(np.uint8),
}
ATLAS = np.kron(np.arange(216).reshape(6, 6, 6), np.ones((4, 8, 8))).astype(np.uint8)
LABELS = {
    "an atlas": ATLAS,
    "an atlas of any numbers": RNG.permutation(3000)[ATLAS],
    "numbered objects": label(gaussian_filter(RNG.normal(0, 1, (12, 64, 64)), 2) > 0.05)[0],
    "a threshold": (SMOOTH > 0.5).astype(np.uint8),
    "0 and 255": 255 * BALL.astype(np.uint8),
    "two thresholds": (SMOOTH > 0.3) + (SMOOTH > 0.6).astype(np.uint8),
    "negative": np.where(BALL, -1, TRUTH.voxels.astype(np.int16)),
    "nothing": np.zeros((4, 5, 6), np.uint8),
    "floats": TRUTH.voxels.astype(np.float32),
}


@pytest.mark.parametrize("kind", NO_LABELS)
def test_pictures_are_refused_on_either_side_in_one_line(kind):
    odd = volume(NO_LABELS[kind])
    for truth, prediction, role in ((odd, TRUTH, "truth"), (TRUTH, odd, "prediction")):
        prediction = volume(prediction.voxels)
        with pytest.raises(MedunetError, match=f"Labels of the {role} .* look like a picture"):
            evaluate_case(volume(truth.voxels), prediction)


@pytest.mark.parametrize("kind", LABELS)
def test_labels_of_every_kind_are_measured(kind):
    labels = volume(LABELS[kind])
    scores = evaluate_case(labels, labels)
    held = set(np.unique(labels.voxels).tolist()) - {0}
    assert set(scores.labels) == held


def test_a_folder_of_scans_for_truths_is_told_by_command_and_in_python(tmp_path, monkeypatch):
    for folder, voxels in (("truth", NO_LABELS["a scan"]), ("prediction", TRUTH.voxels)):
        (tmp_path / folder).mkdir()
        for name in "ab":
            nib.save(nib.Nifti1Image(voxels, np.eye(4)), tmp_path / folder / f"{name}.nii.gz")
    folders = {name: str(tmp_path / name) for name in ("truth", "prediction")}
    words = ["evaluate", "--truth", folders["truth"], "--predictions", folders["prediction"]]
    told = []
    monkeypatch.setattr(console, "print_warning", told.append)
    assert cli.run(words) == cli.FAILED
    assert sum("Is it a scan? Choose its labels." in one for one in told) == 2
    with pytest.warns(UserWarning, match="Is it a scan"):
        found = api.evaluate(**folders)
    assert list(found.failures) == ["a", "b"]
