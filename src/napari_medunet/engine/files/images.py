"""PNG, JPEG and TIFF to Volume, and labels back to PNG and TIFF."""

from __future__ import annotations

import logging
import os
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import tifffile
from PIL import Image, PngImagePlugin, UnidentifiedImageError

from napari_medunet.engine.errors import MedunetError
from napari_medunet.engine.files.marks import LABELS, mark
from napari_medunet.engine.files.paths import missing, readable
from napari_medunet.engine.files.picture_place import (
    SpacingMm,
    doubts_of_orientation,
    exif_orientation,
    tiff_orientation,
    tiff_spacing,
    turned,
)
from napari_medunet.engine.files.saving import Kind, write_target
from napari_medunet.engine.labels import smallest_dtype
from napari_medunet.engine.memory import check_memory
from napari_medunet.engine.volume import Volume, affine_from_spacing

TIFF_SUFFIXES = (".tif", ".tiff")
SUFFIXES = (".png", ".jpg", ".jpeg", *TIFF_SUFFIXES)
_MOST_UNFOLDED = 5000  # bytes of pixels for each byte on disk: beyond it the header is wrong


def read_image(path: str | os.PathLike[str], *, as_labels: bool = False) -> Volume:
    """Read a PNG, JPEG or TIFF image.

    Parameters
    ----------
    path : path of a .png, .jpg, .jpeg, .tif or .tiff file
    as_labels : bool
        Read a mask: a palette image is its indices and not its colours, and a grey image that was
        saved with three equal channels is one channel.

    Returns
    -------
    volume : Volume
        A single picture has z of length 1; the pages of a greyscale TIFF are z. Colours lead as "c",
        without alpha. Spacing is 1 mm, unless a TIFF says what ImageJ or a microscope measured. PNG and
        JPEG pictures are turned as their EXIF says.

    Raises
    ------
    OSError
        If the file is missing or cannot be read.
    MedunetError
        If it is no image, is broken, or has axes that have no place here. Both are one line.
    """
    path = Path(path)
    with _errors_in_one_line(path):
        if not path.is_file():
            if not path.exists():
                raise missing(path, "a PNG, JPEG or TIFF file")
            raise OSError(f"'{path}' is a folder or device. Choose a PNG, JPEG or TIFF file.")
        if path.suffix.lower() in TIFF_SUFFIXES:
            picture = _read_tiff(path)
        else:
            picture = _read_picture(path, as_labels)
    voxels, leading = _arranged(picture.pixels, picture.axes, path)
    if as_labels and leading == ("c",) and len(voxels) == 3 and (voxels == voxels[:1]).all():
        voxels, leading = voxels[0], ()
    return Volume(
        voxels,
        affine_from_spacing(picture.spacing_mm or (1.0, 1.0, 1.0)),
        readable(path.stem),
        leading,
        (1.0,) * len(leading),
        scale_known=picture.spacing_mm is not None,
        doubts=picture.doubts,
    )


def write_label_image(
    path: str | os.PathLike[str],
    labels: npt.NDArray[Any],
    like: Volume,
    overwrite: bool = False,
    kind: Kind = LABELS,
) -> None:
    """Write labels as a PNG or TIFF of the image's size, whole or not at all.

    Parameters
    ----------
    path : path ending in .png, .tif or .tiff
        Folders that are missing are made.
    labels : (z, y, x) integer or bool array
        Written in the smallest unsigned type that holds them; several z as pages of a TIFF.
    like : Volume
        The image that the labels belong to.
    overwrite, kind
        As in `nifti.write_labels`.

    Raises
    ------
    MedunetError
        If the labels are no integers, are negative, have another shape than `like`, or do not fit
        into that kind of file, or the file is there and must not be replaced.
    OSError
        If the file cannot be written.
    """
    path, labels = Path(path), np.asarray(labels)
    if labels.shape != like.shape:
        shapes = f"have the shape {labels.shape}, the image has {like.shape}"
        raise MedunetError(
            f"Labels for '{like.name}' {shapes}: choose the image they were made on."
        )
    pixels = labels.astype(smallest_dtype(labels, like.name))
    pixels = pixels[0] if len(pixels) == 1 else pixels
    suffix = path.suffix.lower()
    if suffix not in (".png", *TIFF_SUFFIXES):
        raise MedunetError(f"'{path}' has the wrong ending; wanted .png, .tif or .tiff. Rename it.")
    if suffix == ".png" and (pixels.ndim > 2 or pixels.itemsize > 2):
        raise MedunetError(
            f"'{path}': a PNG holds one slice with labels up to 65535, not {len(labels)} slices with "
            f"{labels.max()}. Save as .tif or .nii.gz."
        )
    software = mark(kind, [pixels.tobytes()]) if kind.is_marked else ""
    with write_target(path, kind, overwrite) as stream:
        if suffix == ".png":
            _write_png(stream, pixels, software)
        else:
            _write_tiff(stream, pixels, like.spacing_mm, software)


