"""Checkpoints: the whole state of a training, so that a killed one continues where it was.

Two files take turns, each written whole before it gets its name: whenever the process dies, one of them is
good. A checkpoint is a `.npz` archive of plain arrays and one JSON text: reading it runs no code.
"""

from __future__ import annotations

import json
import os
import time
import zipfile
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from pydantic import TypeAdapter

from napari_medunet.engine.errors import MedunetError, one_line
from napari_medunet.engine.files.saving import PART_SUFFIX, atomic_write
from napari_medunet.engine.progress import EpochScores
from napari_medunet.engine.training.learning.validation import Best

if TYPE_CHECKING:
    from napari_medunet.engine.training.learning.loop import Loop

_NAMES = ("checkpoint-1.npz", "checkpoint-2.npz")
# Seconds from one checkpoint to the next, as a multiple of the processor time that writing takes, which is
# 3 % of one core at most. M26
_PAUSE = 30


@dataclass(frozen=True)
class LoopState:
    """The state of a loop, without its arrays.

    Attributes
    ----------
    history : list of EpochScores
    warnings : list of str
    steps_done : int
    rate : float
    rescued : bool
        As the loop's.
    seconds, schedule : float
        As the clock's.
    best_epoch : int
    best_score : float
    best_dice : list of float
    best_recall : tuple of float
        Of the epoch whose weights are kept.
    recall : tuple of float
        Of the last epoch.
    """

    history: list[EpochScores]
    warnings: list[str]
    steps_done: int
    rate: float
    rescued: bool
    seconds: float
    schedule: float
    best_epoch: int
    best_score: float
    best_dice: list[float]
    best_recall: tuple[float, ...]
    recall: tuple[float, ...]


_STATE = TypeAdapter(LoopState)


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """What was read from a checkpoint.

    Attributes
    ----------
    state : LoopState
    variables : list of arrays
        Of the learner: network, optimizer, average.
    best : list of arrays
        Weights of the best epoch.
    """

    state: LoopState
    variables: list[npt.NDArray[Any]]
    best: list[npt.NDArray[Any]]

    @property
    def epochs(self) -> int:
        """Epochs that were done."""
        return len(self.state.history)

    def restore(self, loop: Loop) -> None:
        """Put a new loop where the old one was; its clock has the used time already.

        Raises
        ------
        MedunetError
            If the checkpoint is of another network.
        """
        variables = loop.learner.variables()
        if [v.shape for v in variables] != [v.shape for v in self.variables]:
            raise MedunetError(
                "The checkpoint does not fit the network that its plan describes; wanted one of the same "
                "version and backend. Resume with those that began it, or train anew."
            )
        for variable, value in zip(variables, self.variables, strict=True):
            variable.assign(value)
        state = self.state
        loop.history, loop.warnings = list(state.history), list(state.warnings)
        loop.steps_done, loop.rate, loop.rescued = state.steps_done, state.rate, state.rescued
        loop.recall = tuple(state.recall)
        loop.best = Best(
            epoch=state.best_epoch,
            score=state.best_score,
            dice=state.best_dice,
            recall=tuple(state.best_recall),
            weights=self.best,
        )
        loop.clock.epochs_done = float(self.epochs)


@dataclass(frozen=True, eq=False)
class InitialState:
    """Where a training starts, and the checkpoints that it writes.

    Attributes
    ----------
    checkpoints : Checkpoints or None
        Where to write checkpoints.
    checkpoint : Checkpoint or None
        The one to go on from.
    weights : list of arrays or None
        Of the network, to begin with in place of chance.
    """

    checkpoints: Checkpoints | None = None
    checkpoint: Checkpoint | None = None
    weights: list[npt.NDArray[Any]] | None = None


