"""A real child process: worked, stopped, cancelled, killed, and left behind."""

import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import psutil
import pytest
from listening import NEVER, Ears, is_alive, make_small_task, wait_until
from small_jobs import SmallRequest, SmallResult

from napari_medunet.worker import Listener, Worker, dispatcher
from napari_medunet.worker.handover import ArrayFile
from napari_medunet.worker.tasks import Task

posix_only = pytest.mark.skipif(os.name != "posix", reason="signals are POSIX's")

OK = [("finished", None)]
CANCELLED = [("cancelled", None), ("finished", None)]


@pytest.mark.parametrize("order", ["C", "F", "flipped", "empty"])
def test_arrays_come_back(bench, order):
    array = np.asfortranarray(np.random.default_rng(0).normal(size=(5, 6, 7)).astype("f4"))
    array = {"C": array.copy("C"), "F": array, "flipped": array[::-1, :, ::-2], "empty": array[:0]}[
        order
    ]
    before = array.copy()
    _, ears = bench.run("double", array)
    assert ears.wait() == OK
    (doubled,) = ears.all("result")
    np.testing.assert_array_equal(doubled, before * 2)
    assert doubled.dtype == array.dtype
    np.testing.assert_array_equal(array, before)
    assert bench.about == ["small jobs"]


def test_reports_come_in_order_and_may_hold_nan(bench):
    _, ears = bench.run("double", reports=200)
    ears.wait()
    steps = [report for report in ears.all("progress") if report.message.startswith("step")]
    assert [report.message for report in steps] == [f"step {i}" for i in range(200)]
    assert np.isnan(steps[0].scores.validation.loss) and np.isnan(steps[0].seconds_left)
    assert steps[7].scores.epoch == 7 and steps[0].scores.learning_rate == float("inf")
    assert steps[0].scores.label_dice == {1: 0.5}
    assert [kind for kind, _ in ears.heard[-2:]] == ["result", "finished"]


def test_what_has_no_room_goes_where_somebody_says(bench, tmp_path):
    job, ears = bench.run("without_room", np.arange(5))
    ears.wait_for(lambda report: report.wants_folder)
    job.save_in(tmp_path / "nowhere")  # asked again, once
    ears.wait_for(lambda report: "nowhere" in report.message)
    assert [report.wants_folder for report in ears.all("progress")].count(True) == 2
    job.save_in(tmp_path)
    assert ears.wait() == OK
    np.testing.assert_array_equal(ears.all("result")[0], np.arange(5))
    assert not list(tmp_path.iterdir())


def test_start_and_run_do_not_wait_for_the_imports(bench, monkeypatch, tmp_path):
    gate = tmp_path / "open"
    monkeypatch.setenv("SMALL_JOBS_GATE", str(gate))
    bench.worker.start()
    _, ears = bench.run("double")
    assert not ears.over.is_set()
    gate.touch()
    assert ears.wait() == OK
    assert ears.all("progress")[0].message == "Waiting for the engine to start"


def test_what_was_measured_while_nobody_waited_is_told(small_jobs, monkeypatch):
    monkeypatch.setenv("SMALL_JOBS_IDLE", "2")
    told = []
    worker = Worker("small_jobs", on_measured=lambda: told.append("measured"))
    worker.start()
    try:
        assert wait_until(lambda: len(told) == 2)
    finally:
        worker.close()


def test_a_job_is_told_how_long_its_user_has_waited_for_it(bench):
    ears = Ears()
    listener = replace(ears.listener, asked=time.monotonic() - 100)
    bench.worker.run(make_small_task("waited", np.zeros(1)), listener)
    ears.wait()
    (waited,) = ears.all("result")
    assert waited >= 100


