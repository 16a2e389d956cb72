import random
from dataclasses import replace

import numpy as np
import pytest
import tensorflow as tf
from planned import train_by

from napari_medunet.cli.demo import annotate_slices
from napari_medunet.engine.examples.example import Example, make_example
from napari_medunet.engine.examples.phantoms import PHANTOM_LABELS, make_phantom
from napari_medunet.engine.patches import sampler
from napari_medunet.engine.patches.augment import NO_AUGMENTATION, Augmentation
from napari_medunet.engine.planning.plan_maker import make_plan
from napari_medunet.engine.prediction.model_file import read_card
from napari_medunet.engine.prediction.predict import predict
from napari_medunet.engine.prediction.segmenter import Segmenter
from napari_medunet.engine.progress import Cancelled, StopRequested
from napari_medunet.engine.settings import TrainSettings
from napari_medunet.engine.training import one_network, train
from napari_medunet.engine.volume import Volume, affine_from_spacing

pytestmark = pytest.mark.slow

SMALL = TrainSettings.of(minutes=5, epochs=3, filters=4, depth=2, dims="2d", annotated="slices")
SHAPE = (12, 32, 32)


def examples(count=2, settings=SMALL):
    pairs = [make_phantom(seed, SHAPE) for seed in range(count)]
    return [
        make_example(image, annotate_slices(truth, 4), settings.annotation)
        for image, truth in pairs
    ]


@pytest.fixture(scope="module")
def plan():
    return make_plan(examples(), SMALL)


@pytest.fixture(scope="module")
def trained(plan):
    reports = []
    return train(examples(), plan, reports.append, PHANTOM_LABELS), reports


def test_training_reports_every_score_of_every_epoch(trained):
    segmenter, reports = trained
    epochs = [report.scores for report in reports if report.scores]
    assert [scores.epoch for scores in epochs] == [1, 2, 3]
    names = {"loss", "dice", "iou", "precision", "recall", "accuracy"}
    wanted = names | {f"val_{name}" for name in names} | {"epoch", "minutes", "learning_rate"}
    wanted |= {"val_dice_1", "val_dice_2"}
    for scores in epochs:
        assert scores.part is None
        assert set(scores.as_row()) == wanted
        assert np.isfinite(list(scores.as_row().values())).all()
    assert list(segmenter.card.networks[0].history) == epochs
    fractions = [report.fraction for report in reports]
    assert fractions == sorted(fractions)
    assert reports[-1].fraction == 1


def test_what_was_not_annotated_is_learned_from_where_that_is_wanted(trained):
    def labelled(reports):
        return any("not annotated" in report.message for report in reports)

    assert labelled(trained[1])
    without = []
    settings = SMALL.changed(self_training=False, epochs=2)
    train_by(settings, examples(1), without.append)
    settings = SMALL.changed(annotated="voxels", epochs=2)
    train_by(settings, examples(1, settings), without.append)
    assert not labelled(without)


def test_slices_held_out_of_what_is_annotated_throughout_are_no_gap_to_be_filled():
    reports = []
    settings = SMALL.changed(annotated="all", epochs=2)
    train_by(settings, examples(2, settings), reports.append)
    assert not any("not annotated" in report.message for report in reports)


def test_a_card_holds_some_of_very_many_epochs(monkeypatch):
    monkeypatch.setattr(one_network, "_MOST_SCORES", 50)  # of about 20 an epoch
    settings = SMALL.changed(epochs=5)
    history = train_by(settings, examples(1)).card.networks[0].history
    assert [scores.epoch for scores in history] == [1, 3, 5]


def test_the_card_says_what_was_trained(trained, plan):
    card = trained[0].card
    assert [c.name for c in card.classes] == ["organ", "lesion"]
    assert card.plan.model_dump_json() == plan.model_dump_json()
    assert set(card.validation_dice) == {"organ", "lesion"}
    assert card.cases == card.networks[0].training_cases == ("phantom_00", "phantom_01")
    assert 1 <= card.networks[0].best_epoch <= 3


