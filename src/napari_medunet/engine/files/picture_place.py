"""How large a picture's pixels are, and which way up it is, as far as its file says so."""

from __future__ import annotations

import struct
from contextlib import suppress
from typing import Any

import numpy.typing as npt
import tifffile
from PIL import Image

_UPRIGHT = 1
_ORIENTATION_TAG = 0x0112  # of EXIF, and of TIFF
_ORIENTATIONS = {
    2: "is mirrored", 3: "is turned by 180 degrees", 4: "is upside down", 5: "has rows for columns",
    6: "is turned by 90 degrees", 7: "has rows for columns, turned", 8: "is turned by 270 degrees",
}  # fmt: skip
_MM_PER_UNIT = {
    "mm": 1.0, "millimeter": 1.0, "cm": 10.0, "um": 1e-3, "µm": 1e-3, r"\u00b5m": 1e-3,
    "micron": 1e-3, "microns": 1e-3, "micrometer": 1e-3, "nm": 1e-6,
}  # fmt: skip
SpacingMm = tuple[float, float, float]


def tiff_spacing(tiff: tifffile.TiffFile) -> SpacingMm | None:
    """Spacing in mm where ImageJ stated it with a unit, or a microscope in pixels per cm; else None.

    Dots per inch are of a screen or a printer, and say nothing of anatomy.
    """
    tags = tiff.pages[0].tags
    imagej = tiff.imagej_metadata or {}
    unit = _MM_PER_UNIT.get(str(imagej.get("unit", "")).lower())
    if unit is None and tags.valueof("ResolutionUnit") == tifffile.RESUNIT.CENTIMETER:
        unit = _MM_PER_UNIT["cm"]
    per_pixel = [_ratio(tags.valueof(f"{axis}Resolution")) for axis in "YX"]
    if unit is None or not all(per_pixel):
        return None
    y, x = (unit / value for value in per_pixel)
    z = float(imagej.get("spacing", 0)) * unit
    if z <= 0 and len(tiff.pages) > 1:
        return None  # millimetres in the slice and unknown steps between slices are no grid
    return z if z > 0 else 1.0, y, x


def exif_orientation(image: Image.Image) -> int:
    """How a PNG or JPEG picture is to be turned: EXIF's number from 1, upright, to 8."""
    with suppress(SyntaxError, ValueError, struct.error, OSError, KeyError):  # EXIF that is broken
        code = image.getexif().get(_ORIENTATION_TAG)
        return code if code in _ORIENTATIONS else _UPRIGHT
    return _UPRIGHT


def tiff_orientation(tiff: tifffile.TiffFile) -> int:
    """How a TIFF says that it is to be turned, with EXIF's numbers."""
    code = tiff.pages[0].tags.valueof("Orientation")
    return int(code) if code in _ORIENTATIONS else _UPRIGHT


def turned(pixels: npt.NDArray[Any], orientation: int) -> npt.NDArray[Any]:
    """View of pixels (y, x, ...) the way up that an orientation wants, as viewers show them."""
    if orientation >= 5:
        pixels = pixels.swapaxes(0, 1)
    flip_y, flip_x = orientation in (3, 4, 7, 8), orientation in (2, 3, 6, 7)
    return pixels[:: -1 if flip_y else 1, :: -1 if flip_x else 1]


def doubts_of_orientation(name: str, orientation: int, *, is_tiff: bool) -> tuple[str, ...]:
    """Say that a picture is read turned, or, of a TIFF, is not; nothing of one that is upright."""
    if orientation == _UPRIGHT:
        return ()
    says = f"'{name}' says of itself (EXIF orientation {orientation}) that it"
    how = _ORIENTATIONS[orientation]
    if is_tiff:
        return (f"{says} {how}: a TIFF is read as it is stored, and its mask belongs on it so.",)
    return (f"{says} {how}: it is read as viewers show it, and its mask belongs on it so.",)


def _ratio(value: tuple[int, int] | None) -> float:
    return value[0] / value[1] if value and value[1] else 0.0
