"""Which layers belong together: by name, and else by grid where only one fits."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any
from unicodedata import normalize

from napari_medunet.engine.files.matching import match_names

OUT_OF_FOLD = "out-of-fold"  # segmentation of a case by a network that never saw it
_TRUTH = frozenset(["truth", "ground", "gt", "reference"])
_KINDS = frozenset(
    [
        *_TRUTH,
        "annotation",
        "annotations",
        "image",
        "img",
        "label",
        "labels",
        "mask",
        "masks",
        "pred",
        "prediction",
        "seg",
        "segmentation",
    ]
)
_PREDICTED = frozenset(["pred", "prediction", "seg", "segmentation"])


def suggest_pairs(
    images: Sequence[str], labels: Sequence[str], grids: Mapping[str, Any] | None = None
) -> dict[str, str]:
    """Suggest labels for images.

    Equal names come first, then names that are equal once words such as "labels" or "truth" and
    napari's numbers "[1]" are left out, then labels whose name begins with the image's, then what
    conventions of files pair (`engine.files.naming`: nnU-Net, BIDS). What then remains is paired where one
    image and one labels layer alone share a grid: a wrong pair would train on wrong labels without a
    message, so nothing is guessed. A single image gets a single labels layer whatever they are called.

    Parameters
    ----------
    images, labels : sequences of str
        Names, each list without repetition.
    grids : mapping of str to hashable, optional
        Grid of each name, as "image:<name>" and "labels:<name>".

    Returns
    -------
    pairs : dict of str to str
        From image name to labels name; an image without a suggestion is left out.
    """
    if len(images) == len(labels) == 1:
        return {images[0]: labels[0]}
    pairs: dict[str, str] = {}
    for same in (_equal, _same_case, _begins):
        for image in images:
            free = [name for name in labels if name not in pairs.values()]
            found = [name for name in free if same(image, name)]
            if image not in pairs and found:
                pairs[image] = found[0]
    left = [image for image in images if image not in pairs]
    pairs |= match_names(left, [name for name in labels if name not in pairs.values()])
    if grids:
        pairs.update(_only_on_grid(images, labels, grids, pairs))
    return pairs


def _equal(image: str, labels: str) -> bool:
    return image == labels


def _same_case(image: str, labels: str) -> bool:
    return bool(_case(image)) and _case(image) == _case(labels)


def _begins(image: str, labels: str) -> bool:
    first, other = _words(image), _words(labels)
    return bool(first) and other[: len(first)] == first


def _words(name: str) -> list[str]:
    """Words of a name, in lower case; "case_1" does not begin "case_10"."""
    return [word for word in re.split(r"[\W_]+", normalize("NFC", name).lower()) if word]


def _case(name: str) -> list[str]:
    """Words that tell the case, without those that tell the kind."""
    return [word for word in _words(_without_marks(name)) if word not in _KINDS]


def _without_marks(name: str) -> str:
    """Name without napari's number at its end, and without what tells of cross-validation."""
    return re.sub(rf" {OUT_OF_FOLD}\b| \[\d+\]$", "", name)


def _only_on_grid(
    images: Sequence[str],
    labels: Sequence[str],
    grids: Mapping[str, Any],
    pairs: Mapping[str, str],
) -> dict[str, str]:
    left = [name for name in images if name not in pairs]
    free = [name for name in labels if name not in pairs.values()]
    found = {}
    for image in left:
        grid = grids.get(f"image:{image}")
        rivals = [name for name in left if grids.get(f"image:{name}") == grid]
        fitting = [name for name in free if grids.get(f"labels:{name}") == grid]
        if len(rivals) == len(fitting) == 1:
            found[image] = fitting[0]
    return found


def suggest_truth(prediction: str, others: Sequence[str]) -> str:
    """Suggest which of some labels layers a prediction is to be measured against.

    The same case comes before another, and a layer called truth before an annotation, which may
    hold a few slices only.

    Parameters
    ----------
    prediction : str
        Name of the layer.
    others : non-empty sequence of str
        Names of the other labels layers.
    """

    def rank(name: str) -> tuple[bool, bool, bool]:
        case = _same_case(prediction, name)
        related = case or _begins(name, prediction) or _begins(prediction, name)
        return not case, not related, not _TRUTH & set(_words(name))

    return min(others, key=rank)


def suggest_prediction(names: Sequence[str]) -> str:
    """Suggest which of some labels layers is a prediction: one that is called so, else the last.

    Parameters
    ----------
    names : non-empty sequence of str
    """
    called = [name for name in names if _PREDICTED & set(_words(name))]
    return called[-1] if called else [*names][-1]


def suggest_measured(names: Sequence[str], made: Collection[str] = ()) -> dict[str, str | None]:
    """Suggest which labels layers are predictions, and which layer is the truth of each.

    A prediction is what was segmented here, or what is called so; where there is none, whatever has
    a layer called truth of the same case.

    Parameters
    ----------
    names : sequence of str
        Labels layers, without repetition.
    made : collection of str
        Those that are known to be predictions.

    Returns
    -------
    truths : dict of str to str or None
        The truth of each prediction; None where no name fits.
    """
    called = {name: set(_words(name)) for name in names}
    predictions = [
        name
        for name, words in called.items()
        if name in made or (words & _PREDICTED and not words & _TRUTH)
    ]
    others = [name for name in names if name not in predictions]
    if not predictions:
        truths = [name for name in others if called[name] & _TRUTH]
        rest = [name for name in others if name not in truths]
        predictions = [name for name in rest if any(_related(name, truth) for truth in truths)]
        others = truths
    if len(predictions) == len(others) == 1:
        return {predictions[0]: others[0]}
    pairs: dict[str, str | None] = {}
    for name in predictions:
        related = [other for other in others if _related(name, other)]
        pairs[name] = suggest_truth(name, related) if related else None
    left = [name for name, truth in pairs.items() if truth is None]
    return pairs | match_names(left, others)


def case_of(name: str) -> str:
    """Name of the case that a layer belongs to: what is left without words for the kind of layer.

    >>> case_of("case_07 segmentation [1]"), case_of("truth")
    ('case_07', 'truth')
    """
    short = _without_marks(name)
    while (match := re.search(r"[\W_]*([^\W_]+)[\W_]*$", short)) and match[1].lower() in _KINDS:
        short = short[: match.start()]
    return short or name


def _related(prediction: str, other: str) -> bool:
    return (
        _case(prediction) == _case(other)
        or _begins(other, prediction)
        or _begins(prediction, other)
    )
