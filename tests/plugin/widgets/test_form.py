from __future__ import annotations

from typing import Any

import pytest
from pydantic import Field

from napari_medunet.engine.settings import (
    EvaluateSettings,
    PredictSettings,
    Settings,
    TrainSettings,
)
from napari_medunet.plugin.widgets.form import Form


@pytest.mark.parametrize("model", [TrainSettings, PredictSettings, EvaluateSettings])
def test_an_untouched_form_gives_the_defaults(qtbot: Any, model: type[Settings]) -> None:
    form = Form(model)
    qtbot.addWidget(form)
    assert form.read() == model()


@pytest.mark.parametrize("model", [TrainSettings, PredictSettings, EvaluateSettings])
def test_labels_and_tooltips_come_from_the_fields(qtbot: Any, model: type[Settings]) -> None:
    form = Form(model)
    qtbot.addWidget(form)
    for name, leaf in model.choices().items():
        assert form.fields[name].label
        assert leaf.field.description is not None
        assert form.fields[name].tooltip.startswith("<qt>")


def test_a_share_is_automatic_until_it_is_set_and_may_be_nothing(qtbot: Any) -> None:
    form = Form(TrainSettings, ["unaugmented_tail"])
    qtbot.addWidget(form)
    assert form.fields.unaugmented_tail.native.text() == "automatic"
    form.fields.unaugmented_tail.native.stepBy(1)
    assert form.read() == TrainSettings.of(unaugmented_tail=0)
    form.fields.unaugmented_tail.value = 0.15
    assert form.read() == TrainSettings.of(unaugmented_tail=0.15)


def test_single_strengths_of_augmentation_are_for_plan_files_and_python(qtbot: Any) -> None:
    form = Form(TrainSettings)
    qtbot.addWidget(form)
    assert "rotate" in TrainSettings.leaves()
    assert "rotate" not in form.values()


def test_values_arrive_in_the_settings(qtbot: Any) -> None:
    form = Form(TrainSettings, ["annotated", "background_label", "minutes"])
    qtbot.addWidget(form)
    form.fields.annotated.value = "voxels"
    form.fields.background_label.value = 7
    form.fields.minutes.value = 0.1
    settings = form.read(seed=3)
    assert settings == TrainSettings.of(annotated="voxels", background_label=7, minutes=0.1, seed=3)


def test_an_optional_number_can_be_left_out_and_says_so(qtbot: Any) -> None:
    form = Form(TrainSettings, ["background_label"])
    qtbot.addWidget(form)
    assert form.fields.background_label.native.text() == "none"
    assert form.read().annotation.background_label is None


def test_what_is_not_set_says_what_is_taken_instead(qtbot: Any) -> None:
    form = Form(TrainSettings, ["dims", "patch", "batch", "learning_rate"])
    qtbot.addWidget(form)
    assert form.fields.batch.native.text() == "automatic"
    for name in ("dims", "patch", "batch", "learning_rate"):
        form.say_unset(name, f"auto: {name}")
    assert form.fields.dims.native.currentText() == "auto: dims"
    assert form.fields.patch.native.placeholderText() == "auto: patch"
    assert form.fields.batch.native.text() == "auto: batch"
    assert form.read() == TrainSettings()
    form.fields.learning_rate.value = 0.0003
    form.fields.patch.value = "32 x 48"
    assert form.read() == TrainSettings.of(learning_rate=0.0003, patch=(32, 48))


def test_limits_are_those_of_the_field(qtbot: Any) -> None:
    form = Form(TrainSettings)
    qtbot.addWidget(form)
    assert (form.fields.filters.min, form.fields.filters.max) == (3, 128)  # 3 stands for none
    assert form.fields.seed.min == 0
    assert form.fields.validation.max == 0.5
    assert form.fields.minutes.max == 10_080


def test_a_list_is_typed_as_one_text(qtbot: Any) -> None:
    form = Form(EvaluateSettings, ["group"])
    qtbot.addWidget(form)
    form.fields.group.value = "tumour=1,2; all = 1,2,3;"
    assert form.read().groups == {"tumour": (1, 2), "all": (1, 2, 3)}
    form.fields.group.value = "tumour"
    with pytest.raises(ValueError, match="no group of labels"):
        form.read()


def test_a_budget_of_zero_is_refused_in_one_line(qtbot: Any) -> None:
    form = Form(TrainSettings, ["minutes"])
    qtbot.addWidget(form)
    form.fields.minutes.value = 0
    with pytest.raises(ValueError, match=r"Minutes.*greater than 0.*came 0") as caught:
        form.read()
    assert "\n" not in str(caught.value)


def test_a_type_without_a_widget_is_named(qtbot: Any) -> None:
    class Odd(Settings):
        where: bytes = Field(default=b"", description="Bytes.")

    with pytest.raises(TypeError, match="where"):
        Form(Odd)
