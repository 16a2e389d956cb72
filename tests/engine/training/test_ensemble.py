"""Several networks that share the minutes."""

from dataclasses import replace

import numpy as np
import pytest
from planned import train_by

from napari_medunet.engine.examples.example import make_example
from napari_medunet.engine.examples.phantoms import make_phantom
from napari_medunet.engine.planning.compute_budget import expected_steps
from napari_medunet.engine.planning.plan_maker import make_plan
from napari_medunet.engine.prediction.predict import predict
from napari_medunet.engine.prediction.segmenter import Segmenter
from napari_medunet.engine.progress import Part, StopRequested
from napari_medunet.engine.settings import TrainSettings
from napari_medunet.engine.training import ensemble
from napari_medunet.engine.training.learning.loop import LossNotFinite
from napari_medunet.engine.training.one_network import train_one_network
from napari_medunet.engine.training.run.run_folder import RunFolder

SMALL = TrainSettings.of(minutes=60, epochs=2, filters=4, depth=2, dims="2d", batch=4, networks=2)
FIRST, SECOND = (Part("network", number, 2) for number in (1, 2))
SHAPE = (12, 32, 32)


def phantoms(settings, count=2):
    return [make_example(*make_phantom(seed, SHAPE), settings.annotation) for seed in range(count)]


class Killed(Exception):
    pass


@pytest.mark.slow
def test_they_are_trained_one_after_the_other_and_predict_together(tmp_path):
    heard = []
    segmenter = train_by(SMALL, phantoms(SMALL), heard.append)
    assert len(segmenter.networks) == len(segmenter.card.networks) == 2
    epochs = [(r.scores.part, r.scores.epoch) for r in heard if r.scores]
    assert epochs == [(part, epoch) for part in (FIRST, SECOND) for epoch in (1, 2)]
    fractions = [report.fraction for report in heard]
    assert fractions == sorted(fractions)
    assert any(report.message.startswith("Network 2 of 2: Epoch 2") for report in heard)
    first, second = (
        np.concatenate([weight.numpy().ravel() for weight in network.weights])
        for network in segmenter.networks
    )
    assert not np.allclose(first, second)  # each began with weights of its own
    loaded = Segmenter.load(segmenter.save(tmp_path / "two.medunet"))
    image, _ = make_phantom(2, SHAPE)
    np.testing.assert_array_equal(predict(loaded, image), predict(segmenter, image))


@pytest.mark.slow
def test_after_a_stop_the_finished_ones_are_kept():
    def report(progress):
        if progress.scores and progress.scores.part == SECOND:
            raise StopRequested

    segmenter = train_by(SMALL.changed(epochs=1), phantoms(SMALL), report)
    assert len(segmenter.networks) == segmenter.plan.network.networks == 1


@pytest.mark.slow
def test_a_later_network_whose_loss_is_lost_is_left_out_and_named(monkeypatch):
    def lost_in_the_second(split, plan, *others):
        if plan.budget.seed != SMALL.budget.seed:
            raise LossNotFinite
        return train_one_network(split, plan, *others)

    monkeypatch.setattr(ensemble, "train_one_network", lost_in_the_second)
    heard = []
    settings = SMALL.changed(epochs=1)
    assert len(train_by(settings, phantoms(settings), heard.append).networks) == 1
    (warning,) = {report.warning for report in heard if "left out" in report.warning}
    assert warning == "Network 2 is left out: its loss was no longer a number."


@pytest.mark.slow
def test_a_killed_training_goes_on_with_the_network_it_was_at(tmp_path):
    examples = phantoms(SMALL)

    def report(progress):
        if progress.message.startswith("Network 2 of 2: Epoch 2, step 2"):
            raise Killed

    with pytest.raises(Killed):
        train_by(SMALL, examples, report, run=RunFolder.new(tmp_path / "run"))
    heard = []
    run = RunFolder.open(tmp_path / "run")
    segmenter = train_by(SMALL, examples, heard.append, run=run)
    assert len(segmenter.networks) == 2
    assert [(r.scores.part, r.scores.epoch) for r in heard if r.scores] == [(SECOND, 2)]
    assert [len(one.history) for one in segmenter.card.networks] == [2, 2]
    run.finish()
    assert not list((tmp_path / "run").rglob("checkpoint*"))


def test_what_was_painted_in_blocks_has_as_many_as_the_minutes_are_for():
    def chosen(minutes, **more):
        settings = TrainSettings.of(minutes=minutes, annotated="slices", dims="3d", **more)
        return make_plan(phantoms(settings), settings)

    assert chosen(0.02).network.networks == 1
    many = chosen(600)
    assert many.network.networks == 3
    assert "networks" in many.describe()
    assert many.reasons["network.networks"].choice == "3"
    assert chosen(600, networks=2).network.networks == 2
    assert chosen(600, epochs=5).network.networks == 1
    with pytest.raises(ValueError, match="Each fold has one network, and 2 were asked for"):
        chosen(600, networks=2, folds=2)


def test_what_is_annotated_throughout_takes_longer_before_there_are_several():
    def chosen(minutes, change=lambda labels: labels):
        settings = TrainSettings.of(minutes=minutes, dims="3d", threads=1)
        examples = [replace(e, labels=change(e.labels)) for e in phantoms(settings)]
        return make_plan(examples, settings).network.networks

    assert chosen(0.1) == 1
    assert chosen(600) == 3
    numbers = (np.arange(np.prod(SHAPE)) % 12).astype(np.uint8).reshape(SHAPE)
    assert chosen(600, lambda labels: numbers) == 1  # so many labels take long


def test_each_has_a_share_of_the_minutes_and_the_filters_that_fit_into_that():
    settings = TrainSettings.of(minutes=600, networks=20, dims="3d", threads=1)
    plan = make_plan(phantoms(settings), settings)
    alone = plan.of_part(0)
    assert alone.budget.minutes == 30
    steps = int(plan.reasons["steps"].choice.removeprefix("about "))
    assert steps == pytest.approx(expected_steps(alone), rel=0.1)
    assert plan.expected.steps == pytest.approx(expected_steps(alone))
