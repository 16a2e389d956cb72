"""Live metrics: from a brush's touch to the new numbers in the table, in a real viewer.

    python benchmarks/live_metrics.py [--strokes 60] [--dtype uint8 int32]

Opens a truth and a prediction of 256 x 256 x 256 voxels with two labels in napari, turns on live mode in
the Metrics widget, and paints in the prediction. Prints the median and the worst time from a touch of the
brush to the table with its effect, overlap and distances alike (HD, HD95 and ASSD of both labels); the same
while a stroke is dragged along a border with sixty touches a second, where drawing and measuring share
the processor; and the longest time in which the window answered nobody. Needs a screen; on a server
`xvfb-run` gives one, but draws on the processor, which costs as much as measuring does.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import napari
import numpy as np
from qtpy.QtCore import QTimer
from qtpy.QtWidgets import QApplication

from napari_medunet.engine.evaluation.metrics.scores import CaseScores

SIZE = 256
LIMIT_MS = 200


def ellipsoid(centre, radii):
    grid = np.ogrid[tuple(slice(SIZE) for _ in range(3))]
    return sum(((g - c) / r) ** 2 for g, c, r in zip(grid, centre, radii, strict=True)) <= 1


def volumes(dtype):
    """Two ellipsoids, and a prediction of them that is a little off."""
    truth, prediction = np.zeros((2, SIZE, SIZE, SIZE), dtype)
    for label, centre in ((1, (120, 90, 128)), (2, (130, 165, 128))):
        truth[ellipsoid(centre, (45, 35, 40))] = label
        moved = tuple(c + 3 for c in centre)
        prediction[ellipsoid(moved, (44, 36, 39))] = label
    return truth, prediction


def wait_for(holds: Callable[[], bool], seconds: float = 60) -> None:
    end = time.perf_counter() + seconds
    while not holds():
        if time.perf_counter() > end:
            raise TimeoutError("The table does not follow.")
        QApplication.processEvents()
        time.sleep(0.001)  # as the event loop of a window does that waits for its user


def rest(seconds: float) -> None:
    end = time.perf_counter() + seconds
    wait_for(lambda: time.perf_counter() > end)


class Pulse:
    """Counts how long the window answers nobody."""

    def __init__(self) -> None:
        self.worst = 0.0
        self._last = time.perf_counter()
        self._timer = QTimer()
        self._timer.timeout.connect(self._beat)
        self._timer.start(1)

    def _beat(self) -> None:
        now = time.perf_counter()
        self.worst = max(self.worst, now - self._last)
        self._last = now

    def reset(self) -> None:
        """Count from now on."""
        self.worst, self._last = 0.0, time.perf_counter()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--strokes", type=int, default=60)
    parser.add_argument("--dtype", nargs="+", default=["uint8", "int32"])
    arguments = parser.parse_args()
    for dtype in arguments.dtype:
        print(f"labels of type {dtype}, {SIZE} x {SIZE} x {SIZE}:")
        measure(dtype, arguments.strokes)


def measure(dtype: str, strokes: int) -> None:
    truth, prediction = volumes(dtype)
    viewer = napari.Viewer(show=True)
    viewer.add_labels(truth, name="case truth")
    layer = viewer.add_labels(prediction, name="case segmentation")
    viewer.dims.set_point(0, 128)
    _, widget = viewer.window.add_plugin_dock_widget("napari-medunet", "Metrics")
    rest(1)
    widget.live_box.click()
    wait_for(lambda: bool(widget.scores) and not widget.measure_queue.busy)
    rest(1.5)
    layer.brush_size = 8
    rng = np.random.default_rng(0)
    pulse = Pulse()
    touches = [(128, int(a), int(b)) for a, b in rng.uniform(60, 200, (strokes, 2))]

    single = []
    for place in touches:
        before = widget.scores["case"].confusion
        start = time.perf_counter()
        # Another label than there was, so that something changes.
        layer.paint(place, int(layer.data[place] + 1) % 3)
        wait_for(lambda before=before: differ(before, widget.scores["case"].confusion))
        single.append(1000 * (time.perf_counter() - start))
        rest(0.05)
    report("  a touch of the brush", single)

    dragged, pending = [], []

    def told(_: str, scores: CaseScores, *__: object) -> None:
        if not all(np.isfinite([one.dice, one.hd95]).all() for one in scores.labels.values()):
            return  # overlap alone does not count
        now = time.perf_counter()
        for touch in pending:
            touch[1] -= 1
        dragged.extend(1000 * (now - at) for at, missing in pending if missing == 0)
        pending[:] = [touch for touch in pending if touch[1] > 0]

    widget.measure_queue.measured.connect(told)
    pulse.reset()
    for step in range(4 * strokes):
        angle = 2 * np.pi * step / (4 * strokes)
        # What is being measured already may not have seen this touch: the numbers after it have.
        pending.append([time.perf_counter(), 2 if widget.measure_queue.busy else 1])
        layer.paint((128, int(90 + 38 * np.sin(angle)), int(128 + 42 * np.cos(angle))), 1)
        rest(0.016)  # a mouse tells of itself some sixty times a second
    gap = pulse.worst
    rest(1)
    report("  while it is dragged", dragged)
    print(f"  longest time without an answer of the window while dragging: {1000 * gap:.0f} ms")
    pulse.reset()
    rest(2)
    print(f"  ... and with nothing to do: {1000 * pulse.worst:.0f} ms")
    # Qt aborts a process that ends before its threads.
    wait_for(lambda: not widget.measure_queue.busy)
    viewer.close()


def differ(first, second) -> bool:
    return first is not second and not np.array_equal(first.voxels, second.voxels)


def report(what: str, milliseconds: list[float]) -> None:
    median, worst = np.median(milliseconds), max(milliseconds)
    kept = "kept" if worst <= LIMIT_MS else "NOT kept"
    print(
        f"{what}: median {median:.0f} ms, worst {worst:.0f} ms of {len(milliseconds)} "
        f"(limit {LIMIT_MS} ms: {kept})"
    )


if __name__ == "__main__":
    main()
