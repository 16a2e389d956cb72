"""Measuring: cases measured in threads; of each the newest request wins."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from itertools import count
from typing import Any

import numpy as np
import numpy.typing as npt
from napari.layers import Labels
from qtpy.compat import isalive
from qtpy.QtCore import QObject, Signal
from superqt.utils import create_worker

from napari_medunet.engine.metrics.nearest import warm_up
from napari_medunet.engine.metrics.scores import CaseScores, evaluate_case, quick_scores
from napari_medunet.engine.settings import EvaluateSettings
from napari_medunet.engine.volume import Volume, same_grid
from napari_medunet.plugin.form import one_line
from napari_medunet.plugin.pairing import case_of

Copies = dict[tuple[str, str], npt.NDArray[Any]]


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
    number : int
        Later requests have larger ones.
    """

    name: str
    truth: Volume
    prediction: Volume
    settings: EvaluateSettings
    quick: bool = False
    number: int = 0


class Measuring(QObject):  # type: ignore[misc]
    """Measures in two threads: one for what is quick, one for the rest, which the first never waits for.

    Of each case the newest request wins: one that has not begun is replaced, and what is older than what
    was told already, or than a quick request, is dropped. Signals are emitted in the GUI thread.
    """

    measured = Signal(str, object, bool)  # case, CaseScores, and whether it was a quick one
    failed = Signal(str, str)  # case and why
    ended = Signal()  # nothing is left to do

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self._lanes = {quick: _Lane() for quick in (True, False)}
        self._asked = count(1)
        self._told: dict[str, int] = {}  # of each case the newest request that was answered
        create_worker(warm_up, _start_thread=True)

    @property
    def busy(self) -> bool:
        """Whether something is being measured."""
        return any(lane.running is not None for lane in self._lanes.values())

    @property
    def left(self) -> int:
        """Cases that are still to be measured."""
        return sum(len(lane.waiting) + (lane.running is not None) for lane in self._lanes.values())

    def measure(self, request: Request) -> None:
        """Measure soon. Voxels may change meanwhile: what is measured is a copy of one moment."""
        request = replace(request, number=next(self._asked))
        lane = self._lanes[request.quick]
        lane.waiting[request.name] = request
        if request.quick:
            self._lanes[False].drop(request.name)  # its voxels are not those of now
        if lane.running is None:
            self._begin(lane)

    def forget(self) -> None:
        """Drop all requests, and what was kept to be quick; nothing more is heard of them."""
        for lane in self._lanes.values():
            for name in [*lane.waiting, *([lane.running.name] if lane.running else [])]:
                lane.drop(name)
            lane.copies = {}

    def _begin(self, lane: _Lane) -> None:
        request = lane.running = lane.waiting.pop(next(iter(lane.waiting)))
        lane.wanted = True
        copies = lane.copies if request.quick else {}
        create_worker(
            _measure,
            request,
            copies,
            _start_thread=True,
            _connect={
                "returned": lambda scores: self._ended(
                    lane, request, lambda: self.measured.emit(request.name, scores, request.quick)
                ),
                "errored": lambda error: self._ended(
                    lane, request, lambda: self.failed.emit(request.name, _said(error))
                ),
            },
        )

    def _ended(self, lane: _Lane, request: Request, tell: Callable[[], None]) -> None:
        """Begin what waits, and tell of what has ended, if anybody still wants to know."""
        if not isalive(self):  # the widget was closed meanwhile
            return
        wanted, lane.running = lane.wanted, None
        if lane.waiting:
            self._begin(lane)
        if wanted and request.number > self._told.get(request.name, 0):
            self._told[request.name] = request.number
            tell()
        if not self.left:
            self.ended.emit()


class _Lane:
    """What waits for one thread, and what it does.

    Attributes
    ----------
    waiting : dict of case to Request
    running : Request or None
    wanted : bool
        Whether somebody still wants to know of it.
    copies : dict of (case, role) to array
        Where voxels are copied to, again and again: fresh memory would cost more than measuring does.
    """

    def __init__(self) -> None:
        self.waiting: dict[str, Request] = {}
        self.running: Request | None = None
        self.wanted = False
        self.copies: Copies = {}

    def drop(self, name: str) -> None:
        """Do without a case."""
        self.waiting.pop(name, None)
        if self.running is not None and self.running.name == name:
            self.wanted = False


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


def _measure(request: Request, copies: Copies) -> CaseScores:
    name = request.name
    truth = _copy(request.truth, copies, (name, "truth"))
    prediction = _copy(request.prediction, copies, (name, "prediction"))
    if request.quick and same_grid(truth, prediction) and not truth.leading_axes:
        return quick_scores(
            truth.voxels, prediction.voxels, truth.spacing_mm, request.settings, name=name
        )
    return replace(evaluate_case(truth, prediction, request.settings), name=name)


def _copy(volume: Volume, copies: Copies, key: tuple[str, str]) -> Volume:
    """Take the voxels as they are now: the user may be painting in them."""
    voxels, known = volume.voxels, copies.get(key)
    if known is None or known.shape != voxels.shape or known.dtype != voxels.dtype:
        known = copies[key] = np.empty_like(voxels)
    np.copyto(known, voxels)
    return replace(volume, voxels=known)


def _said(error: Exception) -> str:
    return one_line(error) or type(error).__name__
