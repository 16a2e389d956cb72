"""Whole folders through the engine: what the command line and the demo do with many files."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from napari_medunet.engine.blending import Network
from napari_medunet.engine.examples import Example, make_example
from napari_medunet.engine.files import label_suffix, list_cases, pair, read, write_labels_like
from napari_medunet.engine.prediction import predict
from napari_medunet.engine.progress import Progress, Report, ignore
from napari_medunet.engine.settings import PredictSettings, TrainSettings


@dataclass
class Outcome:
    """What became of the files of a job.

    Attributes
    ----------
    done : dict of case name to path
        That were written.
    failed : dict of case name to str
        One line each: what was wrong.
    """

    done: dict[str, Path] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)


@dataclass
class LoadedExamples:
    """Examples of two folders, and what could not become one.

    Attributes
    ----------
    examples : list of Example
    files : dict of case name to (image, labels) paths
        Of the examples, in their order.
    failed : dict of case name to str
        One line each: what was wrong.
    unpaired : list of str
        What has no partner, one sentence each.
    """

    examples: list[Example] = field(default_factory=list)
    files: dict[str, tuple[Path, Path]] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    unpaired: list[str] = field(default_factory=list)


def load_examples(
    images: Path, labels: Path, settings: TrainSettings, report: Report = ignore
) -> LoadedExamples:
    """Read and pair the files of two folders, or two files.

    One broken pair does not stop the others.

    Raises
    ------
    ValueError, OSError
        If a folder is missing or empty, or no pair could be read.
    """
    pairs = pair(images, labels)
    loaded = LoadedExamples(unpaired=list(pairs.unpaired))
    for number, (name, (image_path, labels_path)) in enumerate(pairs.pairs.items()):
        report(Progress(number / len(pairs.pairs), f"Reading {name}"))
        try:
            labels_volume = read(labels_path, as_labels=True)
            loaded.examples.append(make_example(read(image_path), labels_volume, settings))
            loaded.files[name] = image_path, labels_path
        except (ValueError, OSError) as error:
            loaded.failed[name] = str(error)
    if not loaded.examples:
        first = next(iter(loaded.failed.values()), "no file has a partner of the same name")
        raise ValueError(f"None of the files in '{images}' and '{labels}' can be used: {first}")
    return loaded


def output_files(
    cases: dict[str, Path], out: Path, overwrite: bool = False
) -> tuple[dict[str, tuple[Path, Path]], dict[str, Path]]:
    """Where the labels of each case go: `out/<name>.nii.gz`, or the picture's own kind.

    Parameters
    ----------
    cases : dict of case name to path
    out : path of a folder
    overwrite : bool
        Do again what is there already; otherwise a broken run can be started again.

    Returns
    -------
    files : dict of case name to (image, labels) paths, to be done
    skipped : dict of case name to path, there already
    """
    targets = {name: out / f"{name}{label_suffix(path)}" for name, path in cases.items()}
    skipped = {} if overwrite else {name: t for name, t in targets.items() if t.exists()}
    files = {name: (path, targets[name]) for name, path in cases.items() if name not in skipped}
    return files, skipped


def predict_files(
    segmenter: Network,
    files: dict[str, tuple[Path, Path]],
    settings: PredictSettings,
    report: Report = ignore,
) -> Outcome:
    """Segment files one after the other, each onto its own grid.

    A file that cannot be read or segmented does not stop the others.

    Parameters
    ----------
    files : dict of case name to (image, labels) paths
    report : callable
        Raise `Cancelled` in it to stop; finished files stay.
    """
    outcome = Outcome()
    for number, (name, (source, target)) in enumerate(files.items()):

        def of_all(progress: Progress, number: int = number) -> None:
            fraction = (number + progress.fraction) / len(files)
            report(Progress(fraction, progress.message))

        try:
            predict_file(segmenter, source, target, settings, of_all)
            outcome.done[name] = target
        except (ValueError, OSError) as error:
            outcome.failed[name] = str(error)
    return outcome


def predict_file(
    segmenter: Network,
    source: Path,
    target: Path,
    settings: PredictSettings,
    report: Report = ignore,
) -> None:
    """Segment one file.

    Parameters
    ----------
    source, target : paths of the image and of the labels

    Raises
    ------
    ValueError, OSError
        One line, if it cannot be read, segmented or written.
    """
    volume = read(source)
    write_labels_like(target, predict(segmenter, volume, settings, report), volume)


def all_cases(inputs: list[Path]) -> Iterator[tuple[str, Path]]:
    """Files of several folders or files, by case name.

    Raises
    ------
    ValueError
        If two files have the same name: one would overwrite the other's labels.
    """
    seen: dict[str, Path] = {}
    for given in inputs:
        for name, path in list_cases(given).items():
            if name in seen:
                raise ValueError(
                    f"'{seen[name]}' and '{path}' have the same name; wanted different ones, since both "
                    "would be written to the same file. Predict them into different folders."
                )
            seen[name] = path
            yield name, path
