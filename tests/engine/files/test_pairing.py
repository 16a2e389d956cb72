"""Which files of two folders belong together."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_medunet.engine.errors import MedunetError
from napari_medunet.engine.files.listing import list_cases
from napari_medunet.engine.files.matching import match_names
from napari_medunet.engine.files.pairing import pair, pair_examples


def touch(folder, names):
    for name in names.split():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return folder


def paired(tmp_path, images, labels, make=pair):
    first, second = touch(tmp_path / "images", images), touch(tmp_path / "labels", labels)
    return make(first, second)


@pytest.mark.parametrize(
    ("images", "labels"),
    [
        ("a.nii.gz b.NII.GZ", "A.nii b.nii"),
        ("case_1_0000.nii.gz case_2_0000.nii.gz", "case_1.nii.gz case_2.nii.gz"),
        ("case_1.nii.gz case_2.nii.gz", "case_1_0000.nii.gz case_2_0000.nii.gz"),
        ("case_1_image.png case_2_image.png", "case_1_mask.png case_2_mask.png"),
        ("case_1.nii.gz case_2.nii.gz", "case_1_seg.nii.gz case_2_seg.nii.gz"),
        ("image1.png image2.png", "label1.png label2.png"),
        ("volume-0.nii volume-1.nii", "segmentation-0.nii segmentation-1.nii"),
        ("a_ct.nii a_mr.nii", "a_ct_seg.nii a_mr_seg.nii"),
        ("p_1.nii p_10.nii", "p_1_liver.nii p_10_liver.nii"),
        ("sub-1_ses-1_T1w.nii sub-1_ses-2_T1w.nii", "sub-1_ses-1_dseg.nii sub-1_ses-2_dseg.nii"),
        ("sub-1_T1w.nii sub-1_T2w.nii", "sub-1_space-T1w_dseg.nii sub-1_space-T2w_dseg.nii"),
        ("sub-1_dseg.nii sub-2_dseg.nii", "sub-1_T1w.nii sub-2_T1w.nii"),
    ],
)
def test_names_that_can_be_read_in_one_way_only(tmp_path, images, labels):
    found = paired(tmp_path, images, labels)
    got = [(image.name, label.name) for image, label in found.pairs.values()]
    assert got == list(zip(images.split(), labels.split(), strict=True))
    assert found.unpaired == []
    assert found.alone == []
    (note,) = found.notes
    assert "the only reading of their names" in note


def test_accents_are_the_same_name_composed_or_not(tmp_path):
    composed, not_composed = (unicodedata.normalize(f, "Körper") for f in ("NFC", "NFD"))
    found = paired(tmp_path, f"{composed}.nii a.nii", f"{not_composed}.nii a.nii")
    assert list(found.pairs) == [composed, "a"]
    assert found.notes == found.unpaired == []


def test_channels_of_one_case_are_named(tmp_path):
    found = paired(tmp_path, "c1_0000.nii c1_0001.nii c2_0000.nii", "c1.nii c2.nii")
    assert list(found.pairs) == ["c2_0000"]
    (sentence,) = found.unpaired
    assert "'c1'" in sentence
    assert "has 2 channels" in sentence
    assert "'c1_0000', 'c1_0001'" in sentence
    assert found.alone == ["c1_0000", "c1_0001"]


def test_channels_of_every_case_lead_the_refusal(tmp_path):
    with pytest.raises(MedunetError, match=r"^'c1' in .* has 2 channels"):
        paired(tmp_path, "c1_0000.nii c1_0001.nii", "c1.nii")


def test_a_bids_data_set_given_for_both_has_its_labels_in_derivatives(tmp_path):
    scans = " ".join(f"sub-0{n}/anat/sub-0{n}_T1w.nii.gz" for n in (1, 2))
    masks = " ".join(f"derivatives/manual/sub-0{n}/anat/sub-0{n}_T1w_dseg.nii" for n in (1, 2))
    root = touch(tmp_path / "bids", f"{scans} {masks}")
    found = pair_examples(root, root)
    assert [labels.name for _, labels in found.pairs.values()] == [
        "sub-01_T1w_dseg.nii",
        "sub-02_T1w_dseg.nii",
    ]
    assert "derivatives" in found.notes[0]
    touch(root, masks.replace("manual", "other"))  # two raters: whose labels are meant?
    with pytest.raises(MedunetError, match="is given for images and for labels"):
        pair_examples(root, root)
    touch(tmp_path / "empty" / "derivatives", "README")
    touch(tmp_path / "empty", scans)
    with pytest.raises(MedunetError, match="is given for images and for labels"):
        pair_examples(tmp_path / "empty", tmp_path / "empty")


def test_several_masks_of_one_image_are_named(tmp_path):
    found = paired(tmp_path, "a.nii b.nii", "a_liver.nii a_spleen.nii b_liver.nii")
    assert list(found.pairs) == ["b"]
    (sentence,) = found.unpaired
    assert "has several partners" in sentence
    assert "'a_liver', 'a_spleen'" in sentence
    with pytest.raises(MedunetError, match=r"several partners.*'x_1', 'x_2', 'x_3' and 1 more"):
        paired(tmp_path / "x", "x.nii", "x_1.nii x_2.nii x_3.nii x_4.nii")
    found = paired(tmp_path / "y", "a.nii", "a.nii a_seg.nii")
    assert "is paired with 'a'" in found.unpaired[0]
    assert "'a_seg'" in found.unpaired[0]


def test_what_is_another_case_is_not_paired(tmp_path):
    with pytest.raises(MedunetError, match="Rename them alike"):
        paired(tmp_path, "pat.nii case_1.nii", "pat_001.nii case_12.nii")


def test_images_and_labels_in_one_folder(tmp_path):
    both = touch(tmp_path, "a.nii.gz a_seg.nii.gz b.nii.gz b_seg.nii.gz")
    found = pair_examples(both, both)
    assert list(found.pairs) == ["a", "b"]
    assert found.pairs["a"] == (both / "a.nii.gz", both / "a_seg.nii.gz")
    with pytest.raises(MedunetError, match="is given for images and for labels"):
        alike = touch(tmp_path / "alike", "a.nii b.nii")
        pair_examples(alike, alike)


def test_a_folder_for_each_case(tmp_path):
    names = "case_1/imaging.nii case_1/segmentation.nii case_2/imaging.nii case_2/segmentation.nii"
    root = touch(tmp_path, names)
    assert list(list_cases(root))[:2] == ["case_1_imaging", "case_1_segmentation"]
    found = pair_examples(root, root)
    assert {(i.parent.name, i.stem, m.stem) for i, m in found.pairs.values()} == {
        (f"case_{n}", "imaging", "segmentation") for n in (1, 2)
    }


def test_a_bids_tree_with_its_derivatives(tmp_path):
    raw = "sub-1/anat/sub-1_T1w.nii.gz sub-2/anat/sub-2_T1w.nii.gz sub-2/func/sub-2_task-x_bold.nii.gz"
    derived = "sub-1/anat/sub-1_desc-m_dseg.nii.gz sub-2/anat/sub-2_desc-m_dseg.nii.gz"
    root = touch(tmp_path, raw)
    made = touch(root / "derivatives" / "manual", derived)
    assert list(list_cases(root)) == ["sub-1_T1w", "sub-2_T1w", "sub-2_task-x_bold"]
    found = pair(root, made)
    assert list(found.pairs) == ["sub-1_T1w", "sub-2_T1w"]
    assert found.alone == ["sub-2_task-x_bold"]


def test_a_folder_within_the_other_is_left_out(tmp_path):
    root = touch(tmp_path, "scans/a.nii scans/b.nii labels/a.nii labels/b.nii")
    assert list(pair(root, root / "labels").pairs) == ["a", "b"]


def test_links_that_lead_nowhere_are_cases(tmp_path):
    touch(tmp_path, "a.nii.gz")
    (tmp_path / "b.nii.gz").symlink_to(tmp_path / ".git" / "annex")
    (tmp_path / "notes.txt").symlink_to("nowhere")
    assert list(list_cases(tmp_path)) == ["a", "b"]
    assert list(list_cases(tmp_path / "b.nii.gz")) == ["b"]
    with pytest.raises(OSError, match="symbolic link that leads to no file"):
        list_cases(tmp_path / "notes.txt")


NAMES = st.lists(
    st.text("ab1_-", min_size=1, max_size=6)
    | st.sampled_from(["sub-1_T1w", "sub-1_dseg", "a_0000", "a_seg", "a_mask", "img_1", "a_ct"]),
    max_size=6,
    unique=True,
)


@given(NAMES, NAMES)
def test_whatever_the_names_are_no_partner_is_given_twice_and_equal_names_are_partners(
    first, second
):
    partners = match_names(first, second)
    assert len(set(partners.values())) == len(partners)
    assert set(partners) <= set(first)
    assert set(partners.values()) <= set(second)
    assert all(partners[name] == name for name in set(first) & set(second))
