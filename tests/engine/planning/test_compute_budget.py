import math
import os
import sys

import pytest

from napari_medunet.engine import memory
from napari_medunet.engine.hardware import devices, machine
from napari_medunet.engine.network.unet import build_unet
from napari_medunet.engine.plan import Plan
from napari_medunet.engine.planning import compute_budget
from napari_medunet.engine.planning.compute_budget import budget_tflop, expected_steps
from napari_medunet.engine.planning.network_size import step_gflop
from napari_medunet.engine.settings.budget import BudgetSettings
from napari_medunet.engine.training.learning.clock import steps_per_epoch

MINUTE = BudgetSettings(minutes=1)


def plan(dims="3d", **fields):
    patch = (16, 32, 32) if dims == "3d" else (32, 32)
    given = {"spacing_mm": (1.0, 1.0, 1.0), "patch": patch, "labels": (0, 1, 2)}
    return Plan.of(dims=dims, **(given | {"depth": 3, "filters": 8, "batch": 2} | fields))


@pytest.mark.parametrize(
    "a_plan",
    [
        plan("2d"),
        plan("2.5d", context=1, filters=4),
        plan(),
        plan(pools=((1, 2, 2), (2, 2, 2))),
    ],
)
def test_the_arithmetic_of_a_step_is_that_of_the_networks_convolutions(a_plan):
    products = 0.0
    for layer in build_unet(a_plan).layers:
        if "conv" in layer.name or "upsample" in layer.name:
            way, level = layer.name.split("_")[:2]
            level = a_plan.network.depth - 1 if way == "bottom" else int(level)
            # A transposed convolution goes through the voxels of the level below.
            halved = a_plan.network.pools[: level + ("upsample" in layer.name)]
            voxels = math.prod(a_plan.grid.patch) / math.prod(f for pool in halved for f in pool)
            products += voxels * math.prod(layer.kernel.shape)
    # Forward, to the gradient of what came in, and to that of the weights.
    assert step_gflop(a_plan) == pytest.approx(3 * 2 * a_plan.schedule.batch * products / 1e9)


def test_more_minutes_and_threads_are_more_steps_and_larger_networks_fewer():
    a_plan = plan(minutes=1, threads=1)
    steps = expected_steps(a_plan)
    assert expected_steps(a_plan.changed(minutes=3)) == pytest.approx(3 * steps)
    assert expected_steps(a_plan.changed(minutes=3, networks=3)) == pytest.approx(steps)
    assert expected_steps(a_plan.changed(filters=16)) < steps / 3
    assert budget_tflop(MINUTE, 3) == pytest.approx(
        budget_tflop(BudgetSettings(minutes=1, threads=1), 3) * machine.cores()
    )
    assert machine.gflops(1000) == machine.gflops()


@pytest.mark.parametrize(
    ("features", "told", "bfloat16", "share"),
    [
        ({"avx2"}, "float32", False, 0.16),
        ({"avx2", "avx512f"}, "float32 with AVX-512", False, 0.6),
        ({"avx2", "avx512f", "avx512_bf16"}, "bfloat16", True, 1.0),
        ({"avx2", "avx512f", "avx512_bf16", "amx_bf16"}, "bfloat16 with AMX", True, 0.6),
        ({"avx2", "avx512f", "amx_bf16"}, "bfloat16 with AMX", True, 0.6),
    ],
)
def test_a_processor_is_told_by_what_it_can_do(features, told, bfloat16, share, monkeypatch):
    monkeypatch.setattr(machine, "_features", lambda: frozenset(features))
    assert machine.describe().endswith(f", {told}")
    assert machine.cpu_has_bfloat16() == bfloat16
    assert machine.share_of_fastest() == pytest.approx(share)


@pytest.fixture
def gpu_packages(tmp_path, monkeypatch):
    """NVIDIA's tool on the path, and what JAX needs for its GPUs as if it were installed."""
    (tmp_path / "nvidia-smi").touch(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    about = tmp_path / "jax_cuda13_plugin-0.11.2.dist-info" / "METADATA"
    about.parent.mkdir()
    about.write_text("Metadata-Version: 2.1\nName: jax-cuda13-plugin\nVersion: 0.11.2\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.delitem(sys.modules, "keras", raising=False)  # which has chosen its backend


@pytest.mark.skipif(os.name != "posix", reason="a program on the path is told otherwise there")
def test_a_gpu_is_expected_where_the_backend_was_installed_for_one(gpu_packages, monkeypatch):
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    assert devices.expects_gpu()
    assert budget_tflop(MINUTE, 3) == pytest.approx(240)
    assert "GPU" in compute_budget.describe(MINUTE, 3)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert not devices.expects_gpu()
    on_the_processor = machine.gflops() * 60 / 1000
    assert budget_tflop(MINUTE, 3) == pytest.approx(on_the_processor)


@pytest.mark.skipif(os.name != "posix", reason="a program on the path is told otherwise there")
def test_what_jax_compiles_for_a_gpu_is_kept_in_the_users_cache(
    gpu_packages, monkeypatch, tmp_path
):
    (tmp_path / "jax.py").touch()  # installed, as far as can be told without importing it
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    monkeypatch.setenv("JAX_COMPILATION_CACHE_DIR", "/as/set")
    devices.set_up_backend()
    assert os.environ["JAX_COMPILATION_CACHE_DIR"] == "/as/set"
    monkeypatch.delenv("JAX_COMPILATION_CACHE_DIR")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    devices.set_up_backend()  # XLA's programs for processors are not exchanged among machines
    assert "JAX_COMPILATION_CACHE_DIR" not in os.environ
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    devices.set_up_backend()
    folder = tmp_path / "cache" / "napari-medunet" / "jax"
    assert os.environ["JAX_COMPILATION_CACHE_DIR"] == str(folder)


def test_what_the_machine_is_said_to_be():
    assert machine.cores() >= 1
    assert machine.describe().startswith(f"{machine.cores()} core")
    assert memory.free_memory_mib() > 100


@pytest.mark.parametrize("patches", [1, 100, 100_000])
@pytest.mark.parametrize("expected", [None, 30, 240, 1500, 100_000])
def test_an_epoch_is_neither_too_short_nor_too_long_to_watch(patches, expected):
    steps = steps_per_epoch(patches, 2, expected)
    assert 12 <= steps <= 100
    if expected is not None and expected >= 240:
        assert expected / steps >= 20
    if expected is not None and expected <= 6000:
        assert expected / steps <= 60


def test_where_nothing_speaks_against_it_an_epoch_sees_everything_once():
    assert steps_per_epoch(100, 2) == 50
    assert steps_per_epoch(100, 2, 2000) == 50
