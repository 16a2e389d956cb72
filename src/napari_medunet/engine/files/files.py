"""Files of every kind that holds volumes: read them, and write labels of the same kind."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy.typing as npt

from napari_medunet.engine.errors import MedunetError
from napari_medunet.engine.files import nifti
from napari_medunet.engine.files.images import TIFF_SUFFIXES, read_image, write_label_image
from napari_medunet.engine.files.label_names import LabelName, says_more, write_label_names
from napari_medunet.engine.files.listing import WANTED, is_picture
from napari_medunet.engine.files.marks import IMAGE, LABELS
from napari_medunet.engine.files.paths import AnyPath, missing, on_disk
from napari_medunet.engine.files.saving import check_target
from napari_medunet.engine.volume import LABEL_INTENT, Volume


def read(path: AnyPath, *, as_labels: bool = False) -> Volume:
    """Read a volume from a file of any kind, chosen by its name's ending.

    Parameters
    ----------
    path : path of a .nii, .nii.gz, .png, .jpg, .tif or .tiff file
    as_labels : bool
        Read a mask: of PNG and TIFF files, indices and not colours are taken; the source of a NIfTI file
        then says that these are labels.

    Raises
    ------
    OSError, MedunetError
        One line, if the file is missing, is broken, or has another ending.
    """
    path = Path(path)
    if nifti.is_nifti(path):
        volume = nifti.read_volume(path)
        if as_labels and isinstance(volume.source, nifti.NiftiSource):
            return replace(volume, source=replace(volume.source, intent=LABEL_INTENT))
        return volume
    if is_picture(path):
        return read_image(path, as_labels=as_labels)
    if not path.exists():
        raise missing(path, f"a file that ends in {WANTED}")
    raise MedunetError(f"'{path}' is of no kind that can be read; wanted {WANTED}.")


def write_labels_like(
    path: AnyPath, labels: npt.NDArray[Any], like: Volume, overwrite: bool = False
) -> None:
    """Write labels to a file of the kind that its name's ending says.

    Parameters
    ----------
    path : path ending in .nii, .nii.gz, .png, .tif or .tiff
    labels : (z, y, x) integer or bool array
    like : Volume
        The image that the labels belong to: its grid and affine are kept.
    overwrite : bool
        Replace labels that napari-medunet made. Any other file that is there stays, whatever is said.

    Raises
    ------
    OSError, MedunetError
        One line, if the labels do not fit, or the file cannot be written or must not be replaced.
    """
    path = Path(path)
    if is_picture(path):
        write_label_image(path, labels, like, overwrite)
    else:
        nifti.write_labels(path, labels, like, overwrite)


def write(path: AnyPath, volume: Volume, overwrite: bool = False) -> None:
    """Write a volume to a file: labels with a table of their names, or an image.

    Whole numbers from 0 in one volume are labels. Fractions, negative numbers, channels and frames are an
    image's, and so is what was read from a NIfTI file as an image and not changed.

    Parameters
    ----------
    path : path ending in .nii or .nii.gz; of labels also in .png, .tif or .tiff
    volume : Volume
        Its source, where it has one, says onto which grid on disk it goes back. It is never written onto
        that file.
    overwrite : bool
        Replace labels by labels, or an image by an image, that napari-medunet made. Any other file that is
        there stays, whatever is said.

    Raises
    ------
    OSError, MedunetError
        One line, if the volume does not fit, or the file cannot be written or must not be replaced.
    """
    is_image = not _are_labels(volume)
    read_from = [volume.source.path] if volume.source is not None else []
    check_target(Path(path), IMAGE if is_image else LABELS, overwrite, read_from)
    if is_image:
        if is_picture(Path(path)):
            raise MedunetError(
                f"'{path}' is to be a picture, which labels can be, and '{volume.name}' is an image; "
                "wanted a name that ends in .nii or .nii.gz."
            )
        nifti.write_volume(path, volume, overwrite)
        return
    write_labels_like(path, volume.voxels, volume, overwrite)
    names = {label: LabelName(n) for label, n in volume.names.items() if says_more(n, label)}
    if names:
        write_label_names(Path(path), names, overwrite)


def _are_labels(volume: Volume) -> bool:
    voxels, source = volume.voxels, volume.source
    if voxels.dtype.kind not in "bui" or volume.leading_axes:
        return False
    if volume.names:
        return True
    if (voxels < 0).any():
        return False
    if source is None or source.intent == LABEL_INTENT:
        return True
    numbers = nifti.numbers_in_file(volume)
    return numbers is None or numbers.dtype != voxels.dtype


def label_file(folder: Path, name: str, image: Path) -> Path:
    """Where the labels of a case go in a folder: a file of a kind that holds them without loss.

    Parameters
    ----------
    folder : Path
    name : str
        Of the case, as `case_name` gives it.
    image : Path
        The case's image.
    """
    suffix = ".nii.gz"
    if is_picture(image):
        suffix = ".tif" if image.suffix.lower() in TIFF_SUFFIXES else ".png"
    return folder / on_disk(f"{name}{suffix}")
