"""Which volumes a folder holds, and what their cases are called."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from napari_medunet.engine.errors import MedunetError
from napari_medunet.engine.files import nifti
from napari_medunet.engine.files.images import SUFFIXES as PICTURE_SUFFIXES
from napari_medunet.engine.files.nifti.files import is_voxel_half
from napari_medunet.engine.files.paths import AnyPath, leads_nowhere, missing, readable

WANTED = ".nii, .nii.gz, .hdr and .img, .png, .jpg, .tif or .tiff"
_LEVELS = 6  # of folders below: BIDS has derivatives/NAME/sub-01/ses-1/anat
_NOT_RAW = ("derivatives", "sourcedata")  # of a BIDS data set; they may be given themselves
_MOST_FILES = 100_000


def is_picture(path: Path) -> bool:
    """Whether a file's name ends as those of PNG, JPEG and TIFF files, in either case."""
    return path.suffix.lower() in PICTURE_SUFFIXES


def case_name(path: AnyPath) -> str:
    """Name a case: its file's name without .nii, .nii.gz, .png, .tif ..., as text that can be printed."""
    path = Path(path)
    return readable(nifti.without_suffix(path) if nifti.is_nifti(path) else path.stem)


def list_cases(path: AnyPath, leave_out: AnyPath | None = None) -> dict[str, Path]:
    """List the volumes of a folder by case name, or the one file that is given instead.

    Where the folder itself holds none, those of the folders in it are listed (BIDS, a folder for each
    case); a name that comes twice then begins with those of its folders. Hidden files, files that are being
    written, folders and files of other kinds are left out; a .hdr/.img pair is one case. A link that leads
    nowhere is a case: whoever reads it says so.

    Parameters
    ----------
    path : path of a folder or file
    leave_out : path, optional
        A folder in the first that is not listed.

    Returns
    -------
    cases : dict of case name to path, sorted by name

    Raises
    ------
    OSError
        If the path is missing or the folder cannot be read.
    MedunetError
        If there is no volume, or two files have the same case name.
    """
    path = Path(path)
    if not path.is_dir() or nifti.is_nifti(path):
        if not (nifti.is_nifti(path) or is_picture(path)) and path.exists():
            raise MedunetError(f"'{path}' is of no kind that can be read; wanted {WANTED}.")
        if not path.exists() and not (leads_nowhere(path) and _is_volume(path)):
            raise missing(path, "a folder of volumes, or one file")
        return {case_name(path): path}
    files = _files_in(path) or _files_below(path, leave_out)
    cases: dict[str, Path] = {}
    for file, name in zip(files, _names(files, path), strict=True):
        if name in cases:
            raise MedunetError(
                f"'{path}' holds two files for the case '{name}': {cases[name].name} and {file.name}. "
                "Move one of them away."
            )
        cases[name] = file
    if not cases:
        raise MedunetError(f"'{path}' holds no volumes; wanted files that end in {WANTED}.")
    return dict(sorted(cases.items()))


def _names(files: list[Path], root: Path) -> list[str]:
    """Case names: those of the files, after those of their folders where files are called alike."""
    names = [case_name(file) for file in files]
    if len(set(names)) == len(names) or all(file.parent == root for file in files):
        return names
    folders = [file.parent.relative_to(root).parts for file in files]
    return [
        "_".join((*map(readable, parts), name)) for parts, name in zip(folders, names, strict=True)
    ]


def _files_in(folder: Path) -> list[Path]:
    try:
        return [entry for entry in sorted(folder.iterdir()) if _is_volume(entry)]
    except OSError as error:
        raise _cannot_list(error, folder) from error


def _files_below(root: Path, leave_out: AnyPath | None) -> list[Path]:
    """Volumes of the folders in a folder."""
    files: list[Path] = []
    for paths in _folders_below(root, leave_out):
        files += [path for path in paths if _is_volume(path)]
        if len(files) > _MOST_FILES:
            raise MedunetError(
                f"'{root}' holds more than {_MOST_FILES} volumes in its folders; wanted a data set. Choose "
                "one of the folders in it."
            )
    return files


def _folders_below(root: Path, leave_out: AnyPath | None) -> Iterator[list[Path]]:
    """The paths in each folder below."""

    def refuse(error: OSError) -> None:
        raise _cannot_list(error, root) from error

    left_out = None if leave_out is None else Path(leave_out).resolve()
    for here, folders, names in os.walk(root, onerror=refuse):
        place = Path(here)
        depth = len(place.relative_to(root).parts)
        folders[:] = [
            folder
            for folder in sorted(folders)
            if depth < _LEVELS
            and not folder.startswith(".")
            and folder.lower() not in _NOT_RAW
            and (place / folder).resolve() != left_out
        ]
        yield [place / name for name in sorted(names)]


def _cannot_list(error: OSError, folder: Path) -> OSError:
    where = error.filename or folder
    return OSError(f"Cannot list '{where}': {error.strerror}. Check its permissions.")


def _is_volume(path: Path) -> bool:
    return (
        not path.name.startswith(".")
        and (nifti.is_nifti(path) or is_picture(path))
        and not is_voxel_half(path)
        and (path.is_file() or leads_nowhere(path))
    )
