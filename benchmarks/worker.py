"""Jobs in a child process: our worker against appose, on the same job.

    python benchmarks/worker.py

Needs `pip install appose`. The job takes a 256 x 256 x 256 float32 volume, reports 200 times and returns
a uint8 label array of the same shape. Prints medians, their ratio, and what each does when the viewer
ends, the child is killed, or a library prints to standard output in the middle of a job.
"""

import contextlib
import os
import statistics
import sys
import threading
import time
from dataclasses import replace
from multiprocessing import shared_memory
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from pydantic import BaseModel

from napari_medunet.engine.progress import EpochScores, Progress, Scores
from napari_medunet.worker import Listener, Worker, messages
from napari_medunet.worker.handover import ArrayFile
from napari_medunet.worker.requests import REQUEST_FILE
from napari_medunet.worker.tasks import Task

ROUNDS = 7
REPORTS = 200
PATIENCE = 5.0  # seconds after which something counts as not happening


ONE = Scores(0.5, 0.5, 0.5, 0.5, 0.5, 0.5)
SCORES = EpochScores(7, 1.0, 1e-3, ONE, ONE)


# What the child runs: this file is the module of its jobs.


class Request(BaseModel):
    """A job by its function's name, and what it works on."""

    job: str
    image: ArrayFile | None = None


class Labels(BaseModel):
    """What `threshold` makes."""

    labels: ArrayFile


def preload():
    return "numpy"


def run(folder, report, deliver):
    request = Request.model_validate_json((folder / REQUEST_FILE).read_bytes())
    if request.job == "threshold":
        threshold(request.image.map(folder), folder, report, deliver)
    elif request.job == "work":
        work(report)
    else:
        chatter()


def threshold(volume, folder, report, deliver):
    for i in range(REPORTS):
        report(Progress(i / REPORTS, f"step {i}", 1.0, SCORES))
    labels = ArrayFile.save(folder / "labels.npy", (volume > 0.5).astype(np.uint8))
    deliver(Labels(labels=labels))


def work(report):
    while True:
        time.sleep(0.01)
        report(Progress(0.5, "working"))


def chatter():
    sys.stdout.write("no line end")
    sys.stdout.flush()


SCRIPTS = {
    "threshold": f"""
import numpy as np
for i in range({REPORTS}):
    task.update(f"step {{i}}", i, {REPORTS}, {{"seconds_left": 1.0, "loss": 0.5, "dice": 0.5}})
labels = appose.NDArray("uint8", image.shape)
labels.ndarray()[:] = image.ndarray() > 0.5
task.outputs["labels"] = labels
labels.shm.close()
image.shm.close()
""",
    "work": """
import time
while not task.cancel_requested:
    time.sleep(0.01)
    task.update("working")
task.cancel()
""",
    "chatter": """
import sys
sys.stdout.write("no line end")
sys.stdout.flush()
""",
}


class Ours:
    """Our worker, as the viewer uses it."""

    def __init__(self):
        ready = threading.Event()
        self.worker = Worker("worker", on_ready=lambda _: ready.set())
        self.worker.start()
        ready.wait()

    def threshold(self, image):
        """Run the job and return its labels."""
        results, over = [], threading.Event()

        def pack(folder):
            return Request(job="threshold", image=ArrayFile.save(folder / "image.npy", image))

        def take(folder, result):
            return result.labels.take(folder)

        listener = Listener(result=results.append, finished=over.set)
        self.worker.run(Task("Job", pack, Labels, take), listener)
        over.wait()
        return results[0]

    def begin(self, name):
        """Submit a job; itself, an event at its first report, and one at its end."""
        begun, over = threading.Event(), threading.Event()
        listener = Listener(
            progress=lambda p: begun.set() if p.message == "working" else None, finished=over.set
        )
        task = Task("Job", lambda _: Request(job=name), Labels, lambda *_: None)
        return self.worker.run(task, listener), begun, over

    @property
    def process(self):
        """The child, a Popen object."""
        return self.worker._dispatcher.child._process

    def close(self):
        """End the child."""
        self.worker.close()


class Appose:
    """appose's service, with a Python worker of this interpreter."""

    def __init__(self):
        import appose

        main = "import appose.python_worker; appose.python_worker.main()"
        environment = appose.system()
        self.service = environment.service([sys.executable], "-c", main)
        self.service.init("import appose, numpy")
        self.service.start()
        self.service.task("1").wait_for()

    def threshold(self, image):
        """Run the job and return its labels."""
        import appose

        shared = appose.NDArray("float32", list(image.shape))
        shared.ndarray()[:] = image
        task = self.service.task(SCRIPTS["threshold"], {"image": shared})
        task.wait_for()
        labels = task.outputs["labels"]
        result = labels.ndarray().copy()
        labels.shm.unlink()
        shared.shm.unlink()
        return result

    def begin(self, name):
        """Submit a job; itself, an event at its first report, and one at its end."""
        begun, over = threading.Event(), threading.Event()

        def listen(event):
            if event.message == "working":
                begun.set()
            if event.response_type.is_terminal():
                over.set()

        task = self.service.task(SCRIPTS[name])
        task.listen(listen)
        task.start()
        return task, begun, over

    @property
    def process(self):
        """The child, a Popen object."""
        return self.service._process

    def close(self):
        """End the child."""
        self.service.kill()
        self.service.wait_for()
        self.process.stdin.close()


