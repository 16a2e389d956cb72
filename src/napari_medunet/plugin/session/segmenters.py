"""The segmenters of a session: which are known, what they call labels, and saving one."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from napari.utils.notifications import show_error, show_info

from napari_medunet.engine.errors import MedunetError, one_line
from napari_medunet.engine.files.label_names import agreed_names, says_more
from napari_medunet.engine.files.paths import expand_home
from napari_medunet.engine.files.saving import write_target
from napari_medunet.engine.prediction.model_file import SEGMENTER, read_card, with_suffix


@dataclass(frozen=True)
class KnownSegmenter:
    """A segmenter that can be chosen: trained in this session, or opened from a file."""

    path: Path
    title: str


def names_in_segmenters(segmenters: Iterable[KnownSegmenter]) -> dict[int, str]:
    """Names of labels in the segmenters of a session, where all agree."""
    tables: list[dict[int, str]] = []
    for segmenter in segmenters:
        try:
            classes = read_card(segmenter.path).classes
        except (OSError, MedunetError):
            continue  # the file is gone: whoever segments with it will hear of that
        tables.append({one.value: one.name for one in classes})
    return {label: name for label, name in agreed_names(tables).items() if says_more(name, label)}


def save_segmenter(source: Path, target: str | Path, overwrite: bool = False) -> bool:
    """Copy a segmenter out of the session's temporary folder, and say so; whether it went well.

    Parameters
    ----------
    source : Path
        Of the session.
    target : str or Path
        The suffix is added where it is missing.
    overwrite : bool
        The user was asked: replace a segmenter that is there, which is kept as ``name.bak.medunet``.
    """
    try:
        path = with_suffix(expand_home(target))
        with source.open("rb") as stream, write_target(path, SEGMENTER, overwrite) as unfinished:
            shutil.copyfileobj(stream, unfinished)
    except (OSError, MedunetError) as error:
        show_error(one_line(error))
        return False
    show_info(f"Saved {path}")
    return True
