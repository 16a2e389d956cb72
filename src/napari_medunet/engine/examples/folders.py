"""Folders of images and labels as examples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import overload

from napari_medunet.engine.errors import MedunetError, told
from napari_medunet.engine.examples.example import Example, fit_notes, make_example
from napari_medunet.engine.examples.plausibility import find_oddities
from napari_medunet.engine.files.doubts import once_each
from napari_medunet.engine.files.files import read
from napari_medunet.engine.files.label_names import names_beside
from napari_medunet.engine.files.pairing import pair_examples
from napari_medunet.engine.progress import (
    Cancelled,
    Progress,
    ProgressCallback,
    StopRequested,
    ignore,
)
from napari_medunet.engine.settings import AnnotationSettings


@dataclass
class LoadedExamples(Sequence[Example]):
    """Examples of two folders, as a sequence, and the files that could not be used.

    Attributes
    ----------
    annotation : AnnotationSettings
        How the labels were read.
    examples : list of Example
    files : dict of case name to (image, labels) paths
        Of the examples, in their order.
    failed : dict of case name to str
        One line each: what was wrong.
    unpaired : list of str
        What has no partner, one sentence each.
    unlike : list of str
        What was paired though it is not called alike, in a sentence.
    doubts : list of str
        What of the files cannot be meant, one sentence each.
    oddities : list of str
        What is odd about the examples, one sentence each.
    """

    annotation: AnnotationSettings = field(default_factory=AnnotationSettings)
    examples: list[Example] = field(default_factory=list)
    files: dict[str, tuple[Path, Path]] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    unpaired: list[str] = field(default_factory=list)
    unlike: list[str] = field(default_factory=list)
    doubts: list[str] = field(default_factory=list)
    oddities: list[str] = field(default_factory=list)

    @overload
    def __getitem__(self, index: int) -> Example: ...
    @overload
    def __getitem__(self, index: slice) -> list[Example]: ...
    def __getitem__(self, index: int | slice) -> Example | list[Example]:
        return self.examples[index]

    def __len__(self) -> int:
        return len(self.examples)

    @property
    def notes(self) -> list[str]:
        """What is to be said of the files and examples, each kind once."""
        return [*once_each(self.doubts), *fit_notes(self.examples), *self.oddities]

    def names(self) -> dict[int, str]:
        """Names of labels from the tables beside the label files, where they agree."""
        return names_beside(labels for _, labels in self.files.values())


def load_examples(
    images: Path, labels: Path, settings: AnnotationSettings, report: ProgressCallback = ignore
) -> LoadedExamples:
    """Read and pair the files of two folders, or two files.

    One broken pair does not stop the others.

    Raises
    ------
    OSError, MedunetError
        If a folder is missing or empty, or no pair could be read.
    """
    pairs = pair_examples(images, labels)
    loaded = LoadedExamples(settings, unpaired=list(pairs.unpaired), unlike=list(pairs.notes))
    for number, (name, (image_path, labels_path)) in enumerate(pairs.pairs.items()):
        report(Progress(number / len(pairs.pairs), f"Reading {name}"))
        try:
            _check_two_files(image_path, labels_path)
            painted = read(labels_path, as_labels=True)
            # Where cases have folders of their own, the file's name alone is not the case's.
            image = replace(read(image_path), name=name)
            loaded.examples.append(make_example(image, painted, settings))
            loaded.files[name] = image_path, labels_path
            loaded.doubts += [*image.doubts, *painted.doubts]
        except (Cancelled, StopRequested):
            raise
        except Exception as error:  # one pair must not end the others; a bug is told as one
            loaded.failed[name] = told(error)
    if not loaded.examples:
        first = next(iter(loaded.failed.values()), "no file has a partner of the same name")
        raise MedunetError(f"None of the files in '{images}' and '{labels}' can be used: {first}")
    loaded.oddities += find_oddities(loaded.examples)
    return loaded


def _check_two_files(image: Path, labels: Path) -> None:
    if image.resolve() == labels.resolve():
        raise MedunetError(
            f"'{image}' is given as the image and as its labels; wanted two files. Choose the folder of "
            "the labels."
        )
