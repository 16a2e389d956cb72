"""Which files open as labels: a rule, and what a user may change about it."""

from __future__ import annotations

import re
from fnmatch import fnmatch
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_medunet.engine.labels import holds_class_labels
from napari_medunet.engine.settings import OpenSettings
from napari_medunet.engine.volume import LABEL_INTENT, Volume

_MOST_LABELS = 2000  # the largest atlases have a thousand; scans have more shades of grey
_SAMPLE = 2**20
_WORD = re.compile(
    r"(?<![a-z])(labels?|labelmap|masks?|a?seg|dseg|segmentations?|parc|aparc|truth|gt|annotations?)"
    r"(?![a-z])",
    re.IGNORECASE,
)
_FOLDER = re.compile(
    r"(labels|masks|segmentations?|annotations?|truth|predictions?)", re.IGNORECASE
)


def looks_like_labels(volume: Volume, settings: OpenSettings | None = None) -> bool:
    """Whether a file opens as labels.

    It does if it says so (intent code 1002) or its name or its folder's does (a word such as label,
    mask, seg, dseg, truth or gt in the name; a folder that begins with labels, masks, segmentations,
    annotations, truth or predictions), and if it is one volume that holds nothing but whole numbers
    from 0 on: at most 2000 different ones, unless it says so itself. The type does not count: labels
    stored as float are labels, and integers alone are not.

    Parameters
    ----------
    volume : Volume
        Read from a file; all of it is looked at only where the name says labels.
    settings : OpenSettings or None
        `labels` may leave out the name ("by content"), or all of it ("never"); `label_names` adds
        wildcards for further names.
    """
    settings = OpenSettings() if settings is None else settings
    if settings.labels == "never" or volume.leading_axes or volume.voxels.dtype.kind not in "uif":
        return False
    stated = volume.source is not None and volume.source.intent == LABEL_INTENT
    if not stated and settings.labels == "by name" and not _is_named(volume, settings):
        return False
    return _whole_numbers(volume.voxels, None if stated else _MOST_LABELS)


def _is_named(volume: Volume, settings: OpenSettings) -> bool:
    more = (pattern.strip() for pattern in settings.label_names.split(","))
    if any(fnmatch(volume.name.lower(), pattern.lower()) for pattern in more if pattern):
        return True
    folder = volume.source.path.absolute().parent.name if volume.source is not None else ""
    return bool(_WORD.search(volume.name) or _FOLDER.match(folder))


def _whole_numbers(voxels: npt.NDArray[Any], most: int | None) -> bool:
    """Whether there are only whole numbers from 0 on, at most so many different ones."""
    stride = max(1, round((voxels.size / _SAMPLE) ** (1 / 3)))
    sample = voxels[::stride, ::stride, ::stride]  # a glance first: most images end here
    if (
        not sample.size
        or not holds_class_labels(sample)
        or (most and len(np.unique(sample)) > most)
    ):
        return False
    return holds_class_labels(voxels)
