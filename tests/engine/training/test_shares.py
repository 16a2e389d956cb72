"""The minutes are those on the clock on the wall, and parts share what is left of them."""

import time

import pytest

from napari_medunet.engine.settings.budget import BudgetSettings
from napari_medunet.engine.training.learning.clock import Clock
from napari_medunet.engine.training.shares import Shares, counted_from


class Wall:
    """A clock that goes on when it is told to."""

    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now

    def wait(self, seconds):
        self.now += seconds


@pytest.fixture
def wall(monkeypatch):
    clock = Wall()
    monkeypatch.setattr(time, "monotonic", clock)
    return clock


def test_a_part_that_takes_longer_takes_it_from_those_that_follow(wall):
    shares = Shares(minutes=9, count=3)
    assert shares.seconds == 180
    wall.wait(300)
    shares.next_part()
    assert (shares.number, shares.seconds, shares.seconds_left) == (2, 120, 240)
    wall.wait(60)  # and what is over is theirs, too
    shares.next_part()
    assert shares.seconds == shares.seconds_left == 180
    wall.wait(1000)
    assert shares.seconds_left == 0


def test_what_the_user_has_waited_counts(wall):
    with counted_from(wall.now - 40):
        shares = Shares(minutes=1)
    assert (shares.seconds, shares.seconds_left) == (60, 20)
    assert Shares(minutes=1).seconds_left == 60


def test_the_running_part_gets_more_where_fewer_share(wall):
    shares = Shares(minutes=3, count=3)
    shares.keep_to(5)
    assert shares.count == 3
    shares.keep_to(2)
    assert shares.seconds == 90
    shares.next_part()
    shares.keep_to(1)
    assert (shares.count, shares.seconds) == (2, 180)  # the second is under way


def test_what_was_used_before_a_training_broke_off_counts(wall):
    """Ten minutes for two networks; the first broke off after three."""
    shares = Shares(minutes=10, count=2)
    shares.resume(180)
    assert (shares.seconds, shares.seconds_left) == (300, 420)
    wall.wait(120)
    shares.next_part()
    assert shares.seconds == shares.seconds_left == 300


def test_predictions_are_foreseen_by_those_of_the_part_before(wall):
    shares = Shares(minutes=10, count=2)
    shares.voxels_after = 1000.0
    assert shares.seconds_after(0.002) == pytest.approx(2)
    shares.predicted(5.0)
    shares.next_part()
    shares.voxels_after = 2000.0
    assert shares.seconds_after(0.002) == pytest.approx(10)


def test_learning_ends_before_what_follows_it_and_the_schedule_with_it(wall):
    clock = Clock(BudgetSettings(minutes=1))
    wall.wait(10)
    clock.foresee(20)
    clock.begin()
    wall.wait(15)
    assert clock.schedule() == pytest.approx(0.5)
    clock.foresee(5)  # it is quicker than was thought: the way to the end is longer
    assert clock.schedule() == pytest.approx(0.5)
    wall.wait(15)
    assert clock.schedule() == pytest.approx(0.75)
    clock.foresee(10)
    assert clock.schedule() == pytest.approx(0.75)
    wall.wait(10)
    assert clock.seconds() == 50
    assert clock.schedule() == clock.share() == pytest.approx(1)


def test_the_schedule_goes_on_from_where_it_is_when_fewer_share(wall):
    shares = Shares(minutes=3, count=3)
    clock = Clock(BudgetSettings(minutes=1), shares=shares)
    clock.begin()
    wall.wait(30)
    clock.share_among(1)
    assert clock.schedule() == pytest.approx(0.5)
    wall.wait(75)
    assert clock.schedule() == pytest.approx(0.75)
    wall.wait(75)
    assert clock.schedule() == clock.share() == pytest.approx(1)


def test_learning_gets_some_seconds_however_long_all_before_it_took(wall):
    clock = Clock(BudgetSettings(minutes=1))
    wall.wait(300)
    clock.begin()
    assert clock.schedule() == 0
    assert clock.share() < 1
    wall.wait(2.5)
    assert clock.schedule() == pytest.approx(0.5)
    wall.wait(2.5)
    assert clock.schedule() == clock.share() == pytest.approx(1)


def test_it_does_so_too_where_what_follows_takes_longer_than_the_minutes(wall):
    clock = Clock(BudgetSettings(minutes=1))
    clock.foresee(100)
    clock.begin()
    assert clock.share() < 1
    wall.wait(5)
    assert clock.share() == pytest.approx(1)


def test_with_epochs_the_minutes_change_no_learning_rate(wall):
    clock = Clock(BudgetSettings(minutes=1, epochs=4))
    clock.begin()
    clock.epochs_done = 1.0
    for seconds in (10, 30):
        wall.wait(seconds)
        clock.foresee(seconds)
        assert clock.schedule() == 0.25
