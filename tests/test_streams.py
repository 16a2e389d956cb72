"""What stands around a process of ours: where it prints, the user's home, caches, the memory."""

import os
import shutil
import subprocess
import sys

import nibabel as nib
import numpy as np
import pytest
import tifffile

from napari_medunet import progress_bar
from napari_medunet.cli import planning
from napari_medunet.engine import memory
from napari_medunet.engine.errors import MedunetError, printable, told
from napari_medunet.engine.prediction.folders import predict_files
from napari_medunet.engine.settings import PredictSettings


def command(*arguments):
    return [sys.executable, "-m", "napari_medunet", *map(str, arguments)]


def run(*arguments, **more):
    return subprocess.run(command(*arguments), capture_output=True, timeout=300, **more)


def run_code(code, **environment):
    """Run code in a fresh interpreter; what it printed."""
    ran = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        timeout=300,
        env=os.environ | environment,
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


@pytest.fixture(scope="module")
def pairs(tmp_path_factory):
    """Folders of the same two label images, with names of every kind."""
    root = tmp_path_factory.mktemp("pairs")
    cells = np.kron(np.arange(100).reshape(10, 10), np.ones((6, 6))).astype(np.uint8)
    for folder in ("truth", "prediction"):
        (root / folder).mkdir()
        for name in ("[red]a", "\u03b2"):
            tifffile.imwrite(root / folder / f"{name}.tif", cells)
    return root


def of(pairs):
    return ("--predictions", pairs / "prediction", "--truth", pairs / "truth")


posix = pytest.mark.skipif(os.name != "posix", reason="pipes and devices of Linux and macOS")


@posix
@pytest.mark.parametrize("form", [["--json"], []])
def test_a_reader_that_leaves_ends_no_work(pairs, tmp_path, form):
    scores = tmp_path / "scores.csv"
    reader, writer = os.pipe()
    os.close(reader)
    ran = subprocess.run(
        command("evaluate", *of(pairs), "--csv", scores, *form),
        stdout=writer,
        stderr=subprocess.PIPE,
        timeout=300,
    )
    os.close(writer)
    assert ran.returncode == 0
    assert b"Error" not in ran.stderr
    assert b"Traceback" not in ran.stderr
    assert scores.exists()


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="a device of Linux")  # noqa: PTH110
def test_an_output_that_is_full_is_told_in_one_line(pairs):
    with open("/dev/full", "w") as full:  # noqa: PTH123
        ran = subprocess.run(
            command("info", pairs / "truth/\u03b2.tif"),
            stdout=full,
            stderr=subprocess.PIPE,
            timeout=300,
        )
    assert ran.returncode == 1
    assert ran.stderr.splitlines() == [b"Error: Cannot print: No space left on device."]


@posix
def test_streams_that_were_closed_end_no_work(pairs, tmp_path):
    words = [str(word) for word in command("doctor")]
    assert subprocess.run(["sh", "-c", '"$@" >&- 2>&-', "sh", *words], timeout=300).returncode == 0


def test_the_configuration_of_matplotlib_is_ours(pairs, tmp_path):
    (tmp_path / "matplotlibrc").write_text("text.usetex: True\nfigure.dpi: 5000\n")
    odd = os.environ | {"MPLBACKEND": "nowhere"}
    report = tmp_path / "report.html"
    ran = run("evaluate", *of(pairs), "--html", report, env=odd, cwd=tmp_path)
    assert ran.returncode == 0, ran.stderr
    assert b"<svg" in report.read_bytes()


@pytest.mark.parametrize(
    ("file", "variable", "said"),
    [
        ("{a: [", {}, b""),
        ("num_threads: 0", {}, b""),
        ("", {"NUMBA_NUM_THREADS": "foo"}, b""),
        ("", {"NUMBA_DISABLE_JIT": "1"}, b""),
        ("", {"NUMBA_NUM_THREADS": "0"}, b"NUMBA_NUM_THREADS is set. Unset it."),
    ],
)
def test_the_configuration_of_numba_does_no_harm(pairs, tmp_path, file, variable, said):
    (tmp_path / ".numba_config.yaml").write_text(file)
    one = ("--predictions", pairs / "prediction/\u03b2.tif", "--truth", pairs / "truth/\u03b2.tif")
    ran = run("evaluate", *one, env=os.environ | variable, cwd=tmp_path)
    assert ran.returncode == bool(said), ran.stderr
    assert said in ran.stderr
    assert b"Traceback" not in ran.stderr
    assert b"arning" not in ran.stderr