def test_the_best_epochs_weights_are_kept(trained):
    """Or those of a later one that is as good; the network scores what its epoch was reported with."""
    (card,) = trained[0].card.networks
    dice = [scores.validation.dice for scores in card.history]
    kept = dice[card.best_epoch - 1]
    tolerance = 0.25 / np.sqrt(len(card.validation_cases)) * np.arange(1, 4) / 3
    as_good = np.flatnonzero(dice >= np.maximum.accumulate(dice) - tolerance) + 1
    assert card.best_epoch == as_good[-1]
    assert np.mean(list(card.validation_dice.values())) == pytest.approx(kept, abs=1e-5)


def test_a_saved_segmenter_predicts_the_same(trained, tmp_path):
    segmenter = trained[0]
    path = segmenter.save(tmp_path / "sub" / "organ")
    assert path == tmp_path / "sub" / "organ.medunet"
    assert sorted(p.name for p in path.parent.iterdir()) == ["organ.medunet"]
    loaded = Segmenter.load(path)
    image = make_phantom(9, SHAPE)[0]
    np.testing.assert_array_equal(predict(loaded, image), predict(segmenter, image))
    assert read_card(path) == loaded.card


def test_what_is_trained_follows_from_the_seed_alone_and_moves_no_generator_of_the_caller():
    def trained(seed):
        settings = SMALL.changed(epochs=1, dropout=0.5, seed=seed)
        return train_by(settings, examples(1)).networks[0].get_weights()

    def seed_all():
        random.seed(1)
        np.random.seed(2)  # noqa: NPY002  (the generator that a caller may use)
        tf.random.set_seed(3)

    def drawn():
        legacy = np.random.random()  # noqa: NPY002
        return [random.random(), legacy, float(tf.random.uniform([]))]  # noqa: S311

    def equal(one, other):
        return all(np.array_equal(*pair) for pair in zip(one, other, strict=True))

    seed_all()
    without = [drawn(), drawn()]
    seed_all()
    between = [drawn()]
    first = trained(0)
    between.append(drawn())
    assert between == without
    seed_all()
    again, other = trained(0), trained(1)
    assert equal(first, again)
    assert not equal(first, other)


def test_a_share_of_the_training_at_its_end_sees_the_images_as_they_are(monkeypatch):
    draw = sampler.draw_params
    mirrored = Augmentation(mirror=True)

    def varied_patches(unaugmented_tail):
        """How many patches were drawn to be varied, and how the last one was."""
        drawn = []

        def observed(rng, plan, augmentation):
            drawn.append(augmentation)
            return draw(rng, plan, augmentation)

        monkeypatch.setattr(sampler, "draw_params", observed)
        settings = SMALL.changed(epochs=4, self_training=False, unaugmented_tail=unaugmented_tail)
        train_by(settings, examples(1))
        return len([one for one in drawn if one not in (mirrored, NO_AUGMENTATION)]), drawn[-1]

    all_of_them, last = varied_patches(0.0)
    assert last not in (mirrored, NO_AUGMENTATION)
    half, last = varied_patches(0.5)
    assert 0.3 * all_of_them < half < 0.7 * all_of_them  # some are drawn ahead
    assert last == mirrored
    assert varied_patches(1.0) == (0, mirrored)


def test_a_stop_keeps_the_best_so_far():
    def stop_in_the_second_epoch(report):
        if report.message.startswith("Epoch 2, step 2"):
            raise StopRequested

    segmenter = train_by(SMALL, examples(), stop_in_the_second_epoch)
    (card,) = segmenter.card.networks
    assert len(card.history) == card.best_epoch == 1


def test_a_stop_in_the_first_epoch_still_gives_a_segmenter():
    def stop_at_once(report):
        if report.message.startswith("Epoch 1, step 1"):
            raise StopRequested

    segmenter = train_by(SMALL, examples(), stop_at_once)
    assert predict(segmenter, make_phantom(9, SHAPE)[0]).shape == SHAPE


