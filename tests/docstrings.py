"""The examples in docstrings: which modules have some, and whether they hold."""

import doctest
from importlib import import_module
from pathlib import Path

import napari_medunet

SOURCE = Path(napari_medunet.__file__).parent


def modules_with_examples(*rooms):
    """Names of the modules below some folders of the package whose text has an example."""
    return [
        ".".join(path.relative_to(SOURCE.parent).with_suffix("").parts)
        for room in rooms
        for path in sorted((SOURCE / room).rglob("*.py"))
        if ">>> " in path.read_text(encoding="utf-8")
    ]


def check_examples(name):
    """Run the examples of a module."""
    failed, tried = doctest.testmod(import_module(name))
    assert tried
    assert not failed
