"""Run folder: the files of one training while it runs, from which it is resumed if it was killed.

``run.json`` names the files, ``plan.json`` holds the plan; ``log.txt``, ``history.csv`` and
``tensorboard/`` (if that package is installed) grow epoch by epoch; checkpoints stay until the segmenter
is saved. Each fold, and each network of several, has such a folder in it, where a finished one leaves its
network.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path

from pydantic import ValidationError

from napari_medunet.engine.errors import MedunetError, one_line, printable
from napari_medunet.engine.examples.example import Example
from napari_medunet.engine.files.saving import check_writable
from napari_medunet.engine.plan import Plan
from napari_medunet.engine.prediction.card import PaceOfNetwork
from napari_medunet.engine.progress import Progress, ProgressCallback
from napari_medunet.engine.training.run.checkpoints import Checkpoint, Checkpoints, InitialState
from napari_medunet.engine.training.run.history import (
    tensorboard_writer,
    write_events,
    write_history,
)
from napari_medunet.engine.training.run.record import (
    RUN,
    RunFiles,
    RunRecord,
    check_is_ours,
    difference,
    fingerprint,
    write_json,
)

_PLAN = "plan.json"
_LOG, _HISTORY, _EVENTS = "log.txt", "history.csv", "tensorboard"
_MEASURED = "measured.json"
_PARTS = "*-[0-9]*"  # fold-1, network-1 and so on
_NETWORK = "checkpoint.medunet"  # of a part that is finished


class RunFolder:
    """The folder of one training, or of a cross-validation. `new` and `open` make one.

    Attributes
    ----------
    path : Path
    record : RunRecord
    plan : Plan or None
        None until the training has begun.
    checkpoints : Checkpoints
    """

    def __init__(self, path: Path, record: RunRecord, plan: Plan | None) -> None:
        self.path = path
        self.record = record
        self.plan = plan
        self.checkpoints = Checkpoints(path)

    @classmethod
    def new(cls, path: Path, files: RunFiles | None = None, overwrite: bool = False) -> RunFolder:
        """Prepare a folder for a new training: where there is nothing, or where one of ours has ended.

        What the earlier training left is replaced where that is said; files of other names stay.

        Parameters
        ----------
        overwrite : bool
            The training may replace the log and history of the earlier one, and what it writes besides.

        Raises
        ------
        OSError, MedunetError
            If it cannot be written, holds a training that can be resumed, or anything that is not ours.
        """
        for folder in (path, *path.glob(_PARTS)):
            check_is_ours(folder)
        check_writable(path / RUN if path.exists() else path)
        if _can_be_resumed(path):
            raise OSError(
                f"'{path}' holds a training that has not ended: go on with it by --resume '{path}', or "
                "delete the folder to begin anew."
            )
        if (path / _HISTORY).exists() and not overwrite:
            raise MedunetError(
                f"'{path}' holds the log and history of an earlier training; wanted a new folder for the "
                "run. Name another one with --run, or say that they are to be replaced: --overwrite."
            )
        return cls(path, RunRecord(files=files or RunFiles(), overwrite=overwrite), None)

    @classmethod
    def open(cls, path: Path, overwrite: bool = False) -> RunFolder:
        """Open the folder of a training that was killed.

        With `overwrite` it may replace what it writes besides, as when that was said at its beginning.

        Raises
        ------
        OSError, MedunetError
            If it is no run folder, is damaged, or its training is done.
        """
        try:
            record = RunRecord.model_validate_json((path / RUN).read_bytes())
            plan = Plan.model_validate_json((path / _PLAN).read_bytes())
        except OSError as error:
            raise OSError(
                f"'{path}' is no run folder ({Path(error.filename or RUN).name}: {error.strerror}); "
                "wanted the one that `train` named when it began. If the training never began, train anew."
            ) from error
        except ValidationError as error:
            raise MedunetError(
                f"The run folder '{path}' is damaged, or of another version ({error.errors()[0]['msg']}). "
                "Train anew, into another folder."
            ) from error
        if overwrite:
            record = record.model_copy(update={"overwrite": True})
        run = cls(path, record, plan)
        if not _can_be_resumed(path):
            raise MedunetError(
                f"'{path}' holds no checkpoint: its training is done, or ended before its first epoch did. "
                "Train anew."
            )
        return run

    @classmethod
    def new_or_broken(cls, path: Path) -> RunFolder:
        """Open the folder of a training that broke off after an epoch, or prepare a new one.

        The history of one that was killed before its first checkpoint begins anew.

        Raises
        ------
        OSError, MedunetError
            As `new` and `open`.
        """
        return cls.open(path) if _can_be_resumed(path) else cls.new(path, overwrite=True)

    def of_part(self, name: str) -> RunFolder:
        """The folder of one fold, or one network of several: `new_or_broken`."""
        return RunFolder.new_or_broken(self.path / name)

    @property
    def begun_plan(self) -> Plan:
        """The plan of a training that has begun."""
        if self.plan is None:
            raise RuntimeError(f"The training in '{self.path}' has not begun.")
        return self.plan

    @property
    def network(self) -> Path:
        """Where the network of a finished fold is kept until all of them are done."""
        return self.path / _NETWORK

    def begin(self, examples: Sequence[Example], plan: Plan) -> Checkpoint | None:
        """Record the examples and the plan, or check that the examples are those of the record.

        Returns
        -------
        Checkpoint or None
            To go on from; None for a new training.

        Raises
        ------
        OSError, MedunetError
            If the folder cannot be written, the examples have changed, or all checkpoints are damaged.
        """
        found = fingerprint(examples)
        if self.record.examples_sha256:
            if found != self.record.examples_sha256:
                raise MedunetError(
                    f"The examples have changed since the training in '{self.path}' began ("
                    f"{difference(self.record.cases, examples)}); wanted the same, to go on with it. "
                    "Restore them, or train anew, perhaps from the best segmenter that you have."
                )
            return self.checkpoints.latest()
        self.plan = plan
        names = tuple(printable(example.name) for example in examples)
        self.record = self.record.model_copy(update={"examples_sha256": found, "cases": names})
        write_json(self.path / RUN, self.record)  # by which it is known as ours
        write_json(self.path / _PLAN, plan)
        _clear(self.path)
        for part in self.path.glob(_PARTS):
            if (part / RUN).exists():
                _clear(part)
                if {path.name for path in part.iterdir()} <= {RUN, _PLAN}:
                    shutil.rmtree(part)
        return None

    @contextmanager
    def logged(
        self, report: ProgressCallback, checkpoint: Checkpoint | None
    ) -> Iterator[ProgressCallback]:
        """Context that gives a report which keeps log, history and events beside passing it on.

        Where they cannot be written, a warning says so and the training goes on: it is worth more.
        """
        history = list(checkpoint.state.history) if checkpoint else []
        warned: list[str] = []
        writer = tensorboard_writer(self.path / _EVENTS)
        self.log(f"Resumed after epoch {len(history)}" if checkpoint else "Began")

        def keep(progress: Progress) -> None:
            for line in (progress.warning and f"Warning: {progress.warning}", progress.note):
                self.log(line) if line else None
            if progress.scores:
                history.append(progress.scores)
                self.log(progress.message)
                try:
                    write_history(self.path / _HISTORY, history)
                    if writer is not None:
                        write_events(writer, progress.scores)
                except OSError as error:
                    if not warned:
                        warned.append(f"The run folder is not kept: {one_line(error)}")
                        report(Progress(progress.fraction, "", warning=warned[0]))
            report(progress)

        try:
            yield keep
            self.log("Trained")
        except Exception as error:
            self.log(f"Ended: {type(error).__name__} {error}".rstrip())
            raise
        finally:
            try:
                self.checkpoints.wait()
            except OSError as error:  # the training has ended: nothing is lost with it
                self.log(f"The last checkpoint was not written: {error}")
            if writer is not None:
                with suppress(OSError):
                    writer.close()

    def finish(self) -> None:
        """Remove the checkpoints, and the networks of folds: the segmenter is saved."""
        self.checkpoints.remove()
        for fold in self.path.glob(_PARTS):
            Checkpoints(fold).remove()
            (fold / _NETWORK).unlink(missing_ok=True)
        self.log("The segmenter is saved")

    def measured(self, pace: PaceOfNetwork) -> None:
        """Keep what was planned and done, to repeat it on another machine."""
        with suppress(OSError):
            write_json(self.path / _MEASURED, pace)

    def log(self, line: str) -> None:
        """Append a line to the log, after the time; where that is impossible, nothing ends for it."""
        with (
            suppress(OSError),
            (self.path / _LOG).open("a", encoding="utf-8", errors="backslashreplace") as stream,
        ):
            stream.write(f"{datetime.now().astimezone():%Y-%m-%d %H:%M:%S}  {line}\n")


@contextmanager
def run_context(
    run: RunFolder | None, examples: Sequence[Example], plan: Plan, report: ProgressCallback
) -> Iterator[tuple[ProgressCallback, InitialState]]:
    """Context of a training, in a run folder or without one: its report, and where it starts.

    Raises
    ------
    OSError, MedunetError
        As `RunFolder.begin`.
    """
    if run is None:
        yield report, InitialState()
        return
    checkpoint = run.begin(examples, plan)
    with run.logged(report, checkpoint) as logged:
        yield logged, InitialState(run.checkpoints, checkpoint)


def _clear(folder: Path) -> None:
    """Remove what an earlier training left, by its names: a person may have put other files beside."""
    for name in (_LOG, _HISTORY, _MEASURED, _NETWORK):
        (folder / name).unlink(missing_ok=True)
    Checkpoints(folder).remove()
    for events in (folder / _EVENTS).glob("*tfevents*"):
        events.unlink()
    with suppress(OSError):
        (folder / _EVENTS).rmdir()


def _can_be_resumed(folder: Path) -> bool:
    """Whether a training, or one of its parts, has left a checkpoint or a finished network."""
    folders = (folder, *folder.glob(_PARTS))
    return any(Checkpoints(one).exist() or (one / _NETWORK).exists() for one in folders)
