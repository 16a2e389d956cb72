"""Files of every kind that holds volumes: read them, write labels of the same kind, list and pair them."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy.typing as npt

from napari_medunet.engine.errors import MedunetError
from napari_medunet.engine.files import nifti
from napari_medunet.engine.files.images import SUFFIXES as PICTURE_SUFFIXES
from napari_medunet.engine.files.images import TIFF_SUFFIXES, read_image, write_label_image
from napari_medunet.engine.files.label_names import LabelName, says_more, write_label_names
from napari_medunet.engine.files.nifti.files import is_voxel_half
from napari_medunet.engine.volume import Volume

_WANTED = ".nii, .nii.gz, .hdr and .img, .png, .jpg, .tif or .tiff"
_AnyPath = str | os.PathLike[str]


@dataclass(frozen=True)
class Pairs:
    """Files that belong together, by case name.

    Attributes
    ----------
    pairs : dict of case name to (image, labels) paths, sorted by name
    unpaired : list of str
        What has no partner, one sentence each for the user.
    """

    pairs: dict[str, tuple[Path, Path]]
    unpaired: list[str]


def read(path: _AnyPath, *, as_labels: bool = False) -> Volume:
    """Read a volume from a file of any kind, chosen by its name's ending.

    Parameters
    ----------
    path : path of a .nii, .nii.gz, .png, .jpg, .tif or .tiff file
    as_labels : bool
        Read a mask: of PNG and TIFF files, indices and not colours are taken.

    Raises
    ------
    OSError, MedunetError
        One line, if the file is missing, is broken, or has another ending.
    """
    path = Path(path)
    if nifti.is_nifti(path):
        return nifti.read_volume(path)
    if _is_picture(path):
        return read_image(path, as_labels=as_labels)
    if not path.exists():
        raise OSError(f"'{path}' is missing. Choose a file that ends in {_WANTED}.")
    raise MedunetError(f"'{path}' is of no kind that can be read; wanted {_WANTED}.")


def write_labels_like(path: _AnyPath, labels: npt.NDArray[Any], like: Volume) -> None:
    """Write labels to a file of the kind that its name's ending says.

    Parameters
    ----------
    path : path ending in .nii, .nii.gz, .png, .tif or .tiff
    labels : (z, y, x) integer or bool array
    like : Volume
        The image that the labels belong to: its grid and affine are kept.

    Raises
    ------
    OSError, MedunetError
        One line, if the labels do not fit or the file cannot be written.
    """
    path = Path(path)
    if _is_picture(path):
        write_label_image(path, labels, like)
    else:
        nifti.write_labels(path, labels, like)


def write(path: _AnyPath, volume: Volume) -> None:
    """Write a volume to a file: whole numbers as labels, with a table of their names, others as an image.

    Parameters
    ----------
    path : path ending in .nii or .nii.gz; of labels also in .png, .tif or .tiff
    volume : Volume
        Its source, where it has one, says onto which grid on disk it goes back.

    Raises
    ------
    OSError, MedunetError
        One line, if the volume does not fit or the file cannot be written.
    """
    if volume.voxels.dtype.kind not in "bui":
        if _is_picture(Path(path)):
            raise MedunetError(
                f"'{path}' is to be a picture, and '{volume.name}' has numbers with a fraction; wanted a "
                "name that ends in .nii or .nii.gz."
            )
        nifti.write_volume(path, volume)
        return
    write_labels_like(path, volume.voxels, volume)
    names = {label: LabelName(n) for label, n in volume.names.items() if says_more(n, label)}
    if names:
        write_label_names(Path(path), names)


def label_suffix(path: _AnyPath) -> str:
    """Ending of a file that can hold the labels of the image in `path` without loss."""
    path = Path(path)
    if not _is_picture(path):
        return ".nii.gz"
    return ".tif" if path.suffix.lower() in TIFF_SUFFIXES else ".png"


def case_name(path: _AnyPath) -> str:
    """Name a case: its file's name without .nii, .nii.gz, .png, .tif ..."""
    path = Path(path)
    return nifti.without_suffix(path) if nifti.is_nifti(path) else path.stem


def list_cases(path: _AnyPath) -> dict[str, Path]:
    """List the volumes of a folder by case name, or the one file that is given instead.

    Hidden files, files that are being written, folders and files of other kinds are left out; a
    .hdr/.img pair is one case.

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
        if not path.exists():
            raise OSError(f"'{path}' is missing. Choose a folder of volumes, or one file.")
        if not (nifti.is_nifti(path) or _is_picture(path)):
            raise MedunetError(f"'{path}' is of no kind that can be read; wanted {_WANTED}.")
        return {case_name(path): path}
    cases: dict[str, Path] = {}
    for file in _files_in(path):
        name = case_name(file)
        if name in cases:
            raise MedunetError(
                f"'{path}' holds two files for the case '{name}': {cases[name].name} and {file.name}. "
                "Move one of them away."
            )
        cases[name] = file
    if not cases:
        raise MedunetError(f"'{path}' holds no volumes; wanted files that end in {_WANTED}.")
    return dict(sorted(cases.items()))


def pair(images: _AnyPath, labels: _AnyPath) -> Pairs:
    """Pair images with labels (or predictions with truth) by case name.

    Parameters
    ----------
    images, labels : paths of two folders, or of one file each
        One file each belong together whatever their names are.

    Raises
    ------
    OSError, MedunetError
        As `list_cases`, and if nothing has a partner.
    """
    first, second = list_cases(images), list_cases(labels)
    if not Path(images).is_dir() and not Path(labels).is_dir():
        ((name, image),), (label_file,) = first.items(), second.values()
        return Pairs({name: (image, label_file)}, [])
    pairs = {name: (path, second[name]) for name, path in first.items() if name in second}
    if not pairs:
        raise MedunetError(
            f"No file in '{images}' has a partner of the same name in '{labels}' (such as "
            f"'{next(iter(first))}' against '{next(iter(second))}'). Rename them alike."
        )
    alone = [f"'{n}' in '{images}' has no partner in '{labels}'." for n in first if n not in second]
    alone += [
        f"'{n}' in '{labels}' has no partner in '{images}'." for n in second if n not in first
    ]
    return Pairs(pairs, alone)


def _files_in(folder: Path) -> list[Path]:
    try:
        entries = sorted(folder.iterdir())
    except OSError as error:
        raise OSError(
            f"Cannot list '{folder}': {error.strerror}. Check its permissions."
        ) from error
    return [
        entry
        for entry in entries
        if not entry.name.startswith(".")
        and (nifti.is_nifti(entry) or _is_picture(entry))
        and not is_voxel_half(entry)
        and entry.is_file()
    ]


def _is_picture(path: Path) -> bool:
    return path.suffix.lower() in PICTURE_SUFFIXES