def test_stop_keeps_the_best_and_cancel_drops_it(bench, monkeypatch):
    # A busy machine may take longer to answer than a viewer would wait.
    monkeypatch.setattr(dispatcher, "CANCEL_SECONDS", NEVER)
    job, ears = bench.run("until_stopped")
    ears.wait_for_message("working")
    pid = bench.worker.pid
    job.stop()
    assert ears.wait() == OK
    assert ears.all("result")[0][0] > 0
    assert ears.all("progress")[-1].message == "the best is kept"

    job, ears = bench.run("until_stopped")
    ears.wait_for_message("working")
    job.cancel()
    assert ears.wait() == CANCELLED
    assert ears.all("result") == []
    assert bench.worker.pid == pid, "a job that answers costs no process"


def test_a_stop_with_nothing_to_keep_is_a_cancel(bench):
    job, ears = bench.run("until_told")
    ears.wait_for_message("working")
    job.stop()
    assert ears.wait() == CANCELLED


def test_a_stop_keeps_the_results_so_far(bench):
    job, ears = bench.run("several")
    ears.wait_for_message("working")
    job.stop()
    assert ears.wait() == OK
    assert [result.tolist() for result in ears.all("result")] == [[0], [1], [2]]


def test_cancel_is_heard_through_a_library_that_wraps_exceptions(bench):
    job, ears = bench.run("wraps_exceptions")
    ears.wait_for_message("working")
    job.cancel()
    assert ears.wait() == CANCELLED


@pytest.mark.slow
@pytest.mark.parametrize("name", ["deaf", "stubborn"])
def test_a_job_that_does_not_hear_cancel_is_killed(bench, name):
    job, ears = bench.run(name)
    ears.wait_for_message("deaf")
    pid = bench.worker.pid
    job.cancel()
    assert ears.wait() == CANCELLED
    assert wait_until(lambda: not is_alive(pid))
    _, ears = bench.run("double")
    assert ears.wait() == OK
    assert bench.worker.pid != pid


def test_jobs_wait_in_line_and_can_be_cancelled_there(bench):
    first, first_ears = bench.run("until_stopped")
    first_ears.wait_for_message("working")
    second, second_ears = bench.run("double")
    _, third_ears = bench.run("double", np.array([3.0]))
    fourth, fourth_ears = bench.run("double")
    second.cancel()
    assert second_ears.wait() == CANCELLED
    fourth.stop()
    assert fourth_ears.wait() == CANCELLED
    assert not third_ears.over.is_set()
    first.stop()
    assert first_ears.wait() == OK
    assert third_ears.wait() == OK
    assert third_ears.all("result")[0].tolist() == [6.0]
    assert third_ears.all("progress")[0].message == "Waiting for another job to end"


def test_cancel_before_the_child_is_ready_costs_no_process(bench, monkeypatch, tmp_path):
    gate = tmp_path / "open"
    monkeypatch.setenv("SMALL_JOBS_GATE", str(gate))
    bench.worker.start()
    assert wait_until(lambda: bench.worker.pid)
    pid = bench.worker.pid
    job, ears = bench.run("double")
    job.cancel()
    assert ears.wait() == CANCELLED
    gate.touch()
    _, ears = bench.run("double")
    assert ears.wait() == OK
    assert bench.worker.pid == pid


def test_stop_and_cancel_after_the_end_do_nothing(bench):
    job, ears = bench.run("double")
    ears.wait()
    job.stop()
    job.cancel()
    _, again = bench.run("double")
    assert again.wait() == OK
    assert ears.heard[-1] == ("finished", None)
    assert len(ears.all("finished")) == 1


def test_errors_are_one_line(bench, tmp_path):
    _, ears = bench.run("user_error")
    message = "Labels 'a' are on another grid than image 'a': pair the right files."
    assert ears.wait() == [("failed", message), ("finished", None)]

    _, ears = bench.run("file_error", path=str(tmp_path / "gone.nii"))
    ((_, message), _) = ears.wait()
    assert "gone.nii" in message

    job, ears = bench.run("mistake")
    ((kind, message), last) = ears.wait()
    assert (kind, last) == ("failed", ("finished", None))
    assert message.startswith(
        "A bug of napari-medunet, not of your input: AttributeError: 'dict' object has no attribute "
        "'nothing_there' in mistake, line "
    )
    assert message.endswith(". Please report it.")
    assert "small_jobs.py" in job.details and "Traceback" in job.details


