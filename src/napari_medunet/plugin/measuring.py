"""Measuring: cases measured one after the other in a thread; of each the newest request wins."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from napari.layers import Labels
from qtpy.QtCore import QObject, Signal
from superqt.utils import create_worker

from napari_medunet.engine.nearest import warm_up
from napari_medunet.engine.scores import CaseScores, evaluate_case, quick_scores
from napari_medunet.engine.settings import EvaluateSettings
from napari_medunet.engine.volume import Volume, same_grid
from napari_medunet.plugin.form import one_line
from napari_medunet.plugin.pairing import case_of


@dataclass(frozen=True, eq=False)
class Case:
    """A prediction and its truth, as layers, and what to call them."""

    name: str
    prediction: Labels
    truth: Labels

    def same(self, other: Case) -> bool:
        """Whether the layers are the same, by identity."""
        return self.prediction is other.prediction and self.truth is other.truth


@dataclass(frozen=True, eq=False)
class Request:
    """What is to be measured.

    Attributes
    ----------
    name : str
        Of the case.
    truth, prediction : Volume
    settings : EvaluateSettings
    quick : bool
        Whether to leave out what takes long.
    """

    name: str
    truth: Volume
    prediction: Volume
    settings: EvaluateSettings
    quick: bool = False


class Measuring(QObject):  # type: ignore[misc]
    """Measures in a thread, one case at a time.

    A request replaces an earlier one for the same case that has not begun. Signals are emitted in the
    GUI thread.
    """

    measured = Signal(str, object, bool)  # case, CaseScores, and whether it was a quick one
    failed = Signal(str, str)  # case and why
    ended = Signal()  # nothing is left to do

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self._waiting: dict[str, Request] = {}
        self._running: Request | None = None
        self._dropped = False
        create_worker(warm_up, _start_thread=True)

    @property
    def busy(self) -> bool:
        """Whether something is being measured."""
        return self._running is not None

    @property
    def left(self) -> int:
        """Cases that are still to be measured."""
        return len(self._waiting) + self.busy

    def measure(self, request: Request) -> None:
        """Measure soon. Voxels may change meanwhile: what is measured is a copy of one moment."""
        known = self._waiting.get(request.name)
        if known is not None and not known.quick:
            request = replace(request, quick=False)  # who asked for everything shall have it
        self._waiting[request.name] = request
        if not self.busy:
            self._begin()

    def forget(self) -> None:
        """Drop all requests; nothing more is heard of them."""
        self._waiting.clear()
        self._dropped = self.busy

    def _begin(self) -> None:
        name = min(self._waiting, key=lambda name: not self._waiting[name].quick)
        self._running = self._waiting.pop(name)
        create_worker(
            _measure,
            self._running,
            _start_thread=True,
            _connect={"returned": self._returned, "errored": self._errored},
        )

    def _returned(self, scores: CaseScores) -> None:
        request = self._next()
        if request is not None:
            self.measured.emit(request.name, scores, request.quick)
        self._tell_end()

    def _errored(self, error: Exception) -> None:
        request = self._next()
        if request is not None:
            self.failed.emit(request.name, one_line(error) or type(error).__name__)
        self._tell_end()

    def _next(self) -> Request | None:
        """Begin what waits; give the request that has ended, if anybody still wants to know."""
        request, dropped = self._running, self._dropped
        self._running, self._dropped = None, False
        if self._waiting:
            self._begin()
        return None if dropped else request

    def _tell_end(self) -> None:
        if not self.left:
            self.ended.emit()


def name_cases(pairs: Iterable[tuple[Labels, Labels]]) -> list[Case]:
    """Call each pair of prediction and truth what the prediction's case is called, no two the same."""
    cases: dict[str, Case] = {}
    for prediction, truth in pairs:
        name = case_of(prediction.name)
        if name in cases:
            name = prediction.name
        while name in cases:
            name += " again"
        cases[name] = Case(name, prediction, truth)
    return list(cases.values())


def _measure(request: Request) -> CaseScores:
    truth, prediction = _copy(request.truth), _copy(request.prediction)
    if request.quick and same_grid(truth, prediction) and not truth.leading_axes:
        return quick_scores(
            truth.voxels,
            prediction.voxels,
            truth.spacing_mm,
            request.settings,
            name=request.name,
        )
    return replace(evaluate_case(truth, prediction, request.settings), name=request.name)


def _copy(volume: Volume) -> Volume:
    """Take the voxels as they are now: the user may be painting in them."""
    voxels: Any = volume.voxels.copy()
    return replace(volume, voxels=voxels)
