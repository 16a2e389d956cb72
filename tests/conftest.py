import os
from pathlib import Path

import hypothesis
import pytest

# A slow machine is no wrong answer: timings are benchmarks, not tests.
hypothesis.settings.register_profile("untimed", deadline=None)
hypothesis.settings.load_profile("untimed")

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
# Plans do not depend on how fast the machine happened to be: nothing is measured unless a test asks for it.
os.environ["MEDUNET_SPEED"] = "guess"
# One thread adds in one order: the same training gives the same weights, which tests can compare exactly.
# And processes that test side by side do not wait for one another's threads: with a thread for every core
# in all of them a training of 3D blocks takes three times as long.
os.environ.setdefault("TF_NUM_INTRAOP_THREADS", "1")

VIEWER_TESTS = Path(__file__).parent / "plugin"


def _asks_for_viewer_tests(config: pytest.Config) -> bool:
    """Whether the command names the viewer's tests, and not just everything."""
    named = [Path(config.invocation_params.dir, arg.split("::")[0]) for arg in config.args]
    return any(path.resolve().is_relative_to(VIEWER_TESTS) for path in named)


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Keep TensorFlow and a live canvas out of one process: with Mesa's OpenGL it ends in a crash."""
    if collection_path == VIEWER_TESTS and not _asks_for_viewer_tests(config):
        return True
    return None


def pytest_report_header(config: pytest.Config) -> str:
    """Say what is left out, and how to run it."""
    if _asks_for_viewer_tests(config):
        return "tests/plugin: on a real viewer, without TensorFlow in this process"
    return "tests/plugin are left out: they need a process of their own, 'pytest tests/plugin'"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the files that hold slow tests: the quick ones fill up what is left of the time."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Folder of real pairs (images/ and labels/), where the environment names one."""
    folder = os.environ.get("MEDUNET_DATA")
    if not folder:
        pytest.skip("MEDUNET_DATA is not set: no folder of real volumes to test with")
    return Path(folder)
