"""Several devices against one, in child processes: devices are virtual, and found only at the start."""

import json
import subprocess
import sys
from importlib.util import find_spec

import numpy as np
import pytest

from napari_medunet.engine.patches.batches import joined

START = {
    "tensorflow": """
import tensorflow as tf
(cpu,) = tf.config.list_physical_devices("CPU")
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
""",
    "jax": """
import os
os.environ["XLA_FLAGS"] = "--xla_force_host_platform_device_count=2"
""",
}

SAME_BATCHES = """
import json
import numpy as np
from napari_medunet.engine.hardware.data_parallel import DeviceGroup, all_devices
from napari_medunet.engine.plan import Plan
from napari_medunet.engine.training.learning.steps import compile_steps, new_learner

plan = Plan.of(
    dims="2d", spacing_mm=(1, 1, 1), patch=(16, 16), labels=(0, 1, 2), depth=2, filters=4, batch=2
)
both = all_devices()
one = DeviceGroup()

def trained(group):
    learner = new_learner(plan, "float32", group)
    learn, measure = compile_steps(learner)
    rng = np.random.default_rng(0)
    for number in range(4):
        images = rng.normal(size=(4, 16, 16, 1)).astype(np.float32)
        classes = rng.integers(-1, 3, (4, 16, 16)).astype(np.int32)
        classes[: 2 * (number == 2)] = -1  # one device alone sees no annotated voxel
        learn(images, classes)
    learned = vars(learner.results())
    learner.reset()
    measure(images, classes)
    weights = learner.network.get_weights()
    with learner.average.in_place():
        weights += learner.network.get_weights()
    paths = [weight.path for weight in learner.network.weights] * 2
    measured = {f"val_{name}": value for name, value in vars(learner.results()).items()}
    return list(zip(paths, weights)), learned | measured

(weights, scores), (other_weights, other_scores) = trained(one), trained(both)
differing = {"variances": [0.0], "weights": [0.0]}
for (path, weight), (_, other) in zip(weights, other_weights):
    kind = "variances" if "variance" in path else "weights"
    differing[kind].append(float(abs(weight - other).max()))
scores_differ = max(abs(scores[name] - other_scores[name]) for name in scores)
print(json.dumps([both.count, *map(max, differing.values()), scores_differ]))
"""

WHOLE_TRAINING = """
import json, sys
from pathlib import Path
import numpy as np
from napari_medunet.cli.demo import annotate_slices
from napari_medunet.engine.hardware.devices import describe
from napari_medunet.engine.examples.example import make_example
from napari_medunet.engine.examples.phantoms import make_phantom
from napari_medunet.engine.prediction.predict import predict
from napari_medunet.engine.prediction.segmenter import Segmenter
from napari_medunet.engine.planning.plan_maker import make_plan
from napari_medunet.engine.settings import TrainSettings
from napari_medunet.engine.training import train
from napari_medunet.engine.training.run.run_folder import RunFolder

settings = TrainSettings.of(
    minutes=60, epochs=2, filters=4, depth=2, dims="2d", annotated="slices", self_training=True
)
pairs = [make_phantom(seed, (12, 32, 32)) for seed in range(3)]
examples = [
    make_example(image, annotate_slices(truth, 4), settings.annotation) for image, truth in pairs[:2]
]
run = RunFolder.new(Path(sys.argv[1]).parent / "run")
segmenter = train(examples, make_plan(examples, settings), run=run)
kept = run.checkpoints.latest().epochs
loaded = Segmenter.load(segmenter.save(sys.argv[1]))
image = pairs[2][0]
same = float((predict(loaded, image) == predict(segmenter, image)).mean())
history = segmenter.card.networks[0].history
finite = bool(np.isfinite(list(history[-1].as_row().values())).all())
print(json.dumps([describe(), len(history), finite, same, kept]))
"""


def run(backend, script, *arguments):
    if find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed")
    code = f"import os\nos.environ['KERAS_BACKEND'] = '{backend}'\n{START[backend]}{script}"
    command = [sys.executable, "-c", code, *map(str, arguments)]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=1800)
    assert ran.returncode == 0, ran.stderr[-2000:]
    return json.loads(ran.stdout.splitlines()[-1])


@pytest.mark.slow
@pytest.mark.parametrize("backend", START)
def test_two_devices_learn_what_one_learns_from_the_same_batches(backend):
    count, variances_differ, weights_differ, scores_differ = run(backend, SAME_BATCHES)
    assert count == 2
    assert weights_differ < 1e-5
    # TensorFlow's kernel for one device follows the sample's variance (n - 1), its layer for several
    # the population's (n).
    assert variances_differ < 5e-3
    # By which a few of the 1,024 voxels measured, with two labels about as probable, get the other.
    assert scores_differ < 5e-3


@pytest.mark.slow
@pytest.mark.parametrize("backend", START)
def test_a_whole_training_on_two_devices(backend, tmp_path):
    about, epochs, finite, same, kept = run(backend, WHOLE_TRAINING, tmp_path / "two.medunet")
    assert "2 x CPU" in about
    assert epochs == 2
    assert finite
    assert same == 1.0
    assert kept == 1  # epochs in the checkpoint: after the last one none is written


def test_batches_are_put_together_and_none_is_lost():
    stream = [(np.full((2, 3), number), np.full(2, number)) for number in range(6)]
    for count in (1, 2, 3):
        found = list(joined(iter(stream), count))
        assert [len(images) for images, _ in found] == [2 * count] * (6 // count)
        np.testing.assert_array_equal(
            np.concatenate([classes for _, classes in found]), np.repeat(np.arange(6), 2)
        )
