"""How files of one case are called: readings of names by which an image finds its labels.

Each reading gives candidates: which names of a second list may belong to each name of a first one. The
conventions are those of nnU-Net (``case_0000`` is a channel of ``case``; docs/dataset_format.md there), of
BIDS (``key-value`` entities and a suffix, https://bids-specification.readthedocs.io), and of habit:
``case_image`` beside ``case_mask``, ``img_1`` beside ``label_1``, ``case`` beside ``case_liver``.
"""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

Candidates = dict[str, list[str]]
Tokens = tuple[str, ...]

_MASK_WORDS = frozenset({
    "mask", "masks", "msk", "seg", "segs", "segm", "segmentation", "segmentations", "label", "labels",
    "lbl", "lab", "gt", "groundtruth", "ground", "truth", "annotation", "annotations", "annot", "roi",
    "rois", "contour", "contours", "manual", "dseg", "delineation", "pred", "preds", "prediction",
    "predictions", "predicted", "output", "result", "results",
})  # fmt: skip
_IMAGE_WORDS = frozenset({
    "image", "images", "img", "imgs", "im", "imaging", "scan", "scans", "volume", "vol", "orig", "raw",
})  # fmt: skip
_MODALITIES = frozenset({
    "ct", "cta", "cbct", "mr", "mri", "mra", "pet", "us", "t1", "t1w", "t1c", "t1ce", "t1n", "t2", "t2w",
    "t2f", "flair", "pd", "pdw", "adc", "dwi", "swi", "bold",
})  # fmt: skip
# What derivatives add to the entities of their image.
_ADDED = frozenset(("space", "desc", "label", "res", "den", "seg", "atlas", "hemi"))
_CHANNEL = re.compile(r"\d{4}")


class Reading(NamedTuple):
    """One way of reading names."""

    candidates: Callable[[Sequence[str], Sequence[str]], Candidates]
    is_plain: bool = False  # names are the same: nothing has to be said


def readings() -> tuple[Reading, ...]:
    """All ways, the surest first."""
    return (
        Reading(_by_key(str, str), is_plain=True),
        Reading(_by_key(_composed, _composed), is_plain=True),
        Reading(_by_entities),
        Reading(_by_key(_plain, _plain)),
        Reading(_by_key(_bare, _plain)),
        Reading(_by_key(_plain, _bare)),
        Reading(_by_key(_without_channel, _plain)),
        Reading(_by_key(_plain, _without_channel)),
        Reading(_by_beginning),
        Reading(_by_beginning_of_other),
    )


def is_called_mask(name: str) -> bool:
    """Whether a name says that the file holds labels: case_seg, label_1, sub-01_dseg.

    >>> is_called_mask("case_1_Seg"), is_called_mask("segovia_1")
    (True, False)
    """
    return any(_word(token) in _MASK_WORDS for token in _tokens(name))


def _composed(name: str) -> str:
    """Accents are one character or two, as the file system of the day had it: the same name."""
    return unicodedata.normalize("NFC", name)


def _tokens(name: str) -> list[str]:
    return [t for t in re.split(r"[\s_\-.]+", _composed(name).casefold()) if t]


def _word(token: str) -> str:
    """The word in "label12", the token itself where there is no number behind one."""
    return token.rstrip("0123456789") or token


def _without(name: str, words: frozenset[str]) -> Tokens:
    """Tokens of a name but for some words; of "label12" the number is left."""
    kept = []
    for token in _tokens(name):
        if token in words:
            continue
        word = _word(token)
        kept.append(token[len(word) :] if word in words else token)
    return tuple(token for token in kept if token)


def _plain(name: str) -> Tokens:
    return _without(name, _MASK_WORDS | _IMAGE_WORDS)


def _bare(name: str) -> Tokens:
    return _without(name, _MASK_WORDS | _IMAGE_WORDS | _MODALITIES)


