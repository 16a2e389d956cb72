"""The front door, `import napari_medunet as mu`: in a script, in a notebook, and in this process."""

import subprocess
import sys

import numpy as np
import pytest

import napari_medunet as mu
from napari_medunet.cli.demo import annotate_slices
from napari_medunet.engine.errors import MedunetError
from napari_medunet.engine.examples.phantoms import make_phantom
from napari_medunet.engine.volume import same_grid

SHAPE = (12, 32, 32)

# The ten lines of the README, as a reader copies them, with folders and minutes of a test.
LINES = """
import napari_medunet as mu

examples = mu.load_examples("scans/images", "scans/labels", annotated="slices")
plan = mu.plan(examples, minutes=0.02)
segmenter = mu.train(examples, plan)
segmenter.save("liver.medunet")

image = mu.read("new/case_7.nii.gz")
labels = segmenter.predict(image)
mu.write(labels, "out/case_7.nii.gz")
print(mu.evaluate(labels, mu.read("truth/case_7.nii.gz")))
"""


def make_scans(folder):
    """Write two annotated scans with a table of names, and a third of which the truth is known."""
    for seed in range(2):
        image, truth = make_phantom(seed, SHAPE)
        mu.write(image, folder / "scans" / "images" / f"case_{seed}.nii.gz")
        mu.write(annotate_slices(truth, 4), folder / "scans" / "labels" / f"case_{seed}.nii.gz")
    table = "index\tname\n1\t<b>\n2\tlesion\n"
    (folder / "scans" / "labels" / "labels.tsv").write_text(table, encoding="utf-8")
    image, truth = make_phantom(7, SHAPE)
    mu.write(image, folder / "new" / "case_7.nii.gz")
    mu.write(truth, folder / "truth" / "case_7.nii.gz")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    make_scans(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def examples(folder):
    return mu.load_examples("scans/images", "scans/labels", annotated="slices")


@pytest.fixture(scope="module")
def segmenter(tmp_path_factory):
    scans = tmp_path_factory.mktemp("trained")
    make_scans(scans)
    examples = mu.load_examples(
        scans / "scans" / "images", scans / "scans" / "labels", annotated="slices"
    )
    return mu.train(examples, mu.plan(examples, epochs=1, filters=4, depth=2, dims="2d", batch=4))


@pytest.mark.slow
def test_the_ten_lines_run_as_a_script(folder):
    ran = subprocess.run(
        [sys.executable, "-c", LINES], cwd=folder, capture_output=True, text=True, timeout=300
    )
    assert ran.returncode == 0, ran.stderr
    assert "Dice" in ran.stdout
    assert "<b>" in ran.stdout
    assert (folder / "liver.medunet").stat().st_size > 0
    assert same_grid(mu.read("out/case_7.nii.gz"), mu.read("truth/case_7.nii.gz"))


@pytest.mark.slow
def test_the_ten_lines_run_in_a_cell_of_a_notebook(folder):
    pytest.importorskip("ipykernel")
    client = pytest.importorskip("jupyter_client")
    shown = []
    with client.run_kernel(cwd=str(folder), kernel_name="python3") as kernel:
        answer = kernel.execute_interactive(
            f"{LINES}\nsegmenter", timeout=300, output_hook=lambda m: shown.append(m)
        )
    assert answer["content"]["status"] == "ok", answer["content"]
    contents = [message["content"] for message in shown]
    html = [c["data"].get("text/html", "") for c in contents if "data" in c]
    assert any("<progress" in text for text in html)
    assert html[-1].startswith("<pre>")  # what the last line is shows as a segmenter does
    assert "&lt;b&gt;" in html[-1]
    assert "Dice" in "".join(c["text"] for c in contents if "text" in c)


@pytest.mark.slow
def test_what_is_shown_in_a_notebook_is_text_and_never_markup(segmenter, folder):
    labels = segmenter.predict(mu.read("new/case_7.nii.gz"))
    for result in (segmenter, mu.evaluate(labels, "truth/case_7.nii.gz")):
        assert "&lt;b&gt;" in result._repr_html_()
        assert "<b>" not in result._repr_html_()


def test_a_plan_is_a_table_of_reasons_in_a_notebook(examples):
    shown = mu.plan(examples, dims="2d")._repr_html_()
    assert "<table>" in shown
    assert "<td>dimensions</td>" in shown


@pytest.mark.slow
def test_a_segmenter_is_read_back_and_goes_on_learning(segmenter, examples):
    known = mu.load(str(segmenter.save("first.medunet")))
    assert known.card.classes == segmenter.card.classes
    with pytest.raises(MedunetError, match="minutes is -2"):
        mu.fine_tune(known, examples, minutes=-2)
    further = mu.fine_tune(known, examples, epochs=1)
    assert further.plan.labels == known.plan.labels == (0, 1, 2)


def test_options_are_refused_in_one_line(examples):
    with pytest.raises(MedunetError, match=r"minutes is -1: .*greater than 0") as refused:
        mu.plan(examples, minutes=-1)
    assert "\n" not in str(refused.value)
    with pytest.raises(MedunetError, match="minutes is nan: wanted a number that is finite"):
        mu.plan(examples, minutes=float("nan"))
    with pytest.raises(
        MedunetError, match="No option is called 'minute'; wanted one of"
    ) as refused:
        mu.plan(examples, minute=5)
    assert "minutes" in str(refused.value)
    with pytest.raises(MedunetError, match=r"annotated is 'slice'"):
        mu.load_examples("scans/images", "scans/labels", annotated="slice")
    with pytest.raises(MedunetError, match=r"group is \['organ'\]: 'organ' is no group of labels"):
        mu.evaluate("truth", "truth", group=["organ"])


def test_paths_are_strings_or_paths(folder):
    by_strings = mu.evaluate("truth", "truth")
    by_paths = mu.evaluate(folder / "truth", folder / "truth")
    assert by_strings.summary()[1]["dice"].mean == by_paths.summary()[1]["dice"].mean == 1
    assert list(by_strings.cases) == ["case_7"]
    by_strings.to_csv("scores.csv")
    assert (folder / "scores.csv").read_text(encoding="utf-8").count("case_7") == 2


def test_a_file_that_is_there_is_not_written_over(folder):
    truth = mu.read("truth/case_7.nii.gz")
    before = (folder / "truth" / "case_7.nii.gz").read_bytes()
    for overwrite in (False, True):
        with pytest.raises(MedunetError, match="What is read is never written over"):
            mu.write(truth, "truth/case_7.nii.gz", overwrite=overwrite)
    assert (folder / "truth" / "case_7.nii.gz").read_bytes() == before
    made = mu.write(truth, "out/copy.nii.gz")
    with pytest.raises(MedunetError, match="is there already; wanted a new name"):
        mu.write(truth, made)
    assert mu.write(truth, made, overwrite=True).exists()


def test_names_are_written_beside_labels_and_read_back(examples):
    assert examples.names() == {1: "<b>", 2: "lesion"}
    labels = mu.read("scans/labels/case_0.nii.gz", as_labels=True)
    assert labels.names == {1: "<b>", 2: "lesion"}
    path = mu.write(labels, "out/named.nii.gz")
    assert path.with_name("named.tsv").exists()
    again = mu.read(str(path), as_labels=True)
    assert again.names == labels.names
    np.testing.assert_array_equal(again.voxels, labels.voxels)


def test_what_cannot_be_read_is_warned_of(folder):
    (folder / "scans" / "images" / "alone.nii.gz").write_bytes(b"no volume")
    with pytest.warns(UserWarning, match="'alone' in 'scans/images' has no partner"):
        found = mu.load_examples("scans/images", "scans/labels")
    assert len(found) == 2


def test_the_package_offers_what_it_says():
    assert set(mu.__all__) <= set(dir(mu))
    for name in mu.__all__:
        assert getattr(mu, name)
    with pytest.raises(AttributeError, match="has no attribute 'predict'"):
        mu.predict  # noqa: B018
