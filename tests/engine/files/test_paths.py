"""Paths as people give them and file systems keep them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from pydantic import BaseModel

from napari_medunet.engine.errors import MedunetError
from napari_medunet.engine.files.listing import case_name
from napari_medunet.engine.files.paths import PathInJson, expand_home, readable


def test_home_is_expanded(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    assert expand_home("~/a/b.csv") == tmp_path / "a" / "b.csv"
    assert expand_home("~") == tmp_path
    assert expand_home("a/~/b") == Path("a/~/b")
    assert expand_home("~$draft.nii") == Path("~$draft.nii")  # an ordinary name


def test_the_home_of_nobody_is_refused(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(MedunetError, match="no such home folder"):
        expand_home("~nosuchuser/a.csv")
    Path("~nosuchuser").mkdir()
    assert expand_home("~nosuchuser/a.csv") == Path("~nosuchuser/a.csv")


@pytest.mark.parametrize("name", ["case", "Körper", "срез", "ö" * 60, "a\udcf6b\udcff", "\udc81"])
def test_any_name_can_be_printed_and_saved(name):
    readable(name).encode()
    if "\udcf6" not in name and "\udc81" not in name:
        assert readable(name) == name


def test_bytes_of_older_systems_are_read_as_windows_1252():
    assert case_name(os.fsdecode(b"/scans/K\xf6rper.nii.gz")) == "Körper"


@pytest.mark.skipif(os.name == "nt", reason="names on Windows are UTF-16")
@pytest.mark.parametrize("name", [b"/a/K\xf6 %41/x", "/a/ö %41".encode(), b"relative/a"])
def test_any_path_travels_in_json(name):
    class Model(BaseModel):
        path: PathInJson | None = None

    model = Model(path=Path(os.fsdecode(name)))
    assert Model.model_validate_json(model.model_dump_json()) == model