def test_what_cannot_be_handed_over_is_an_error(bench):
    _, ears = bench.run("double", np.array([{"no": "number"}], dtype=object))
    ((kind, message), _) = ears.wait()
    assert kind == "failed" and "Object arrays cannot be saved" in message
    assert message.startswith("Test job could not begin: A bug of napari-medunet")
    _, ears = bench.run("double")
    assert ears.wait() == OK


def test_printing_libraries_do_not_disturb(bench):
    _, ears = bench.run("chatter")
    assert ears.wait() == OK
    assert ears.all("result")[0].tolist() == [0]
    assert [report.message for report in ears.all("progress")][-1] == "printed"


def test_a_crash_ends_the_job_with_its_last_words(bench):
    job, ears = bench.run("crash")
    _, next_ears = bench.run("double")
    ((kind, message), _) = ears.wait()
    assert kind == "failed" and "\n" not in message
    assert message.startswith("Test job ended unexpectedly: its process ")
    assert "about to fall" in job.details
    if os.name == "posix":
        assert "killed by signal 11 (SIGSEGV)" in message
        assert "Segmentation fault" in job.details and "small_jobs.py" in job.details
    assert next_ears.wait() == OK


def test_a_child_killed_from_outside_is_replaced(bench):
    _, ears = bench.run("until_told")
    ears.wait_for_message("working")
    pid, folder = bench.worker.pid, bench.worker.folder
    psutil.Process(pid).kill()
    ((kind, message), _) = ears.wait()
    assert kind == "failed"
    if os.name == "posix":
        assert "killed by signal 9 (out of memory?)" in message
    assert list(folder.iterdir()) == []
    _, ears = bench.run("double")
    assert ears.wait() == OK
    idle = bench.worker.pid
    psutil.Process(idle).kill()
    assert wait_until(lambda: bench.worker.pid is None)
    _, ears = bench.run("double")
    assert ears.wait() == OK


def test_a_child_that_cannot_start_says_why(bench, monkeypatch):
    monkeypatch.setenv("SMALL_JOBS_BROKEN", "1")
    _, ears = bench.run("double")
    _, second_ears = bench.run("double")
    for (kind, message), _ in (ears.wait(), second_ears.wait()):
        assert kind == "failed"
        assert "exit code 3" in message and "cannot load libbroken.so" in message
    monkeypatch.delenv("SMALL_JOBS_BROKEN")
    _, ears = bench.run("double")
    assert ears.wait() == OK


def test_a_listener_that_fails_does_not_end_the_worker(bench, caplog):
    def fail(_):
        raise RuntimeError("wrapped C/C++ object has been deleted")

    over = threading.Event()
    lost = SmallRequest(job="double", array=ArrayFile(name="missing.npy"))
    task = Task("Test job", lambda folder: lost, SmallResult, lambda *_: None)
    bench.worker.run(task, Listener(progress=fail, failed=fail, finished=over.set))
    assert over.wait(NEVER)
    _, ears = bench.run("double")
    assert ears.wait() == OK
    assert "has been deleted" in caplog.text


def test_nothing_is_left_behind(bench):
    for name in ("double", "user_error", "crash"):
        bench.run(name)[1].wait()
    job, ears = bench.run("until_stopped")
    ears.wait_for_message("working")
    assert len(list(bench.worker.folder.iterdir())) == 1
    job.cancel()
    ears.wait()
    assert wait_until(lambda: list(bench.worker.folder.iterdir()) == [])


def test_close_in_the_middle_is_silent_and_final(bench):
    _, ears = bench.run("until_told")
    ears.wait_for_message("working")
    pid, folder = bench.worker.pid, bench.worker.folder
    bench.worker.close()
    heard = list(ears.heard)
    assert wait_until(lambda: not is_alive(pid))
    assert not folder.exists()
    assert ears.heard == heard and not ears.over.is_set()
    with pytest.raises(RuntimeError, match="closed"):
        bench.run("double")
    bench.worker.close()


