"""What took minutes is not lost where its place cannot be written: it goes to another, and that is said."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from napari_medunet.cli import console
from napari_medunet.engine.errors import MedunetError
from napari_medunet.engine.files.saving import free_name

Write = Callable[[Path, bool], object]
"""Writes to a path; the second argument is whether a file of the same kind may be replaced."""


def write_somewhere(write: Write, target: Path, overwrite: bool, name: str = "") -> Path:
    """Write to a target; where that fails, to the current, home or system's temporary folder.

    On a terminal the person is asked where to, if none of them can be written.

    Parameters
    ----------
    write : callable
    target : Path
    overwrite : bool
    name : str
        What it is called in another folder, perhaps with folders of its own; the target's name if
        not given.

    Returns
    -------
    Path
        Where it is.

    Raises
    ------
    OSError, MedunetError
        Of the target, if it could be written nowhere.
    """
    try:
        write(target, overwrite)
    except (OSError, MedunetError) as error:
        console.print_error(error)
        name = name or target.name
        place = _elsewhere(write, name) or _asked(write, name)
        if place is None:
            raise
        console.print_warning(f"'{target}' could not be written. It is in '{place}' instead.")
        return place
    return target


def _elsewhere(write: Write, name: str) -> Path | None:
    for folder in (Path.cwd(), Path.home(), Path(tempfile.gettempdir())):
        place = free_name(folder / name)
        try:
            write(place, False)
        except (OSError, MedunetError):
            continue
        return place
    return None


def _asked(write: Write, name: str) -> Path | None:
    """Ask for a folder until one can be written; None where nobody is there to answer."""
    import typer

    while sys.stdin is not None and sys.stdin.isatty():
        folder = typer.prompt(f"In which folder is '{name}' to be written instead?", err=True)
        place = free_name(Path(folder).expanduser() / name)
        try:
            write(place, False)
        except (OSError, MedunetError) as error:
            console.print_error(error)
            continue
        return place
    return None
