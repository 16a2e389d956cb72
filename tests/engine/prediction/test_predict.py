import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_medunet.engine.plan import Plan
from napari_medunet.engine.prediction.ensemble import Ensemble
from napari_medunet.engine.prediction.predict import keep_largest_components, predict
from napari_medunet.engine.progress import Cancelled
from napari_medunet.engine.settings import PredictSettings
from napari_medunet.engine.volume import Volume, affine_from_spacing


class Threshold:
    """A network that calls bright what is above the mean: its answer is known beforehand."""

    statistics = None

    recall = painted = ()

    def __init__(self, plan):
        self.plan = plan
        self.calls = []

    def probabilities(self, images):
        self.calls.append(images.shape)
        bright = (images[..., :1] > 0).astype(np.float32)
        return np.concatenate([1 - bright, bright], axis=-1)


class LeftHalf(Threshold):
    """A network that answers by place and not by intensity."""

    def probabilities(self, images):
        found = np.zeros((*images.shape[:-1], 2), np.float32)
        middle = images.shape[-2] // 2
        found[..., :middle, 1] = 1
        found[..., middle:, 0] = 1
        return found


def plan(patch=(8, 8), **fields):
    given_fields = {"spacing_mm": (1.0, 1.0, 1.0), "labels": (0, 300), "depth": 2, "batch": 4}
    given_fields["dims"] = f"{len(patch)}d"
    return Plan.of(patch=patch, **(given_fields | fields))


def volume(shape, seed=0, spacing_mm=(1.0, 1.0, 1.0)):
    voxels = np.random.default_rng(seed).normal(size=shape).astype(np.float32)
    return Volume(voxels, affine_from_spacing(spacing_mm), "case")


@settings(deadline=None, max_examples=40)
@given(
    shape=st.tuples(st.integers(1, 9), st.integers(1, 40), st.integers(1, 40)),
    axis=st.integers(0, 2),
    three=st.booleans(),
    tta=st.booleans(),
)
def test_tiles_and_mirroring_change_nothing_for_a_voxelwise_network(shape, axis, three, tta):
    a_plan = (
        plan((8, 8, 8), flip_axes=(0, 2))
        if three
        else plan(looked_across="zyx"[axis], flip_axes=(0, 1))
    )
    image = volume(shape)
    labels = predict(Threshold(a_plan), image, PredictSettings(tta=tta))
    above = image.voxels > image.voxels.mean(dtype=np.float64).astype(np.float32)
    np.testing.assert_array_equal(labels, np.where(above, 300, 0))
    assert labels.dtype == np.uint16
    assert labels.flags.c_contiguous


class Neighbours(Threshold):
    """A network that labels a voxel where the slice before it is bright at its place, tiles or not."""

    def probabilities(self, images):
        return super().probabilities(images[..., self.which :])

    which = 0


@pytest.mark.parametrize("which", [0, 1, 2])
@pytest.mark.parametrize("axis", [0, 2])
def test_a_slice_is_seen_with_its_neighbours_and_the_last_repeats(axis, which, monkeypatch):
    monkeypatch.setattr(
        "napari_medunet.engine.prediction.sliding_window._SLAB_BYTES", 1
    )  # slabs of one batch
    image = volume((7, 20, 7))
    network = Neighbours(
        plan((8, 8), dims="2.5d", looked_across="zyx"[axis], context=1, flip_axes=(1,))
    )
    network.which = which
    labels = np.moveaxis(predict(network, image, PredictSettings(tta=True)), axis, 0)
    seen = np.moveaxis(image.voxels, axis, 0)[(np.arange(7) + which - 1).clip(0, 6)]
    above = seen > image.voxels.mean(dtype=np.float64).astype(np.float32)
    np.testing.assert_array_equal(labels > 0, above)


def test_batches_have_one_shape():
    """A network is compiled for one shape: the last batch is filled up."""
    network = Threshold(plan())
    predict(network, volume((7, 20, 20)))
    assert len(set(network.calls)) == 1


