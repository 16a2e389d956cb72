"""What labels are called, where somebody has said so."""

from __future__ import annotations

from collections.abc import Iterable

from napari.layers import Labels

from napari_medunet.engine.segmenter import read_card
from napari_medunet.plugin.jobs import KnownSegmenter

_LONGEST = 100  # characters of a name that is shown in tables


def names_in_features(layer: Labels) -> dict[int, str]:
    """Names in a layer's table of features: napari's way of telling about labels.

    The table has a column "index" with the labels; the first other column that holds text has their
    names.
    """
    features = layer.features
    if "index" not in features:
        return {}
    for column in features.columns:
        texts = list(features[column])
        if column != "index" and texts and all(isinstance(text, str) for text in texts):
            return {
                int(label): text.strip()
                for label, text in zip(features["index"], texts, strict=True)
                if int(label) != 0 and _says_more(text, label)
            }
    return {}


def agreed_names(layers: Iterable[Labels]) -> dict[int, str]:
    """Names of labels in all of the layers: those on which they agree, and that name one label only."""
    said: dict[int, set[str]] = {}
    for layer in layers:
        for label, name in names_in_features(layer).items():
            said.setdefault(label, set()).add(name[:_LONGEST])
    names = {label: called.pop() for label, called in said.items() if len(called) == 1}
    used = list(names.values())
    return {label: name for label, name in names.items() if used.count(name) == 1}


def names_in_segmenters(segmenters: Iterable[KnownSegmenter]) -> dict[int, str]:
    """Names that the segmenters of a session give to labels, where they all say the same."""
    said: dict[int, set[str]] = {}
    for segmenter in segmenters:
        try:
            classes = read_card(segmenter.path).classes
        except (OSError, ValueError):
            continue  # the file is gone: whoever segments with it will hear of that
        for one in classes:
            said.setdefault(one.value, set()).add(one.name)
    names = {label: called.pop() for label, called in said.items() if len(called) == 1}
    return {label: name for label, name in names.items() if _says_more(name, label)}


def _says_more(name: str, label: int) -> bool:
    """Whether a name says more than the number: "label 1" does not."""
    return bool(name.strip()) and not name.strip().endswith(str(label))
