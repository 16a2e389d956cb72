"""What the documentation says of the code is so."""

import re
import tomllib
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

from napari_medunet.engine.examples.example import make_example
from napari_medunet.engine.examples.phantoms import make_phantom
from napari_medunet.engine.planning.plan_maker import make_plan
from napari_medunet.engine.settings import TrainSettings

ROOT = Path(__file__).parents[1]
SOURCES = ROOT / "src" / "napari_medunet"
DECISIONS = ROOT / "docs" / "decisions.md"


def rules():
    spec = spec_from_file_location("rules", ROOT / "docs" / "rules.py")
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def cited(*paths):
    return {
        f"M{number}"
        for path in paths
        for number in re.findall(r"\bM(\d+)\b", path.read_text("utf-8"))
    }


def test_measured_figures_are_numbered_in_a_row_and_each_is_cited():
    entries = re.findall(r"^#### (M\d+)$", DECISIONS.read_text("utf-8"), re.M)
    assert entries == [f"M{number}" for number in range(1, len(entries) + 1)]
    pages = {ROOT / "README.md", *ROOT.glob("docs/*.md"), *ROOT.glob("benchmarks/*.py")}
    assert cited(*SOURCES.rglob("*.py"), *pages - {DECISIONS}) == set(entries)


def test_the_table_of_rules_is_what_the_code_says():
    made = rules()
    page = made.PAGE.read_text("utf-8")
    assert page == made.page_with(made.made(), page), "Run `python docs/rules.py`."


def test_the_table_of_rules_has_every_decision_of_a_plan():
    image, truth = make_phantom(0, (16, 32, 32))
    settings = TrainSettings()
    plan = make_plan([make_example(image, truth, settings.annotation)], settings)
    assert set(plan.reasons) == set(rules().RULES)


def test_a_rule_tells_the_values_of_its_constants():
    words, lines = rules().rule_in_words(rules().RULES["grid.dims"])
    assert words == "The first line below that holds."
    assert "- Fewer than 8 slices: 2.5D, since they are too few for blocks." in lines
    assert any("[M4](decisions.md#m4)" in line for line in lines)


def test_the_architecture_names_files_that_are_there():
    page = (ROOT / "ARCHITECTURE.md").read_text("utf-8")
    named = re.findall(r"`([\w./]+(?:/|\.py|\.toml))`", page)
    assert len(named) > 40
    for path in named:
        assert (SOURCES / path).exists() or (ROOT / path).exists(), path


def test_the_picture_of_the_rooms_has_the_layers_of_the_contracts():
    page = (ROOT / "ARCHITECTURE.md").read_text("utf-8")
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]
    (engine,) = [c for c in contracts["contracts"] if "engine's rooms" in c["name"]]
    layers = [layer for line in engine["layers"] for layer in line.split(" | ")]
    drawn = re.findall(r"^ {3}(\w+)(?:/| |\.py)", page.partition(" engine/")[2], re.M)
    assert [room for room in drawn if room in layers] == [
        room for room in layers if room not in ("volume", "progress", "memory", "errors")
    ]
