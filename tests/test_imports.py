"""The arrows between the rooms, and what starting costs: each in a fresh interpreter."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

import napari_medunet
from napari_medunet.engine.examples.phantoms import make_phantom
from napari_medunet.engine.files.nifti import write_labels, write_volume

SOURCE = Path(napari_medunet.__file__).parent
VIEWER = {"napari", "magicgui", "qtpy", "superqt", "vispy", "PyQt6", "PySide6"}
BACKENDS = {"keras", "tensorflow", "torch", "jax"}
HEAVY = VIEWER | BACKENDS | {"numpy", "scipy", "nibabel", "numba", "pydantic", "rich"}


def modules_after(code):
    """Names of the packages that a fresh interpreter has imported after running some code."""
    script = f"{code}\nimport json, sys\nprint(json.dumps(sorted(sys.modules)))"
    ran = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=600
    )
    names = set(json.loads(ran.stdout.splitlines()[-1]))
    return names, {name.partition(".")[0] for name in names}


def module_names(room):
    for path in sorted((SOURCE / room).rglob("*.py")):
        parts = path.relative_to(SOURCE.parent).with_suffix("").parts
        yield ".".join(part for part in parts if part != "__init__")


@pytest.mark.slow
def test_the_engine_imports_no_viewer_no_worker_and_no_plugin():
    names, packages = modules_after("\n".join(f"import {m}" for m in module_names("engine")))
    assert not packages & VIEWER
    assert not [
        n for n in names if n.startswith(("napari_medunet.plugin", "napari_medunet.worker"))
    ]
    assert not [n for n in names if n.startswith("napari_medunet.cli")]


def test_the_worker_imports_no_viewer_and_no_plugin():
    names, packages = modules_after("\n".join(f"import {m}" for m in module_names("worker")))
    assert not packages & VIEWER
    assert not [n for n in names if n.startswith(("napari_medunet.plugin", "napari_medunet.cli"))]


@pytest.mark.slow
def test_the_command_line_and_the_plugin_never_meet():
    names, packages = modules_after("\n".join(f"import {m}" for m in module_names("cli")))
    assert not packages & VIEWER
    assert not [n for n in names if n.startswith("napari_medunet.plugin")]
    # The plugin's own imports, without what napari itself brings.
    for module in module_names("plugin"):
        text = (SOURCE.parent / Path(*module.split("."))).with_suffix(".py")
        if text.exists():
            assert "napari_medunet.cli" not in text.read_text(encoding="utf-8")


def test_importing_the_package_costs_nothing():
    _, packages = modules_after("import napari_medunet")
    assert not packages & HEAVY
    _, packages = modules_after("import napari_medunet as mu; dir(mu)")
    assert not packages & HEAVY


@pytest.mark.parametrize(
    "module",
    [
        "plugin.train.widget",
        "plugin.segment.widget",
        "plugin.measure.widget",
        "plugin.opening.reader",
        "engine.patches.preview",
    ],
)
def test_opening_a_widget_imports_no_backend(module):
    _, packages = modules_after(f"import napari_medunet.{module}")
    assert not packages & BACKENDS


def test_reading_and_measuring_import_no_backend(tmp_path):
    code = f"""
from pathlib import Path
from napari_medunet.engine.examples.phantoms import make_phantom
from napari_medunet.engine.files.nifti import read_volume, write_labels
from napari_medunet.engine.evaluation.metrics.scores import evaluate_case
from napari_medunet.engine.settings import EvaluateSettings
image, truth = make_phantom(0, (8, 16, 16))
path = Path({str(tmp_path)!r}, "labels.nii.gz")
write_labels(path, truth.voxels, image)
evaluate_case(read_volume(path), truth, EvaluateSettings())
"""
    _, packages = modules_after(code)
    assert not packages & (BACKENDS | VIEWER)


def test_the_front_door_reads_plans_and_measures_without_a_backend(tmp_path):
    image, truth = make_phantom(0, (8, 16, 16))
    write_volume(tmp_path / "image.nii.gz", image)
    write_labels(tmp_path / "truth.nii.gz", truth.voxels, image)
    code = f"""
import napari_medunet as mu
image, truth = {str(tmp_path / "image.nii.gz")!r}, {str(tmp_path / "truth.nii.gz")!r}
mu.read(image)
mu.evaluate(truth, mu.read(truth))
mu.plan(mu.load_examples(image, truth))
"""
    _, packages = modules_after(code)
    assert not packages & (BACKENDS | VIEWER)
