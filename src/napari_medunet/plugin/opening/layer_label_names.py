"""Names of labels in a layer's table of features, napari's way of telling about labels."""

from __future__ import annotations

from collections.abc import Iterable

from napari.layers import Labels

from napari_medunet.engine.files import label_names

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
    return label_names.agreed_names(
        {label: name[:_LONGEST] for label, name in names_in_features(layer).items()}
        for layer in layers
    )


def _says_more(name: str, label: int) -> bool:
    """Whether a name says more than the number: "label 1" does not."""
    return bool(name.strip()) and not name.strip().endswith(str(label))
