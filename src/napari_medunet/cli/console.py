"""What a command shows: a progress bar for people, JSON lines for programs, errors in one line."""

from __future__ import annotations

import json
import math
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from napari_medunet.cli.streams import own_stderr
from napari_medunet.engine.errors import one_line, printable
from napari_medunet.engine.progress import Progress, ProgressCallback, StopRequested
from napari_medunet.progress_bar import in_terminal, text_console, warning_line

if TYPE_CHECKING:
    from napari_medunet.engine.examples.folders import LoadedExamples

_errors = text_console(file=own_stderr())
_output = text_console()
_interrupted = threading.Event()


def print_error(error: object) -> None:
    """Print an error in one line on the standard error."""
    _errors.print(f"Error: {one_line(error)}", style="red")


def print_warning(message: object) -> None:
    """Print a warning in one line on the standard error."""
    _errors.print(warning_line(message), style="yellow")


def print_note(message: object) -> None:
    """Print in one line what was done and might not be expected, on the standard error."""
    _errors.print(f"Note: {one_line(message)}")


def print_warnings(sentences: list[str], failed: dict[str, str]) -> None:
    """Print sentences, and what is wrong with each case that failed, as warnings."""
    for sentence in sentences:
        print_warning(sentence)
    for name, reason in failed.items():
        print_warning(f"'{name}' failed: {reason}")


def print_loaded(loaded: LoadedExamples) -> None:
    """Print what is to be said of examples that were read."""
    for note in loaded.unlike:
        print_note(note)
    print_warnings([*loaded.unpaired, *loaded.notes], loaded.failed)


def print_line(text: object = "") -> None:
    """Print text, or anything that rich can show, on the standard output."""
    _output.print(printable(text) if isinstance(text, str) else text)


def print_json(**fields: Any) -> None:
    """Print one JSON object in one line; NaN and infinity as strings, since JSON has neither."""
    sys.stdout.write(json.dumps(_speakable(fields), allow_nan=False, default=str) + "\n")
    sys.stdout.flush()


@contextmanager
def shown(as_json: bool, title: str) -> Iterator[ProgressCallback]:
    """Context that gives a job a `report` which shows its progress.

    Parameters
    ----------
    as_json : bool
        JSON lines on the standard output, or a bar with the time left on the standard error.
    title : str
        What stands before the bar.
    """
    if as_json:
        yield _or_interrupted(_report_as_json)
        return
    with in_terminal(title, _errors) as report:
        yield _or_interrupted(report)


def _report_as_json(progress: Progress) -> None:
    print_json(
        event="progress",
        fraction=round(progress.fraction, 4),
        message=progress.message,
        seconds_left=progress.seconds_left,
        scores=progress.scores.as_row() if progress.scores else {},
        **({"warning": progress.warning} if progress.warning else {}),
        **({"note": progress.note} if progress.note else {}),
    )


@contextmanager
def interruptible() -> Iterator[None]:
    """Context in which no Ctrl-C is lost: the next report raises one that a library swallowed.

    Some do while they are imported, which takes TensorFlow seconds.
    """

    def interrupt(*_: Any) -> None:
        _interrupted.set()
        raise KeyboardInterrupt

    _interrupted.clear()
    with _on_interrupt(interrupt):
        yield


def _or_interrupted(report: ProgressCallback) -> ProgressCallback:
    def report_or_raise(progress: Progress) -> None:
        if _interrupted.is_set():
            raise KeyboardInterrupt
        report(progress)

    return report_or_raise


@contextmanager
def _on_interrupt(handle: Callable[..., None]) -> Iterator[Any]:
    """Context in which Ctrl-C calls `handle`; what it did before is given."""
    before = signal.signal(signal.SIGINT, handle)
    try:
        yield before
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def stopped_by_interrupt(report: ProgressCallback) -> Iterator[ProgressCallback]:
    """Context in which the first Ctrl-C asks a training to stop and keep the best; the second ends it."""
    asked = threading.Event()

    def ask(*_: Any) -> None:
        asked.set()
        signal.signal(signal.SIGINT, before)
        print_warning("Stopping: the best segmenter so far is kept. Ctrl-C again drops it.")

    def report_or_stop(progress: Progress) -> None:
        report(progress)
        if asked.is_set():
            raise StopRequested

    with _on_interrupt(ask) as before:
        yield report_or_stop


def _speakable(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return "nan" if math.isnan(value) else ("inf" if value > 0 else "-inf")
    if isinstance(value, Mapping):
        return {str(key): _speakable(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_speakable(inner) for inner in value]
    return value