def test_mirroring_averages_a_network_that_looks_at_places():
    image = volume((2, 8, 8))
    alone = predict(LeftHalf(plan(flip_axes=(1,))), image, PredictSettings(tta=False))
    assert alone.any()
    mirrored = predict(LeftHalf(plan(flip_axes=(1,))), image)
    assert not mirrored.any()  # half for and half against everywhere: background


def test_prediction_of_another_spacing_comes_back_on_the_images_own_grid():
    image = volume((3, 30, 20), spacing_mm=(3.0, 0.5, 0.5))
    image.voxels[:, :15] += 100
    labels = predict(Threshold(plan((8, 8))), image)
    assert labels.shape == (3, 30, 20)
    assert (labels[:, :14] == 300).all()
    assert (labels[:, 16:] == 0).all()


def test_cancelling_ends_at_the_next_batch():
    seen = []

    def cancel_at_half(progress):
        seen.append(progress.fraction)
        if progress.fraction > 0.5:
            raise Cancelled

    with pytest.raises(Cancelled):
        predict(Threshold(plan()), volume((40, 8, 8)), report=cancel_at_half)
    assert seen == sorted(seen)
    assert max(seen) < 0.6


def test_progress_ends_at_one():
    seen = []
    predict(Threshold(plan()), volume((9, 8, 8)), report=lambda p: seen.append(p.fraction))
    assert seen[0] == 0
    assert seen[-1] == 1


def test_an_image_of_other_channels_is_refused():
    colour = Volume(np.zeros((3, 1, 8, 8)), affine_from_spacing((1, 1, 1)), "rgb", ("c",), (1.0,))
    with pytest.raises(ValueError, match="'rgb' has 3 channels; the segmenter was trained on 1"):
        predict(Threshold(plan()), colour)


def test_only_the_largest_piece_of_each_class_is_kept():
    classes = np.zeros((1, 6, 12), np.int16)
    classes[0, 1:4, 1:4], classes[0, 5, 5] = 1, 1
    classes[0, 0:2, 8:10], classes[0, 4, 8:11] = 2, 2
    keep_largest_components(classes, 3)
    assert (classes == 1).sum() == 9
    assert (classes == 2).sum() == 4


def test_an_ensemble_is_the_mean_of_its_members():
    image = np.random.default_rng(0).normal(size=(1, 8, 8, 1)).astype(np.float32)
    members = [Threshold(plan()), LeftHalf(plan())]
    mean = np.mean([member.probabilities(image) for member in members], axis=0)
    np.testing.assert_allclose(Ensemble(members).probabilities(image), mean)


def test_an_ensemble_of_segmenters_that_differ_is_refused():
    for different in ({"labels": (0, 1)}, {"intensity": "ct"}, {"flip_axes": (1,)}):
        (name,) = different
        with pytest.raises(ValueError, match=f"differ in {name}"):
            Ensemble([Threshold(plan()), Threshold(plan(**different))])
    Ensemble([Threshold(plan()), Threshold(plan(filters=8, batch=2, learning_rate=0.1))])


@pytest.mark.parametrize(("spacing", "told"), [(0.5, False), (0.000325, True), (20.0, True)])
def test_a_spacing_far_from_training_is_doubted(spacing, told):
    said = []
    image = volume((1, 9, 9), spacing_mm=(1.0, spacing, spacing))
    predict(Threshold(plan()), image, report=lambda progress: said.append(progress.warning))
    assert any("Check its scale" in warning for warning in said) == told


@pytest.mark.parametrize("axis", ["c", "v", "t"])
def test_channels_are_found_on_whichever_axis_they_are(axis):
    image = Volume(np.ones((2, 3, 9, 9), np.float32), np.eye(4), "case", (axis,), (1.0,))
    # channels that were trained on as channels are found on the axis of time, too
    for two in (plan(channels=2), plan(channels=2, time_as_channels=True)):
        assert predict(Threshold(two), image).shape == (3, 9, 9)


def test_a_series_is_no_channels_of_a_segmenter_that_looks_for_others():
    series = Volume(np.ones((2, 3, 9, 9), np.float32), np.eye(4), "case", ("t",), (1.0,))
    for channels in (1, 3):
        with pytest.raises(ValueError, match="train with --time-as-channels"):
            predict(Threshold(plan(channels=channels)), series)
