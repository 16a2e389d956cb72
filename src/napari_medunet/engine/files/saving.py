"""Atomic writing: a file appears under its name when it is complete."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

PART_SUFFIX = ".part"  # of files that are being written: whoever lists a folder leaves them out


@contextmanager
def atomic_write(path: Path) -> Iterator[BinaryIO]:
    """Write under a temporary name in the same folder, which becomes `path` only when done.

    An earlier file of that name stays as it is until then: it may be mapped into memory, and
    writing into a mapped file ends the process. Missing folders are made.

    Raises
    ------
    OSError
        One line: which file cannot be written, why, and what to do.
    """
    part = path.with_name(f".{path.name}.{secrets.token_hex(4)}{PART_SUFFIX}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with part.open("xb") as stream:
                yield stream
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)
    except OSError as error:
        reason = error.strerror or str(error)
        raise OSError(
            f"Cannot write '{path}': {reason}. Choose a folder that can be written to, with space."
        ) from error


def check_writable(path: Path) -> None:
    """Find out before minutes of work whether a file can be written there. Missing folders are made.

    Raises
    ------
    OSError
        As `atomic_write` would.
    """
    if path.is_dir():
        raise OSError(f"Cannot write '{path}': it is a folder. Choose the name of a file.")
    probe = path.with_name(f".{path.name}.{secrets.token_hex(4)}{PART_SUFFIX}")
    with atomic_write(probe):
        pass
    probe.unlink()
