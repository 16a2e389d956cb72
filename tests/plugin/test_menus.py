"""The guide names napari's menus as they are called on screen."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from qtpy.QtWidgets import QApplication, QMainWindow

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "docs" / "guide.md", ROOT / "docs" / "layers.md"]


def entries(menu: Any, path: tuple[str, ...]) -> set[tuple[str, ...]]:
    """Paths of a menu's entries, and of those of the menus in it."""
    menu.aboutToShow.emit()  # napari fills menus when they open
    found = {path}
    for action in menu.actions():
        inner = (*path, action.text().replace("&", ""))
        found |= entries(action.menu(), inner) if action.menu() else {inner}
    return found


@pytest.fixture
def on_screen(viewer: Any) -> set[tuple[str, ...]]:
    windows = [one for one in QApplication.topLevelWidgets() if isinstance(one, QMainWindow)]
    actions = [action for window in windows for action in window.menuBar().actions()]
    menus = ((action.menu(), action.text().replace("&", "")) for action in actions)
    return set().union(*(entries(menu, (name,)) for menu, name in menus if menu is not None))


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_menus_are_called_as_on_screen(page: Path, on_screen: set[tuple[str, ...]]) -> None:
    text = " ".join(page.read_text(encoding="utf-8").split())
    named = re.findall(r"\*((?:File|Layers|Plugins) > [^*]+)\*", text)
    assert named
    for path in named:
        assert tuple(path.split(" > ")) in on_screen
