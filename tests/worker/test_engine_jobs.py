"""The engine's own jobs in the child: a training of seconds, and its segmenter at work."""

import os
import signal
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from listening import Ears

from napari_medunet.engine.examples.example import make_example
from napari_medunet.engine.examples.phantoms import make_phantom
from napari_medunet.engine.planning.fine_tuning_plan import extend_plan
from napari_medunet.engine.planning.plan_maker import make_plan
from napari_medunet.engine.prediction.model_file import read_card
from napari_medunet.engine.settings import PredictSettings, TrainSettings
from napari_medunet.worker import Worker

pytestmark = pytest.mark.slow

SMALL = TrainSettings.of(minutes=10.0, filters=8, depth=3, dims="2d")


@pytest.fixture(scope="module")
def phantoms():
    return [make_phantom(seed, (12, 48, 48)) for seed in range(2)]


def prepare(phantoms, settings):
    """Examples of phantoms, and the plan that settings make of them."""
    examples = [make_example(image, labels, settings.annotation) for image, labels in phantoms]
    return examples, make_plan(examples, settings)


@pytest.fixture(scope="module")
def worker():
    about = []
    worker = Worker(on_ready=about.append)
    worker.start()
    yield worker
    worker.close()
    assert about and about[0].startswith("Keras on ")


@pytest.fixture(scope="module")
def segmenter(worker, phantoms, tmp_path_factory):
    """A segmenter that a stopped training kept, with what was heard meanwhile."""
    examples, plan = prepare(phantoms, SMALL)
    ears = Ears()
    job = worker.train(examples, plan, ears.listener, {2: "lesion"})
    ears.wait_for(lambda report: report.scores is not None)
    job.stop()
    assert ears.wait() == [("finished", None)], job.details
    (path,) = ears.all("result")
    return path, ears


def predict(worker, path, volumes):
    ears = Ears()
    worker.predict(path, volumes, PredictSettings(), ears.listener)
    return ears.wait(), dict(ears.all("result")), ears


def test_a_stopped_training_leaves_its_best(worker, segmenter, phantoms):
    path, ears = segmenter
    card = read_card(path)
    assert path.parent == worker.folder
    assert card.networks[0].best_epoch >= 1
    assert [(c.value, c.name) for c in card.classes] == [(1, "label 1"), (2, "lesion")]
    scores = next(report.scores for report in ears.all("progress") if report.scores)
    assert scores.epoch == 1 and scores.minutes > 0
    assert np.isfinite([scores.training.loss, scores.validation.loss, scores.validation.dice]).all()


def test_a_cross_validation_delivers_segmenter_and_labels(worker, phantoms):
    settings = SMALL.changed(folds=2, epochs=1, filters=4, depth=2)
    examples, plan = prepare(phantoms, settings)
    ears = Ears()
    job = worker.cross_validate(examples, plan, ears.listener, {2: "lesion"})
    assert ears.wait() == [("finished", None)], job.details
    (found,) = ears.all("result")
    card = read_card(found.segmenter)
    assert [fold.cases for fold in card.cross_validation.folds] == [
        network.training_cases for network in reversed(card.networks)
    ]
    assert {index: labels.shape for index, labels in found.labels.items()} == dict.fromkeys(
        range(2), (12, 48, 48)
    )
    assert [str(r.scores.part) for r in ears.all("progress") if r.scores] == ["fold 1", "fold 2"]


def test_volumes_come_back_one_by_one(worker, segmenter, phantoms):
    images = [image for image, _ in phantoms]
    end, labels, ears = predict(worker, segmenter[0], images)
    assert end == [("finished", None)]
    assert set(labels) == {0, 1}
    for index, image in enumerate(images):
        assert labels[index].shape == image.shape
        assert labels[index].dtype == np.uint8
    order = [kind if kind == "result" else value.fraction for kind, value in ears.heard[:-1]]
    first = order.index("result")
    assert all(share <= 0.5 for share in order[:first] if share != "result")
    assert len(set(labels[0].ravel())) > 1, "it has learned nothing, or came back empty"


def test_a_volume_that_fails_leaves_the_others_alone(worker, segmenter, phantoms):
    good = phantoms[0][0]
    holes = good.voxels.astype("f4")
    holes[0, 0, 0] = np.nan
    end, labels, _ = predict(
        worker, segmenter[0], [replace(good, voxels=holes, name="holes"), good]
    )
    ((kind, message), _) = end
    assert kind == "failed" and "'holes'" in message
    assert set(labels) == {1}


