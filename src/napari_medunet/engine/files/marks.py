"""Marks by which label files and images of ours are told from all others.

A mark is a short text: a comment extension of a NIfTI file, the text "Software" of a PNG or TIFF file.
It holds a checksum of the voxels: a file that somebody has painted on since is that person's, also where
the program kept the mark.
"""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import tifffile
from isal import igzip
from PIL import Image

from napari_medunet.engine.files.saving import Kind

_MARK = re.compile(rb"napari-medunet (label file|image) ([0-9a-f]{8})")
_BLOCK_BYTES = 2**22
_OFFSETS = {
    348: ("<f", 108),
    540: ("<q", 168),
}  # where a NIfTI header of so many bytes has vox_offset


def mark(kind: Kind, blocks: Iterable[Any]) -> str:
    """Mark of a file whose voxels are these blocks of bytes, little-endian and in the order of the file."""
    return f"napari-medunet {kind.name} {_checksum(blocks):08x}"


def is_mark(content: bytes) -> bool:
    """Whether some text is a mark of ours."""
    return _MARK.match(content) is not None


def _bears_mark(name: str, path: Path) -> bool:
    """Whether a file bears the mark of a kind of this name, and has the voxels that it had then."""
    suffix = path.suffix.lower()
    if suffix == ".png":
        text, checksum = _png(path)
    elif suffix in (".tif", ".tiff"):
        text, checksum = _tiff(path)
    else:
        text, checksum = _nifti(path)
    found = _MARK.search(text)
    return found is not None and found[1].decode() == name and int(found[2], 16) == checksum


LABELS = Kind("label file", partial(_bears_mark, "label file"), is_marked=True)
IMAGE = Kind("image", partial(_bears_mark, "image"), is_marked=True)


def _checksum(blocks: Iterable[Any]) -> int:
    checksum = 0
    for block in blocks:
        checksum = zlib.crc32(block, checksum)
    return checksum


def _of_pixels(pixels: npt.NDArray[Any]) -> int:
    return _checksum([np.ascontiguousarray(pixels, pixels.dtype.newbyteorder("<")).data])


def _png(path: Path) -> tuple[bytes, int]:
    with Image.open(path) as image:
        text = str(image.info.get("Software", ""))
        return text.encode(), _of_pixels(np.array(image))


def _tiff(path: Path) -> tuple[bytes, int]:
    with tifffile.TiffFile(path) as tiff:
        text = str(tiff.pages[0].tags.valueof("Software") or "")
        return text.encode(), _of_pixels(tiff.series[0].asarray())


def _nifti(path: Path) -> tuple[bytes, int]:
    """Mark and checksum of a single little-endian NIfTI file, as we write it."""
    with path.open("rb") as raw:
        packed = raw.read(2) == b"\x1f\x8b"
        raw.seek(0)
        stream: Any = igzip.IGzipFile(fileobj=raw, mode="rb") if packed else raw
        start = stream.read(540)
        form, place = _OFFSETS[struct.unpack_from("<i", start)[0]]
        offset = int(struct.unpack_from(form, start, place)[0])
        before = start + stream.read(max(0, offset - len(start)))
        voxels = iter(lambda: stream.read(_BLOCK_BYTES), b"")
        return before[:offset], _checksum([before[offset:], *voxels])
