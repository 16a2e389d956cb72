"""PNG, JPEG and TIFF: written by Pillow and tifffile, read by us, and back."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps

from napari_medunet.engine.files.images import read_image, write_label_image
from napari_medunet.engine.volume import Volume, affine_from_spacing

RNG = np.random.default_rng(0)
GREY = RNG.integers(0, 255, (5, 7), dtype=np.uint8)
STACK = RNG.integers(0, 1000, (6, 5, 7), dtype=np.uint16)
COLOUR = RNG.integers(0, 255, (5, 7, 3), dtype=np.uint8)


@pytest.mark.parametrize("suffix", [".png", ".tif", ".TIFF"])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_grey(tmp_path, suffix, dtype):
    pixels = GREY.astype(dtype) * (200 if dtype == np.uint16 else 1)
    path = tmp_path / f"cell.1{suffix}"
    Image.fromarray(pixels).save(path)
    volume = read_image(path)
    np.testing.assert_array_equal(volume.voxels, pixels[None])
    assert volume.voxels.dtype == dtype
    assert volume.name == "cell.1"
    assert volume.leading_axes == ()
    assert volume.spacing_mm == (1, 1, 1)
    assert volume.source is None


@pytest.mark.parametrize("suffix", [".png", ".tif"])
@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_colours_lead_without_alpha(tmp_path, suffix, mode):
    Image.fromarray(COLOUR).convert(mode).save(tmp_path / f"a{suffix}")
    volume = read_image(tmp_path / f"a{suffix}")
    np.testing.assert_array_equal(volume.voxels, COLOUR.transpose(2, 0, 1)[:, None])
    assert volume.leading_axes == ("c",)


def test_jpeg(tmp_path):
    Image.fromarray(COLOUR).convert("L").save(tmp_path / "a.jpg")
    assert read_image(tmp_path / "a.jpg").voxels.shape == (1, 5, 7)
    Image.fromarray(COLOUR).convert("CMYK").save(tmp_path / "b.jpeg")
    assert read_image(tmp_path / "b.jpeg").voxels.shape == (3, 1, 5, 7)


def test_black_and_white_is_0_and_1(tmp_path):
    Image.fromarray(GREY > 100).save(tmp_path / "a.png")
    volume = read_image(tmp_path / "a.png")
    assert volume.voxels.dtype == np.uint8
    np.testing.assert_array_equal(volume.voxels[0], GREY > 100)


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_a_palette_is_colours_for_images_and_indices_for_masks(tmp_path, suffix):
    image = Image.fromarray(GREY % 3, mode=None).convert("L")
    image.putpalette([0, 0, 0, 255, 0, 0, 0, 255, 0])
    image.save(tmp_path / f"a{suffix}")
    mask = read_image(tmp_path / f"a{suffix}", as_labels=True)
    np.testing.assert_array_equal(mask.voxels[0], GREY % 3)
    if suffix == ".png":
        assert read_image(tmp_path / "a.png").leading_axes == ("c",)


def test_a_mask_saved_with_three_equal_channels_is_one_channel(tmp_path):
    Image.fromarray(GREY).convert("RGB").save(tmp_path / "a.png")
    np.testing.assert_array_equal(read_image(tmp_path / "a.png", as_labels=True).voxels, GREY[None])
    assert read_image(tmp_path / "a.png").leading_axes == ("c",)


@pytest.mark.parametrize("compression", ["tiff_lzw", "tiff_deflate", "packbits", None])
def test_pages_are_slices(tmp_path, compression):
    pages = [Image.fromarray(page) for page in STACK]
    pages[0].save(
        tmp_path / "a.tif", save_all=True, append_images=pages[1:], compression=compression
    )
    volume = read_image(tmp_path / "a.tif")
    np.testing.assert_array_equal(volume.voxels, STACK)
    assert volume.leading_axes == ()
    assert volume.spacing_mm == (1, 1, 1)


def test_channels_and_time_lead(tmp_path):
    pixels = RNG.integers(0, 99, (2, 3, 4, 5, 7), dtype=np.uint16)
    tifffile.imwrite(tmp_path / "a.tif", pixels, imagej=True, metadata={"axes": "TZCYX"})
    volume = read_image(tmp_path / "a.tif")
    assert volume.leading_axes == ("t", "c")
    np.testing.assert_array_equal(volume.voxels, pixels.transpose(0, 2, 1, 3, 4))


def test_spacing_counts_where_it_was_measured(tmp_path):
    tifffile.imwrite(
        tmp_path / "imagej.tif",
        STACK,
        imagej=True,
        resolution=(1 / 0.25, 1 / 0.5),
        metadata={"axes": "ZYX", "spacing": 3.0, "unit": "mm"},
    )
    np.testing.assert_allclose(read_image(tmp_path / "imagej.tif").spacing_mm, (3, 0.5, 0.25))
    tifffile.imwrite(tmp_path / "cm.tif", GREY, resolution=(20, 40), resolutionunit="CENTIMETER")
    np.testing.assert_allclose(read_image(tmp_path / "cm.tif").spacing_mm, (1, 0.25, 0.5))
    Image.fromarray(GREY).save(tmp_path / "screen.tif", dpi=(72, 72))
    assert read_image(tmp_path / "screen.tif").spacing_mm == (1, 1, 1)


@given(
    shape=st.tuples(st.integers(1, 4), st.integers(1, 6), st.integers(1, 6)),
    highest=st.sampled_from([1, 255, 256, 65535, 65536, 2**32 - 1]),
    spacing=st.sampled_from([(1.0, 1.0, 1.0), (3.0, 0.5, 0.25)]),
)
@settings(max_examples=60, deadline=None)
def test_labels_written_and_read_are_the_same(shape, highest, spacing):
    labels = np.zeros(shape, np.int64)
    labels[-1, 0, 0] = highest
    like = Volume(np.zeros(shape, np.uint8), affine_from_spacing(spacing), "scan")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "deep", "a.tif")
        write_label_image(path, labels, like)
        volume = read_image(path, as_labels=True)
        np.testing.assert_array_equal(volume.voxels, labels)
        assert volume.voxels.dtype == np.min_scalar_type(highest)
        if highest < 65536:
            np.testing.assert_allclose(volume.spacing_mm[1:], spacing[1:], rtol=1e-6)
        if shape[0] == 1 and highest < 65536:
            write_label_image(Path(folder, "a.png"), labels, like)
            np.testing.assert_array_equal(read_image(Path(folder, "a.png")).voxels, labels)


def test_labels_that_do_not_fit_are_refused(tmp_path):
    like = Volume(np.zeros((2, 5, 7)), affine_from_spacing((1, 1, 1)), "scan")
    labels = np.zeros((2, 5, 7), int)
    with pytest.raises(ValueError, match=r"one slice.*Save as"):
        write_label_image(tmp_path / "a.png", labels, like)
    with pytest.raises(ValueError, match=r"wanted .png, .tif"):
        write_label_image(tmp_path / "a.jpg", labels, like)
    with pytest.raises(ValueError, match="the shape"):
        write_label_image(tmp_path / "a.tif", labels[:1], like)
    assert list(tmp_path.iterdir()) == []


def test_broken_files_are_refused_in_one_line(tmp_path):
    Image.fromarray(np.tile(COLOUR, (30, 30, 1))).save(tmp_path / "whole.png")
    Image.fromarray(np.tile(COLOUR, (30, 30, 1))).save(tmp_path / "whole.jpg")
    tifffile.imwrite(tmp_path / "whole.tif", np.tile(STACK, (1, 9, 9)), photometric="minisblack")
    tifffile.imwrite(
        tmp_path / "packed.tif",
        np.tile(STACK, (1, 9, 9)),
        photometric="minisblack",
        compression="zlib",
    )
    claims = bytearray((tmp_path / "whole.tif").read_bytes())
    width = claims.index(b"\x00\x01\x04\x00\x01\x00\x00\x00") + 8  # the value of that tag
    claims[width : width + 4] = b"\xff\xff\xff\x7f"
    cases = {
        "empty.png": b"",
        "empty.tif": b"",
        "text.jpg": b"hello" * 50,
        "text.tif": b"hello" * 50,
    }
    cases["claims.tif"] = bytes(claims)
    for name in ("whole.png", "whole.jpg", "whole.tif", "packed.tif"):
        content = (tmp_path / name).read_bytes()
        for cut in (6, 60, len(content) // 2, len(content) - 40):
            cases[f"cut{cut}_{name}"] = content[:cut]
    for name, content in cases.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises((ValueError, OSError)) as caught:
            read_image(tmp_path / name)
        assert name in str(caught.value)
        assert "\n" not in str(caught.value)


def test_what_is_no_file_is_refused(tmp_path):
    (tmp_path / "folder.png").mkdir()
    with pytest.raises(OSError, match="folder or device"):
        read_image(tmp_path / "folder.png")
    with pytest.raises(OSError, match="missing"):
        read_image(tmp_path / "nowhere.tif")


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", [".jpg", ".png"])
def test_pictures_are_turned_as_viewers_turn_them_and_it_is_said(tmp_path, orientation, suffix):
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / f"a{suffix}"
    Image.fromarray(COLOUR).save(path, exif=exif.tobytes())
    for as_labels in (False, True):
        volume = read_image(path, as_labels=as_labels)
        with Image.open(path) as image:
            shown = np.array(ImageOps.exif_transpose(image))
        np.testing.assert_array_equal(volume.voxels[:, 0], shown.transpose(2, 0, 1))
        assert bool(volume.doubts) == (orientation != 1)


def test_a_tiff_is_read_as_stored_and_its_orientation_is_said(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", GREY, extratags=[(274, "H", 1, 3, True)])
    volume = read_image(tmp_path / "a.tif")
    np.testing.assert_array_equal(volume.voxels[0], GREY)
    assert "as it is stored" in volume.doubts[0]


def test_a_scale_is_known_where_it_is_stated(tmp_path):
    Image.fromarray(GREY).save(tmp_path / "a.png", dpi=(300, 300))
    tifffile.imwrite(tmp_path / "b.tif", GREY)
    tifffile.imwrite(
        tmp_path / "c.tif", GREY, imagej=True, resolution=(2, 2), metadata={"unit": "um"}
    )
    known = [read_image(tmp_path / name).scale_known for name in ("a.png", "b.tif", "c.tif")]
    assert known == [False, False, True]
