"""What a plan promised is kept by the speed that is seen: on a clock that knows no machine."""

import time
from types import SimpleNamespace

import numpy as np
import pytest

from napari_medunet.engine.examples.example import make_example
from napari_medunet.engine.examples.phantoms import make_phantom
from napari_medunet.engine.hardware import speed
from napari_medunet.engine.planning.network_size import step_gflop
from napari_medunet.engine.planning.plan_maker import make_plan
from napari_medunet.engine.planning.seen_speed import fitting_networks
from napari_medunet.engine.settings import TrainSettings
from napari_medunet.engine.training import train
from napari_medunet.engine.training.learning.clock import Clock
from napari_medunet.engine.training.learning.pace import Pace
from napari_medunet.engine.training.learning.probe import measure
from napari_medunet.engine.training.learning.validation import HeldOut
from napari_medunet.engine.training.pacing import Pacing, Promises
from napari_medunet.engine.training.run.run_folder import RunFolder
from napari_medunet.engine.training.shares import Shares

SHAPE = (12, 32, 32)
BLOCKS = TrainSettings.of(minutes=600, annotated="slices", dims="3d")


def planned(settings=BLOCKS, **more):
    settings = settings.changed(**more)
    examples = [make_example(*make_phantom(seed, SHAPE), settings.annotation) for seed in range(2)]
    return make_plan(examples, settings), examples


class SlowLoop(SimpleNamespace):
    """A loop of steps that take as long as is said, on a clock of its own; it learns nothing."""

    def __init__(self, plan, monkeypatch, promises, steps):
        self.now = 0.0
        monkeypatch.setattr(time, "monotonic", lambda: self.now)
        self.notes, self.pace, self.steps_done, self.steps_fit = [], Pace(), 0, None
        self.note = self.notes.append
        self.device_group = SimpleNamespace(count=1)
        batch = (np.zeros((2, 8, 8, 8, 1)), np.zeros((2, 8, 8, 8)))
        self.held_out, self.validation_seconds = HeldOut([batch] * 6, 1), 0.0
        self.epoch_steps, self.lengths = steps, []
        self.clock = Clock(plan.budget, shares=promises.shares)
        self.pacing = Pacing(plan, 4, promises)

    def run(self, step_seconds):
        """Until the clock says so; a step takes `step_seconds(share)`."""
        while self.clock.share() < 1:
            self.now += step_seconds(self.clock.share())
            self.pace.add(step_seconds(self.clock.share()))
            self.clock.begin()
            self.steps_done += 1
            if self.pace.known:
                self.pacing(self)
                self.lengths.append(self.epoch_steps)


def looped(monkeypatch, step_seconds, **more):
    """A training of ten minutes, for which 4,800 steps were planned."""
    plan, _ = planned(minutes=10, networks=1, **more)
    plan = plan.model_copy(update={"expected": plan.expected.model_copy(update={"steps": 4800.0})})
    monkeypatch.setattr(time, "monotonic", lambda: 0.0)
    loop = SlowLoop(plan, monkeypatch, Promises(Shares(plan.budget.minutes)), steps=80)
    loop.run(step_seconds)
    return loop


def test_of_a_slow_machine_it_is_said_how_many_steps_fit_and_epochs_follow(monkeypatch):
    loop = looped(monkeypatch, lambda share: 0.5)
    assert loop.steps_done == 1200
    (note,) = loop.notes
    assert note.startswith("About 1200 steps fit, 4800 were planned, at ")
    assert set(loop.lengths) == {20}
    assert len(loop.held_out.batches) == 2  # a quarter as much is measured, more often


def test_a_machine_as_fast_as_was_planned_changes_nothing(monkeypatch):
    loop = looped(monkeypatch, lambda share: 0.125)
    assert set(loop.lengths) == {80}
    assert len(loop.held_out.batches) == 6


def test_a_machine_that_slows_down_on_the_way_ends_in_time(monkeypatch):
    loop = looped(monkeypatch, lambda share: 0.125 if share < 0.5 else 1.0)
    assert 600 <= loop.now < 605
    assert loop.clock.schedule() == pytest.approx(1)
    assert loop.lengths[0] == 80
    assert loop.lengths[-1] < 60
    assert len(loop.notes) == 1


def test_with_epochs_given_nothing_that_is_seen_changes_anything(monkeypatch):
    loop = looped(monkeypatch, lambda share: 7.0, epochs=3)
    assert loop.notes == []
    assert set(loop.lengths) == {80}
    assert loop.steps_fit is None


def test_the_rules_decide_again_by_the_speed_that_is_seen():
    plan, examples = planned()
    assert plan.network.networks == 3
    fitting = fitting_networks(plan, examples)
    gflop = step_gflop(plan.changed(filters=16, batch=2))
    assert fitting(3 * 1500, gflop) == 3  # a step a second
    assert fitting(3 * 1500, 0.95 * gflop) == 3  # not for so little
    assert fitting(3 * 1500, 0.8 * gflop) == 2
    assert fitting(3 * 1500, 0.1 * gflop) == 1


def test_how_many_networks_somebody_else_has_decided_stays():
    assert fitting_networks(*planned(networks=3)) is None
    assert fitting_networks(*planned(epochs=3)) is None
    plan, examples = planned()
    assert fitting_networks(plan.changed(networks=2), examples) is None
    assert fitting_networks(plan.model_copy(update={"reasons": {}}), examples) is None


def test_fewer_networks_share_the_minutes_of_a_slow_machine(monkeypatch):
    plan, examples = planned(minutes=10)
    monkeypatch.setattr(time, "monotonic", lambda: 0.0)
    shares = Shares(10, 3)
    promises = Promises(
        shares, fitting_networks(plan.changed(networks=3), examples) or (lambda *_: 1)
    )
    loop = SlowLoop(plan.of_part(0), monkeypatch, promises, steps=60)
    loop.run(lambda share: 1.0)
    assert shares.count < 3
    assert loop.now >= 300  # of which a third was planned
    assert "in place of 3" in loop.notes[0]


@pytest.mark.slow
def test_a_training_whose_minutes_are_for_one_network_ends_with_one(tmp_path):
    plan, examples = planned()
    run = RunFolder.new(tmp_path / "run")
    # By the rules of 600 minutes; in this half of a second no machine of today trains three.
    segmenter = train(examples, plan.changed(minutes=0.01), run=run)
    assert len(segmenter.networks) == segmenter.plan.network.networks == 1
    pace = segmenter.card.networks[0].pace
    assert pace.steps >= 1
    assert (run.path / "measured.json").read_text() == pace.model_dump_json(indent=1)
    assert (run.path / "network-1" / "measured.json").exists()


@pytest.mark.slow
def test_with_epochs_a_machine_that_was_measured_gives_the_same_weights(tmp_path, monkeypatch):
    """Also in a process that has measured it, as the viewer's child does before its first training."""
    monkeypatch.delenv("MEDUNET_SPEED")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(speed, "_here", {})

    def weights():
        plan, examples = planned(minutes=60, epochs=1, filters=4, depth=2)
        return plan, train(examples, plan).networks[0].get_weights()

    plan, before = weights()
    for dims in (2, 3):
        speed.remember(measure(dims) / 1000, dims, None)
    again, after = weights()
    assert (again.grid, again.network, again.schedule) == (plan.grid, plan.network, plan.schedule)
    for one, other in zip(before, after, strict=True):
        np.testing.assert_array_equal(one, other)
