"""Which backend runs, and what is left of a caller's process: each in a fresh interpreter."""

import json
import os
import subprocess
import sys

import pytest

OWN = ("KERAS_BACKEND", "TF_CPP_MIN_LOG_LEVEL", "TF_ENABLE_ONEDNN_OPTS")


def run(code, **environment):
    """Run some code in a new process, and give what it leaves in `told`."""
    kept = {name: value for name, value in os.environ.items() if name not in OWN}
    script = f"import json, logging, os, sys\n{code}\nprint(json.dumps(told))"
    return subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        env=kept | environment,
        timeout=600,
    )


def told(code, **environment):
    ran = run(code, **environment)
    assert ran.returncode == 0, ran.stderr[-2000:]
    return json.loads(ran.stdout.splitlines()[-1])


def test_before_keras_is_imported_the_backend_is_chosen_for_it():
    code = """
from napari_medunet.engine.hardware.devices import backend_name, set_up_backend
set_up_backend()
told = [backend_name(), os.environ["KERAS_BACKEND"], os.environ["TF_CPP_MIN_LOG_LEVEL"]]
told += [name for name in ("keras", "tensorflow") if name in sys.modules]
"""
    assert told(code) == ["tensorflow", "tensorflow", "3"]


@pytest.mark.slow
def test_the_process_of_a_caller_who_has_imported_keras_is_left_as_it_is():
    code = """
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "2"
import keras
# Asked for too late: what runs is what counts.
os.environ["KERAS_BACKEND"] = "jax"
before, level = dict(os.environ), logging.getLogger("tensorflow").level
from napari_medunet.engine.hardware.devices import backend_name, describe, start_backend
start_backend()
same = dict(os.environ) == before and logging.getLogger("tensorflow").level == level
told = [same, backend_name(), describe().split()[2]]
"""
    assert told(code) == [True, "tensorflow", "tensorflow"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("code", "environment", "remedy"),
    [
        ("", {"KERAS_BACKEND": "abacus"}, "Install it, or unset KERAS_BACKEND to use tensorflow."),
        (
            # As the backend that Keras has for OpenVINO, which cannot train, tells its name.
            "import keras; keras.backend.backend = lambda: 'openvino'",
            {},
            "Set KERAS_BACKEND before the first import of Keras, in a new process.",
        ),
    ],
    ids=["not installed", "imported"],
)
def test_a_backend_that_cannot_run_is_told_with_a_remedy(code, environment, remedy):
    code += """
from napari_medunet.engine.errors import MedunetError
from napari_medunet.engine.hardware.devices import start_backend
before = dict(os.environ)
try:
    start_backend()
except MedunetError as error:
    told = [str(error), dict(os.environ) == before]
"""
    message, environment_untouched = told(code, **environment)
    assert message.endswith(remedy)
    assert environment_untouched
