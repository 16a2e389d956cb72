"""The README's commands, as they stand there, made short."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

README = Path(__file__).parents[1] / "README.md"

# What a reader would wait for and a test need not: the budget is cut after the reader's own.
SHORTER = {"demo": ["--minutes", "0.05"], "train": ["--minutes", "0.02"]}


def blocks(language=""):
    return re.findall(
        rf"^```{language}\n(.*?)^```", README.read_text(encoding="utf-8"), re.M | re.S
    )


@pytest.mark.slow
def test_the_commands_and_the_python_example_run_one_after_the_other(tmp_path):
    lines = [line for block in blocks() for line in block.splitlines()]
    commands = [part.strip() for line in lines for part in line.split("&&")]
    ours = [shlex.split(c)[1:] for c in commands if c.startswith("napari-medunet ")]
    assert [words[0] for words in ours] == [
        "demo",
        "train",
        "predict",
        "evaluate",
        "info",
        "doctor",
    ]
    for words in ours:
        run(["-m", "napari_medunet", *words, *SHORTER.get(words[0], [])], tmp_path)
    (example,) = blocks("python")
    assert "minutes=2" in example
    run(["-c", example.replace("minutes=2", "minutes=0.02")], tmp_path)
    for made in ("organ.medunet", "scores.csv", "phantom_06_organ.nii.gz"):
        assert (tmp_path / made).stat().st_size > 0


def run(arguments, folder):
    ran = subprocess.run(
        [sys.executable, *arguments], cwd=folder, capture_output=True, text=True, timeout=300
    )
    assert ran.returncode == 0, ran.stderr


@pytest.mark.parametrize(
    "page",
    [*sorted(README.parent.glob("*.md")), *sorted(README.parent.glob("docs/*.md"))],
    ids=lambda p: p.name,
)
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)#]+)", page.read_text(encoding="utf-8")):
        if not target.startswith("http"):
            assert (page.parent / target).exists(), f"{page.name}: {target}"
