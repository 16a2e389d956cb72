"""Which files of two folders belong together, and what is said of those that do not."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from napari_medunet.engine.errors import MedunetError
from napari_medunet.engine.files.listing import list_cases
from napari_medunet.engine.files.matching import Match, match
from napari_medunet.engine.files.naming import Candidates, is_called_mask
from napari_medunet.engine.files.paths import AnyPath

_SHOWN = 3  # names in one sentence
_CHANNEL = re.compile(r"_\d{4}$")  # nnU-Net's case_0000, case_0001 ...
_DERIVATIVES = "derivatives"  # of a BIDS data set: there labels lie


@dataclass(frozen=True)
class Pairs:
    """Files that belong together, by case name.

    Attributes
    ----------
    pairs : dict of case name to (image, labels) paths, sorted by name
    unpaired : list of str
        What has no partner, one sentence each for the user.
    notes : list of str
        What was paired though it is not called alike, in a sentence.
    alone : list of str
        Cases of the first folder that have no partner in the second; none where that is one file.
    """

    pairs: dict[str, tuple[Path, Path]]
    unpaired: list[str]
    notes: list[str] = field(default_factory=list)
    alone: list[str] = field(default_factory=list)


def pair(images: AnyPath, labels: AnyPath) -> Pairs:
    """Pair images with labels (or truth with predictions) by case name.

    Files of the same name belong together. Others do where their names can be read in one way only
    (`naming`): nnU-Net's case_0000 with case, case_image with case_mask, BIDS names of one subject.

    Parameters
    ----------
    images, labels : paths of two folders, or of one file each
        One file each belong together whatever their names are.

    Raises
    ------
    OSError, MedunetError
        As `list_cases`, and if nothing has a partner.
    """
    first, second = list_cases(images, labels), list_cases(labels, images)
    if not Path(images).is_dir() and not Path(labels).is_dir():
        ((name, image),), (label_file,) = first.items(), second.values()
        return Pairs({name: (image, label_file)}, [])
    return _paired(first, second, (str(images), str(labels)))


def pair_examples(images: AnyPath, labels: AnyPath) -> Pairs:
    """Pair images with labels to learn from; both may lie in one folder: case beside case_seg.

    Of a BIDS data set the labels are those of its derivatives, where each image has one of them only.

    Raises
    ------
    OSError, MedunetError
        As `pair`, and if one folder is given for both and names do not say which files are labels.
    """
    if not Path(images).is_dir() or Path(images).resolve() != Path(labels).resolve():
        return pair(images, labels)
    cases = list_cases(images)
    masks = {name: path for name, path in cases.items() if is_called_mask(name)}
    others = {name: path for name, path in cases.items() if name not in masks}
    if not masks and (inside := _pairs_of_bids(cases, Path(images))):
        return inside
    if not masks or not others:
        raise MedunetError(
            f"'{images}' is given for images and for labels, and names do not say which files are which; "
            "wanted two folders, or labels called as case_seg.nii.gz beside case.nii.gz."
        )
    return _paired(others, masks, (str(images), str(labels)))


def _pairs_of_bids(images: Mapping[str, Path], root: Path) -> Pairs | None:
    """Images of a BIDS data set with the labels of its derivatives; None where that is not clear."""
    derivatives = root / _DERIVATIVES
    if not derivatives.is_dir():
        return None
    try:
        masks = {n: path for n, path in list_cases(derivatives).items() if is_called_mask(n)}
    except MedunetError:  # it holds no volumes
        return None
    found = match(list(images), list(masks))
    if not found.partners or found.several:
        return None
    pairs = _paired(images, masks, (str(root), str(derivatives)))
    return replace(pairs, notes=[f"Labels are those in '{derivatives}'.", *pairs.notes])


def _paired(first: Mapping[str, Path], second: Mapping[str, Path], where: tuple[str, str]) -> Pairs:
    found = match(list(first), list(second))
    unpaired = _sentences(first, second, found, where)
    if not found.partners:
        if found.several:
            raise MedunetError(unpaired[0])
        raise MedunetError(
            f"No file in '{where[0]}' has a partner of the same name in '{where[1]}' (such as "
            f"'{next(iter(first))}' against '{next(iter(second))}'). Rename them alike."
        )
    notes = []
    if found.unlike:
        count = len(found.unlike)
        which = _some([f"'{one}' with '{other}'" for one, other in found.unlike])
        notes.append(
            f"{count} of {len(found.partners)} pairs are not called alike, and belong together by the only "
            f"reading of their names: {which}."
        )
    pairs = {
        name: (path, second[found.partners[name]])
        for name, path in first.items()
        if name in found.partners
    }
    alone = [name for name in first if name not in pairs] if Path(where[1]).is_dir() else []
    return Pairs(pairs, unpaired, notes, alone)


def _sentences(
    first: Mapping[str, Path], second: Mapping[str, Path], found: Match, where: tuple[str, str]
) -> list[str]:
    """What has no partner, or might have several: a sentence each, those of several first."""
    images, labels = where
    taken = set(found.partners.values())
    left = [name for name in second if name not in taken]
    alone = [name for name in first if name not in found.partners]
    told, explained, explained_labels = _of_several(found, set(left), where)
    told += [
        f"'{n}' in '{images}' has no partner in '{labels}'." for n in alone if n not in explained
    ]
    told += [
        f"'{n}' in '{labels}' has no partner in '{images}'."
        for n in left
        if n not in explained_labels
    ]
    return told


def _of_several(
    found: Match, left: set[str], where: tuple[str, str]
) -> tuple[list[str], set[str], set[str]]:
    """Say which names may belong to several; the sentences, and the names of each list in them."""
    images, labels = where
    told: list[str] = []
    explained: tuple[set[str], set[str]] = set(), set()
    rivals: Candidates = defaultdict(list)
    for one, names in found.several.items():
        for name in names if one not in found.partners else ():
            if name in left:
                rivals[name].append(one)
    for one, names in found.several.items():
        own = [name for name in names if name in left and len(rivals[name]) < 2]
        partner = found.partners.get(one)
        if partner is not None and own:
            told.append(
                f"'{one}' in '{images}' is paired with '{partner}' in '{labels}', and may also belong to "
                f"{_some(_quoted(own))}. Put them into one file, with a number for each label, or keep one."
            )
        elif len(own) > 1:
            told.append(
                f"'{one}' in '{images}' has several partners in '{labels}': {_some(_quoted(own))}; "
                "wanted one. Put them into one file, with a number for each label, or keep one."
            )
        else:
            continue
        explained[0].add(one)
        explained[1].update(own)
    for name, ones in rivals.items():
        if len(ones) > 1:
            told.append(_rivals(name, ones, where))
            explained[0].update(ones)
            explained[1].add(name)
    return told, *explained


def _rivals(name: str, ones: Sequence[str], where: tuple[str, str]) -> str:
    """Say that several images have the same labels."""
    images, labels = where
    if all(map(_CHANNEL.search, ones)):
        return (
            f"'{name}' in '{labels}' has {len(ones)} channels in '{images}', a file each "
            f"({_some(_quoted(ones))}); wanted one file. Join the channels of each case to one with a "
            "fourth axis, or keep one of them."
        )
    return (
        f"'{name}' in '{labels}' may belong to {_some(_quoted(ones), ' or ')} in '{images}'; wanted one. "
        "Put the channels of a case into one file, or keep one of them."
    )


def _quoted(names: Sequence[str]) -> list[str]:
    return [f"'{name}'" for name in names]


def _some(texts: Sequence[str], between: str = ", ") -> str:
    """The first few of many."""
    more = f" and {len(texts) - _SHOWN} more" if len(texts) > _SHOWN else ""
    return between.join(texts[:_SHOWN]) + more