def test_a_cancel_travels():
    def cancel(report):
        if report.message.startswith("Epoch 1, step 2"):
            raise Cancelled

    with pytest.raises(Cancelled):
        train_by(SMALL, examples(), cancel)


def test_minutes_end_a_training():
    settings = TrainSettings.of(minutes=0.02, filters=4, depth=2)
    card = train_by(settings, examples(settings=settings)).card
    assert card.minutes < 1
    assert card.networks[0].history


def with_twenty_voxels(seed):
    """A large structure, and in it one of about 20 voxels that is brighter."""
    rng = np.random.default_rng(seed)
    at, centre = np.indices((12, 28, 28)).T, np.array((6, 14, 14)) + rng.uniform(-1, 1, 3)
    place = centre + rng.uniform((-1, -4, -4), (1, 4, 4)).round()
    large = ((((at - centre) / (5, 11, 11)) ** 2).sum(-1) <= 1).T
    tiny = ((((at - place) / (1.5, 1.7, 1.7)) ** 2).sum(-1) <= 1).T
    voxels = (rng.normal(0, 0.35, large.shape) + large + 0.9 * tiny).astype(np.float32)
    image = Volume(voxels, affine_from_spacing((1, 1, 1)), f"case {seed}")
    return Example(image, np.where(tiny, 2, large).astype(np.uint8), np.ones(large.shape, bool))


def test_twenty_voxels_beside_a_large_structure_are_learned():
    settings = TrainSettings.of(minutes=20, epochs=8, filters=16, depth=3)
    segmenter = train_by(settings, [with_twenty_voxels(seed) for seed in range(6)])
    assert all(segmenter.card.validation_dice.values())  # both are among what is held out
    found, held, both = 0, 0, 0
    for case in (with_twenty_voxels(seed) for seed in (50, 51, 52)):
        prediction = predict(segmenter, case.image) == 2
        found, held = found + prediction.sum(), held + (case.labels == 2).sum()
        both += (prediction & (case.labels == 2)).sum()
    assert 40 < held < 80
    assert 2 * both / (found + held) > 0.5


@pytest.mark.parametrize("dims", ["2d", "2.5d", "3d"])
def test_it_learns(dims):
    epochs = {"2d": 12, "2.5d": 12, "3d": 6}[dims]
    settings = TrainSettings.of(minutes=20, epochs=epochs, filters=8, dims=dims, flip="none")
    pairs = [make_phantom(seed, (16, 32, 32)) for seed in range(7)]
    segmenter = train_by(settings, [make_example(*pair, settings.annotation) for pair in pairs[:6]])
    image, truth = pairs[6]
    organ = predict(segmenter, image) > 0
    dice = 2 * (organ & (truth.voxels > 0)).sum() / (organ.sum() + (truth.voxels > 0).sum())
    assert dice > 0.6


def test_colour_images_of_many_sizes_are_learned_from():
    settings = TrainSettings.of(minutes=1, epochs=1, filters=4)
    rng = np.random.default_rng(0)
    cases = []
    for size in ((1, 20, 31), (1, 44, 24), (1, 33, 33)):
        image, _ = make_phantom(0, (1, 32, 32))
        colour = rng.integers(0, 255, (3, *size)).astype(np.uint8)
        image = replace(image, voxels=colour, leading_axes=("c",), leading_scale=(1.0,))
        labels = replace(image, voxels=(colour[0] > 128), leading_axes=(), leading_scale=())
        cases.append(make_example(image, labels, settings.annotation))
    segmenter = train_by(settings, cases)
    assert segmenter.plan.channels == 3
    assert predict(segmenter, cases[1].image).shape == (1, 44, 24)


def test_nothing_to_train_on_is_said():
    with pytest.raises(ValueError, match="nothing to train on"):
        train_by(SMALL, [])


def test_a_segmenter_that_cannot_be_written_says_so(trained, tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OSError, match="Choose a folder"):
        trained[0].save(tmp_path / "file" / "organ.medunet")
