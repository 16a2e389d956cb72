"""Several networks that share the minutes."""

from dataclasses import replace

import numpy as np
import pytest
from planned import train_by

from napari_medunet.engine.examples.example import make_example
from napari_medunet.engine.examples.phantoms import make_phantom
from napari_medunet.engine.planning.compute_budget import expected_steps
from napari_medunet.engine.planning.plan_maker import reasoned_plan
from napari_medunet.engine.prediction.predict import predict
from napari_medunet.engine.prediction.segmenter import Segmenter
from napari_medunet.engine.progress import StopRequested
from napari_medunet.engine.settings import TrainSettings
from napari_medunet.engine.training import ensemble
from napari_medunet.engine.training.loop import LossNotFinite
from napari_medunet.engine.training.one_network import train_one_network
from napari_medunet.engine.training.run_folder import RunFolder

SMALL = TrainSettings.of(minutes=60, epochs=3, filters=4, depth=2, dims="2d", networks=2)
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
    epochs = [(r.scores["network"], r.scores["epoch"]) for r in heard if r.scores]
    assert epochs == [(n, e) for n in (1, 2) for e in (1, 2, 3)]
    assert {r.scores["networks"] for r in heard if r.scores} == {2}
    fractions = [report.fraction for report in heard]
    assert fractions == sorted(fractions)
    assert any(report.message.startswith("Network 2 of 2: Epoch 3") for report in heard)
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
        if progress.scores.get("network") == 2:
            raise StopRequested

    segmenter = train_by(SMALL, phantoms(SMALL), report)
    assert len(segmenter.networks) == segmenter.plan.network.networks == 1


@pytest.mark.slow
def test_a_later_network_whose_loss_is_lost_is_left_out_and_named(monkeypatch):
    def lost_in_the_second(training, validation, plan, classes, settings, *others):
        if settings.seed != SMALL.seed:
            raise LossNotFinite
        return train_one_network(training, validation, plan, classes, settings, *others)

    monkeypatch.setattr(ensemble, "train_one_network", lost_in_the_second)
    heard = []
    assert len(train_by(SMALL, phantoms(SMALL), heard.append).networks) == 1
    (warning,) = {report.warning for report in heard if "left out" in report.warning}
    assert warning == "Network 2 is left out: its loss was no longer a number."


@pytest.mark.slow
def test_a_killed_training_goes_on_with_the_network_it_was_at(tmp_path):
    examples = phantoms(SMALL)

    def report(progress):
        if progress.scores.get("network") == 2 and progress.scores["epoch"] == 2:
            raise Killed

    with pytest.raises(Killed):
        train_by(SMALL, examples, report, run=RunFolder.new(tmp_path / "run"))
    heard = []
    run = RunFolder.open(tmp_path / "run")
    segmenter = train_by(SMALL, examples, heard.append, run=run)
    assert len(segmenter.networks) == 2
    epochs = [(r.scores["network"], r.scores["epoch"]) for r in heard if r.scores]
    assert epochs[0] in {(2, 2), (2, 3)}
    assert [len(one.history) for one in segmenter.card.networks] == [3, 3]
    run.finish()
    assert not list((tmp_path / "run").rglob("checkpoint*"))


def test_what_was_painted_in_blocks_has_as_many_as_the_minutes_are_for():
    def chosen(minutes, **more):
        settings = TrainSettings.of(minutes=minutes, annotated="slices", dims="3d", **more)
        return reasoned_plan(phantoms(settings), settings)

    few, reasons = chosen(0.02)
    assert few.networks == 1
    many, reasons = chosen(600)
    assert many.networks == 3
    assert "networks" in many.describe()
    assert {reason.what: reason.choice for reason in reasons}["networks"] == "3"
    assert chosen(600, networks=2)[0].networks == 2
    assert chosen(600, epochs=5)[0].networks == 1
    with pytest.raises(ValueError, match="Each fold has one network, and 2 were asked for"):
        chosen(600, networks=2, folds=2)


def test_what_is_annotated_throughout_takes_longer_before_there_are_several():
    def chosen(minutes, change=lambda labels: labels):
        settings = TrainSettings.of(minutes=minutes, dims="3d", threads=1)
        examples = [replace(e, labels=change(e.labels)) for e in phantoms(settings)]
        return reasoned_plan(examples, settings)[0].networks

    assert chosen(0.1) == 1
    assert chosen(600) == 3
    numbers = (np.arange(np.prod(SHAPE)) % 12).astype(np.uint8).reshape(SHAPE)
    assert chosen(600, lambda labels: numbers) == 1  # so many labels take long


def test_each_has_a_share_of_the_minutes_and_the_filters_that_fit_into_that():
    settings = TrainSettings.of(minutes=600, networks=20, dims="3d", threads=1)
    alone = settings.of_part(0, 20)
    steps = {r.what: r.choice for r in reasoned_plan(phantoms(settings), settings)[1]}["steps"]
    plan = reasoned_plan(phantoms(settings), settings)[0]
    assert int(steps.removeprefix("about ")) == pytest.approx(expected_steps(plan, alone), rel=0.1)
