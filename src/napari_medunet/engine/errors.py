"""Errors that a person can mend, and how any error is told in one line."""

from __future__ import annotations

import traceback


class MedunetError(ValueError):
    """What a person can mend: says what was wanted, what came, where, and the remedy.

    Files that the system refuses are an `OSError`. Everything else that is raised is a bug of ours: it is
    never told as the fault of a file or of its owner.
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
    """An error in one line: what a person can mend as it says itself, and a bug as a bug."""
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
