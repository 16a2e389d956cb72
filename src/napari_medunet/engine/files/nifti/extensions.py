"""Header extensions: what programs keep between a NIfTI header and its voxels."""

from __future__ import annotations

import struct
from typing import TypeAlias

Extension: TypeAlias = tuple[int, bytes]  # registered code and content, with its padding

COMMENT = 6  # plain text
_CIFTI = 32
_STEP = 16  # sizes are multiples of it


def parse_extensions(block: bytes, order: str) -> tuple[Extension, ...]:
    """Read extensions; what is cut off or has an impossible size is left out, with all behind it.

    Parameters
    ----------
    block : bytes
        From the end of the header to the first voxel: four bytes that say whether there are any,
        then for each its size and code (32-bit integers) and its content.
    order : "<" or ">"
    """
    found: list[Extension] = []
    place = 4 if block[:1] not in (b"", b"\0") else len(block)
    while place + 8 <= len(block):
        size, code = struct.unpack_from(f"{order}2i", block, place)
        if size < 8 or place + size > len(block):
            break
        found.append((code, block[place + 8 : place + size]))
        place += size
    return tuple(found)


def pack_extensions(extensions: tuple[Extension, ...]) -> bytes:
    """Lay extensions out as they are in a little-endian file; `parse_extensions` undone."""
    packed = bytearray(b"\1\0\0\0" if extensions else b"\0\0\0\0")
    for code, content in extensions:
        size = -(-(len(content) + 8) // _STEP) * _STEP
        packed += struct.pack("<2i", size, code) + content.ljust(size - 8, b"\0")
    return bytes(packed)


def holds_cifti(extensions: tuple[Extension, ...]) -> bool:
    """Whether one of them describes a CIFTI file's axes."""
    return any(code == _CIFTI for code, _ in extensions)