def test_names_that_the_output_lacks_are_spelt_out(pairs, tmp_path):
    target = tmp_path / "\u03b2" / "scores.csv"
    odd = os.environ | {"PYTHONIOENCODING": "cp1252"}
    ran = run("evaluate", *of(pairs), "--csv", target, env=odd)
    assert ran.returncode == 0
    assert rb"\u03b2" in ran.stdout
    assert target.exists()


@posix
def test_names_are_the_same_in_a_process_whose_names_are_ascii(tmp_path):
    """Cases that are named by UTF-8 or by other bytes: read, listed, and their labels written."""
    given = [b"K\xc3\xb6rper", b"K\xf6rper2", "\u0441\u0440\u0435\u0437".encode(), b"plain"]
    images = os.fsencode(tmp_path / "\u00e9")
    os.mkdir(images)  # noqa: PTH102
    nib.save(nib.Nifti1Image(np.ones((3, 4, 5), np.uint8), np.eye(4)), tmp_path / "a.nii.gz")
    for name in given:
        shutil.copy(tmp_path / "a.nii.gz", images + b"/" + name + b".nii.gz")
    code = (
        "import sys\n"
        "from pathlib import Path\n"
        "from napari_medunet import api\n"
        "from napari_medunet.engine.files.listing import list_cases\n"
        "from napari_medunet.engine.files.paths import PathInJson\n"
        "from napari_medunet.engine.prediction.folders import sort_cases\n"
        "from pydantic import TypeAdapter\n"
        "print(sys.getfilesystemencoding())\n"
        "found = sort_cases(list_cases(Path(sys.argv[1])), Path('out'))\n"
        "assert not found.refused, found.refused\n"
        "for image, target in found.files.values(): api.write(api.read(image), target)\n"
        "api.write(api.read('\\u00e9/K\\u00f6rper.nii.gz'), 'w\\u00e9.nii.gz')\n"
        "assert TypeAdapter(PathInJson).validate_json('\"\\u00e9\"').exists()"
    )
    ascii_names = os.environ | {"PYTHONUTF8": "0", "LC_ALL": "C"}
    ran = subprocess.run(
        [sys.executable, "-c", code, tmp_path / "\u00e9"],
        capture_output=True,
        env=ascii_names,
        cwd=tmp_path,
        timeout=300,
    )
    assert ran.returncode == 0, ran.stderr
    if ran.stdout.strip() != b"utf-8":  # macOS has no other
        assert ran.stdout.strip() == b"ascii"
    names = {"K\u00f6rper", "K\u00f6rper2", "\u0441\u0440\u0435\u0437", "plain"}
    assert {path.name for path in (tmp_path / "out").iterdir()} == {f"{n}.nii.gz" for n in names}
    assert (tmp_path / "w\u00e9.nii.gz").exists()
    ran = run("predict", tmp_path / "\u00e9", "--images", tmp_path, "--out", "x", env=ascii_names)
    assert b"Traceback" not in ran.stderr


def test_what_is_printed_is_text(capsys):
    report = progress_bar.text_console(file=sys.stdout)
    report.print("[red]a[/]:cat:")
    assert capsys.readouterr().out == "[red]a[/]:cat:\n"
    assert printable("K\udcc3\udcb6rper") == "K\u00f6rper"
    assert printable("a\x1b[2J\udcf6\tb\n") == "a\\x1b[2J\\udcf6\tb\n"


def test_reasons_of_a_plan_are_no_markup(capsys):
    class Reason:
        choice, why = "[red]3[/]", "[/]"

    class Planned:
        reasons = {"budget.seed": Reason}  # noqa: RUF012

        def describe(self):
            return "[b]"

    planning.show_plan(Planned(), [], as_json=False)
    shown = capsys.readouterr().out
    assert "[red]3[/]" in shown
    assert "Plan: [b]" in shown


def test_the_backend_is_not_configured_by_a_home(tmp_path):
    (tmp_path / ".keras").mkdir()
    file = tmp_path / ".keras/keras.json"
    file.write_text('{"image_data_format": "channels_first", "floatx": "float16"}')
    code = (
        "from napari_medunet.engine.hardware.configuration import ignore_home\n"
        "from napari_medunet.engine.hardware.devices import set_up_backend\n"
        "ignore_home(); set_up_backend()\n"
        "import keras; print(keras.config.floatx(), keras.config.image_data_format())"
    )
    assert run_code(code, HOME=str(tmp_path)).split() == ["float32", "channels_last"]
    assert "float16" in file.read_text()


