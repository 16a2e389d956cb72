"""Standard output and error as they must be: whatever is printed arrives somehow, or is let go."""

from __future__ import annotations

import atexit
import io
import os
import sys
from pathlib import Path
from typing import TextIO


class TextStream(io.TextIOWrapper):
    r"""A stream that prints what its encoding lacks as ``\u03b2``, and outlives its reader.

    A reader that closes the pipe (``| head -1``) or a disk that is full ends no work: what is printed from
    then on goes nowhere, and `failure` says why.
    """

    failure: OSError | None = None

    def write(self, text: str) -> int:
        """Write text; nothing where it cannot be written any more."""
        try:
            return super().write(text)
        except OSError as error:
            self._let_go(error)
            return len(text)

    def flush(self) -> None:
        """Hand on what was written."""
        try:
            super().flush()
        except OSError as error:
            self._let_go(error)

    def _let_go(self, error: OSError) -> None:
        self.failure = self.failure or error
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self.fileno())
        os.close(nowhere)


def text_stream(stream: TextIO, descriptor: int) -> TextStream:
    """Open a descriptor with the encoding of a stream."""
    return TextStream(
        os.fdopen(descriptor, "wb"),
        encoding=stream.encoding,
        errors="backslashreplace",
        line_buffering=stream.isatty(),
    )


def open_output() -> None:
    """Make the standard output of this process a `TextStream`, also where there is none.

    To be called before any other file is opened.
    """
    _fill_descriptors()
    if sys.stdout is None:  # closed by who started us
        sys.stdout = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115
        return
    sys.stdout = text_stream(sys.stdout, os.dup(sys.stdout.fileno()))


def _fill_descriptors() -> None:
    """Let no file get the number of a standard stream that was closed by who started us.

    Native libraries print to descriptor 2 whatever it is. `os.open` takes the lowest number that is free.
    """
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
    if sys.stderr is None:
        sys.stderr = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115


def output_failure() -> str:
    """Why the standard output could not be written; empty where it could, or nobody wanted it."""
    sys.stdout.flush()
    failure = getattr(sys.stdout, "failure", None)
    gone = isinstance(failure, BrokenPipeError) or getattr(failure, "winerror", None) == 232
    return "" if failure is None or gone else f"Cannot print: {failure.strerror or failure}."


def own_stderr() -> TextIO:
    """A standard error of our own, which stays where it is while `quiet` turns the other away."""
    try:
        stream = text_stream(sys.stderr, os.dup(sys.stderr.fileno()))
    except (OSError, ValueError, AttributeError):  # no real stream behind it
        return sys.stderr or io.StringIO()
    stream.reconfigure(line_buffering=True)
    atexit.register(stream.close)
    return stream
