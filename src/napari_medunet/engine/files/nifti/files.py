"""Names of NIfTI and Analyze files, their halves, and opening them packed or not."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

from isal import igzip, isal_zlib

from napari_medunet.engine.errors import MedunetError
from napari_medunet.engine.files.paths import missing

SINGLE_SUFFIXES = (".nii.gz", ".nii")
_HEADER_SUFFIXES = (".hdr.gz", ".hdr")
_VOXEL_SUFFIXES = (".img.gz", ".img")
SUFFIXES = (*SINGLE_SUFFIXES, *_HEADER_SUFFIXES, *_VOXEL_SUFFIXES)
_GZIP_MAGIC = b"\x1f\x8b"
_DAMAGE = (EOFError, gzip.BadGzipFile, cast(type[Exception], isal_zlib.error))


@dataclass(frozen=True)
class Parts:
    """Where an image's header and its voxels are: one file, or the two halves of a pair."""

    header: Path
    voxels: Path

    @property
    def is_pair(self) -> bool:
        """Whether header and voxels are two files."""
        return self.header != self.voxels


def is_nifti(path: Path) -> bool:
    """Whether a file's name ends as those of NIfTI files, or of .hdr/.img pairs, in either case."""
    return path.name.lower().endswith(SUFFIXES)


def is_pair_name(path: Path) -> bool:
    """Whether a file's name is that of one half of a .hdr/.img pair."""
    return path.name.lower().endswith((*_HEADER_SUFFIXES, *_VOXEL_SUFFIXES))


def is_voxel_half(path: Path) -> bool:
    """Whether a file's name is that of the voxels of a pair: .img or .img.gz."""
    return path.name.lower().endswith(_VOXEL_SUFFIXES)


def without_suffix(path: Path) -> str:
    """Name a NIfTI file without .nii, .nii.gz, .hdr, .img, .hdr.gz or .img.gz."""
    suffix = next((s for s in SUFFIXES if path.name.lower().endswith(s)), "")
    return path.name[: len(path.name) - len(suffix)]


def find_parts(path: Path) -> Parts:
    """Find the files that an image consists of; of a pair, either half may be given.

    Raises
    ------
    OSError
        If the path is no file, or the other half of a pair is missing.
    """
    _check_is_file(path)
    if not is_pair_name(path):
        return Parts(path, path)
    if is_voxel_half(path):
        return Parts(_other_half(path, _HEADER_SUFFIXES), path)
    return Parts(path, _other_half(path, _VOXEL_SUFFIXES))


@contextmanager
def opened(path: Path) -> Iterator[tuple[BinaryIO, bool]]:
    """Open a file to read what it holds, unpacked where it is gzip, whatever its name.

    The checksum of each member is compared when its end is reached.

    Yields
    ------
    stream : BinaryIO
    packed : bool
        Whether the file is gzip.
    """
    with path.open("rb") as raw:
        packed = raw.read(2) == _GZIP_MAGIC
        raw.seek(0)
        if packed:
            with igzip.IGzipFile(fileobj=raw, mode="rb") as stream:
                yield cast(BinaryIO, stream), True
        else:
            yield raw, False


@contextmanager
def errors_in_one_line(path: Path) -> Iterator[None]:
    """Turn what reading may raise into an OSError or ValueError of one line that names the file."""
    try:
        yield
    except _DAMAGE as error:
        raise MedunetError(
            f"'{path}' is truncated or damaged ({error}). Copy or export it again."
        ) from error
    except MemoryError as error:
        raise OSError(
            f"'{path}' does not fit into memory. Crop it or close other programs."
        ) from error
    except OSError as error:
        if error.strerror is None:
            raise
        raise OSError(f"Cannot read '{path}': {error.strerror}. Check its permissions.") from error


def _check_is_file(path: Path) -> None:
    if path.is_file():
        return
    if path.exists():
        raise OSError(f"'{path}' is a folder or device, not a file. Choose a .nii or .nii.gz file.")
    raise missing(path, "a .nii or .nii.gz file")


def _other_half(path: Path, suffixes: tuple[str, ...]) -> Path:
    """Find the file beside `path` with the same name and one of `suffixes`, in either case."""
    stem = without_suffix(path)
    wanted = [f"{stem}{suffix}" for suffix in reversed(suffixes)]  # what is not packed comes first
    for name in wanted:
        if (path.parent / name).is_file():
            return path.parent / name
    for file in sorted(path.parent.iterdir()):
        ending = file.name[len(stem) :].lower()
        if file.name.startswith(stem) and ending in suffixes and file.is_file():
            return file
    raise OSError(
        f"'{path}' is half of a pair, and '{wanted[0]}' (or .gz) is missing beside it. "
        "Copy both files into one folder."
    )
