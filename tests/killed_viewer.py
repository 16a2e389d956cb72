"""A process that trains as a viewer does, and is killed after some epochs."""

import signal
import subprocess
import sys
import time

import psutil

_SCRIPT = """
import os, signal, sys, time
from napari_medunet.engine.examples.example import make_example
from napari_medunet.engine.examples.phantoms import make_phantom
from napari_medunet.engine.planning.plan_maker import make_plan
from napari_medunet.engine.settings import TrainSettings
from napari_medunet.worker import Listener, Worker

settings = TrainSettings.model_validate_json(sys.argv[1])
examples = [make_example(*make_phantom(seed, (12, 48, 48)), settings.annotation) for seed in range(2)]
worker = Worker()

def heard(progress):
    if progress.scores is not None and progress.scores.epoch >= 3:
        print(worker.pid, flush=True)
        os.kill(os.getpid(), signal.SIGKILL)

train = worker.cross_validate if settings.hold_out.folds else worker.train
train(examples, make_plan(examples, settings), Listener(progress=heard), names={1: "organ"})
time.sleep(3600)
"""


def kill_a_training(settings):
    """Train on two phantoms, of 12 x 48 x 48 voxels and the seeds 0 and 1, until the third epoch."""
    command = [sys.executable, "-c", _SCRIPT, settings.model_dump_json()]
    viewer = subprocess.run(command, stdout=subprocess.PIPE, text=True)
    assert viewer.returncode == -signal.SIGKILL
    child = int(viewer.stdout)
    end = time.monotonic() + 600  # reached if it hangs only
    while psutil.pid_exists(child):  # it ends soon after its viewer
        assert time.monotonic() < end
        time.sleep(0.1)
