"""Keeping: a segmenter of this session, copied to where it stays."""

from __future__ import annotations

import shutil
from pathlib import Path

from napari.utils.notifications import show_error, show_info

from napari_medunet.engine.errors import one_line
from napari_medunet.engine.files.saving import atomic_write
from napari_medunet.engine.prediction.model_file import SUFFIX


def save_segmenter(source: Path, target: str | Path) -> bool:
    """Copy a segmenter out of the session's temporary folder, and say so; whether it went well.

    Parameters
    ----------
    source : Path
        Of the session.
    target : str or Path
        The suffix is added where it is missing.
    """
    path = Path(target)
    if path.suffix != SUFFIX:
        path = path.with_name(path.name + SUFFIX)
    try:
        with source.open("rb") as stream, atomic_write(path) as unfinished:
            shutil.copyfileobj(stream, unfinished)
    except OSError as error:
        show_error(one_line(error))
        return False
    show_info(f"Saved {path}")
    return True
