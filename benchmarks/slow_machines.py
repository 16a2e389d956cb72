"""The same training on machines made slow on purpose: what was planned, what was done, and how good it is.

    MEDUNET_DATA=<folder with images/ and labels/> python benchmarks/slow_machines.py --minutes 2
    MEDUNET_DATA=<...> python benchmarks/slow_machines.py --minutes 5 --machines quarter [--draw 1]
    ... --plans networks=1 networks=2 networks=3 dims=2d dims=2.5d dims=3d

The data and the split are those of `hippocampus.py --slices 5`: three volumes, of which five slices each
are annotated; all others of a quarter test. The machines:

    as it is    this one
    one core    the process may use one core only
    busy        a second process computes all the time, on each core
    quarter     the process is suspended for three quarters of the time, in turns of a fifth of a second
    slows down  the same, but from half of the minutes on
    float32     as if the processor had no bfloat16

Each machine has a cache folder of its own, so that its speed is measured there; `--known` trains twice, and
tells of the second, which knows the speed of the first. Only training is slow: all predict at full speed.

A row: steps that were planned and done (of the last network), networks of the segmenter and of the plan,
the seconds from the start of the command until the segmenter was written, beyond the minutes (20 at most
are promised), and Dice of both labels. With `--plans` the same machine trains by other plans, too: the
program's own should be as good as the best of them.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

import hippocampus
import numpy as np
import psutil

from napari_medunet.engine.prediction.model_file import read_card

MACHINES = ("as it is", "one core", "busy", "quarter", "slows down", "float32")
WITHOUT_BFLOAT16 = (
    "from napari_medunet.engine.hardware import machine\n"
    "machine.cpu_has_bfloat16 = lambda: False\n"
    "machine._features = lambda: frozenset({'avx512f'})\n"
    "from napari_medunet.cli import main; main()"
)
PERIOD, RUNS = 0.2, 0.25  # seconds of a turn, and the share of it in which the process runs
SPIN = "while True: pass"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", default="2")
    parser.add_argument("--machines", nargs="+", default=list(MACHINES), choices=MACHINES)
    parser.add_argument("--plans", nargs="+", default=[], help="such as networks=2, dims=2.5d")
    parser.add_argument("--known", action="store_true", help="tell of the second training")
    parser.add_argument("--draw", type=int, default=0, help="other three volumes, by chance")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--most", type=int, help="volumes that test, where not all are to")
    chosen = parser.parse_args()
    laid_out = argparse.Namespace(slices=5, scribbles=0, draw=chosen.draw, parts=4)
    print(f"{'machine':10} {'plan':13} {'planned':>8} {'done':>6} networks  seconds over  Dice")
    for machine in chosen.machines:
        with tempfile.TemporaryDirectory() as folder:
            place = Path(folder)
            hippocampus.split(Path(os.environ["MEDUNET_DATA"]), place, laid_out, chosen.seed)
            keep_some(place / "test", chosen.most)
            for plan in ("", *chosen.plans):
                for _ in range(1 + chosen.known):
                    over = train(place, machine, plan, chosen)
                tell(place, machine, plan, over)


def keep_some(test: Path, most: int | None) -> None:
    """Let only so many volumes test."""
    for kind in ("images", "labels"):
        for path in sorted((test / kind).iterdir())[most:] if most else ():
            path.unlink()


def train(place: Path, machine: str, plan: str, chosen: argparse.Namespace) -> float:
    """Train on a machine; the seconds beyond the minutes until the segmenter was written."""
    data = place / "train"
    options = ["--minutes", chosen.minutes, "--seed", str(chosen.seed), "--annotated", "slices"]
    name, _, value = plan.partition("=")
    options += [f"--{name.replace('_', '-')}", value] if plan else []
    start = ("-c", WITHOUT_BFLOAT16) if machine == "float32" else hippocampus.OURS
    command = [sys.executable, *start, "train", "--images", data / "images"]
    command += ["--labels", data / "labels", "--model", place / "ours.medunet", "--overwrite"]
    cache = place / f"cache of {machine}"
    cache.mkdir(exist_ok=True)
    one_core = (lambda: os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})) if (
        machine == "one core"
    ) else None  # fmt: skip
    began = time.time()
    with busy() if machine == "busy" else nullcontext():
        process = subprocess.Popen(
            [*map(str, command), *options],
            env={**os.environ, "XDG_CACHE_HOME": str(cache)},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            preexec_fn=one_core,
        )
        turns = {"quarter": 0.0, "slows down": 30 * float(chosen.minutes)}
        with suspended(process.pid, turns[machine]) if machine in turns else nullcontext():
            code = process.wait()
    if code:
        raise SystemExit(f"training on '{machine}' ended with exit code {code}")
    return (place / "ours.medunet").stat().st_mtime - began - 60 * float(chosen.minutes)


@contextmanager
def busy() -> Iterator[None]:
    """Context in which another process computes on each core."""
    count = len(os.sched_getaffinity(0))
    others = [subprocess.Popen([sys.executable, "-c", SPIN]) for _ in range(count)]
    try:
        yield
    finally:
        for other in others:
            other.kill()
            other.wait()


@contextmanager
def suspended(pid: int, after: float) -> Iterator[None]:
    """Context in which a process runs for a quarter of the time, after so many seconds."""
    over = threading.Event()

    def take_turns() -> None:
        process = psutil.Process(pid)
        over.wait(after)
        while not over.is_set():
            try:
                process.suspend()
                over.wait((1 - RUNS) * PERIOD)
                process.resume()
                over.wait(RUNS * PERIOD)
            except psutil.NoSuchProcess:
                return

    thread = threading.Thread(target=take_turns)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def tell(place: Path, machine: str, plan: str, over: float) -> None:
    """Predict the test volumes at full speed, and print a row."""
    model = place / "ours.medunet"
    out = f"predicted-{machine}-{plan}".replace(" ", "-")
    hippocampus.run("predict", model, "--images", place / "test" / "images", "--out", place / out)
    dice = np.round(hippocampus.scores_of(place, out)[0], 3)
    card = read_card(model)
    planned = json.loads((place / "ours-run" / "plan.json").read_text())
    pace = card.networks[-1].pace
    of = f"{card.plan.network.networks} of {planned['network']['networks']}"
    print(
        f"{machine:10} {plan or 'its own':13} {pace.planned_steps:8.0f} {pace.steps:6d} {of:8}  "
        f"{over:12.1f}  {dice[0]:.3f} / {dice[1]:.3f}  ({card.plan.grid.dims}, "
        f"{card.plan.network.filters} filters, {pace.gflops:.0f} Gflop/s)",
        flush=True,
    )


if __name__ == "__main__":
    main()