def seconds(function, *arguments):
    before = time.perf_counter()
    function(*arguments)
    return time.perf_counter() - before


def cancel_seconds(peer):
    job, begun, over = peer.begin("work")
    begun.wait()
    before = time.perf_counter()
    job.cancel()
    over.wait()
    return time.perf_counter() - before


def measure(kind, image):
    """Seconds from start to ready, from submitting to the result, and from cancel to its answer."""
    starts = []
    for _ in range(3):
        before = time.perf_counter()
        peer = kind()
        starts.append(time.perf_counter() - before)
        peer.close()
    peer = kind()
    np.testing.assert_array_equal(peer.threshold(image), image > 0.5)
    jobs = [seconds(peer.threshold, image) for _ in range(ROUNDS)]
    cancels = [cancel_seconds(peer) for _ in range(ROUNDS)]
    peer.close()
    return [statistics.median(values) for values in (starts, jobs, cancels)]


def misfortunes(kind):
    """What happens when things go wrong, in words."""
    peer = kind()
    _, begun, over = peer.begin("work")
    begun.wait()
    peer.process.kill()
    killed = "the job ends" if over.wait(PATIENCE) else "the job never ends"
    with contextlib.suppress(Exception):
        peer.close()

    peer = kind()
    _, begun, over = peer.begin("work")
    begun.wait()
    process = peer.process
    process.stdin.close()
    time.sleep(PATIENCE)
    left = "the child works on" if process.poll() is None else "the child ends"
    with contextlib.suppress(Exception):
        peer.close()

    peer = kind()
    _, _, over = peer.begin("chatter")
    chatter = "the job ends" if over.wait(PATIENCE) else "the end of the job is never heard"
    with contextlib.suppress(Exception):
        peer.close()
    return [killed, left, chatter]


def through_a_file(image):
    with TemporaryDirectory() as folder:
        file = ArrayFile.save(Path(folder, "image.npy"), image)
        file.map(Path(folder))[::64].sum()


def through_shared_memory(image):
    block = shared_memory.SharedMemory(create=True, size=image.nbytes)
    np.ndarray(image.shape, image.dtype, block.buf)[:] = image
    other = shared_memory.SharedMemory(block.name)
    np.ndarray(image.shape, image.dtype, other.buf)[::64].sum()
    other.close()
    block.close()
    block.unlink()


def message_microseconds():
    """Microseconds to write and to read the message of an epoch with the Dice of forty labels."""
    scores = replace(SCORES, label_dice=dict.fromkeys(range(1, 41), 0.123456789))
    progress = Progress(0.5, "epoch 7", 60.0, scores)
    line = messages.encode(messages.ProgressMessage(job=0, progress=progress))

    def write():
        messages.encode(messages.ProgressMessage(job=0, progress=progress))

    def read():
        messages.decode(line, messages.FROM_CHILD)

    return [statistics.median(seconds(call) for _ in range(2000)) * 1e6 for call in (write, read)]


def main():
    os.environ["PYTHONPATH"] = str(Path(__file__).parent)
    image = np.random.default_rng(0).random((256, 256, 256), dtype=np.float32)
    rows = [
        "start to ready, s",
        "job: 64 MB there, 200 reports, 16 MB back, s",
        "cancel to its end, s",
    ]
    ours, peers = measure(Ours, image), measure(Appose, image)
    print(f"{'':46}{'ours':>10}{'appose':>10}{'ours / appose':>16}")
    for row, own, peer in zip(rows, ours, peers, strict=True):
        print(f"{row:46}{own:10.3f}{peer:10.3f}{own / peer:16.2f}")
    file = statistics.median(seconds(through_a_file, image) for _ in range(ROUNDS))
    block = statistics.median(seconds(through_shared_memory, image) for _ in range(ROUNDS))
    print(
        f"{'64 MB through a file / a shared block, s':46}{file:10.3f}{block:10.3f}{file / block:16.2f}"
    )
    written, read = message_microseconds()
    print(f"{'an epoch with 40 labels, written / read, us':46}{written:10.0f}{read:10.0f}")
    questions = ["child killed in a job", "viewer gone in a job", "half a line printed in a job"]
    for question, own, peer in zip(questions, misfortunes(Ours), misfortunes(Appose), strict=True):
        print(f"{question + ':':32}ours: {own}; appose: {peer}")


if __name__ == "__main__":
    main()
