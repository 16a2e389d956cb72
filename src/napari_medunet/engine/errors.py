"""Errors that a user can solve, and the message of any error in one line."""

from __future__ import annotations

import re
import traceback

# Control characters but the end of a line and the tab, and half characters, as which Python reads
# bytes of a name that are no UTF-8.
_UNPRINTABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")

# Bytes of a name: those that are UTF-8 came through a process whose names are ASCII.
_BYTES = re.compile("[\udc80-\udcff]+")

_MOST_DETAILS = 200  # characters: a backend tells of all its buffers
_BACKENDS = ("tensorflow", "torch", "jax", "jaxlib", "builtins")
_FULL = (
    "ResourceExhaustedError",
    "RESOURCE_EXHAUSTED",
    "OutOfMemory",
    "out of memory",
    "allocate memory",
)


class MedunetError(ValueError):
    """An error that a user can solve: its message says what was wanted, what came, where, and the remedy.

    A file that the system cannot read or write is an `OSError`. Any other exception is a bug of
    napari-medunet, and its message never blames a file of the user.
    """


def can_be_mended(error: BaseException) -> bool:
    """Whether an error is about the input or the machine, and not a bug."""
    return isinstance(error, MedunetError | OSError) or _is_out_of_memory(error)


def _is_out_of_memory(error: BaseException) -> bool:
    """Whether the memory is full, of the machine or of a GPU: each backend has its own error for it."""
    if isinstance(error, MemoryError):
        return True
    kind = type(error)
    text = f"{kind.__name__} {error}" if kind.__module__.split(".")[0] in _BACKENDS else ""
    return any(words in text for words in _FULL)


def one_line(message: object) -> str:
    r"""A message, perhaps of several lines, as a notification shows it.

    >>> one_line("Nothing to read.\n  Choose a file.")
    'Nothing to read. Choose a file.'
    """
    return printable(" ".join(str(message).split()))


def printable(text: str) -> str:
    r"""Text that any terminal and any file can take: what moves a cursor or is no character is spelt out.

    >>> printable("K\udcf6rper\x1b[2J")
    'K\\udcf6rper\\x1b[2J'
    >>> printable("K\udcc3\udcb6rper")
    'Körper'
    """
    text = _BYTES.sub(_decoded, text)
    return _UNPRINTABLE.sub(lambda found: ascii(found[0])[1:-1], text)


def _decoded(found: re.Match[str]) -> str:
    return found[0].encode("ascii", "surrogateescape").decode("utf-8", "surrogateescape")


def told(error: BaseException) -> str:
    """The message of an error in one line; a bug is called a bug."""
    text = one_line(error)
    if _is_out_of_memory(error):
        return _memory_is_full(text)
    if can_be_mended(error):
        return text or type(error).__name__
    kind = type(error).__name__
    where = traceback.extract_tb(error.__traceback__)[-1:]
    place = f" in {where[0].name}, line {where[0].lineno}" if where else ""
    return one_line(
        f"A bug of napari-medunet, not of your input: {kind}: {text}{place}. Please report it."
    )


def _memory_is_full(details: str) -> str:
    details = f" ({details[:_MOST_DETAILS]})" if details else ""
    return f"The memory is full{details}. Close other programs, or work on fewer or smaller images."
