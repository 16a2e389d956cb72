"""Whole folders of images through a segmenter."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from napari_medunet.engine.errors import MedunetError, told
from napari_medunet.engine.files.doubts import kind_of
from napari_medunet.engine.files.files import label_file, read, write_labels_like
from napari_medunet.engine.files.listing import list_cases
from napari_medunet.engine.files.marks import LABELS
from napari_medunet.engine.files.saving import check_not_read, check_target
from napari_medunet.engine.prediction.predict import predict
from napari_medunet.engine.prediction.sliding_window import TrainedPredictor
from napari_medunet.engine.progress import (
    Cancelled,
    Progress,
    ProgressCallback,
    StopRequested,
    ignore,
)
from napari_medunet.engine.settings import PredictSettings

MOST_TOLD = 10
"""Files of which it is told at once what is odd about them: the same may be odd about thousands."""


@dataclass
class Outcome:
    """The results of the files of a job.

    Attributes
    ----------
    done : dict of case name to path
        That were written.
    failed : dict of case name to str
        One line each: what was wrong.
    warnings : dict of case name to list of str
        What is odd about an image or its result, one sentence each.
    """

    done: dict[str, Path] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    warnings: dict[str, list[str]] = field(default_factory=dict)
    _told: set[str] = field(default_factory=set)

    def keep_warning(self, name: str, warning: str) -> str:
        """Keep what is odd about a case; give it back where it is to be told now, else nothing.

        It is told once of each kind, and of the first cases only.
        """
        if not warning:
            return ""
        self.warnings.setdefault(name, []).append(warning)
        kind = kind_of(warning)
        if kind in self._told or len(self.warnings) > MOST_TOLD:
            return ""
        self._told.add(kind)
        return warning


@dataclass(frozen=True)
class SortedCases:
    """Which files of a job are to be done: see `sort_cases`.

    Attributes
    ----------
    files : dict of case name to (image, labels) paths, to be done
    skipped : dict of case name to path
        That is there already.
    refused : dict of case name to str
        One line each: what must not be replaced.
    """

    files: dict[str, tuple[Path, Path]] = field(default_factory=dict)
    skipped: dict[str, Path] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)


def sort_cases(cases: dict[str, Path], out: Path, overwrite: bool = False) -> SortedCases:
    """Say where the labels of each case go, `out/<name>.nii.gz` or the picture's own kind, and which may.

    Parameters
    ----------
    cases : dict of case name to path
    out : path of a folder
    overwrite : bool
        Do again what was done before; otherwise a broken run can be started again.

    Raises
    ------
    MedunetError
        If labels would be written onto an image, by whatever name it has there.
    """
    found = SortedCases()
    for name, path in cases.items():
        target = label_file(out, name, path)
        check_not_read(target, LABELS, cases.values())
        try:
            is_done = target.exists() and not overwrite
            if not is_done:
                check_target(target, LABELS, overwrite)
        except (MedunetError, OSError) as error:  # a name that is too long, say
            found.refused[name] = told(error)
            continue
        if is_done:
            found.skipped[name] = target
        else:
            found.files[name] = (path, target)
    return found


def predict_files(
    segmenter: TrainedPredictor,
    files: dict[str, tuple[Path, Path]],
    settings: PredictSettings,
    report: ProgressCallback = ignore,
    overwrite: bool = False,
) -> Outcome:
    """Segment files one after the other, each onto its own grid.

    A file that cannot be read or segmented does not stop the others. What is odd is reported at once
    for the first files; for the others it is only kept.

    Parameters
    ----------
    files : dict of case name to (image, labels) paths
    report : callable
        Raise `Cancelled` in it to stop; finished files stay.
    overwrite : bool
        Replace labels that napari-medunet made.
    """
    outcome = Outcome()
    for number, (name, (source, target)) in enumerate(files.items()):

        def of_all(progress: Progress, number: int = number, name: str = name) -> None:
            fraction = (number + progress.fraction) / len(files)
            warning = outcome.keep_warning(name, progress.warning)
            report(Progress(fraction, progress.message, warning=warning))

        try:
            predict_file(segmenter, source, target, settings, of_all, overwrite)
            outcome.done[name] = target
        except (Cancelled, StopRequested):
            raise
        except Exception as error:  # one file must not end the others; a bug is told as one
            outcome.failed[name] = told(error)
    return outcome


def predict_file(
    segmenter: TrainedPredictor,
    source: Path,
    target: Path,
    settings: PredictSettings,
    report: ProgressCallback = ignore,
    overwrite: bool = False,
) -> None:
    """Segment one file.

    Parameters
    ----------
    source, target : paths of the image and of the labels

    Raises
    ------
    OSError, MedunetError
        One line, if it cannot be read, segmented or written, or labels must not be replaced.
    """
    check_target(target, LABELS, overwrite, [source])
    volume = read(source)
    for doubt in volume.doubts:
        report(Progress(0, f"Read {volume.name}", warning=doubt))
    labels = predict(segmenter, volume, settings, report)
    write_labels_like(target, labels, volume, overwrite)


def all_cases(inputs: list[Path], out: Path | None = None) -> Iterator[tuple[str, Path]]:
    """Files of several folders or files, by case name; those in the folder `out` are none of them.

    Raises
    ------
    MedunetError
        If two files have the same name: one would overwrite the other's labels.
    """
    seen: dict[str, Path] = {}
    for given in inputs:
        for name, path in list_cases(given, out).items():
            if name in seen:
                raise MedunetError(
                    f"'{seen[name]}' and '{path}' have the same name; wanted different ones, since both "
                    "would be written to the same file. Predict them into different folders."
                )
            seen[name] = path
            yield name, path
