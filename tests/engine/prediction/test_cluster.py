"""Prediction on a real Dask cluster, small: a scheduler and a worker process on this machine."""

import re
import subprocess
import sys

import numpy as np
import pytest

from napari_medunet.engine.examples.example import make_example
from napari_medunet.engine.examples.phantoms import make_phantom
from napari_medunet.engine.files import nifti
from napari_medunet.engine.files.doubts import kind_of
from napari_medunet.engine.planning.plan_maker import make_plan
from napari_medunet.engine.prediction.cluster import predict_files_on
from napari_medunet.engine.prediction.folders import predict_files
from napari_medunet.engine.prediction.predict import predict
from napari_medunet.engine.prediction.segmenter import Segmenter
from napari_medunet.engine.settings import PredictSettings, TrainSettings
from napari_medunet.engine.training import train
from napari_medunet.engine.volume import Volume, affine_from_spacing

# A cluster as its users start it: in a process of its own, which ends with the end of its input.
CLUSTER = """
import sys
from distributed import LocalCluster
if __name__ == "__main__":
    with LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address=None) as cluster:
        print("scheduler", cluster.scheduler_address, flush=True)
        sys.stdin.read()
"""


@pytest.fixture(scope="module")
def scheduler(tmp_path_factory):
    pytest.importorskip("distributed")
    script = tmp_path_factory.mktemp("cluster") / "cluster.py"
    script.write_text(CLUSTER)
    cluster = subprocess.Popen(
        [sys.executable, script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    yield re.match("scheduler (.*)", cluster.stdout.readline()).group(1)
    cluster.communicate("", timeout=60)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    settings = TrainSettings.of(minutes=1, epochs=1, filters=4, depth=2, dims="2d")
    pairs = [make_phantom(seed, (8, 32, 32)) for seed in range(2)]
    examples = [make_example(*pair, settings.annotation) for pair in pairs]
    segmenter = train(examples, make_plan(examples, settings))
    return segmenter.save(tmp_path_factory.mktemp("model") / "organ.medunet")


@pytest.mark.slow
def test_the_cluster_gives_the_same_labels_and_names_what_failed(scheduler, model, tmp_path):
    files = {}
    for seed in range(2):
        image, _ = make_phantom(seed, (8, 32, 32))
        source = tmp_path / f"{image.name}.nii.gz"
        nifti.write_volume(source, image)
        files[image.name] = source, tmp_path / "out" / source.name
    broken = tmp_path / "broken.nii.gz"
    broken.write_text("no image")
    files["broken"] = broken, tmp_path / "out" / broken.name
    seen = []
    report = lambda progress: seen.append(progress.fraction)  # noqa: E731
    outcome = predict_files_on(scheduler, [model], files, PredictSettings(), report)
    assert sorted(outcome.done) == ["phantom_00", "phantom_01"]
    assert list(outcome.failed) == ["broken"]
    assert "not a NIfTI file" in outcome.failed["broken"]
    assert seen[-1] == 1
    segmenter = Segmenter.load(model)
    for name, target in outcome.done.items():
        here = predict(segmenter, nifti.read_volume(files[name][0]))
        np.testing.assert_array_equal(nifti.read_volume(target).voxels, here)


@pytest.mark.slow
def test_the_cluster_tells_what_is_odd_as_one_machine_does(scheduler, model, tmp_path):
    files = {}
    for name, spacing_mm in (("a", 5), ("b", 5.5), ("c", 1000), ("d", 1500)):
        image, _ = make_phantom(0, (8, 32, 32))
        voxels = image.voxels.copy()
        voxels[:, :8] = -3000
        source = tmp_path / f"{name}.nii"  # the last two are doubted, and then refused
        nifti.write_volume(source, Volume(voxels, affine_from_spacing((spacing_mm,) * 3), name))
        files[name] = source, tmp_path / "out" / f"{name}.nii"
    told = {"here": [], "there": []}
    outcomes = {
        "here": predict_files(
            Segmenter.load(model),
            files,
            PredictSettings(),
            lambda progress: told["here"].append(progress.warning),
        ),
        "there": predict_files_on(
            scheduler,
            [model],
            files,
            PredictSettings(),
            lambda progress: told["there"].append(progress.warning),
            overwrite=True,
        ),
    }
    assert outcomes["here"].warnings == outcomes["there"].warnings
    assert outcomes["here"].failed == outcomes["there"].failed
    assert set(outcomes["here"].failed) & set(outcomes["here"].warnings)
    kinds = {side: sorted({kind_of(one) for one in said if one}) for side, said in told.items()}
    assert kinds["here"] == kinds["there"]
    for said in told.values():
        assert len([one for one in said if one]) == len(kinds["here"])


@pytest.mark.slow
def test_a_scheduler_that_is_not_there_is_one_line():
    pytest.importorskip("distributed")
    with pytest.raises(OSError, match="No Dask scheduler answers"):
        predict_files_on("tcp://127.0.0.1:9", [], {}, PredictSettings())
