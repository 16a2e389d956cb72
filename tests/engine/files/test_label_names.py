"""Tables of label names that other programs keep beside a label file."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_medunet.engine.files.label_names import (
    LabelName,
    find_label_names,
    read_label_names,
    says_more,
    write_label_names,
)

SNAP = """################################################
# ITK-SnAP Label Description File
# File format:
# IDX   -R-  -G-  -B-  -A--  VIS MSH  LABEL
################################################
    0     0    0    0        0  0  0    "Clear Label"
    1   255    0    0        1  1  1    "left hippocampus"
   17     0  128  255      0.5  0  1    "tumor, ""core"" (a)"
"""
BIDS = (
    "index\tname\tabbreviation\tcolor\n"
    "0\tBackground\tBG\t#000000\n"
    "1\tGray Matter\tGM\t#ff53BB\n"
    "2\tWM\tWM\tn/a\n"
)
SLICER = """# Color table file C:/somewhere/Segmentation-label_ColorTable.ctbl
# 3 values
0 Background 0 0 0 0
1 artery 216 101 79 255
3 connective_tissue 111 184 210 255
"""
TABLES = {
    SNAP: {
        1: LabelName("left hippocampus", "#ff0000"),
        17: LabelName('tumor, ""core"" (a)', "#0080ff"),
    },
    BIDS: {1: LabelName("Gray Matter", "#ff53bb"), 2: LabelName("WM")},
    SLICER: {1: LabelName("artery", "#d8654f"), 3: LabelName("connective tissue", "#6fb8d2")},
}


@pytest.mark.parametrize(("text", "names"), TABLES.items(), ids=["itk-snap", "bids", "slicer"])
@pytest.mark.parametrize("ending", ["\n", "\r\n"])
def test_the_three_formats_are_told_apart_by_what_they_hold(tmp_path, text, names, ending):
    table = tmp_path / "any.txt"
    table.write_bytes(("\ufeff" + text.replace("\n", ending)).encode())
    assert read_label_names(table) == names


@pytest.mark.parametrize(
    "content",
    [b"", b"\x00\xff" * 500, b"patient moved", b"onset\tduration\n1\t2\n", b"index\tname\n", b"{}"],
)
def test_other_files_are_no_tables(tmp_path, content):
    (tmp_path / "case.txt").write_bytes(content)
    with pytest.raises(ValueError, match="is no table of label names"):
        read_label_names(tmp_path / "case.txt")
    assert find_label_names(tmp_path / "case.nii.gz") is None


@given(st.binary(max_size=200))
def test_any_bytes_are_names_or_an_error(tmp_path_factory, content):
    table = tmp_path_factory.getbasetemp() / "bytes.txt"
    table.write_bytes(content)
    try:
        assert read_label_names(table)
    except ValueError as error:
        assert "\n" not in str(error).replace(str(table), "")


@pytest.mark.parametrize(
    ("table", "labels"),
    [
        ("case.tsv", "case.nii.gz"),
        ("case.label", "case.nii"),
        ("case.txt", "case.nii.gz"),
        ("case_ColorTable.ctbl", "case.nii.gz"),
        ("labels.txt", "case.nii.gz"),
        ("sub-01_desc-aseg_dseg.tsv", "sub-01_desc-aseg_dseg.nii.gz"),
        ("desc-aseg_dseg.tsv", "sub-01/anat/sub-01_desc-aseg_dseg.nii.gz"),
        ("dseg.tsv", "sub-01/ses-1/anat/sub-01_ses-1_dseg.nii.gz"),
    ],
)
def test_where_tables_are_looked_for(tmp_path, table, labels):
    (tmp_path / labels).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / table).write_text(BIDS)
    assert find_label_names(tmp_path / labels) == (TABLES[BIDS], tmp_path / table)


def test_a_table_of_other_files_is_left_alone(tmp_path):
    (tmp_path / "desc-aparc_dseg.tsv").write_text(BIDS)
    (tmp_path / "other.tsv").write_text(BIDS)
    assert find_label_names(tmp_path / "sub-01_desc-aseg_dseg.nii.gz") is None
    (tmp_path / "data" / "sub-01").mkdir(parents=True)
    (tmp_path / "data" / "dataset_description.json").write_text("{}")
    (tmp_path / "dseg.tsv").write_text(BIDS)  # above the root of the data set
    assert find_label_names(tmp_path / "data" / "sub-01" / "sub-01_dseg.nii.gz") is None


_TEXT = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cc", "Zl", "Zp", "Cs"]), max_size=12
)
_NAMES = _TEXT.map(lambda text: " ".join(text.split())).filter(bool)
_COLORS = st.none() | st.from_regex(r"#[0-9a-f]{6}", fullmatch=True)


@given(st.dictionaries(st.integers(1, 2**32), st.builds(LabelName, _NAMES, _COLORS), min_size=1))
def test_what_is_written_is_read_again(tmp_path_factory, names):
    labels = tmp_path_factory.getbasetemp() / "again.nii.gz"
    labels.with_name("again.tsv").unlink(missing_ok=True)
    table = write_label_names(labels, names)
    assert find_label_names(labels) == (names, table)


def test_a_richer_table_is_not_written_over(tmp_path):
    (tmp_path / "case.tsv").write_text(BIDS)
    assert write_label_names(tmp_path / "case.nii", {1: LabelName("liver")}) is None
    assert (tmp_path / "case.tsv").read_text() == BIDS
    (tmp_path / "case.tsv").write_text("index\tname\n1\told\n")
    new = {1: LabelName("a\tb\n", "#00ff00")}
    assert write_label_names(tmp_path / "case.nii", new)
    assert (tmp_path / "case.tsv").read_text() == "index\tname\n1\told\n"
    assert write_label_names(tmp_path / "case.nii", new, overwrite=True)
    assert (tmp_path / "case.tsv").read_text() == "index\tname\tcolor\n1\ta b\t#00ff00\n"


@given(
    st.dictionaries(st.integers(0, 30), _NAMES, min_size=1),
    st.dictionaries(st.integers(1, 30), st.builds(LabelName, _NAMES, _COLORS), min_size=1),
    st.booleans(),
    st.sampled_from(["both.tsv", "both.label"]),
)
def test_no_name_is_lost_by_writing_others(tmp_path_factory, known, new, overwrite, table):
    labels = tmp_path_factory.getbasetemp() / "both.nii.gz"
    for name in ("both.tsv", "both.label"):
        labels.with_name(name).unlink(missing_ok=True)
    if table.endswith("tsv"):
        lines = ["index\tname", *(f"{label}\t{name}" for label, name in known.items())]
    else:
        lines = [f'{label} 1 2 3 1 1 1 "{name}"' for label, name in known.items()]
    labels.with_name(table).write_text("\n".join(lines) + "\n")
    before = find_label_names(labels)
    write_label_names(labels, new, overwrite)
    after, _ = find_label_names(labels)
    there = {label: one.name for label, one in before[0].items()} if before else {}
    wanted = {label: one.name for label, one in new.items()}
    merged = there | wanted if overwrite else wanted | there
    assert {label: one.name for label, one in after.items()} == merged


@pytest.mark.parametrize(
    ("name", "label", "more"),
    [("C1", 1, True), ("L5", 5, True), ("lobe 3", 3, True), ("label 1", 1, False),
     ("Label_01", 1, False), ("1", 1, False), (" ", 1, False), ("label 2", 1, True)],
)  # fmt: skip
def test_a_name_that_ends_in_its_number_is_a_name(name, label, more):
    assert says_more(name, label) == more
