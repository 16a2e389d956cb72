"""Starting a backend without its messages."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

from napari_medunet.engine.hardware import devices


def start_quietly() -> None:
    """Import Keras and its backend, as `devices.start_backend` does, without their greetings.

    TensorFlow prints a dozen lines about itself when it is imported, and has no setting against it. What is
    imported already is left alone.

    Raises
    ------
    MedunetError
        If the backend that was asked for is not installed.
    """
    if "keras" in sys.modules:
        devices.start_backend()
        return
    with _errors_of_native_libraries_held_back():
        devices.start_backend()


@contextmanager
def _errors_of_native_libraries_held_back() -> Iterator[None]:
    """Context in which nothing is written to the terminal; an error shows what would have been."""
    if sys.stderr is None:  # of a program without a console
        yield
        return
    sys.stderr.flush()
    with tempfile.TemporaryFile() as log:
        before = os.dup(2)
        os.dup2(log.fileno(), 2)
        try:
            yield
        except Exception:
            log.seek(0)
            os.write(before, log.read())
            raise
        finally:
            sys.stderr.flush()
            os.dup2(before, 2)
            os.close(before)
