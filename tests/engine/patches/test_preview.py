import numpy as np
import pytest

from napari_medunet.engine.examples.example import Example
from napari_medunet.engine.examples.phantoms import make_phantom
from napari_medunet.engine.hardware import machine
from napari_medunet.engine.patches.preview import Preview
from napari_medunet.engine.patches.preview import preview as draw
from napari_medunet.engine.planning.plan_maker import make_plan
from napari_medunet.engine.settings import TrainSettings
from napari_medunet.engine.volume import Volume, affine_from_spacing


def preview(examples, settings, **chosen) -> Preview:
    return draw(examples, make_plan(examples, settings), **chosen)


def example(seed=0):
    image, truth = make_phantom(seed, (16, 32, 40))
    return Example(image, truth.voxels, np.ones(truth.shape, bool))


@pytest.mark.parametrize("dims", ["2d", "3d"])
def test_slices_with_their_labels_come_by_seed(dims):
    settings = TrainSettings.of(dims=dims)
    shown = preview([example()], settings, count=5, seed=3)
    plane = {"2d": (32, 40), "3d": (32, 32)}[dims]
    assert shown.images.shape == (5, *plane, 1)
    assert shown.labels.shape == (5, *plane)
    assert set(np.unique(shown.labels)) == {0, 1, 2}
    assert shown.spacing_mm == (1.0, 1.0)
    again, other = (preview([example()], settings, count=5, seed=seed) for seed in (3, 4))
    np.testing.assert_array_equal(shown.images, again.images)
    assert not np.array_equal(shown.images, other.images)


def test_without_augmentation_the_same_places_are_shown_as_they_are():
    def middle(augmentation, flip="none"):
        settings = TrainSettings.of(augmentation=augmentation, flip=flip, dims="2d")
        return preview([example(), example(1)], settings, count=6).labels

    still, varied = middle("none"), middle("light")
    truths = np.concatenate([example(seed).labels for seed in (0, 1)])
    assert all((truths == one).all(axis=(1, 2)).any() for one in still)
    overlap = ((still > 0) & (varied > 0)).sum() / ((still > 0) | (varied > 0)).sum()
    assert 0.5 < overlap < 1


def test_labels_are_the_users_own():
    case = example()
    labels = np.where(case.labels == 2, 300, case.labels.astype(np.uint16) * 7)
    shown = preview([Example(case.image, labels, case.annotated)], TrainSettings.of(dims="3d"))
    assert set(np.unique(shown.labels)) == {0, 7, 300}
    assert shown.labels.dtype == np.uint16


def test_blocks_of_thick_slices_are_shown_across_them():
    case = example()
    image = Volume(case.image.voxels, affine_from_spacing((0.7, 0.8, 5.0)), "sagittal")
    shown = preview([Example(image, case.labels, case.annotated)], TrainSettings.of(dims="3d"))
    assert shown.images.shape[1:3] == (16, 32)  # four fifths of 16 x 32, as the levels divide
    assert shown.spacing_mm == pytest.approx((0.7, 0.8))


def test_folds_are_shown_by_the_plan_of_their_share_of_the_minutes(monkeypatch):
    monkeypatch.setattr(machine, "gflops", lambda threads=None: 80.0)  # 5 Tflop in a minute, about
    cases = [example(seed) for seed in range(5)]
    settings = TrainSettings.of(minutes=2.5)
    assert preview(cases, settings).images.shape[1:3] == (32, 32)  # of a block
    folded = settings.changed(folds=5)
    assert preview(cases, folded).images.shape[1:3] == (32, 40)  # a slice