def _without_channel(name: str) -> Tokens | None:
    """Tokens without nnU-Net's channel, four digits at the end; None where there is none."""
    *case, last = _plain(name) or ("",)
    return tuple(case) if case and _CHANNEL.fullmatch(last) else None


def _by_key(
    first_key: Callable[[str], object], second_key: Callable[[str], object]
) -> Callable[[Sequence[str], Sequence[str]], Candidates]:
    """Names whose keys are equal belong together."""

    def candidates(first: Sequence[str], second: Sequence[str]) -> Candidates:
        by_key: dict[object, list[str]] = defaultdict(list)
        for name in second:
            by_key[second_key(name)].append(name)
        keys = {name: first_key(name) for name in first}
        return {
            name: by_key[key] for name, key in keys.items() if key is not None and key in by_key
        }

    return candidates


def _by_beginning(first: Sequence[str], second: Sequence[str]) -> Candidates:
    """A name of the second begins with one of the first, the longest there is: case and case_liver."""
    by_tokens: dict[Tokens, list[str]] = defaultdict(list)
    for name in first:
        for tokens in {_plain(name), _bare(name)}:
            by_tokens[tokens].append(name)
    found: Candidates = defaultdict(list)
    for name in second:
        tokens = _plain(name)
        for length in range(len(tokens) - 1, 0, -1):
            if tokens[:length] in by_tokens:
                for one in by_tokens[tokens[:length]]:
                    found[one].append(name)
                break
    # case_2 alone is rather another case than a part of "case".
    return {
        one: names
        for one, names in found.items()
        if len(names) > 1 or not _plain(names[0])[-1].isdecimal()
    }


def _by_beginning_of_other(first: Sequence[str], second: Sequence[str]) -> Candidates:
    return _turned(_by_beginning(second, first))


def _turned(candidates: Mapping[str, Iterable[str]]) -> Candidates:
    """The same relation from the other side."""
    found: Candidates = defaultdict(list)
    for name, others in candidates.items():
        for other in others:
            found[other].append(name)
    return dict(found)


class _BidsName(NamedTuple):
    subject: str
    entities: frozenset[tuple[str, str]]
    space: str
    suffixes: Tokens


def _bids_name(name: str) -> _BidsName | None:
    """Parts of a BIDS name; None where it does not begin with a subject."""
    parts = _composed(name).split("_")
    while parts and not parts[0].startswith("sub-"):  # folders before the name
        parts.pop(0)
    if not parts:
        return None
    entities = dict(part.split("-", 1) for part in parts if "-" in part)
    own = frozenset((key, value) for key, value in entities.items() if key not in _ADDED)
    suffixes = tuple(part for part in parts if "-" not in part)
    return _BidsName(entities["sub"], own, entities.get("space", ""), suffixes)


def _by_entities(first: Sequence[str], second: Sequence[str]) -> Candidates:
    """BIDS names of one subject belong together where one has all entities of the other."""
    by_subject: dict[str, list[tuple[str, _BidsName]]] = defaultdict(list)
    for name in first:
        if (parts := _bids_name(name)) is not None:
            by_subject[parts.subject].append((name, parts))
    found: Candidates = defaultdict(list)
    for name in second:
        parts = _bids_name(name)
        fitting = by_subject.get(parts.subject, []) if parts else []
        ranks = {one: rank for one, known in fitting if parts and (rank := _rank(known, parts))}
        for one in (one for one, rank in ranks.items() if rank == max(ranks.values())):
            found[one].append(name)
    return dict(found)


def _rank(one: _BidsName, other: _BidsName) -> tuple[bool, int] | None:
    """How well two names fit: one names the other's suffix, few entities differ. None for not at all."""
    if not (one.entities <= other.entities or other.entities <= one.entities):
        return None
    named = any(
        suffix in (*b.suffixes, b.space)
        for a, b in ((one, other), (other, one))
        for suffix in a.suffixes
    )
    return named, -len(one.entities ^ other.entities)