@dataclass(frozen=True, eq=False)
class _Picture:
    """What a file holds: pixels, a letter for each of their axes, and what it says about itself."""

    pixels: npt.NDArray[Any]
    axes: str
    spacing_mm: SpacingMm | None
    doubts: tuple[str, ...]


def _read_picture(path: Path, as_labels: bool) -> _Picture:
    with Image.open(path) as image:
        colours = ["CMYK", "YCbCr", "LAB", "HSV"] + ["P"] * (not as_labels)
        pixels = np.array(image.convert("RGB") if image.mode in colours else image)
        orientation = exif_orientation(image)
    if pixels.dtype == bool:
        pixels = pixels.astype(np.uint8)
    doubts = doubts_of_orientation(path.name, orientation, is_tiff=False)
    axes = "YXS" if pixels.ndim == 3 else "YX"
    return _Picture(turned(pixels, orientation), axes, None, doubts)


def _read_tiff(path: Path) -> _Picture:
    with _no_missing_pages(path), tifffile.TiffFile(path) as tiff:
        if len(tiff.series) != 1:
            raise MedunetError(
                f"'{path}' holds {len(tiff.series)} images of different sizes; wanted one. Save them "
                "one by one."
            )
        series = tiff.series[0]
        if series.nbytes > _MOST_UNFOLDED * path.stat().st_size:
            raise MedunetError(
                f"'{path}' is damaged: its header claims {series.nbytes} bytes of pixels. Export it "
                "again."
            )
        check_memory(series.nbytes, f"'{path}'")
        doubts = doubts_of_orientation(path.name, tiff_orientation(tiff), is_tiff=True)
        described = series.axes, tiff_spacing(tiff), doubts
        if series.keyframe.photometric == tifffile.PHOTOMETRIC.PALETTE:
            return _Picture(_tiff_by_pillow(path), *described)
        try:
            pixels = series.asarray()
        except ValueError as error:
            if "imagecodecs" not in str(error):
                raise
            pixels = _tiff_by_pillow(path)  # LZW and JPEG compression, which Pillow brings along
        return _Picture(np.asarray(pixels), *described)


@contextmanager
def _no_missing_pages(path: Path) -> Iterator[None]:
    """Refuse a TIFF that ends before its last page, which tifffile only writes to its log."""
    told: list[str] = []
    listener = logging.Handler(logging.ERROR)
    listener.emit = lambda record: told.append(record.getMessage())  # type: ignore[method-assign]
    logger = logging.getLogger("tifffile")
    logger.addHandler(listener)
    try:
        yield
    finally:
        logger.removeHandler(listener)
    if any("TiffPages" in line and "invalid" in line for line in told):
        raise MedunetError(f"'{path}' is truncated: pages are missing. Copy or export it again.")


def _tiff_by_pillow(path: Path) -> npt.NDArray[Any]:
    """Pixels of all pages; palette images as indices."""
    with Image.open(path) as image:
        pages = []
        for number in range(getattr(image, "n_frames", 1)):
            image.seek(number)
            pages.append(np.array(image))
    return np.stack(pages) if len(pages) > 1 else pages[0]