def test_a_callers_keras_keeps_its_configuration_and_is_told_what_cannot_be(tmp_path):
    (tmp_path / "keras.json").write_text('{"image_data_format": "channels_first"}')
    code = (
        "import keras\n"
        "from napari_medunet.engine.network.unet import build_unet\n"
        "from napari_medunet.engine.hardware.devices import set_up_backend\n"
        "from napari_medunet.engine.plan import Plan\n"
        "plan = Plan.of(dims='2d', spacing_mm=(1, 1, 1), patch=(8, 8), labels=(0, 7), depth=2, filters=4)\n"
        "print(build_unet(plan).output.shape[-1])\n"
        "keras.config.set_floatx('float16')\n"
        "try: set_up_backend()\n"
        "except ValueError as error: print(error)"
    )
    classes, refusal = run_code(code, KERAS_HOME=str(tmp_path)).splitlines()
    assert classes == "2"
    assert "keras.config.set_floatx('float32')" in refusal


# Compiled at its first call, with another one that it calls, beside one compiled when it is defined.
KERNELS = (
    "import numpy as np\n"
    "from napari_medunet.engine.evaluation.metrics.surface.nearest_kernels import grow\n"
    "points, order = np.array([[3.0, 1], [0, 0], [5, 2]]), np.arange(2)\n"
    "grow(points, order, np.empty((3, 2, 3)), 1)\n"
    "print(*order, *points[2])"
)


@pytest.mark.slow
def test_without_a_folder_for_caches_functions_are_compiled_anew():
    nowhere = "import numba.core.caching as c; c.CacheImpl._locator_classes = []\n"
    assert run_code(nowhere + KERNELS) == "1 0 2.0 5.0\n"


@pytest.mark.slow
def test_damaged_caches_are_done_without(tmp_path):
    assert run_code(KERNELS, NUMBA_CACHE_DIR=str(tmp_path)) == "1 0 2.0 5.0\n"
    files = [file for file in tmp_path.rglob("*") if file.is_file()]
    assert files
    for file in files:
        file.write_bytes(file.read_bytes()[:-40] + b"damage")
    assert run_code(KERNELS, NUMBA_CACHE_DIR=str(tmp_path)) == "1 0 2.0 5.0\n"


def test_what_does_not_fit_is_refused_before_it_is_begun(monkeypatch):
    monkeypatch.setattr(memory, "free_memory_mib", lambda: 100.0)
    memory.check_memory(99 * 2**20, "'small'")
    with pytest.raises(MedunetError, match=r"'huge' needs 2.0 TiB .* 100.0 MiB are free"):
        memory.check_memory(2 * 2**40, "'huge'")


@posix
def test_a_limit_of_the_process_counts_as_memory():
    code = (
        "import resource, psutil; from napari_medunet.engine.memory import free_memory_mib as free\n"
        "used = psutil.Process().memory_info().vms\n"
        "resource.setrlimit(resource.RLIMIT_AS, (used + 2**27, -1)); print(free())"
    )
    assert 0 < float(run_code(code)) <= 128


def test_a_full_memory_is_told_as_that_whoever_says_it():
    class OutOfMemoryError(RuntimeError):
        __module__ = "torch"

    for error in (MemoryError(), OutOfMemoryError("CUDA out of memory. " + "x" * 9999)):
        assert told(error).startswith("The memory is full")
        assert len(told(error)) < 400
    assert "bug" in told(RuntimeError("something else"))


def test_a_case_that_fails_with_a_full_memory_stops_no_other(tmp_path):
    class Full:
        @property
        def plan(self):
            raise MemoryError("Unable to allocate 9 TiB")

        def probabilities(self, images):
            return images

    files = {}
    for name in "ab":
        tifffile.imwrite(tmp_path / f"{name}.tif", np.zeros((4, 4), np.uint8))
        files[name] = tmp_path / f"{name}.tif", tmp_path / f"out-{name}.tif"
    outcome = predict_files(Full(), files, PredictSettings())
    assert list(outcome.failed) == ["a", "b"]
    assert all("9 TiB" in why for why in outcome.failed.values())
