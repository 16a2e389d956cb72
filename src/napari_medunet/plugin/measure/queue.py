"""MeasureQueue: cases measured in threads; of each the newest request wins."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from itertools import count
from typing import NamedTuple

from qtpy.QtCore import QObject, Signal
from superqt.utils import create_worker

from napari_medunet.engine.evaluation.metrics.incremental import (
    PREDICTION,
    TRUTH,
    IncrementalScores,
)
from napari_medunet.engine.evaluation.metrics.label_pairs import Box, joined
from napari_medunet.engine.evaluation.metrics.scores import CaseScores, evaluate_case
from napari_medunet.engine.evaluation.metrics.surface.nearest import warm_up
from napari_medunet.engine.settings import EvaluateSettings
from napari_medunet.engine.volume import Volume, same_grid
from napari_medunet.plugin.widgets.latest_only import run_in_thread


class SideEdit(NamedTuple):
    """Voxels of a case's `TRUTH` or `PREDICTION` have changed: in a box, or anywhere (None)."""

    side: int
    box: Box | None


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
    edits : tuple of SideEdit
        Since the last quick request of the case.
    number : int
        Later requests have larger ones.
    """

    name: str
    truth: Volume
    prediction: Volume
    settings: EvaluateSettings
    quick: bool = False
    edits: tuple[SideEdit, ...] = ()
    number: int = 0


class MeasureQueue(QObject):  # type: ignore[misc]
    """Measures in two threads: one for what is quick, one for the rest, which the first never waits for.

    Of each case the newest request wins: one that has not begun is replaced, and what is older than what
    was told already, or than a quick request, is dropped. Signals are emitted in the GUI thread.
    """

    measured = Signal(str, object, bool)  # case, CaseScores, and whether it was a quick one
    failed = Signal(str, str)  # case and why
    ended = Signal()  # nothing is left to do

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self._queues = {quick: _Queue() for quick in (True, False)}
        self._asked = count(1)
        self._answered: dict[str, int] = {}  # of each case the newest request that was answered
        create_worker(warm_up, _start_thread=True)

    @property
    def busy(self) -> bool:
        """Whether something is being measured."""
        return any(queue.running is not None for queue in self._queues.values())

    @property
    def left(self) -> int:
        """Cases that are still to be measured."""
        return sum(
            len(queue.waiting) + (queue.running is not None) for queue in self._queues.values()
        )

    def measure(self, request: Request) -> None:
        """Measure soon. Voxels may change meanwhile: what is measured is a copy of one moment."""
        request = replace(request, number=next(self._asked))
        queue = self._queues[request.quick]
        replaced = queue.waiting.get(request.name)
        if replaced is not None:
            request = replace(request, edits=replaced.edits + request.edits)
        queue.waiting[request.name] = request
        if request.quick:
            self._queues[False].drop(request.name)  # its voxels are not those of now
        if queue.running is None:
            self._begin(queue)

    def forget(self, name: str | None = None) -> None:
        """Drop the requests of a case, and what is known of it; of all cases where none is named."""
        for queue in self._queues.values():
            running = [queue.running.name] if queue.running else []
            for case in [*queue.waiting, *running] if name is None else [name]:
                queue.drop(case)
            # a new one: what runs may still put into the old one
            queue.incremental = {
                case: scores
                for case, scores in queue.incremental.items()
                if name not in (None, case)
            }

    def _begin(self, queue: _Queue) -> None:
        request = queue.running = queue.waiting.pop(next(iter(queue.waiting)))
        queue.wanted = True
        run_in_thread(
            self,
            partial(_measure, request, queue.incremental),
            lambda scores: self._ended(
                queue, request, lambda: self.measured.emit(request.name, scores, request.quick)
            ),
            lambda why: self._ended(queue, request, lambda: self.failed.emit(request.name, why)),
        )

    def _ended(self, queue: _Queue, request: Request, tell: Callable[[], None]) -> None:
        """Begin what waits, and tell of what has ended, if anybody still wants to know."""
        wanted, queue.running = queue.wanted, None
        if queue.waiting:
            self._begin(queue)
        if wanted and request.number > self._answered.get(request.name, 0):
            self._answered[request.name] = request.number
            tell()
        if not self.left:
            self.ended.emit()


class _Queue:
    """What waits for one thread, and what it does.

    Attributes
    ----------
    waiting : dict of case to Request
    running : Request or None
    wanted : bool
        Whether somebody still wants to know of it.
    incremental : dict of case to IncrementalScores
        What is known of the cases that are being painted.
    """

    def __init__(self) -> None:
        self.waiting: dict[str, Request] = {}
        self.running: Request | None = None
        self.wanted = False
        self.incremental: dict[str, IncrementalScores] = {}

    def drop(self, name: str) -> None:
        """Do without a case."""
        self.waiting.pop(name, None)
        if self.running is not None and self.running.name == name:
            self.wanted = False


def _measure(request: Request, incremental: dict[str, IncrementalScores]) -> CaseScores:
    """Measure a moment: the user may be painting meanwhile, so that voxels are copied first."""
    truth, prediction = request.truth, request.prediction
    if not request.quick or not same_grid(truth, prediction) or truth.leading_axes:
        truth, prediction = (replace(one, voxels=one.voxels.copy()) for one in (truth, prediction))
        return replace(evaluate_case(truth, prediction, request.settings), name=request.name)
    known = incremental.pop(request.name, None)  # what fails half way is not known any more
    if known is None or not known.fits(truth.shape, truth.spacing_mm, request.settings):
        known = IncrementalScores(
            truth.voxels, prediction.voxels, truth.spacing_mm, request.settings
        )
    else:
        for side, voxels in ((TRUTH, truth.voxels), (PREDICTION, prediction.voxels)):
            boxes = [edit.box for edit in request.edits if edit.side == side]
            stated = [box for box in boxes if box is not None]
            if stated and None not in boxes:
                known.update(side, voxels, _in_space(joined(stated)))
            elif boxes:
                known.update(side, voxels)
    incremental[request.name] = known
    return known.scores(request.name)


def _in_space(box: Box) -> Box:
    """Box of the voxels of a Volume, whose slices are three-dimensional too."""
    return box if len(box) == 3 else (slice(0, 1), *box)
