"""Broken and hostile files: refused in one line that names them, quickly and in little memory."""

from __future__ import annotations

import gzip
import os
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_medunet.engine.files.nifti import open_volume, read_volume, write_labels
from napari_medunet.engine.files.saving import Kind

VOXELS = np.random.default_rng(0).integers(0, 1000, (20, 20, 20)).astype(np.int16)
READERS = (read_volume, open_volume)


def whole(folder: Path, name: str = "x.nii", image_class: type = nib.Nifti1Image) -> bytes:
    nib.save(image_class(VOXELS, np.eye(4)), folder / name)
    content = (folder / name).read_bytes()
    (folder / name).unlink()
    return content


def patched(content: bytes, layout: str, place: int, *values: float) -> bytes:
    changed = bytearray(content)
    struct.pack_into(layout, changed, place, *values)
    return bytes(changed)


def refused(path: Path, reader=read_volume) -> str:
    """Message with which a reader refuses a file."""
    start = time.monotonic()
    with pytest.raises((OSError, ValueError)) as caught:
        np.asarray(reader(path).voxels)
    assert time.monotonic() - start < 3
    message = str(caught.value)
    assert path.name in message
    assert "\n" not in message
    assert 40 < len(message) < 500
    return message


def truncated(plain: bytes, packed: bytes) -> dict[str, tuple[bytes, str]]:
    damaged = bytearray(packed)
    damaged[len(packed) // 2 : len(packed) // 2 + 40] = b"\xff" * 40
    return {
        "voxels.nii": (plain[:-100], "is truncated"),
        "half.nii.gz": (packed[: len(packed) // 2], "truncated"),
        "tail.nii.gz": (packed[:-4], "truncated"),
        "header.nii": (plain[:200], "ends inside its header"),
        "header.nii.gz": (gzip.compress(plain[:200]), "ends inside its header"),
        "few.nii.gz": (gzip.compress(plain[:-100]), "is truncated"),
        "damaged.nii.gz": (bytes(damaged), "damaged|more than its header"),
        "sum.nii.gz": (packed[:-8] + b"\0\0\0\0" + packed[-4:], "damaged"),
        "empty.nii": (b"", "is empty"),
        "empty.nii.gz": (b"", "is empty"),
        "twice.nii.gz": (gzip.compress(packed), "compressed twice"),
    }


def something_else(plain: bytes) -> dict[str, tuple[bytes, str]]:
    return {
        "text.nii": (b"hello, this is no image" * 40, "is not a NIfTI file"),
        "html.nii.gz": (b"<!DOCTYPE html><html></html>" * 40, "HTML"),
        "lfs.nii.gz": (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "lfs pull"),
        "magic.nii": (plain[:344] + b"abc\0" + plain[348:], "mark"),
        "pair.nii": (plain[:344] + b"ni1\0" + plain[348:], r"header of a \.hdr/\.img pair"),
        "noise.nii": (np.random.default_rng(1).bytes(4000), "is not a NIfTI file"),
    }


def bad_numbers(plain: bytes) -> dict[str, tuple[bytes, str]]:
    nowhere = patched(plain, "<2h", 252, 0, 0)
    return {
        "none.nii": (patched(plain, "<h", 40, 0), "claims 0 axes"),
        "eight.nii": (patched(plain, "<h", 40, 8), "claims 8 axes"),
        "minus.nii": (patched(plain, "<h", 40, -3), "claims -3 axes"),
        "zero.nii": (patched(plain, "<h", 42, 0), "claims the shape"),
        "negative.nii": (patched(plain, "<h", 44, -20), "claims the shape"),
        "huge.nii": (patched(plain, "<8h", 40, 4, 1000, 1000, 1000, 1000, 1, 1, 1), "truncated"),
        "float128.nii": (patched(plain, "<h", 70, 1536), "float128"),
        "type.nii": (patched(plain, "<h", 70, 999), "data type 999"),
        "bits.nii": (patched(plain, "<h", 70, 1), "single bits"),
        "nowhere.nii": (patched(plain, "<f", 108, -8.0), "voxels begin at byte -8"),
        "far.nii": (patched(plain, "<f", 108, 1e15), "voxels begin at byte 1e"),
        "size0.nii": (patched(nowhere, "<3f", 80, 0, 0, 0), "voxel size is"),
        "sizenan.nii": (patched(nowhere, "<f", 80, np.nan), "voxel size is"),
        "cifti.nii": (patched(plain, "<h", 68, 3002), "CIFTI"),
    }


@pytest.mark.parametrize("reader", READERS)
def test_broken_files_are_refused_in_one_line(tmp_path, reader):
    plain, packed = whole(tmp_path), whole(tmp_path, "x.nii.gz")
    cases = truncated(plain, packed) | something_else(plain) | bad_numbers(plain)
    for name, (content, reason) in cases.items():
        path = tmp_path / name
        path.write_bytes(content)
        with pytest.raises((OSError, ValueError), match=reason):
            reader(path)
        refused(path, reader)
        if name.endswith(".nii") and content[:2] != b"\x1f\x8b" and name != "empty.nii":
            path.with_suffix(".nii.gz").write_bytes(gzip.compress(content))
            refused(path.with_suffix(".nii.gz"), reader)


def test_nifti_2_is_as_careful(tmp_path):
    plain = whole(tmp_path, image_class=nib.Nifti2Image)
    cases = {
        "text_mode.nii": (plain[:8] + b"\n\x1a\n\n" + plain[12:], "copied as text"),
        "huge.nii": (patched(plain, "<4q", 16, 3, 10**4, 10**4, 10**4), "truncated"),
        "overflow.nii": (patched(plain, "<4q", 16, 3, *[2**62] * 3), "truncated"),
        "count.nii": (patched(plain, "<q", 16, 2**40), "axes"),
    }
    for name, (content, reason) in cases.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(ValueError, match=reason):
            read_volume(tmp_path / name)
        refused(tmp_path / name)


@pytest.mark.parametrize(
    ("place", "values"), [(280, (np.nan,) * 12), (280, (1.0,) * 12), (280, (0.0,) * 12)]
)
def test_an_invalid_affine_is_left_out_and_that_is_said(tmp_path, place, values):
    path = tmp_path / "a.nii"
    path.write_bytes(patched(whole(tmp_path), "<12f", place, *values))
    volume = read_volume(path)
    assert volume.source.affine_from == "voxel size"
    assert "sform is not valid" in volume.source.notes[0]
    assert "states no direction" in volume.source.notes[1]


def test_a_negative_voxel_size_counts_as_positive(tmp_path):
    path = tmp_path / "a.nii"
    plain = patched(whole(tmp_path), "<2h", 252, 0, 0)
    path.write_bytes(patched(plain, "<3f", 80, -2, 3, -4))
    assert read_volume(path).spacing_mm == (4, 3, 2)


def test_what_is_no_file_is_refused(tmp_path):
    (tmp_path / "folder.nii.gz").mkdir()
    assert "folder or device" in refused(tmp_path / "folder.nii.gz")
    assert "is missing" in refused(tmp_path / "nowhere.nii")
    assert "File name too long" in refused_long(tmp_path)
    if not hasattr(os, "mkfifo"):
        pytest.skip("this system has no named pipes")
    os.mkfifo(tmp_path / "pipe.nii.gz")
    assert "not a file" in refused(tmp_path / "pipe.nii.gz")


def refused_long(folder: Path) -> str:
    with pytest.raises(OSError) as caught:
        read_volume(folder / ("x" * 300 + ".nii"))
    return str(caught.value)


@pytest.mark.skipif(sys.platform == "win32", reason="links need a privilege on Windows")
def test_links_that_lead_nowhere_are_named(tmp_path):
    loop, other, dangling = (tmp_path / f"{n}.nii.gz" for n in ("loop", "other", "dangling"))
    loop.symlink_to(other)
    other.symlink_to(loop)
    dangling.symlink_to(tmp_path / "annexed")
    for path in (loop, dangling):
        assert "symbolic link" in refused(path)


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() == 0,
    reason="the administrator may read everything",
)
def test_a_file_that_may_not_be_read_is_named(tmp_path):
    path = tmp_path / "a.nii"
    path.write_bytes(whole(tmp_path))
    path.chmod(0)
    assert "Permission denied" in refused(path)


def test_half_of_a_pair_is_not_enough(tmp_path):
    nib.save(nib.Nifti1Pair(VOXELS, np.eye(4)), tmp_path / "a.img")
    (tmp_path / "a.hdr").rename(tmp_path / "b.hdr")
    assert "'a.hdr' (or .gz) is missing" in refused(tmp_path / "a.img")
    assert "'b.img' (or .gz) is missing" in refused(tmp_path / "b.hdr")
    (tmp_path / "b.img").write_bytes(b"too few")
    assert "truncated" in refused_pair(tmp_path / "b.hdr")


def refused_pair(path: Path) -> str:
    with pytest.raises(ValueError, match=r"b\.img") as caught:
        read_volume(path)
    return str(caught.value)


BOMB = """
import resource, sys, time
from napari_medunet.engine.files.nifti import open_volume, read_volume
reader = {"read": read_volume, "open": open_volume}[sys.argv[1]]
before, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.monotonic()
try:
    volume = reader(sys.argv[2])
    getattr(volume.voxels, "complete", lambda: None)()
except (OSError, ValueError) as error:
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(after - before, time.monotonic() - start, error)
"""


def bombs(folder: Path) -> list[Path]:
    """Small files: one goes on for 4 GiB behind its voxels, one claims 16 GiB of zeros, one has a
    header that claims a terabyte."""
    plain = whole(folder)
    zeros = gzip.compress(bytes(2**24), 9)  # members of a gzip file follow each other
    after, claimed, header = (folder / f"{n}.nii.gz" for n in ("after", "claimed", "header"))
    after.write_bytes(gzip.compress(plain) + zeros * 256)
    start = patched(plain, "<8h", 40, 3, 2048, 2048, 2048, 1, 1, 1, 1)[:352]
    claimed.write_bytes(gzip.compress(start) + zeros * 1024)
    header.write_bytes(gzip.compress(patched(plain, "<8h", 40, 4, *[1000] * 4, 1, 1, 1)))
    return [after, claimed, header]


@pytest.mark.skipif(sys.platform == "win32", reason="memory is counted in another way there")
@pytest.mark.parametrize("reader", ["read", "open"])
def test_a_decompression_bomb_takes_neither_time_nor_memory(tmp_path, reader):
    for path in bombs(tmp_path):
        ran = subprocess.run(
            [sys.executable, "-c", BOMB, reader, str(path)],
            capture_output=True, text=True, check=True, timeout=60,
        )  # fmt: skip
        kilobytes, seconds, message = ran.stdout.strip().split(" ", 2)
        assert path.name in message
        assert "\n" not in message
        assert float(seconds) < 3
        scale = 1 if sys.platform == "darwin" else 1024
        assert float(kilobytes) * scale < 150 * 2**20


def test_saving_over_a_mapped_file_leaves_the_open_volume_valid(tmp_path):
    path = tmp_path / "a.nii"
    path.write_bytes(whole(tmp_path))
    asked = Kind("file", lambda path: True)
    for reader in READERS:
        volume = reader(path)
        before = np.array(volume.voxels)
        write_labels(path, np.zeros(volume.shape, np.uint8), volume, overwrite=True, kind=asked)
        np.testing.assert_array_equal(volume.voxels, before)
        path.write_bytes(whole(tmp_path))


KINDS = {
    "a.nii": nib.Nifti1Image,
    "b.nii.gz": nib.Nifti1Image,
    "c.nii": nib.Nifti2Image,
    "d.hdr": nib.Nifti1Pair,
    "e.hdr": nib.Spm99AnalyzeImage,
}


@given(
    name=st.sampled_from(sorted(KINDS)),
    places=st.lists(
        st.tuples(
            st.integers(0, 560), st.sampled_from([0, 1, 2, 127, 128, 255]) | st.integers(0, 255)
        ),
        max_size=8,
    ),
    cut=st.none() | st.integers(0, 800),
    inside=st.booleans(),
)
@settings(max_examples=250, deadline=None, derandomize=True)
def test_a_mutated_file_opens_or_is_refused(name, places, cut, inside):
    """Bytes are replaced and the end is cut, packed or not: an open or one line, nothing else."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, name)
        nib.save(KINDS[name](VOXELS[:4, :5, :6], np.eye(4)), path)
        content = bytearray(path.read_bytes())
        if inside and content[:2] == b"\x1f\x8b":
            content = bytearray(gzip.decompress(content))
        for place, value in places:
            if place < len(content):
                content[place] = value
        content = content[:cut]
        path.write_bytes(gzip.compress(content) if inside else content)
        try:
            np.asarray(read_volume(path).voxels)
        except (ValueError, OSError) as error:
            assert Path(name).stem in str(error)
            assert "\n" not in str(error)
