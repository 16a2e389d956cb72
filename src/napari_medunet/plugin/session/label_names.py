"""What labels are called, where somebody has said so."""

from __future__ import annotations

from collections.abc import Iterable

from napari_medunet.engine.errors import MedunetError
from napari_medunet.engine.prediction.model_file import read_card
from napari_medunet.plugin.opening.layer_label_names import _says_more
from napari_medunet.plugin.session.session import KnownSegmenter


def names_in_segmenters(segmenters: Iterable[KnownSegmenter]) -> dict[int, str]:
    """Names that the segmenters of a session give to labels, where they all say the same."""
    said: dict[int, set[str]] = {}
    for segmenter in segmenters:
        try:
            classes = read_card(segmenter.path).classes
        except (OSError, MedunetError):
            continue  # the file is gone: whoever segments with it will hear of that
        for one in classes:
            said.setdefault(one.value, set()).add(one.name)
    names = {label: called.pop() for label, called in said.items() if len(called) == 1}
    return {label: name for label, name in names.items() if _says_more(name, label)}
