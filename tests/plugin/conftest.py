"""A real viewer with small volumes, and a real child process behind its widgets."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from queue import Queue
from typing import Any

import numpy as np
import pytest
from napari.layers import Image, Labels
from napari.utils.notifications import notification_manager

from napari_medunet.engine.examples.example import make_example
from napari_medunet.engine.examples.phantoms import make_phantom
from napari_medunet.engine.planning.plan_maker import make_plan
from napari_medunet.engine.settings import TrainSettings
from napari_medunet.plugin.opening.layers import layer_data_from_volume
from napari_medunet.worker import Listener, Worker


@pytest.hookimpl(trylast=True)  # after pytest-xvfb has looked for a display, or started one
def pytest_configure(config: pytest.Config) -> None:
    """Let forms and tables be tested where there is no display: Qt ends a process that finds none."""
    if config.getoption("numprocesses", None) and not hasattr(config, "workerinput"):
        return  # this process only starts those that test, and each looks for a display
    displays = {"DISPLAY", "WAYLAND_DISPLAY"}
    if sys.platform.startswith("linux") and displays.isdisjoint(os.environ):
        os.environ["QT_QPA_PLATFORM"] = "offscreen"


@pytest.fixture(autouse=True)
def temporary(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of its own for temporary files: what other viewers left over is none of a test's."""
    folder = tmp_path_factory.mktemp("temporary")
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


@pytest.fixture
def display() -> None:
    """Drawing layers takes OpenGL, which offscreen Qt has not."""
    if os.environ.get("QT_QPA_PLATFORM") == "offscreen":
        pytest.skip("no display to draw layers on: run the tests under Xvfb")


@pytest.fixture
def viewer(display: None, make_napari_viewer_proxy: Any) -> Any:
    """Make a viewer as plugins see it."""
    return make_napari_viewer_proxy()


@pytest.fixture
def add_phantom(viewer: Any) -> Callable[..., tuple[Image, Labels]]:
    """Adds a phantom's image and an annotation of every other slice."""

    def add(seed: int, painted: bool = True) -> tuple[Image, Labels]:
        image, truth = make_phantom(seed, (8, 32, 32))
        data, attributes, _ = layer_data_from_volume(image, "image")
        image_layer = viewer.add_layer(Image(data, **attributes))
        data, attributes, _ = layer_data_from_volume(truth, "labels")
        part = np.zeros_like(data)
        if painted:
            part[1::2] = data[1::2]
        attributes["name"] = f"{image.name} labels"
        labels_layer = viewer.add_layer(Labels(part, **attributes))
        return image_layer.__wrapped__, labels_layer.__wrapped__

    return add


@pytest.fixture
def notifications() -> Iterator[list[str]]:
    """Messages that the user has been shown."""
    before = len(notification_manager.records)

    class Messages(list[str]):
        def __iter__(self) -> Iterator[str]:
            return iter([r.message for r in notification_manager.records[before:]])

    yield Messages()


@pytest.fixture
def until(qtbot: Any) -> Callable[..., None]:
    """Waits, with the GUI alive, until something holds."""

    def wait(holds: Callable[[], Any], seconds: float = 180) -> None:
        qtbot.waitUntil(lambda: bool(holds()), timeout=int(seconds * 1000))

    return wait


@pytest.fixture(scope="session", autouse=True)
def uncounted_children() -> Iterator[None]:
    """Child processes without coverage, which would take each a third more time.

    What they run is counted where the worker is tested.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("COVERAGE_PROCESS_CONFIG", raising=False)
        yield


@pytest.fixture(scope="session")
def segmenter(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Trained for one epoch, in a child: this process shows a canvas and must not load Keras."""
    settings = TrainSettings.of(minutes=1, epochs=1, filters=4)
    examples = [make_example(*make_phantom(0, (8, 32, 32)), settings.annotation)]
    answers: Queue[Any] = Queue()
    worker = Worker()
    try:
        listener = Listener(result=answers.put, failed=answers.put)
        worker.train(examples, make_plan(examples, settings), listener, {2: "lesion"})
        path = tmp_path_factory.mktemp("segmenter") / "small.medunet"
        shutil.copy(answers.get(timeout=600), path)
    finally:
        worker.close()
    return path
