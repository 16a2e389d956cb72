"""The files of one subject's folder."""

from __future__ import annotations

import os
from pathlib import Path

from napari_medunet.engine.files.nifti.files import is_nifti, is_voxel_half

_MOST_FILES = 40
_LEVELS = 3  # of folders below: BIDS has sub-01/ses-1/anat


def subject_files(folder: Path) -> list[Path]:
    """List the NIfTI and Analyze files of one subject.

    Those of the folder itself; if it has none, those up to three levels below. Hidden files and
    folders are left out, links to folders are not followed, and a pair is listed by its header.

    Returns
    -------
    files : list of Path, sorted
        Empty where there are none.

    Raises
    ------
    OSError
        If there are more than 40: that is a data set, and no subject.
    """
    below: list[Path] = []
    root = str(folder)
    for here, folders, names in os.walk(root):
        depth = Path(here).relative_to(root).parts
        found = [path for name in sorted(names) if _is_image(path := Path(here, name))]
        below += found
        if not depth and found:
            break
        folders[:] = sorted(f for f in folders if not f.startswith(".")) * (len(depth) < _LEVELS)
        if len(below) > _MOST_FILES:
            break
    if len(below) > _MOST_FILES:
        raise OSError(
            f"'{folder}' holds more than {_MOST_FILES} volumes; wanted the folder of one subject. Open "
            "one of the folders in it, or choose files."
        )
    return below


def _is_image(path: Path) -> bool:
    return is_nifti(path) and not is_voxel_half(path) and not path.name.startswith(".")
