from dataclasses import replace

import numpy as np
import pytest
from planned import fine_tune_by, train_by

from napari_medunet.engine import memory
from napari_medunet.engine.examples.example import make_example
from napari_medunet.engine.examples.phantoms import make_phantom
from napari_medunet.engine.network.unet import build_unet
from napari_medunet.engine.planning.fine_tuning_plan import extend_plan
from napari_medunet.engine.planning.plan_maker import make_plan
from napari_medunet.engine.prediction.predict import predict
from napari_medunet.engine.prediction.segmenter import Segmenter
from napari_medunet.engine.settings import TrainSettings
from napari_medunet.engine.training.fine_tuning import (
    extended_weights,
    mask_doubtful,
    pseudo_label_known,
)

pytestmark = pytest.mark.slow

SHAPE = (12, 32, 32)
BASE = TrainSettings.of(
    minutes=5, epochs=10, filters=8, depth=3, dims="2d", flip="none", augmentation="light"
)
FURTHER = TrainSettings.of(minutes=5, epochs=12, flip="none", augmentation="light")


def case(seed, labels_of):
    image, truth = make_phantom(seed, SHAPE)
    return make_example(image, replace(truth, voxels=labels_of(truth.voxels)), BASE.annotation)


def organ(labels):
    return (labels > 0).astype(np.uint8) * 3  # as label 3: a new one comes before it


def lesion(labels):
    return (labels == 2).astype(np.uint8) * 2


def dice(found, truth):
    return 2 * (found & truth).sum() / (found.sum() + truth.sum())


@pytest.fixture(scope="module")
def known():
    """A segmenter of organs alone."""
    return train_by(BASE, [case(seed, organ) for seed in range(5)], names={3: "organ"})


def test_a_new_label_begins_unlikely_and_old_ones_as_they_were(known):
    examples = [case(5, lesion)]
    plan = extend_plan(known.plan, examples, FURTHER)
    assert plan.labels == (0, 2, 3)
    network = build_unet(plan)
    network.set_weights(extended_weights(known, plan))
    wider = Segmenter((network,), known.card.model_copy(update={"plan": plan}))
    image = make_phantom(9, SHAPE)[0]
    before, after = predict(known, image), predict(wider, image)
    assert (before == after).mean() > 0.999  # bfloat16 rounds differently with another width


def test_how_images_are_varied_can_be_chosen_anew(known):
    examples = [case(5, lesion)]
    varied = TrainSettings.of(flip="all", augmentation="strong", unaugmented_tail=0.4, batch=3)
    plan = extend_plan(known.plan, examples, varied)
    schedule = plan.schedule
    assert (schedule.flip_axes, schedule.augmentation, schedule.batch) == ((0, 1), "strong", 3)
    assert schedule.unaugmented_tail == 0.4
    assert (plan.grid, plan.network) == (known.plan.grid, known.plan.network)
    assert plan.reasons["new labels"].choice == "2"
    assert plan.reasons["schedule.learning_rate"].choice == "0.006"
    mirrored = known.plan.changed(flip_axes=(1,))
    assert extend_plan(mirrored, examples, FURTHER).schedule.flip_axes == ()  # as set
    for augmentation, flip_axes in (("none", ()), ("light", (1,))):
        as_is = TrainSettings.of(augmentation=augmentation)
        assert extend_plan(mirrored, examples, as_is).schedule.flip_axes == flip_axes


def test_where_nothing_is_new_it_goes_on_learning_as_before_but_slower(known):
    examples = [case(5, organ)]
    kept = extend_plan(known.plan, examples, TrainSettings())
    assert (kept.labels, kept.grid, kept.network) == (
        known.plan.labels,
        known.plan.grid,
        known.plan.network,
    )
    assert kept.schedule == known.plan.schedule.changed(learning_rate_factor=0.3)
    assert kept.schedule.unaugmented_tail > 0
    assert kept.reasons["schedule.learning_rate"].choice == "0.0018"
    assert "new labels" not in kept.reasons
    slices = np.zeros(SHAPE, bool)
    slices[4:8] = True
    painted = [replace(one, annotated=slices) for one in examples]
    assert extend_plan(known.plan, painted, TrainSettings()).schedule.unaugmented_tail == 0
    as_set = extend_plan(known.plan, examples, TrainSettings.of(learning_rate=0.002))
    reason = as_set.reasons["schedule.learning_rate"]
    assert (reason.choice, reason.why) == ("0.002", "as set")


def test_what_the_network_is_cannot_be_chosen_anew(known):
    with pytest.raises(ValueError, match="dims, filters cannot be chosen"):
        extend_plan(known.plan, [case(5, lesion)], TrainSettings.of(dims="3d", filters=16))


def test_a_training_that_does_not_fit_into_the_memory_is_refused(known, monkeypatch):
    plan = extend_plan(known.plan, [case(5, organ)], FURTHER)
    assert list(plan.reasons)[-1] == "memory"
    monkeypatch.setattr(memory, "free_memory_mib", lambda: 100.0)
    with pytest.raises(ValueError, match="GiB are free"):
        extend_plan(known.plan, [case(5, organ)], FURTHER)


def test_what_was_known_is_filled_in_where_nothing_was_said(known):
    example = case(5, lesion)
    annotated = np.zeros(SHAPE, bool)
    annotated[4:8] = True
    seen = predict(known, example.image)
    (kept,) = pseudo_label_known(known.plan, [replace(example, annotated=annotated)], [seen])
    assert set(np.unique(kept.labels)) == {0, 2, 3}
    assert not kept.labels[~annotated & (example.labels == 0)].any()
    np.testing.assert_array_equal(kept.labels[example.labels == 2], 2)
    said = [
        example,
        case(6, organ),
    ]  # an organ is painted somewhere: where it is not, there is none
    assert pseudo_label_known(known.plan, said, [seen, seen]) == said


def test_old_examples_do_not_speak_where_a_new_label_may_be():
    new, old = case(5, lesion), case(0, organ)
    seen = organ(make_phantom(5, SHAPE)[1].voxels)  # the lesion lies in what was known as organ
    plan = make_plan([old], BASE)
    (certain,) = mask_doubtful(plan, [old], [new], [seen])
    np.testing.assert_array_equal(certain.annotated, old.labels != 3)
    (same,) = mask_doubtful(plan, [old], [case(5, organ)], [seen])
    assert same.annotated.all()


def test_a_segmenter_learns_a_label_more_and_keeps_what_it_knew(known):
    image, truth = make_phantom(9, SHAPE)
    before = dice(predict(known, image) == 3, truth.voxels > 0)
    assert before > 0.6
    more = fine_tune_by(FURTHER, known, [case(s, lesion) for s in (5, 6, 7)], names={2: "lesion"})
    assert [(c.value, c.name) for c in more.card.classes] == [(2, "lesion"), (3, "organ")]
    found = predict(more, image)
    assert dice(found > 0, truth.voxels > 0) > before - 0.05
    assert "fine-tuned" in more.card.describe()


def test_a_fine_tuned_segmenter_keeps_its_network(known):
    with pytest.raises(ValueError, match=r"depth, filters cannot be chosen.*train anew"):
        fine_tune_by(BASE.changed(dims="auto"), known, [case(5, lesion)])


def test_old_examples_are_replayed(known):
    new, old = [case(5, lesion)], [case(seed, organ) for seed in range(5)]
    settings = FURTHER.changed(epochs=1)
    card = fine_tune_by(settings, known, new, replay=old).card
    assert len(card.cases) == 4  # three old ones for each new one
    assert "phantom_05" in card.cases
