"""Names and colours of labels on a Labels layer: for the status bar, the canvas and the next file."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from napari_medunet.engine.files import label_names
from napari_medunet.engine.files.label_names import LabelNames, says_more

if TYPE_CHECKING:
    from napari.layers import Labels

KEY = "label_names"  # in a layer's metadata
_USUAL = 256  # labels that keep napari's own colours where a table names none for them
_UNNAMED = "gray"  # any other: painted and not listed, it must not be invisible
_LONGEST = 100  # characters of a name that is shown in tables


def named_attributes(names: LabelNames) -> dict[str, Any]:
    """Describe names and colours as attributes of a Labels layer.

    Parameters
    ----------
    names : LabelNames

    Returns
    -------
    attributes : dict
        "features" (index and name: napari's status bar shows the name under the pointer) and, where
        a table states colours, "colormap".
    """
    features, labels = features_of(names), sorted(names)
    colours: dict[int | None, Any] = {i: names[i].color for i in labels if names[i].color}
    if not colours:
        return {"features": features}
    from napari.utils.colormaps import DirectLabelColormap, label_colormap

    usual = label_colormap()
    table: dict[int | None, Any] = {label: usual.map(label) for label in range(1, _USUAL)}
    table |= {label: usual.map(label) for label in labels}
    table |= colours | {0: "transparent", None: _UNNAMED}
    return {"features": features, "colormap": DirectLabelColormap(color_dict=table)}


def features_of(names: LabelNames) -> dict[str, Any]:
    """Names as a Labels layer's table of features, which napari looks labels up in."""
    labels = sorted(names)
    return {"index": [0, *labels], "name": ["background", *(names[i].name for i in labels)]}


def names_in_features(layer: Labels) -> dict[int, str]:
    """Names in a layer's table of features, where napari keeps what belongs to labels.

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
                if int(label) != 0 and says_more(text, label)
            }
    return {}


def agreed_names(layers: Iterable[Labels]) -> dict[int, str]:
    """Names of labels in all of the layers: those on which they agree, and that name one label only."""
    return label_names.agreed_names(
        {label: name[:_LONGEST] for label, name in names_in_features(layer).items()}
        for layer in layers
    )
