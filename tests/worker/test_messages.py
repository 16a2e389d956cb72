"""Messages and requests: what comes out is what went in."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from napari_medunet.engine.examples.example import make_example
from napari_medunet.engine.examples.phantoms import make_phantom
from napari_medunet.engine.planning.plan_maker import make_plan
from napari_medunet.engine.progress import EpochScores, Part, Progress, Scores
from napari_medunet.engine.settings import PredictSettings, TrainSettings
from napari_medunet.worker import messages
from napari_medunet.worker.handover import ExampleFiles, VolumeFiles
from napari_medunet.worker.requests import (
    CrossValidateRequest,
    PredictRequest,
    TrainRequest,
    read_request,
    write_request,
)


@pytest.mark.parametrize(
    "message",
    [
        messages.Run(job=1, folder=Path("worker", "job-1").absolute()),
        messages.Stop(job=2),
        messages.Cancel(job=3),
    ],
)
def test_messages_to_the_child(message):
    assert messages.decode(messages.encode(message), messages.TO_CHILD) == message


@pytest.mark.parametrize(
    "message",
    [
        messages.Ready(about="Keras on a test"),
        messages.ProgressMessage(job=1, progress=Progress(0.5, "two\nlines", None, None, "warned")),
        messages.Result(job=2, file="result-0.json"),
        messages.Done(job=3),
        messages.Stopped(job=4),
        messages.Cancelled(job=5),
        messages.Failed(job=6, error="no room", details="line\nline"),
    ],
)
def test_messages_from_the_child(message):
    line = messages.encode(message)
    assert line.count(b"\n") == 1 and line.endswith(b"\n")
    assert messages.decode(line, messages.FROM_CHILD) == message


def test_scores_travel_with_numbers_that_json_lacks_and_with_those_of_numpy():
    validation = Scores(np.float32("nan"), np.float32(0.1), math.inf, -np.inf, 0.5, 1 / 3)
    training = replace(validation, loss=0.25)
    scores = EpochScores(
        np.int64(7), 0.5, 1e-3, validation, training, {2: np.float32(0.1)}, Part("fold", 1, 3)
    )
    sent = messages.ProgressMessage(job=0, progress=Progress(1 / 3, "", math.nan, scores))
    got = messages.decode(messages.encode(sent), messages.FROM_CHILD).progress
    assert got.fraction == 1 / 3 and math.isnan(got.seconds_left)
    assert math.isnan(got.scores.validation.loss)
    assert got.scores.training == Scores(
        0.25, float(np.float32(0.1)), math.inf, -math.inf, 0.5, 1 / 3
    )
    assert replace(got.scores, validation=training) == replace(scores, validation=training)


@pytest.mark.parametrize(
    "line",
    [b"", b"[]", b"null", b'{"kind":"done"}', b'{"kind":"danced","job":1}', b'{"kind":"done","jo'],
)
def test_other_lines_are_refused(line):
    with pytest.raises(ValueError, match="validation error"):
        messages.decode(line, messages.FROM_CHILD)


def test_names_that_are_no_utf8_travel_spelled_out(tmp_path):
    volume = replace(make_phantom(0, (4, 8, 8))[0], name="caf\udce9")
    files = VolumeFiles.save(tmp_path, "0", volume)
    request = PredictRequest(segmenter=Path("a"), volumes=(files,), settings=PredictSettings())
    write_request(tmp_path, request)
    assert read_request(tmp_path).volumes[0].map(tmp_path).name == "caf\\udce9"
    failed = messages.Failed(job=0, error="caf\udce9 is damaged", details="")
    assert b"is damaged" in messages.encode(failed)


def test_requests_are_read_as_they_were_written(tmp_path):
    image, labels = make_phantom(0, (12, 48, 48))
    settings = TrainSettings.of(minutes=3, patch=(48, 48), dims="2d", folds=2)
    example = make_example(image, labels, settings.annotation)
    files = (ExampleFiles.save(tmp_path, "0", example),)
    plan, names, run = make_plan([example], settings), {1: "organ", 7: "lesion"}, Path("run-1")
    known = Path("known.medunet")
    requests = [
        TrainRequest(examples=files, plan=plan, names=names, run=run, start_from=known),
        CrossValidateRequest(examples=files, plan=plan, names={}, run=run),
        PredictRequest(
            segmenter=known, volumes=(files[0].image,), settings=PredictSettings(tta=False)
        ),
    ]
    assert plan.reasons
    for request in requests:
        write_request(tmp_path, request)
        assert read_request(tmp_path) == request
    got = requests[0].examples[0].map(tmp_path)
    np.testing.assert_array_equal(got.image.voxels, image.voxels)
    np.testing.assert_array_equal(got.image.affine, image.affine)
    np.testing.assert_array_equal(got.labels, labels.voxels)
    assert got.annotated.all() and got.name == image.name
