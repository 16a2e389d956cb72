"""What the child can do: the engine's jobs, each from its request to its results.

Imported in the child only. A job gets its request, its folder (the arrays are there, and results go
there), the engine's `report`, and `deliver` for each result that is ready.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from napari_medunet.engine.errors import MedunetError, told
from napari_medunet.engine.hardware import speed
from napari_medunet.engine.hardware.devices import describe, set_up_backend
from napari_medunet.engine.progress import Progress, ProgressCallback
from napari_medunet.worker.handover import ArrayFile
from napari_medunet.worker.requests import (
    CrossValidateRequest,
    CrossValidateResult,
    Deliver,
    PredictRequest,
    PredictResult,
    Request,
    TrainRequest,
    TrainResult,
    read_request,
)
from napari_medunet.worker.room import Room

if TYPE_CHECKING:
    from napari_medunet.engine.prediction.segmenter import Segmenter

_SEGMENTER = "segmenter.medunet"

# The segmenter that was used last, with the path and time of the file that it came from: segmenting
# again, volume after volume, does not load it again.
_loaded: tuple[tuple[str, int], Segmenter] | None = None


def preload() -> str:
    """Import what every job needs, while nobody waits for it yet; say what they will run on."""
    set_up_backend()
    import keras  # noqa: F401

    from napari_medunet.engine import training  # noqa: F401

    return describe()


def when_idle() -> Iterator[None]:
    """Measure how fast this machine trains, in 3D and in 2D, where nobody knows it yet."""
    if not speed.is_kept():
        return
    from napari_medunet.engine.training.learning.probe import measure

    for dims in (3, 2):
        if speed.gflops(dims, None) is None:
            speed.remember(measure(dims), dims, None)
            yield


def run(folder: Path, report: ProgressCallback, deliver: Deliver, waited_seconds: float) -> None:
    """Do what the request in a folder asks for; the minutes of a training count from when it was."""
    from napari_medunet.engine.training.shares import counted_from

    began = time.monotonic() - waited_seconds
    request = read_request(folder)
    with counted_from(began):
        _do(request, folder, report, deliver)


def _do(request: Request, folder: Path, report: ProgressCallback, deliver: Deliver) -> None:
    if isinstance(request, TrainRequest):
        train(request, folder, report, deliver)
    elif isinstance(request, CrossValidateRequest):
        cross_validate(request, folder, report, deliver)
    else:
        predict(request, folder, report, deliver)


def train(request: TrainRequest, folder: Path, report: ProgressCallback, deliver: Deliver) -> None:
    """Train or fine-tune a segmenter and leave it in the folder as a ``.medunet`` file.

    What broke off in the run folder is gone on with.
    """
    from napari_medunet.engine.training import Predecessor, fine_tune, train
    from napari_medunet.engine.training.run.run_folder import RunFolder

    examples = [files.map(folder) for files in request.examples]
    plan, names = request.plan, request.names
    run = RunFolder.new_or_broken(request.run)
    if request.start_from is not None:
        known = _load(request.start_from)
        segmenter = fine_tune(Predecessor(known), examples, plan, report, names, run)
    else:
        segmenter = train(examples, plan, report, names, run)
    room = Room(folder, report)
    path = room.write(lambda: segmenter.save(room.path_of(_SEGMENTER)))
    run.finish()
    result = TrainResult(segmenter=room.name_of(path))
    room.write(lambda: deliver(result, room.place))


def cross_validate(
    request: CrossValidateRequest, folder: Path, report: ProgressCallback, deliver: Deliver
) -> None:
    """Train a network for each fold; leave the segmenter and the out-of-fold labels in the folder.

    What broke off in the run folder is gone on with.
    """
    from napari_medunet.engine.training import cross_validate
    from napari_medunet.engine.training.run.run_folder import RunFolder

    examples = [files.map(folder) for files in request.examples]
    run = RunFolder.new_or_broken(request.run)
    found = cross_validate(examples, request.plan, report, request.names, run)
    room = Room(folder, report)
    path = room.write(lambda: found.segmenter.save(room.path_of(_SEGMENTER)))
    run.finish()
    labels = {
        index: room.write(partial(room.save_array, f"out-of-fold-{index}.npy", array))
        for index, array in found.labels.items()
    }
    result = CrossValidateResult(segmenter=room.name_of(path), labels=labels)
    room.write(lambda: deliver(result, room.place))


def predict(
    request: PredictRequest, folder: Path, report: ProgressCallback, deliver: Deliver
) -> None:
    """Segment volume after volume; one that fails is named at the end, the others are done.

    Raises
    ------
    MedunetError
        If some volume could not be segmented.
    """
    from napari_medunet.engine.prediction.predict import predict

    report(Progress(0.0, "Loading the segmenter"))
    segmenter = _load(request.segmenter)
    volumes = [files.map(folder) for files in request.volumes]
    overall = _Overall(report, len(volumes))
    errors = []
    for index, volume in enumerate(volumes):
        overall.begin(index, volume.name)
        try:
            labels = predict(segmenter, volume, request.settings, overall.report)
        except (MedunetError, OSError, MemoryError) as error:
            errors.append(told(error))
            continue
        file = ArrayFile.save(folder / f"labels-{index}.npy", labels)
        deliver(PredictResult(index=index, labels=file))
    if errors:
        raise MedunetError(" ".join(errors))


class _Overall:
    """Progress through several volumes, from the progress through each."""

    def __init__(self, report: ProgressCallback, count: int) -> None:
        self._report, self._count = report, count
        self._start = time.monotonic()

    def begin(self, index: int, name: str) -> None:
        self._index, self._name = index, name

    def report(self, progress: Progress) -> None:
        if self._count == 1:
            self._report(progress)
            return
        fraction = (self._index + progress.fraction) / self._count
        elapsed = time.monotonic() - self._start
        left = elapsed / fraction * (1 - fraction) if fraction > 0 else None
        message = f"{self._name} ({self._index + 1} of {self._count}): {progress.message}"
        self._report(replace(progress, fraction=fraction, message=message, seconds_left=left))


def _load(path: Path) -> Segmenter:
    global _loaded
    from napari_medunet.engine.prediction.model_file import read_card
    from napari_medunet.engine.prediction.segmenter import Segmenter

    read_card(path)  # the file may have gone since it was chosen: this says so
    key = (str(path), path.stat().st_mtime_ns)
    if _loaded is None or _loaded[0] != key:
        _loaded = None  # the old one may go before the new one takes its memory
        _loaded = (key, Segmenter.load(path))
    return _loaded[1]
