"""Trainings by the plan that settings lead to, as everybody makes it who trains."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from napari_medunet.engine.examples.example import Example
from napari_medunet.engine.planning.fine_tuning_plan import extend_plan
from napari_medunet.engine.planning.plan_maker import make_plan
from napari_medunet.engine.prediction.segmenter import Segmenter
from napari_medunet.engine.settings import TrainSettings
from napari_medunet.engine.training import (
    CrossValidation,
    Predecessor,
    cross_validate,
    fine_tune,
    train,
)


def train_by(
    settings: TrainSettings, examples: list[Example], *args: Any, **more: Any
) -> Segmenter:
    return train(examples, make_plan(examples, settings), *args, **more)


def cross_validate_by(
    settings: TrainSettings, examples: list[Example], *args: Any, **more: Any
) -> CrossValidation:
    return cross_validate(examples, make_plan(examples, settings), *args, **more)


def fine_tune_by(
    settings: TrainSettings,
    known: Segmenter,
    examples: list[Example],
    *args: Any,
    replay: Sequence[Example] = (),
    **more: Any,
) -> Segmenter:
    plan = extend_plan(known.plan, [*examples, *replay], settings)
    return fine_tune(Predecessor(known, replay), examples, plan, *args, **more)
