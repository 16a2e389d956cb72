"""The child process as the viewer holds it: start it, write to it, read from it, end it."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import IO

from napari_medunet.worker.messages import FROM_CHILD, FromChild, ToChild, decode, encode

LOG_LINES = 50
_LINE_LENGTH = 500


class ChildProcess:
    """A running child.

    Parameters
    ----------
    jobs : str
        Name of the module whose jobs the child runs.
    folder : Path
        The worker's temporary folder.
    on_message : callable
        Takes the child and each of its messages; called from a thread of its own.
    on_end : callable
        Takes the child, once, after its last message; called from that thread.

    Raises
    ------
    OSError
        If the interpreter cannot be started.
    """

    def __init__(
        self,
        jobs: str,
        folder: Path,
        on_message: Callable[[ChildProcess, FromChild], None],
        on_end: Callable[[ChildProcess], None],
    ) -> None:
        self.ready = False
        self._on_message, self._on_end = on_message, on_end
        self._log: deque[str] = deque(maxlen=LOG_LINES)
        self._process = _start(jobs, folder)
        self._log_reader = threading.Thread(target=self._read_log, daemon=True)
        self._log_reader.start()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def pid(self) -> int:
        """The child's process id."""
        return self._process.pid

    @property
    def log(self) -> list[str]:
        """The last lines that the child and its libraries printed."""
        return list(self._log)

    def send(self, message: ToChild) -> None:
        """Write to the child. One that has ended says so through `on_end`, not here."""
        stdin = self._process.stdin
        if stdin is None:
            return
        try:
            stdin.write(encode(message))
            stdin.flush()
        except (OSError, ValueError):  # broken, or closed
            return

    def kill(self) -> None:
        """End the child now and wait until it is gone."""
        self._process.kill()
        self._process.wait()
        self._reader.join(timeout=2.0)  # it closes the pipes

    def describe_end(self) -> str:
        """How the child ended, in words, with the last lines of its log."""
        last = [line for line in self.log if line.strip()][-3:]
        log = f" Its last words: {' | '.join(last)}" if last else ""
        return f"its process {_cause(self._process.wait())}.{log}"

    def _read(self) -> None:
        stdout = self._process.stdout
        if stdout is not None:
            with stdout:
                self._read_messages(stdout)
        self._process.wait()
        # A grandchild may hold the log open for longer than the child lives.
        self._log_reader.join(timeout=1.0)
        if self._process.stdin is not None:
            with contextlib.suppress(OSError):
                self._process.stdin.close()
        self._on_end(self)

    def _read_messages(self, lines: IO[bytes]) -> None:
        for line in lines:
            try:
                message = decode(line, FROM_CHILD)
            except ValueError:  # half a line, since the child was killed while it wrote
                self._process.kill()
                return
            self._on_message(self, message)

    def _read_log(self) -> None:
        stderr = self._process.stderr
        if stderr is None:
            return
        with stderr:
            for line in stderr:
                for part in line.decode(errors="replace").splitlines():
                    self._log.append(part.rstrip()[:_LINE_LENGTH])


def _start(jobs: str, folder: Path) -> subprocess.Popen[bytes]:
    flags = 0
    if sys.platform == "win32":
        flags = subprocess.BELOW_NORMAL_PRIORITY_CLASS | subprocess.CREATE_NO_WINDOW
    # -P: a numpy.py in the folder that napari was started from is not the numpy that is meant.
    command = [sys.executable, "-P", "-m", "napari_medunet.worker.child", jobs, str(folder)]
    return subprocess.Popen(  # noqa: S603  (our own interpreter and module)
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        creationflags=flags,
        env={**os.environ, "PYTHONIOENCODING": "utf-8:replace"},
    )


def _cause(code: int) -> str:
    if code == -9:
        return "was killed by signal 9 (out of memory?)"
    if code < 0:
        try:
            return f"was killed by signal {-code} ({signal.Signals(-code).name})"
        except ValueError:
            return f"was killed by signal {-code}"
    return f"ended with exit code {code if code < 256 else hex(code)}"
