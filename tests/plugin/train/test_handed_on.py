"""The plan that the Train widget shows is the one that is trained, to the letter."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import pytest

from napari_medunet.engine import memory
from napari_medunet.engine.plan import Plan
from napari_medunet.engine.prediction.model_file import read_card, weights_names
from napari_medunet.plugin.train.widget import TrainWidget

Until = Callable[..., None]
FILTERS = 6  # no rule chooses them


def shown_plan(widget: TrainWidget, until: Until, folds: int | None) -> Plan:
    """The plan that the form shows for what it says now."""

    def is_shown() -> bool:
        decision = widget.form.decision
        fits = decision is not None and decision.settings == widget.form.settings()
        return fits and decision.start_from == widget.form.segmenter and not widget.forecasts.busy

    until(is_shown)
    plan: Plan = widget.form.decision.plan
    assert widget.form.plan.summary.text() == f"{plan.describe()}."
    assert plan.network.filters == FILTERS
    assert plan.hold_out.folds == folds
    return plan


def first_filters(segmenter: Path) -> list[int]:
    """Filters of the first convolution of each network in a file."""
    found = []
    with zipfile.ZipFile(segmenter) as archive:
        for name in weights_names(len(read_card(segmenter).networks)):
            kernels: list[Any] = []
            with h5py.File(io.BytesIO(archive.read(name))) as weights:
                weights.visititems(
                    lambda _, one, to=kernels: (
                        to.append(one.shape) if hasattr(one, "shape") else None
                    )
                )
            found += [shape[-1] for shape in kernels if len(shape) == 4 and shape[-2] == 1]
    return found


def train_as_shown(widget: TrainWidget, until: Until, folds: int | None = None) -> Path:
    """Train by the plan that is shown, and see that it is what everybody is handed."""
    shown = shown_plan(widget, until, folds).model_dump_json()
    folder = widget.session.worker.folder
    before = set(folder.glob("run-*/plan.json")) if folder else set()

    def begun() -> set[Path]:
        return set(widget.session.worker.folder.glob("run-*/plan.json")) - before

    with pytest.MonkeyPatch.context() as patch:  # a plan made anew would now be refused
        patch.setattr(memory, "free_memory_mib", lambda: 1.0)
        until(widget.train_button.isEnabled)
        widget.train_button.click()
        until(lambda: widget.session.worker.folder is not None and begun())
        (in_run_folder,) = begun()
        assert Plan.model_validate_json(in_run_folder.read_bytes()).model_dump_json() == shown
    until(lambda: not widget.session.busy)
    segmenter = widget.segmenter_path
    assert segmenter is not None
    assert read_card(segmenter).plan.model_dump_json() == shown
    assert first_filters(segmenter) == [FILTERS] * (folds or 1)
    return segmenter


@pytest.mark.slow
def test_the_plan_that_is_shown_is_trained_anew_in_folds_and_by_fine_tuning(
    viewer: Any,
    add_phantom: Callable[..., Any],
    until: Until,
    notifications: list[str],
) -> None:
    widget = TrainWidget(viewer)
    viewer.window.add_dock_widget(widget, name="Train")
    add_phantom(0), add_phantom(1)
    form = widget.form
    form.plan.button.setChecked(True)
    form.fields.minutes.value = 5
    form.others.fields.epochs.value = 1
    for name, value in (("dims", "2d"), ("filters", FILTERS), ("depth", 2)):
        form.plan.form.fields[name].value = value
    known = train_as_shown(widget, until)
    form.others.fields.folds.value = 2
    train_as_shown(widget, until, folds=2)
    form.start_from.open_segmenter(known)
    form.plan.form.fields.learning_rate.value = 0.004
    train_as_shown(widget, until)
    assert list(notifications) == []
