"""What this machine does in training, measured where a command needs it and nobody knows it yet."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

from napari_medunet.cli import console
from napari_medunet.engine.hardware import devices, speed
from napari_medunet.engine.hardware.quiet import start_quietly
from napari_medunet.engine.progress import Progress
from napari_medunet.engine.settings import TrainSettings

# Of training; in fewer the seconds that measuring takes are missed. For a GPU much is compiled first.
_WORTH_MINUTES, _WORTH_MINUTES_OF_GPU = 1.0, 5.0


def before_planning(settings: TrainSettings, as_json: bool) -> AbstractContextManager[None]:
    """Context in which rules that ask for the machine's speed have it measured, if nobody knows it.

    A short training is planned by a guess.
    """
    worth = _WORTH_MINUTES_OF_GPU if devices.expects_gpu() else _WORTH_MINUTES
    if settings.budget.minutes < worth:
        return nullcontext()
    return measured(as_json)


def measured(as_json: bool) -> AbstractContextManager[None]:
    """Context in which a speed that is asked for and not known is measured."""

    def probe(dims: int, threads: int | None) -> float:
        with console.shown(as_json, "Measuring") as report:
            report(Progress(0.0, f"Measuring how fast this machine trains in {dims}D, once"))
            start_quietly()
            from napari_medunet.engine.training.learning.probe import measure

            return measure(dims, threads)

    return speed.measured_by(probe)
