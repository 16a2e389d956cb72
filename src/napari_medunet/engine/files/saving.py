"""Saving a file so that nobody ever finds half of it, and nothing that is a user's is lost by it.

One rule holds for every writer: a file is written where there is none. One of our own, told by what it
holds (`Kind`), is replaced where somebody said so. All others stay as they are, whatever was said.
"""

from __future__ import annotations

import itertools
import os
import secrets
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from napari_medunet.engine.errors import MedunetError
from napari_medunet.engine.files.paths import leads_nowhere, missing

PART_SUFFIX = ".part"  # of files that are being written: whoever lists a folder leaves them out
_PAIRED = ((".hdr", ".img"), (".hdr.gz", ".img.gz"))  # who reads one half has read the other


@dataclass(frozen=True)
class Kind:
    """A kind of file that is written, and which files it may replace.

    Attributes
    ----------
    name : str
        "segmenter", for messages.
    is_ours : callable
        Whether a file that is there is of this kind and made by napari-medunet, by what it holds. What it
        raises of a file that it cannot read means no.
    keeps_old : bool
        Whether one that is replaced is kept beside, as ``name.bak.medunet``.
    is_marked : bool
        Whether its writer puts a mark into it by which it is known: see `marks`.
    """

    name: str
    is_ours: Callable[[Path], bool]
    keeps_old: bool = False
    is_marked: bool = False


def check_target(
    path: Path, kind: Kind, overwrite: bool = False, read: Iterable[Path] = ()
) -> None:
    """Decide whether a file may be written, before any work is done for it.

    Missing folders are made.

    Parameters
    ----------
    path : Path
    kind : Kind
        Of what is to be written.
    overwrite : bool
        Somebody said that a file of this kind is to be replaced.
    read : iterable of Path
        Files that the work reads: none of them is written onto, by whatever name.

    Raises
    ------
    MedunetError
        If it would replace what it must not.
    OSError
        If it cannot be written. Both are one line.
    """
    _check_replaced(path, kind, overwrite, read)
    check_writable(path)


def check_targets(
    targets: Iterable[tuple[Path, Kind]], overwrite: bool = False, read: Iterable[Path] = ()
) -> None:
    """`check_target` of all that a command writes, no two to the same place.

    Raises
    ------
    MedunetError, OSError
        As `check_target`, and where two of them are one file.
    """
    sources, seen = list(read), set()
    for path, kind in targets:
        check_target(path, kind, overwrite, sources)
        place = _real(path)
        if place in seen:
            raise MedunetError(
                f"'{path}' is to be written twice; wanted one name for each file. Choose another one."
            )
        seen.add(place)


def check_not_read(path: Path, kind: Kind, read: Iterable[Path]) -> None:
    """Refuse to write onto one of the files that are read, whatever it holds and whatever it is called.

    Raises
    ------
    MedunetError
        If it is one of them.
    """
    for source in read:
        if _same_file(path, source):
            raise MedunetError(
                f"'{path}' is a file that is read here ('{source}'); wanted another place for the "
                f"{kind.name}. What is read is never written over: choose another folder or name."
            )


@contextmanager
def write_target(path: Path, kind: Kind, overwrite: bool = False) -> Iterator[BinaryIO]:
    """Write a file as `atomic_write` does, where `check_target` lets it.

    Raises
    ------
    MedunetError, OSError
        As `check_target`.
    """
    _check_replaced(path, kind, overwrite)
    before = _identity(path)

    def make_way() -> None:
        if _identity(path) != before:  # somebody wrote there meanwhile
            _check_replaced(path, kind, overwrite)
        if kind.keeps_old and path.exists():
            _keep_beside(path)

    with atomic_write(path, make_way) as stream:
        yield stream


@contextmanager
def atomic_write(path: Path, make_way: Callable[[], None] = lambda: None) -> Iterator[BinaryIO]:
    """Write under a temporary name in the same folder, which becomes `path` only when done.

    An earlier file of that name stays as it is until then: it may be mapped into memory, and
    writing into a mapped file ends the process. Missing folders are made. It replaces whatever is there:
    outside a folder of our own, call `write_target`.

    Parameters
    ----------
    path : Path
    make_way : callable
        Called when the file is whole, just before it gets its name.

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
            make_way()
            part.replace(path)
        finally:
            with suppress(FileNotFoundError, NotADirectoryError):
                part.unlink()
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
    if leads_nowhere(path.parent):
        raise missing(path.parent, "a folder")
    probe = path.with_name(f".{path.name}.{secrets.token_hex(4)}{PART_SUFFIX}")
    with atomic_write(probe):
        pass
    probe.unlink()


def free_name(path: Path) -> Path:
    """The path, or with a number behind its name the first that nothing has."""
    ending = "".join(path.suffixes[-2:] if path.suffix.lower() == ".gz" else path.suffixes[-1:])
    stem = path.name.removesuffix(ending)
    numbered = (path.with_name(f"{stem}-{number}{ending}") for number in itertools.count(2))
    return next(one for one in itertools.chain([path], numbered) if not os.path.lexists(one))


def _check_replaced(
    path: Path, kind: Kind, overwrite: bool = False, read: Iterable[Path] = ()
) -> None:
    """Refuse what must not be replaced: the one place where that is decided."""
    if path.is_dir():
        raise OSError(f"Cannot write '{path}': it is a folder. Choose the name of a file.")
    check_not_read(path, kind, read)
    if not os.path.lexists(path):
        return
    if not _holds_ours(path, kind):
        raise MedunetError(
            f"'{path}' is there already, and is no {kind.name} as napari-medunet made it; wanted a new "
            "name. It is not replaced, whatever the options: choose another name, or move it away."
        )
    if not overwrite:
        raise MedunetError(
            f"'{path}' is there already; wanted a new name. Choose another one, or say that the "
            f"{kind.name} is to be replaced: --overwrite, in Python overwrite=True."
        )


def _holds_ours(path: Path, kind: Kind) -> bool:
    if not path.is_file():  # a device, or a link that leads nowhere
        return False
    try:
        return kind.is_ours(path)
    except Exception:  # whatever a reader says of a file that is not ours
        return False


def _same_file(path: Path, source: Path) -> bool:
    """Whether two paths lead to one file, or to the two halves of a pair; links are followed."""
    return any(_same_place(path, one) for one in _with_other_half(source))


def _same_place(path: Path, source: Path) -> bool:
    try:
        return path.samefile(source)  # also hard links, and upper case where that is no other name
    except OSError:
        return _real(path) == _real(source)


def _real(path: Path) -> str:
    return os.path.realpath(path)  # pathlib's raises where links run in a circle


def _with_other_half(source: Path) -> Iterator[Path]:
    yield source
    for pair in _PAIRED:
        for mine, other in (pair, pair[::-1]):
            if source.name.lower().endswith(mine):
                stem = source.name[: -len(mine)]
                yield from (source.with_name(stem + one) for one in (other, other.upper()))


def _identity(path: Path) -> tuple[int, ...] | None:
    try:
        found = path.lstat()
    except OSError:
        return None
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


def _keep_beside(path: Path) -> None:
    """Give a file that is to be replaced a second name: it is there under one of them at any time."""
    old = free_name(path.with_name(f"{path.stem}.bak{path.suffix}"))
    try:
        os.link(path, old)
    except OSError:  # file systems without links
        path.rename(old)
