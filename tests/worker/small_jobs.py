"""Jobs that need no engine, for a child that is ready at once."""

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from pydantic import BaseModel

from napari_medunet.engine.errors import MedunetError
from napari_medunet.engine.progress import Cancelled, EpochScores, Progress, Scores, StopRequested
from napari_medunet.worker.handover import ArrayFile
from napari_medunet.worker.requests import REQUEST_FILE
from napari_medunet.worker.room import Room


class SmallRequest(BaseModel):
    """What a small job is asked for: `job` is its function's name."""

    job: str
    array: ArrayFile
    reports: int = 1
    path: Path | None = None


class SmallResult(BaseModel):
    """What every small job makes."""

    array: ArrayFile


def preload():
    gate = os.environ.get("SMALL_JOBS_GATE")  # imports last until this file is there
    while gate and not Path(gate).exists():
        time.sleep(0.01)
    if "SMALL_JOBS_BROKEN" in os.environ:
        sys.stderr.write("cannot load libbroken.so\n")
        os._exit(3)
    return "small jobs"


def when_idle():
    for _ in range(int(os.environ.get("SMALL_JOBS_IDLE", 0))):
        yield


def run(folder, report, deliver, waited_seconds):
    request = SmallRequest.model_validate_json((folder / REQUEST_FILE).read_bytes())

    def deliver_array(name, array):
        deliver(SmallResult(array=ArrayFile.save(folder / name, array)))

    deliver_array.whole = deliver
    if request.job == "waited":
        deliver_array("waited.npy", np.array(waited_seconds))
        return
    JOBS[request.job](request, folder, report, deliver_array)


def double(request, folder, report, deliver):
    """Twice the array, with as many reports as asked for."""
    array = request.array.map(folder)
    count = request.reports
    for i in range(count):
        validation = Scores(np.float32("nan"), 0.5, 0.5, 0.5, 0.5, 0.5)
        scores = EpochScores(i, 0.1, float("inf"), validation, label_dice={1: np.float64(0.5)})
        report(Progress((i + 1) / count, f"step {i}", float("nan"), scores))
    deliver("doubled.npy", array * 2)


def until_stopped(request, folder, report, deliver):
    """Work for ever, as training does; keep the best on a stop."""
    best = 0
    try:
        while True:
            time.sleep(0.01)
            best += 1
            report(Progress(0.5, "working"))
    except StopRequested:
        report(Progress(1.0, "the best is kept"))  # must not raise a second time
    deliver("best.npy", np.array([best]))


def until_told(request, folder, report, deliver):
    """Work for ever, with nothing to keep."""
    while True:
        time.sleep(0.01)
        report(Progress(0.5, "working"))


def deaf(request, folder, report, deliver):
    """Report once and then never look up again."""
    with contextlib.suppress(Cancelled):  # the answer to the report may be quick
        report(Progress(0.1, "deaf"))
    time.sleep(3600)


def stubborn(request, folder, report, deliver):
    """Hear the wish, do not care, and go on talking."""
    while True:
        time.sleep(0.001)
        with contextlib.suppress(Cancelled):
            report(Progress(0.1, "deaf"))


def wraps_exceptions(request, folder, report, deliver):
    """Turn what passes through into something else, as TensorFlow's graphs do."""
    try:
        until_told(request, folder, report, deliver)
    except Cancelled as error:
        raise RuntimeError("UnknownError: {{node PyFunc}}") from error


def chatter(request, folder, report, deliver):
    """Print from Python, from C and from a grandchild to standard output, and read standard input."""
    sys.stdout.write("no line end")
    report(Progress(0.1, "printed"))
    os.write(1, b'{"type":"done","job":0}\n')
    ctypes.CDLL(None).puts(b"from C") if os.name == "posix" else None
    code = "import sys; print('grandchild', repr(sys.stdin.read()))"
    subprocess.run([sys.executable, "-c", code], check=True)
    sys.stdout.write("\x1b[1m100%\r" * 2000)
    deliver("a.npy", np.array([len(sys.stdin.read())]))


def several(request, folder, report, deliver):
    """Deliver a few results one by one, and then wait."""
    for i in range(3):
        deliver(f"{i}.npy", np.array([i]))
    until_told(request, folder, report, deliver)


def user_error(request, folder, report, deliver):
    raise MedunetError("Labels 'a' are on another grid\nthan image 'a': pair the right files.")


def file_error(request, folder, report, deliver):
    request.path.read_bytes()


def mistake(request, folder, report, deliver):
    {}.nothing_there()


def crash(request, folder, report, deliver):
    sys.stderr.write("about to fall\n")
    if os.name == "posix":
        os.kill(os.getpid(), signal.SIGSEGV)
    os.abort()


def environment(request, folder, report, deliver):
    """What the child's surroundings are: niceness, working directory on the path or not."""
    niceness = os.nice(0) if hasattr(os, "nice") else -1
    deliver("a.npy", np.array([niceness, int("" in sys.path)]))


def without_room(request, folder, report, deliver):
    """Make something for which the job's own folder has no room."""
    room = Room(folder, report)

    def save():
        if room.place == folder:
            raise OSError("no space")
        return room.save_array("a.npy", request.array.map(folder))

    array = room.write(save)
    room.write(lambda: deliver.whole(SmallResult(array=array), room.place))


JOBS = {
    function.__name__: function
    for function in (
        double, until_stopped, until_told, deaf, stubborn, wraps_exceptions, chatter, several, user_error,
        file_error, mistake, crash, environment, without_room,
    )
}  # fmt: skip
