"""What a machine was measured to do is kept, and done without where that is impossible."""

import json

import pytest

from napari_medunet.engine.hardware import machine, speed
from napari_medunet.engine.plan import Plan
from napari_medunet.engine.planning import compute_budget
from napari_medunet.engine.planning.compute_budget import budget_tflop, expected_steps
from napari_medunet.engine.settings.budget import BudgetSettings

BUDGET = BudgetSettings(minutes=1)


@pytest.fixture
def kept(tmp_path, monkeypatch):
    """The file of an own cache folder, in which nothing is known yet."""
    monkeypatch.delenv("MEDUNET_SPEED", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(speed, "_here", {})
    return tmp_path / "napari-medunet" / "speed.json"


def test_it_is_of_the_kind_of_network_the_threads_and_the_machine(kept, monkeypatch):
    speed.remember(100.0, 3, None)
    assert speed.gflops(3, None) == 100
    assert [speed.gflops(2, None), speed.gflops(3, 7)] == [None, None]
    monkeypatch.setattr(machine, "cores", lambda: 333)
    assert speed.gflops(3, None) is None


def test_the_best_of_the_last_few_counts(kept):
    for figure in (100.0, 40.0, 90.0):
        speed.remember(figure, 3, None)
    assert speed.gflops(3, None) == 100  # a neighbour was busy
    for _ in range(5):
        speed.remember(50.0, 3, None)
    assert speed.gflops(3, None) == 50  # the machine is another one now
    for nothing in (float("nan"), float("inf"), 0.0, -1.0):
        speed.remember(nothing, 3, None)
    assert speed.gflops(3, None) == 50


@pytest.mark.parametrize(
    "content", [b"", b"[]", b"nonsense", b"\xff\xfe", b"[" * 100_000, b'{"a": 3}', b" " * 2**21]
)
def test_a_damaged_file_is_done_without_and_replaced(kept, content):
    kept.parent.mkdir()
    kept.write_bytes(content)
    assert speed.gflops(3, None) is None
    speed.remember(100.0, 3, None)
    assert list(json.loads(kept.read_bytes()).values()) == [[100.0]]


def test_figures_that_are_none_are_not_believed(kept):
    speed.remember(100.0, 3, None)
    (key,) = json.loads(kept.read_bytes())
    for wrong in (["a"], [-1], [None], 7, [1e999]):
        kept.write_text(json.dumps({key: wrong}))
        speed._here.clear()
        assert speed.gflops(3, None) is None


def test_where_nothing_can_be_kept_it_is_known_in_this_process(kept):
    kept.parent.write_text("a file where the folder should be")
    asked = []
    with speed.measured_by(lambda *kind: asked.append(kind) or 70.0):
        assert speed.gflops(3, 2) == speed.gflops(3, 2) == 70
    assert asked == [(3, 2)]


def test_it_is_measured_once_and_only_where_somebody_wants_it(kept):
    assert speed.gflops(2, None) is None
    with speed.measured_by(lambda dims, threads: 10.0 * dims):
        assert speed.gflops(2, None) == 20
    with speed.measured_by(lambda dims, threads: pytest.fail("it is known")):
        assert speed.gflops(2, None) == 20
    assert speed.gflops(3, None) is None


def test_nothing_is_measured_read_or_kept_where_plans_are_to_be_guesses(kept, monkeypatch):
    speed.remember(100.0, 3, None)
    monkeypatch.setenv("MEDUNET_SPEED", "guess")
    with speed.measured_by(lambda *kind: pytest.fail("measured")):
        assert speed.gflops(3, None) is None
    before = kept.read_bytes()
    speed.remember(200.0, 3, None)
    assert kept.read_bytes() == before


def test_plans_go_by_what_was_measured_and_say_so(kept):
    plan = Plan.of(
        dims="3d", spacing_mm=(1, 1, 1), patch=(32, 32, 32), labels=(0, 1), depth=2, minutes=1
    )
    said = compute_budget.describe(BUDGET, 3)
    assert said.endswith(" Gflop/s: a guess, not measured yet")
    assert said.startswith(machine.describe())
    speed.remember(160.0, 3, None)
    assert compute_budget.describe(BUDGET, 3) == "measured on this machine: 160 Gflop/s in 3D"
    assert budget_tflop(BUDGET, 3) == pytest.approx(160 * 60 / 1000)
    steps = expected_steps(plan)
    speed.remember(320.0, 3, None)
    assert expected_steps(plan) == pytest.approx(2 * steps)


def test_with_epochs_given_nothing_that_was_measured_decides(kept):
    with_epochs = BudgetSettings(minutes=1, epochs=5)
    guessed = compute_budget.gflops(with_epochs, 3)
    speed.remember(3.0, 3, None)
    assert compute_budget.gflops(with_epochs, 3) == guessed == compute_budget.gflops(BUDGET, 2)
    assert "with epochs given the speed decides nothing" in compute_budget.describe(with_epochs, 3)


@pytest.mark.slow
def test_a_small_network_tells_the_speed_of_this_machine(kept):
    from napari_medunet.engine.training.learning.probe import measure

    with speed.measured_by(measure):
        for dims in (2, 3):
            assert speed.gflops(dims, None) > 0
    assert len(json.loads(kept.read_bytes())) == 2