def _arranged(
    pixels: npt.NDArray[Any], axes: str, path: Path
) -> tuple[npt.NDArray[Any], tuple[str, ...]]:
    """Pixels as (..., z, y, x) and the names of the leading axes."""
    if pixels.ndim != len(axes):
        raise MedunetError(
            f"'{path}' cannot be read: wanted the axes {axes}, got the shape {pixels.shape}. Save it "
            "uncompressed, or install imagecodecs."
        )
    if "S" in axes:
        pixels = _without_alpha(pixels, axes.index("S"))
    kept = [a for a, length in zip(axes, pixels.shape, strict=True) if length > 1 or a in "YX"]
    pixels = pixels.reshape([pixels.shape[axes.index(a)] for a in kept])
    roles = ["c" if a in "SC" else a.lower() if a in "TYX" else "z" for a in kept]
    if len(set(roles)) < len(roles) or {"y", "x"} - set(roles):
        raise MedunetError(
            f"'{path}' has the axes {axes} with lengths {pixels.shape}; wanted one stack of slices, "
            "with channels or time. Save its parts one by one."
        )
    if "z" not in roles:
        pixels, roles = pixels[None], ["z", *roles]
    order = [role for role in "tczyx" if role in roles]
    voxels = pixels.transpose([roles.index(role) for role in order])
    return voxels, tuple(order[:-3])


def _without_alpha(pixels: npt.NDArray[Any], axis: int) -> npt.NDArray[Any]:
    """Two or four samples: the last is opacity, which says nothing about anatomy."""
    if pixels.shape[axis] not in (2, 4):
        return pixels
    return np.take(pixels, np.arange(pixels.shape[axis] - 1), axis)


def _write_png(stream: Any, pixels: npt.NDArray[Any], software: str) -> None:
    about = PngImagePlugin.PngInfo()
    about.add_text("Software", software)
    Image.fromarray(pixels).save(stream, format="PNG", pnginfo=about)


def _write_tiff(
    stream: Any, pixels: npt.NDArray[Any], spacing_mm: SpacingMm, software: str
) -> None:
    z, y, x = spacing_mm
    resolution: dict[str, Any] = {}
    # ImageJ's is the one kind of TIFF with a place for z; tifffile mistakes a width of 1 in it.
    imagej = pixels.itemsize <= 2 and pixels.shape[-1] > 1
    if spacing_mm != (1.0, 1.0, 1.0):
        scale = 1 if imagej else 10
        resolution["resolution"] = (scale / x, scale / y)
        if not imagej:
            resolution["resolutionunit"] = "CENTIMETER"
    metadata: dict[str, Any] = {"axes": "ZYX"[-pixels.ndim :]}
    if imagej and resolution:
        metadata |= {"unit": "mm", "spacing": z}
    tifffile.imwrite(
        stream,
        pixels,
        imagej=imagej,
        photometric="minisblack",
        compression="zlib",
        software=software or None,
        metadata=metadata,
        **resolution,
    )


@contextmanager
def _errors_in_one_line(path: Path) -> Iterator[None]:
    try:
        yield
    except Image.DecompressionBombError as error:
        raise MedunetError(f"'{path}' is too large for one picture ({error}). Crop it.") from error
    except (tifffile.TiffFileError, zlib.error, struct.error, IndexError, KeyError) as error:
        raise MedunetError(
            f"'{path}' is no readable image, or is truncated ({error}). Copy or export it again."
        ) from error
    except MemoryError as error:
        raise OSError(f"'{path}' does not fit into memory. Crop it.") from error
    except (OSError, ValueError, SyntaxError) as error:
        if str(path) in str(error) and not isinstance(error, UnidentifiedImageError):
            raise
        reason = getattr(error, "strerror", None) or str(error)
        raise MedunetError(
            f"'{path}' is no readable image, or is truncated ({reason}). Copy or export it again."
        ) from error
