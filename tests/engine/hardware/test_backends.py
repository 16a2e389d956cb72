"""The same code on torch and JAX, where they are installed: each in a child process, TensorFlow here."""

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from napari_medunet.engine.examples.phantoms import make_phantom
from napari_medunet.engine.prediction.predict import predict
from napari_medunet.engine.prediction.segmenter import Segmenter

SHAPE = (12, 32, 32)

TRAINING = """
import json, sys
import numpy as np
from napari_medunet.engine.examples.example import make_example
from napari_medunet.engine.examples.phantoms import make_phantom
from napari_medunet.engine.prediction.predict import predict
from napari_medunet.engine.planning.plan_maker import make_plan
from napari_medunet.engine.settings import TrainSettings
from napari_medunet.engine.training import train

folder, dims = sys.argv[1:]
shape = (12, 32, 32)
settings = TrainSettings.of(minutes=60, epochs=3, filters=4, depth=2, dims=dims)
pairs = [make_phantom(seed, shape) for seed in range(3)]
examples = [make_example(*pair, settings.annotation) for pair in pairs[:2]]
segmenter = train(examples, make_plan(examples, settings))
segmenter.save(f"{folder}/own.medunet")
np.save(f"{folder}/labels.npy", predict(segmenter, pairs[2][0]))
print(json.dumps(segmenter.card.trained_with))
"""


@pytest.mark.slow
@pytest.mark.parametrize("dims", ["2d", "3d"])
@pytest.mark.parametrize("backend", ["torch", "jax"])
def test_what_another_backend_trains_predicts_the_same_in_tensorflow(backend, dims, tmp_path):
    if find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed")
    command = [sys.executable, "-c", TRAINING, str(tmp_path), dims]
    environment = {**os.environ, "KERAS_BACKEND": backend}
    ran = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=1800)
    assert ran.returncode == 0, ran.stderr[-2000:]
    assert json.loads(ran.stdout.splitlines()[-1])["backend"] == backend
    here = predict(Segmenter.load(tmp_path / "own.medunet"), make_phantom(2, SHAPE)[0])
    there = np.load(tmp_path / "labels.npy")
    assert 0 < np.count_nonzero(there) < there.size
    # The two may differ in precision, where two labels are about as probable.
    assert np.mean(here == there) > 0.99


@pytest.mark.slow
@pytest.mark.parametrize(
    ("backend", "tests"),
    [
        ("torch", ["test_muon.py", "test_losses.py", "test_batch_normalization.py"]),
        ("jax", ["test_muon.py", "test_losses.py"]),
    ],
)
def test_what_learns_passes_its_own_tests_on_another_backend(backend, tests):
    if find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed")
    network = Path(__file__).parents[1] / "network"
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    ran = subprocess.run(
        [*command, *(str(network / name) for name in tests)],
        capture_output=True,
        text=True,
        env={**os.environ, "KERAS_BACKEND": backend},
        timeout=1800,
    )
    assert ran.returncode == 0, ran.stdout[-2000:]
