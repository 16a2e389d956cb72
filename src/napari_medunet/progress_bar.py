"""A progress bar with the time that is left, in a terminal and in a notebook."""

from __future__ import annotations

import html
import math
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, TextColumn
from rich.progress import Progress as Bar

from napari_medunet.engine.errors import one_line
from napari_medunet.engine.progress import EpochScores, Progress, ProgressCallback


@contextmanager
def progress_bar(title: str) -> Iterator[ProgressCallback]:
    """Context that gives a job a callback which shows its progress where the caller is looking.

    Parameters
    ----------
    title : str
        What stands before the bar.
    """
    bar = _in_notebook(title) if _is_notebook() else in_terminal(title, text_console(stderr=True))
    with bar as report:
        yield report


def text_console(**where: Any) -> Console:
    """A console that prints text as it is: ``[names]`` are no markup, ``:names:`` no pictures."""
    return Console(markup=False, emoji=False, highlight=False, soft_wrap=True, **where)


@contextmanager
def in_terminal(title: str, console: Console) -> Iterator[ProgressCallback]:
    """Context that gives a job a callback which shows its progress on a console."""
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=24),
        TextColumn(
            "{task.percentage:>3.0f}%  {task.fields[left]}  {task.fields[doing]}", markup=False
        ),
    )
    with Bar(*columns, console=console, transient=console.is_terminal) as bar:
        task = bar.add_task(one_line(title), total=1.0, left="", doing="")

        def report(progress: Progress) -> None:
            doing = one_line(progress.message)
            bar.update(task, completed=progress.fraction, left=_left(progress), doing=doing)
            if progress.warning:
                console.print(warning_line(progress.warning), style="yellow")
            if progress.note:
                console.print(one_line(progress.note))
            if progress.scores:
                console.print(_epoch_line(progress.scores))

        yield report
        bar.update(task, completed=1.0, left="", doing="done")


def warning_line(message: object) -> str:
    """A warning in one line."""
    return f"Warning: {one_line(message)}"


@contextmanager
def _in_notebook(title: str) -> Iterator[ProgressCallback]:
    """A bar below the cell: plain HTML, which needs no widgets to be installed."""
    from IPython.display import HTML, display

    handle = display(HTML(_bar(title, 0.0, "")), display_id=True)
    shown = -1
    warnings: list[str] = []

    def draw(fraction: float, words: str) -> None:
        lines = "".join(f"<div>{html.escape(warning_line(one))}</div>" for one in warnings)
        handle.update(HTML(_bar(title, fraction, words) + lines))

    def report(progress: Progress) -> None:
        nonlocal shown
        if progress.warning:
            warnings.append(progress.warning)
        if progress.scores:
            print(_epoch_line(progress.scores))  # noqa: T201  (a notebook's output)
        permille = int(1000 * progress.fraction)
        if permille != shown or progress.warning:  # each update travels to the browser
            shown = permille
            draw(progress.fraction, f"{_left(progress)} {progress.message}")

    yield report
    draw(1.0, "done")


def _bar(title: str, fraction: float, words: str) -> str:
    return (
        f"<div>{html.escape(title)} <progress value='{fraction:.3f}' max='1'></progress> "
        f"{fraction:.0%} {html.escape(words)}</div>"
    )


def _is_notebook() -> bool:
    """Whether this is a kernel of Jupyter; does not import IPython."""
    ipython: Any = getattr(sys.modules.get("IPython"), "get_ipython", None)
    return ipython is not None and type(ipython()).__name__ == "ZMQInteractiveShell"


def _left(progress: Progress) -> str:
    if progress.seconds_left is None:
        return ""
    minutes, rest = divmod(round(progress.seconds_left), 60)
    return f"{minutes}:{rest:02d} left"


def _epoch_line(scores: EpochScores) -> str:
    part = f"{scores.part}  " if scores.part else ""
    training, validation = scores.training, scores.validation
    loss, dice = (training.loss, training.dice) if training else (math.nan, math.nan)
    return (
        f"{part}epoch {scores.epoch:4d}  {scores.minutes:5.1f} min   "
        f"loss {loss:.3f} / {validation.loss:.3f}   "
        f"Dice {dice:.3f} / {validation.dice:.3f}   (training / validation)"
    )
