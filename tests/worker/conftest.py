"""A real worker whose child runs the small jobs beside this file."""

import os
from pathlib import Path

import pytest
from listening import Bench, is_alive, wait_until

from napari_medunet.worker import Worker


@pytest.fixture
def small_jobs(monkeypatch):
    """Let child processes import the small jobs."""
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent), prepend=os.pathsep)


@pytest.fixture
def bench(small_jobs):
    about = []
    worker = Worker("small_jobs", on_ready=about.append)
    yield Bench(worker, about)
    folder, pid = worker.folder, worker.pid
    worker.close()
    assert folder is None or not folder.exists()
    assert pid is None or wait_until(lambda: not is_alive(pid))