class Checkpoints:
    """The checkpoints of one folder.

    Parameters
    ----------
    folder : path of a folder
    """

    def __init__(self, folder: Path) -> None:
        self._files = [folder / name for name in _NAMES]
        self._next = 0  # in `_files`
        self._began = 0.0
        self._thread = ThreadPoolExecutor(1, "medunet-checkpoints")
        self._writing: Future[float] | None = None

    def write_if_due(self, loop: Loop) -> None:
        """Write the state of a loop between two epochs, unless the last time is too short ago.

        The next epoch need not wait: a thread writes. Where the last one could not be written, a warning
        says so and the training goes on.
        """
        start, busy = time.monotonic(), time.thread_time()
        try:
            if not self._is_due(start):
                return
        except OSError as error:
            loop.warn([f"The training could not be resumed if it broke off now: {one_line(error)}"])
        arrays = {
            f"variable_{number}": np.array(variable.numpy())
            for number, variable in enumerate(loop.learner.variables())
        }
        arrays |= {f"best_{number}": value for number, value in enumerate(loop.best.weights)}
        arrays["state"] = np.frombuffer(
            json.dumps(_STATE.dump_python(_state(loop))).encode(), np.uint8
        )
        busy = time.thread_time() - busy
        self._began = start
        self._writing = self._thread.submit(self._write, arrays, busy)

    def wait(self) -> None:
        """Wait until what is being written is there.

        Raises
        ------
        OSError
            If it could not be written.
        """
        if self._writing is not None:
            self._writing.result()

    def _is_due(self, now: float) -> bool:
        """Whether the last checkpoint is there, and long enough ago."""
        if self._writing is None:
            return True
        return self._writing.done() and now >= self._began + _PAUSE * self._writing.result()

    def _write(self, arrays: dict[str, npt.NDArray[Any]], busy: float) -> float:
        """Write the older file anew; return the processor time that it took, with what it took before."""
        start = time.thread_time()
        with atomic_write(self._files[self._next]) as stream:
            np.savez(stream, **arrays)  # type: ignore[arg-type]  # no array is called allow_pickle
            stream.flush()
            os.fsync(stream.fileno())  # both files may be seconds old when the machine loses power
        self._next = 1 - self._next
        return busy + time.thread_time() - start

    def latest(self) -> Checkpoint | None:
        """Read the newest checkpoint that is whole; None where none was written.

        Raises
        ------
        MedunetError
            If there are checkpoints, and each is damaged.
        """
        there = [path for path in self._files if path.exists()]
        read = {path: found for path in there if (found := _read(path)) is not None}
        if not read:
            if there:
                raise MedunetError(
                    f"The checkpoints in '{there[0].parent}' are damaged; wanted one that is whole. "
                    "Train anew, into another folder."
                )
            return None
        newest = max(read, key=lambda path: read[path].epochs)
        self._next = 1 - self._files.index(newest)
        return read[newest]

    def exist(self) -> bool:
        """Whether any was written."""
        return any(path.exists() for path in self._files)

    def remove(self) -> None:
        """Remove them: the training is done, and its segmenter saved."""
        with suppress(OSError):  # of one that could not be written
            self.wait()
        folder = self._files[0].parent
        for path in (*self._files, *folder.glob(f".checkpoint-*{PART_SUFFIX}")):
            path.unlink(missing_ok=True)


def _state(loop: Loop) -> LoopState:
    return LoopState(
        history=loop.history,
        warnings=loop.warnings,
        steps_done=loop.steps_done,
        rate=loop.rate,
        rescued=loop.rescued,
        seconds=loop.clock.seconds(),
        schedule=loop.clock.schedule(),
        best_epoch=loop.best.epoch,
        best_score=loop.best.score,
        best_dice=loop.best.dice,
        best_recall=loop.best.recall,
        recall=loop.recall,
    )


def _read(path: Path) -> Checkpoint | None:
    """Read a checkpoint; None where it is damaged."""
    try:
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as archive:
            state = _STATE.validate_python(json.loads(archive["state"].tobytes()))
            variables, best = (_numbered(archive, name) for name in ("variable", "best"))
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None
    return Checkpoint(state, variables, best)


def _numbered(archive: Any, name: str) -> list[npt.NDArray[Any]]:
    count = sum(key.startswith(f"{name}_") for key in archive.files)
    return [archive[f"{name}_{number}"] for number in range(count)]
