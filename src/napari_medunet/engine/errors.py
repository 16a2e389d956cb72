"""Errors that a user can solve, and the message of any error in one line."""

from __future__ import annotations

import traceback


class MedunetError(ValueError):
    """An error that a user can solve: its message says what was wanted, what came, where, and the remedy.

    A file that the system cannot read or write is an `OSError`. Any other exception is a bug of
    napari-medunet, and its message never blames a file of the user.
    """


def can_be_mended(error: BaseException) -> bool:
    """Whether an error is about the input or the machine, and not a bug."""
    return isinstance(error, MedunetError | OSError | MemoryError)


def one_line(message: object) -> str:
    r"""A message, perhaps of several lines, as a notification shows it.

    >>> one_line("Nothing to read.\n  Choose a file.")
    'Nothing to read. Choose a file.'
    """
    return " ".join(str(message).split())


def told(error: BaseException) -> str:
    """The message of an error in one line; a bug is called a bug."""
    text = one_line(error)
    if isinstance(error, MemoryError) and not text:
        return "The memory is full. Close other programs, or work on fewer or smaller images."
    if can_be_mended(error):
        return text or type(error).__name__
    kind = type(error).__name__
    where = traceback.extract_tb(error.__traceback__)[-1:]
    place = f" in {where[0].name}, line {where[0].lineno}" if where else ""
    return one_line(
        f"A bug of napari-medunet, not of your input: {kind}: {text}{place}. Please report it."
    )
