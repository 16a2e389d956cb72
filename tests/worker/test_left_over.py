"""What a killed viewer leaves behind: a real process is killed, and another goes on."""

import os
import tempfile
from pathlib import Path

import numpy as np
import pytest
from killed_viewer import copy_what_is_left, kill_a_training
from listening import Ears

from napari_medunet.engine.errors import MedunetError
from napari_medunet.engine.examples.example import make_example
from napari_medunet.engine.examples.phantoms import make_phantom
from napari_medunet.engine.planning.plan_maker import make_plan
from napari_medunet.engine.prediction.model_file import read_card
from napari_medunet.engine.settings import PredictSettings, TrainSettings
from napari_medunet.worker import Worker
from napari_medunet.worker.left_over import LeftOver, newest_left_over
from napari_medunet.worker.requests import PredictRequest, TrainRequest
from napari_medunet.worker.tasks import training

SETTINGS = TrainSettings.of(minutes=60, epochs=20, filters=4, depth=2, dims="2d", batch=4)

PREDICTION = PredictRequest(
    segmenter=Path("a.medunet"), volumes=(), settings=PredictSettings()
).model_dump_json()


def phantom_examples():
    """What the killed viewer learns from."""
    phantoms = [make_phantom(seed, (12, 48, 48)) for seed in range(2)]
    return [make_example(image, labels, SETTINGS.annotation) for image, labels in phantoms]


@pytest.fixture
def temporary(tmp_path, monkeypatch):
    """A folder of its own for temporary files, of this process and of those that it starts."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


@pytest.fixture(scope="module")
def killed(tmp_path_factory):
    """A folder for temporary files, with what a killed training has left there."""
    if os.name != "posix":
        pytest.skip("signals are POSIX's")
    folder = tmp_path_factory.mktemp("killed")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TMPDIR", str(folder))
        kill_a_training(SETTINGS)
    return folder


@pytest.fixture
def left(killed, temporary):
    """What is left of a training, for this test alone."""
    copy_what_is_left(killed, temporary)
    return newest_left_over()


@pytest.mark.slow
def test_another_viewer_goes_on_where_the_killed_one_was(left, temporary):
    plan, examples = left.request.plan, left.examples()
    assert (plan.budget, plan.annotation) == (SETTINGS.budget, SETTINGS.annotation)
    expected = phantom_examples()[1]
    assert np.array_equal(examples[1].image.voxels, expected.image.voxels)
    assert np.array_equal(examples[1].labels, expected.labels)

    worker, ears = Worker(), Ears()
    try:
        job = worker.run(left.task(examples), ears.listener)
        assert ears.wait() == [("finished", None)], job.details
        epochs = [report.scores.epoch for report in ears.all("progress") if report.scores]
        assert epochs[0] >= 2
        assert epochs == list(range(epochs[0], 21))
        card = read_card(ears.all("result")[0])
        assert card.plan == plan
        assert len(card.networks[0].history) == 20
        assert card.classes[0].name == "organ"
        assert newest_left_over() is None
        assert list(temporary.iterdir()) == [worker.folder]
    finally:
        worker.close()


@pytest.mark.slow
def test_what_is_discarded_is_gone(left, temporary):
    left.discard()
    assert newest_left_over() is None
    assert list(temporary.iterdir()) == []


def test_a_damaged_array_is_told_with_a_remedy(tmp_path):
    examples = phantom_examples()
    request = training(examples, make_plan(examples, SETTINGS)).pack(tmp_path)
    left = LeftOver(tmp_path, request)
    assert np.array_equal(left.examples()[0].labels, examples[0].labels)
    file = tmp_path / request.examples[0].labels.name
    for content in (file.read_bytes()[:200], b""):
        file.write_bytes(content)
        with pytest.raises(MedunetError, match=r"is damaged.*Discard that training"):
            left.examples()


@pytest.mark.parametrize(
    ("folder", "damage"),
    [
        ("napari-medunet-old", lambda text: text),  # whose, it does not say
        ("napari-medunet-0x-1-a", lambda text: text),
        ("napari-medunet-999999-1-a", lambda text: text[:20]),
        ("napari-medunet-999999-1-a", lambda text: text.replace("names", "nicknames")),
        ("napari-medunet-999999-1-a", lambda text: text.replace("train", "weave")),
        ("napari-medunet-999999-1-a", lambda _: PREDICTION),
    ],
)
def test_what_is_no_left_over_of_ours_is_passed_over(temporary, folder, damage):
    job = temporary / folder / "job-0"
    job.mkdir(parents=True)
    examples = phantom_examples()
    request = TrainRequest(
        examples=(), plan=make_plan(examples, SETTINGS), names={}, run=temporary / "run"
    )
    (job / "request.json").write_text(damage(request.model_dump_json()))
    assert newest_left_over() is None
    assert job.exists()


@pytest.mark.slow
def test_a_viewer_that_closes_leaves_nothing(temporary):
    examples = phantom_examples()
    worker, ears = Worker(), Ears()
    worker.train(examples, make_plan(examples, SETTINGS), ears.listener)
    ears.wait_for(lambda report: report.scores is not None)
    assert newest_left_over() is None  # its viewer is there
    worker.close()
    assert newest_left_over() is None
    assert list(temporary.iterdir()) == []
