"""Of what a widget asks for in a row only the newest is done and told, and nothing once it is gone."""

from __future__ import annotations

from collections.abc import Callable
from threading import Event
from typing import Any

import pytest
from qtpy.compat import isalive
from qtpy.QtCore import QObject, QThreadPool

from napari_medunet.engine.errors import MedunetError
from napari_medunet.plugin.widgets.latest_only import LatestOnly

Until = Callable[..., None]


class Asked:
    """A LatestOnly, and what it has told."""

    def __init__(self, pause_ms: int = 0) -> None:
        self.parent = QObject()
        self.latest_only = LatestOnly(self.parent, pause_ms)
        self.told: list[Any] = []
        self.latest_only.done.connect(self.told.append)
        self.latest_only.failed.connect(self.told.append)


@pytest.fixture
def asked(qtbot: Any) -> Asked:
    return Asked()


def test_of_requests_in_a_row_one_is_done(qtbot: Any, until: Until) -> None:
    asked, done = Asked(pause_ms=50), []
    for number in range(5):
        asked.latest_only.ask(lambda number=number: done.append(number) or number)
    assert asked.latest_only.busy
    until(lambda: asked.told)
    assert asked.told == done == [4]
    assert not asked.latest_only.busy


def test_what_is_asked_for_meanwhile_replaces_what_runs(asked: Asked, until: Until) -> None:
    begun, go_on = Event(), Event()

    def wait() -> str:
        begun.set()
        go_on.wait(60)
        return "older"

    asked.latest_only.ask(wait)
    until(begun.is_set)
    asked.latest_only.ask(lambda: "dropped")
    asked.latest_only.ask(lambda: "newest")
    go_on.set()
    until(lambda: not asked.latest_only.busy)
    assert asked.told == ["newest"]


def test_what_fails_is_told_in_one_line_and_a_bug_as_a_bug(asked: Asked, until: Until) -> None:
    def refuse() -> None:
        raise MedunetError("Too small.\nAdd a voxel.")

    asked.latest_only.ask(refuse)
    until(lambda: len(asked.told) == 1)
    asked.latest_only.ask(lambda: [][0])
    until(lambda: len(asked.told) == 2)
    assert asked.told[0] == "Too small. Add a voxel."
    assert asked.told[1].startswith("A bug of napari-medunet")
    asked.latest_only.ask(lambda: "fine")
    until(lambda: len(asked.told) == 3)


def test_nothing_is_told_to_a_widget_that_was_deleted(
    asked: Asked, until: Until, qtbot: Any
) -> None:
    begun, go_on = Event(), Event()
    asked.latest_only.ask(lambda: (begun.set(), go_on.wait(60)))
    until(begun.is_set)
    asked.parent.deleteLater()
    until(lambda: not isalive(asked.latest_only))
    go_on.set()
    assert QThreadPool.globalInstance().waitForDone(60_000)
    qtbot.wait(10)  # what the thread has said arrives: an answer to it would raise here
    assert asked.told == []
