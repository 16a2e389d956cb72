"""Messages and requests: what comes out is what went in."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from napari_medunet.engine.examples.example import make_example
from napari_medunet.engine.examples.phantoms import make_phantom
from napari_medunet.engine.plan import Plan
from napari_medunet.engine.progress import EpochScores, Part, Progress, Scores
from napari_medunet.engine.settings import AnnotationSettings, PredictSettings
from napari_medunet.worker import messages
from napari_medunet.worker.handover import ExampleFiles, VolumeFiles
from napari_medunet.worker.requests import (
    CrossValidateRequest,
    PredictRequest,
    TrainRequest,
    read_request,
    write_request,
)

SCORES = EpochScores(
    3, 0.5, 1e-3, *[Scores(0.1, 0.2, 0.3, 0.4, 0.5, 0.6)] * 2, {7: 0.5}, Part("fold", 1, 2)
)
PLAN = Plan.of(
    dims="2d", spacing_mm=(2, 1, 1), patch=(64, 64), labels=(0, 1, 7), depth=2, minutes=3, folds=2
)


@pytest.mark.parametrize(
    "message",
    [
        messages.Run(job=1, folder=Path("worker", "job-1").absolute(), waited_seconds=2.5),
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
        messages.Measured(),
        messages.ProgressMessage(
            job=1, progress=Progress(0.5, "two\nlines", None, SCORES, "warned", note="noted")
        ),
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


def test_numbers_that_json_lacks_and_those_of_numpy_travel():
    validation = Scores(np.float32("nan"), np.float32(0.1), math.inf, -np.inf, 0.0, 0.0)
    scores = replace(SCORES, validation=validation)
    sent = messages.ProgressMessage(job=0, progress=Progress(1 / 3, "", math.nan, scores))
    got = messages.decode(messages.encode(sent), messages.FROM_CHILD).progress
    assert got.fraction == 1 / 3
    found = got.scores.validation
    assert math.isnan(got.seconds_left) and math.isnan(found.loss)
    assert (found.iou, found.precision) == (math.inf, -math.inf)
    assert found.dice == float(np.float32(0.1))
    assert got.scores.training == SCORES.training


@pytest.mark.parametrize(
    "line",
    [b"", b"[]", b"null", b'{"kind":"done"}', b'{"kind":"danced","job":1}', b'{"kind":"done","jo'],
)
def test_other_lines_are_refused(line):
    with pytest.raises(ValueError, match="validation error"):
        messages.decode(line, messages.FROM_CHILD)


def test_an_example_is_rebuilt_from_its_files(tmp_path):
    image, labels = make_phantom(0, (12, 48, 48))
    example = make_example(image, labels, AnnotationSettings())
    got = ExampleFiles.save(tmp_path, "0", example).map(tmp_path)
    for array, sent in [
        (got.image.voxels, image.voxels),
        (got.image.affine, image.affine),
        (got.labels, labels.voxels),
        (got.annotated, example.annotated),
    ]:
        np.testing.assert_array_equal(array, sent)
        assert array.dtype == sent.dtype
    assert got.name == image.name


def test_names_that_are_no_utf8_travel_spelled_out(tmp_path):
    volume = replace(make_phantom(0, (4, 8, 8))[0], name="caf\udce9")
    files = VolumeFiles.save(tmp_path, "0", volume)
    request = PredictRequest(segmenter=Path("a"), volumes=(files,), settings=PredictSettings())
    write_request(tmp_path, request)
    assert read_request(tmp_path).volumes[0].map(tmp_path).name == "caf\\udce9"
    failed = messages.Failed(job=0, error="caf\udce9 is damaged", details="")
    assert b"is damaged" in messages.encode(failed)


@pytest.mark.parametrize(
    "request_",
    [
        TrainRequest(
            examples=(),
            plan=PLAN,
            names={1: "organ", 7: "lesion"},
            run=Path("run-1"),
            start_from=Path("known.medunet"),
        ),
        CrossValidateRequest(examples=(), plan=PLAN, names={}, run=Path("run-2")),
        PredictRequest(
            segmenter=Path("a.medunet"), volumes=(), settings=PredictSettings(tta=False)
        ),
    ],
)
def test_requests_are_read_as_they_were_written(tmp_path, request_):
    write_request(tmp_path, request_)
    assert read_request(tmp_path) == request_
