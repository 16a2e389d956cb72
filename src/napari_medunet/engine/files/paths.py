"""Paths and names of files as people give them and as file systems keep them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import unquote_to_bytes

from pydantic import PlainSerializer, ValidatorFunctionWrapHandler, WrapValidator

from napari_medunet.engine.errors import MedunetError

AnyPath = str | os.PathLike[str]


def expand_home(path: AnyPath) -> Path:
    """Replace ``~`` at the beginning of a path by the home folder, and ``~name`` by that of a user.

    A shell does so only where ``~`` begins a word, not in ``--csv=~/scores.csv``. The path is one that can
    be opened: see `on_disk`.

    Raises
    ------
    MedunetError
        If there is no such user, and no folder of that name either.

    Examples
    --------
    >>> expand_home("scans/~case.nii").name
    '~case.nii'
    """
    given = Path(on_disk(os.fspath(path)))
    if not given.parts or not given.parts[0].startswith("~"):
        return given
    expanded = Path(os.path.expanduser(given))  # noqa: PTH111  (pathlib's raises for unknown users)
    is_folder = given.parts[0] == "~" or len(given.parts) > 1
    if expanded == given and is_folder and not Path(given.parts[0]).is_dir():
        raise MedunetError(
            f"'{given}' begins with '{given.parts[0]}', and there is no such home folder. Write the path "
            "out."
        )
    return expanded


def readable(name: str) -> str:
    r"""A file's name as text that can be printed and saved, whatever its bytes are.

    Names on disk are bytes. Those that are no UTF-8 were mostly given by older systems in western
    Europe: they are read as Windows-1252. In a process whose names are ASCII (the locale C) Python hands
    out those that are UTF-8 as such bytes, too.

    >>> readable("K\udcf6rper")
    'Körper'
    >>> readable("K\udcc3\udcb6rper")
    'Körper'
    """
    try:
        name.encode()
    except UnicodeEncodeError:
        named = os.fsencode(name)
        try:
            return named.decode()
        except UnicodeDecodeError:
            return named.decode("cp1252", "backslashreplace")
    return name


def on_disk(name: str) -> str:
    """A name or path as this process can open it: `readable` undone, the bytes being UTF-8.

    Only a process whose names are no Unicode (the locale C) has another form of them.

    >>> on_disk("case")
    'case'
    """
    try:
        os.fsencode(name)
    except UnicodeEncodeError:
        return os.fsdecode(name.encode(errors="surrogateescape"))
    return name


def _spelled(path: Path) -> str:
    """A path as JSON can hold it: one that is no UTF-8 with its bytes in per cent."""
    return str(path) if readable(str(path)) == str(path) else path.as_uri()


def _from_spelled(given: Any, read: ValidatorFunctionWrapHandler) -> Path:
    if isinstance(given, str) and given.startswith(_URI):
        return Path(os.fsdecode(unquote_to_bytes(given.removeprefix(_URI))))
    path: Path = read(on_disk(given) if isinstance(given, str) else given)
    return path


_URI = "file://"
PathInJson = Annotated[
    Path, WrapValidator(_from_spelled), PlainSerializer(_spelled, when_used="json")
]
"""Type of a path in a model that is saved, absolute where its bytes are no UTF-8."""


def leads_nowhere(path: Path) -> bool:
    """Whether a path is a symbolic link to a file that is not there."""
    return path.is_symlink() and not path.exists()


def missing(path: Path, wanted: str) -> OSError:
    """The error that a path is missing, or is a link that leads nowhere.

    Parameters
    ----------
    path : Path
    wanted : str
        What to choose in its place: "a .nii or .nii.gz file".
    """
    if leads_nowhere(path):
        return OSError(
            f"'{path}' is a symbolic link that leads to no file: '{path.readlink()}' is missing. Fetch "
            "its data (of a DataLad or git-annex data set: datalad get), or relink it."
        )
    return OSError(f"'{path}' is missing. Choose {wanted}.")
