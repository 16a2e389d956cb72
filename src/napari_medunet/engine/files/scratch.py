"""A temporary folder with room for what is to be written there."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_BLOCK = bytes(2**20)


class NoRoom(OSError):
    """No folder has room for temporary files."""


@contextmanager
def scratch_folder(room: int, *others: Path) -> Iterator[Path]:
    """Context of a temporary folder in which so many bytes can be written.

    That is tried, since some libraries end the process where a disk is full.

    Parameters
    ----------
    room : int
        Bytes.
    others : Path
        Folders to try where the system's temporary folder has no room, before the current and the home
        folder.

    Raises
    ------
    OSError
        A `NoRoom`, if there is room in none of them.
    """
    reasons = []
    for place in (Path(tempfile.gettempdir()), *others, Path.cwd(), Path.home()):
        try:
            folder = Path(tempfile.mkdtemp(prefix=".medunet-", dir=place))
        except OSError as error:
            reasons.append(f"'{place}': {error.strerror or error}")
            continue
        try:
            try:
                _try_room(folder / "room", room)
            except OSError as error:
                reasons.append(f"'{place}': {error.strerror or error}")
                continue
            yield folder
            return
        finally:
            shutil.rmtree(folder, ignore_errors=True)
    raise NoRoom(
        f"No folder has room for {room / 2**20:.0f} MB of temporary files ({'; '.join(reasons)}). Free "
        "some space, or set TMPDIR to a folder with space."
    )


def _try_room(probe: Path, room: int) -> None:
    with probe.open("xb", buffering=0) as stream:
        for _ in range(-(-room // len(_BLOCK))):
            if stream.write(_BLOCK) != len(_BLOCK):
                raise OSError("it is full")
        os.fsync(stream.fileno())
    probe.unlink()