def test_a_damaged_segmenter_is_refused(worker, segmenter, phantoms, tmp_path):
    damaged = tmp_path / "damaged.medunet"
    damaged.write_bytes(segmenter[0].read_bytes()[:1000])
    end, labels, _ = predict(worker, damaged, [phantoms[0][0]])
    assert end[0][0] == "failed" and "damaged.medunet" in end[0][1]
    assert labels == {}


def test_a_segmenter_is_fine_tuned(worker, segmenter, phantoms):
    settings = TrainSettings.of(minutes=0.001, epochs=50)
    examples = [make_example(image, labels, settings.annotation) for image, labels in phantoms]
    plan = extend_plan(read_card(segmenter[0]).plan, examples, settings)
    ears = Ears()
    job = worker.train(examples, plan, ears.listener, start_from=segmenter[0])
    assert ears.wait() == [("finished", None)], job.details
    (path,) = ears.all("result")
    card = read_card(path)
    assert "fine-tuned from" in card.describe()
    assert [c.name for c in card.classes] == ["label 1", "lesion"]
    warnings = [report.warning for report in ears.all("progress") if report.warning]
    assert "ended in epoch 1 of 50" in warnings[-1]


def test_a_training_that_cannot_begin_says_why(worker, phantoms):
    (example, *_), plan = prepare(phantoms, SMALL)
    ears = Ears()
    worker.train([replace(example, labels=example.labels * 0)], plan, ears.listener)
    ((kind, message), _) = ears.wait()
    assert kind == "failed" and "Paint at least one slice" in message


def test_a_cancelled_training_leaves_nothing(worker, phantoms):
    examples, plan = prepare(phantoms, SMALL)
    before = set(worker.folder.iterdir()) if worker.folder else set()
    ears = Ears()
    job = worker.train(examples, plan, ears.listener)
    ears.wait_for(lambda report: "step" in report.message)
    job.cancel()
    assert ears.wait() == [("cancelled", None), ("finished", None)]
    assert set(worker.folder.iterdir()) == before


@pytest.mark.skipif(os.name != "posix", reason="signals are POSIX's")
def test_a_training_whose_process_was_killed_goes_on_where_it_was(worker, phantoms):
    settings = TrainSettings.of(minutes=60, epochs=20, filters=4, depth=2, dims="2d")
    examples, plan = prepare(phantoms, settings)
    examples = [replace(e, labels=e.labels.copy()) for e in examples]
    ears = Ears()
    job = worker.train(examples, plan, ears.listener)
    ears.wait_for(lambda report: report.scores is not None and report.scores.epoch >= 3)
    os.kill(worker.pid, signal.SIGKILL)
    assert ears.wait()[0][0] == "failed"
    assert worker.can_resume(job)
    examples[0].labels[...] = 0  # painted on meanwhile: what was handed over counts
    again = Ears()
    resumed = worker.run(job.task, again.listener)
    assert again.wait() == [("finished", None)], resumed.details
    epochs = [report.scores.epoch for report in again.all("progress") if report.scores]
    assert epochs == list(range(epochs[0], 21))
    assert epochs[0] >= 2
    (path,) = again.all("result")
    assert len(read_card(path).networks[0].history) == 20
    assert not worker.can_resume(resumed)


@pytest.mark.skipif(os.name != "posix", reason="signals are POSIX's")
def test_folds_whose_process_was_killed_go_on_without_the_finished_ones(worker, phantoms):
    settings = TrainSettings.of(minutes=60, epochs=10, filters=4, depth=2, dims="2d", folds=2)
    examples, plan = prepare(phantoms, settings)
    ears = Ears()
    job = worker.cross_validate(examples, plan, ears.listener)
    ears.wait_for(lambda report: report.scores is not None and report.scores.part.number == 2)
    os.kill(worker.pid, signal.SIGKILL)
    assert ears.wait()[0][0] == "failed"
    assert worker.can_resume(job)
    again = Ears()
    resumed = worker.run(job.task, again.listener)
    assert again.wait() == [("finished", None)], resumed.details
    assert {r.scores.part.number for r in again.all("progress") if r.scores} == {2}
    (found,) = again.all("result")
    assert [len(one.history) for one in read_card(found.segmenter).networks] == [10, 10]
    assert set(found.labels) == {0, 1}
    assert not worker.can_resume(resumed)


def test_the_viewers_side_needs_no_keras_no_napari_and_no_qt():
    heavy = "{'keras', 'tensorflow', 'napari', 'qtpy', 'magicgui'}"
    code = f"import sys, napari_medunet.worker; sys.exit(str({heavy} & set(sys.modules) or ''))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stderr.strip()) in {(0, ""), (1, "")}
