"""A real viewer with small volumes, and a real child process behind its widgets."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from napari.layers import Image, Labels
from napari.utils.notifications import notification_manager

from napari_medunet.engine.phantoms import make_phantom
from napari_medunet.plugin.layers import layer_data_from_volume


@pytest.hookimpl(trylast=True)  # after pytest-xvfb has looked for a display, or started one
def pytest_configure() -> None:
    """Let forms and tables be tested where there is no display: Qt ends a process that finds none."""
    displays = {"DISPLAY", "WAYLAND_DISPLAY"}
    if sys.platform.startswith("linux") and displays.isdisjoint(os.environ):
        os.environ["QT_QPA_PLATFORM"] = "offscreen"


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
