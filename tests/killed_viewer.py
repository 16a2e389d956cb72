"""A process that trains as a viewer does, and is killed after some epochs."""

import shutil
import signal
import subprocess
import sys
import time

import psutil

from napari_medunet.worker.requests import REQUEST_FILE, read_request, write_request

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
    if progress.scores and progress.scores.epoch >= 3:
        print(worker.pid, flush=True)
        os.kill(os.getpid(), signal.SIGKILL)

plan = make_plan(examples, settings)
train = worker.cross_validate if plan.hold_out.folds else worker.train
train(examples, plan, Listener(progress=heard), names={1: "organ"})
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


def copy_what_is_left(killed, temporary):
    """Leave in one folder for temporary files what a killed training has left in another."""
    (viewer,) = killed.iterdir()
    copied = shutil.copytree(viewer, temporary / viewer.name)
    (job,) = (path.parent for path in copied.glob(f"*/{REQUEST_FILE}"))
    request = read_request(job)
    write_request(job, request.model_copy(update={"run": copied / request.run.name}))