def test_a_worker_that_never_started_closes(small_jobs):
    worker = Worker("small_jobs")
    worker.close()
    assert worker.pid is None
    assert worker.folder is None


def test_the_child_is_polite(bench, tmp_path, monkeypatch):
    (tmp_path / "json.py").write_text("raise RuntimeError('from the folder of the viewer')")
    monkeypatch.chdir(tmp_path)
    _, ears = bench.run("environment")
    assert ears.wait() == OK
    niceness, folder_on_path = ears.all("result")[0].tolist()
    assert os.name != "posix" or niceness >= min(19, os.nice(0) + 10)
    assert not folder_on_path


VIEWER = """
import os, sys, threading, time, warnings
sys.path.insert(0, sys.argv[1])
from napari_medunet.worker import Listener, Worker
from listening import make_small_task
import numpy as np
worker = Worker("small_jobs")
begun = threading.Event()
task = make_small_task(sys.argv[2], np.ones(9))
worker.run(task, Listener(progress=lambda p: begun.set() if "Waiting" not in p.message else None))
if sys.argv[3] != "early":
    begun.wait()
while worker.pid is None:
    time.sleep(0.01)
print(worker.pid, worker.folder, flush=True)
if sys.argv[3] == "leave":
    sys.exit()
if sys.argv[3] == "fork":
    warnings.simplefilter("ignore")
    if os.fork() == 0:
        os.closerange(0, 3)
        time.sleep(3600)
    print(os.getpid(), flush=True)
time.sleep(3600)
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("job", "end"),
    [("until_told", "kill"), ("deaf", "kill"), ("deaf", "leave"), ("deaf", "early")],
)
def test_no_child_outlives_its_viewer(small_jobs, job, end, tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))  # and nothing is left there
    if end == "early":
        monkeypatch.setenv("SMALL_JOBS_GATE", str(tmp_path / "never"))
    viewer = subprocess.Popen(
        [sys.executable, "-W", "error", "-c", VIEWER, str(Path(__file__).parent), job, end],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    child, folder = viewer.stdout.readline().split()
    assert is_alive(int(child)) or end == "leave"
    if end != "leave":
        viewer.kill()
    _, errors = viewer.communicate(timeout=NEVER)
    assert errors == ""
    assert wait_until(lambda: not is_alive(int(child)))
    if os.name == "posix":  # Windows does not remove files that the child has mapped
        assert wait_until(lambda: not Path(folder).exists())
        assert list(tmp_path.iterdir()) == []


@posix_only
def test_a_process_that_the_viewer_forked_does_not_keep_the_child(small_jobs):
    viewer = subprocess.Popen(
        [sys.executable, "-c", VIEWER, str(Path(__file__).parent), "deaf", "fork"],
        stdout=subprocess.PIPE,
        text=True,
    )
    child, _ = viewer.stdout.readline().split()
    viewer.stdout.readline()
    forked = [p for p in psutil.Process(viewer.pid).children() if p.pid != int(child)]
    try:
        viewer.kill()
        viewer.communicate(timeout=NEVER)
        assert [process.is_running() for process in forked] == [True]
        assert wait_until(lambda: not is_alive(int(child)))
    finally:
        for process in forked:
            process.kill()


@posix_only
def test_ctrl_c_in_the_terminal_is_for_the_viewer(bench):
    job, ears = bench.run("until_stopped")
    ears.wait_for_message("working")
    os.kill(bench.worker.pid, signal.SIGINT)
    time.sleep(0.2)
    job.stop()
    assert ears.wait() == OK


def test_a_full_disk_is_an_error_with_a_remedy(bench):
    def pack(folder):
        raise OSError(28, "No space left on device")

    ears = Ears()
    bench.worker.run(Task("Test job", pack, SmallResult, lambda *_: None), ears.listener)
    ((kind, message), _) = ears.wait()
    assert kind == "failed"
    assert "No space left on device" in message and tempfile.gettempdir() in message
