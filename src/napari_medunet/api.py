"""The front door: what a script or a notebook needs, each in one call. `import napari_medunet` offers it.

Behind each name stands a function of the engine, which takes more; see `engine`.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from napari_medunet.engine.errors import MedunetError
from napari_medunet.engine.evaluation.evaluation import Evaluation, evaluate_files
from napari_medunet.engine.evaluation.metrics.scores import evaluate_case
from napari_medunet.engine.examples import folders
from napari_medunet.engine.examples.example import Example
from napari_medunet.engine.examples.folders import LoadedExamples
from napari_medunet.engine.files import files
from napari_medunet.engine.files.label_names import find_label_names
from napari_medunet.engine.hardware.quiet import start_quietly
from napari_medunet.engine.plan import Plan
from napari_medunet.engine.planning.fine_tuning_plan import extend_plan
from napari_medunet.engine.planning.plan_maker import make_plan
from napari_medunet.engine.prediction.segmenter import Segmenter
from napari_medunet.engine.settings import AnnotationSettings, EvaluateSettings, TrainSettings
from napari_medunet.engine.volume import Volume
from napari_medunet.progress_bar import progress_bar

AnyPath = str | os.PathLike[str]


def load_examples(images: AnyPath, labels: AnyPath, **options: Any) -> LoadedExamples:
    """Read images with their labels, paired by file name, as examples to train on.

    Parameters
    ----------
    images, labels : paths of two folders, or of one file each
    options
        Those of `AnnotationSettings`: ``annotated="slices"`` where only slices that hold a label are
        annotated, ``annotated="voxels", background_label=2`` where single voxels are.

    Returns
    -------
    LoadedExamples
        A sequence of examples. What could not be read is warned of, and in its `failed`.

    Raises
    ------
    OSError, MedunetError
        If a folder is missing, or no pair can be used.
    """
    with _refusals_in_one_line():
        annotation = AnnotationSettings.of(**options)
    loaded = folders.load_examples(Path(images), Path(labels), annotation)
    for sentence in (*loaded.unpaired, *(f"'{n}': {why}" for n, why in loaded.failed.items())):
        warnings.warn(sentence, stacklevel=2)
    return loaded


def plan(examples: Sequence[Example], **options: Any) -> Plan:
    """Decide how to train on examples. Nothing is trained yet, and the backend is not started.

    Parameters
    ----------
    examples : sequence of Example
        As `load_examples` gives them.
    options
        Those of `TrainSettings`: ``minutes=5``, ``dims="3d"``, ``filters=16``, ``folds=5``. What is not
        given is decided by rules.

    Returns
    -------
    Plan
        ``print(plan.why)`` says why it is so; ``plan.changed(filters=8)`` is another one.

    Raises
    ------
    MedunetError
        If the examples cannot be learned from, or not so.
    """
    return make_plan(list(examples), _settings(examples, options))


def train(
    examples: Sequence[Example],
    plan: Plan | None = None,
    names: Mapping[int, str] | None = None,
) -> Segmenter:
    """Train a segmenter by a plan. A progress bar shows how it goes.

    Parameters
    ----------
    examples : sequence of Example
    plan : Plan, optional
        Of these examples; five minutes as the rules decide if not given. With folds, call
        `cross_validate`.
    names : mapping of label to str, optional
        What labels are called; those in tables beside the files of labels if not given.

    Raises
    ------
    MedunetError
        If the examples cannot be learned from, or the plan is for others.
    """
    plan = plan or make_plan(list(examples), _settings(examples, {}))
    start_quietly()
    from napari_medunet.engine.training import train

    with progress_bar("Training") as report:
        return train(list(examples), plan, report, names or _names(examples))


def fine_tune(
    segmenter: Segmenter,
    examples: Sequence[Example],
    plan: Plan | None = None,
    replay: Sequence[Example] = (),
    **options: Any,
) -> Segmenter:
    """Train a segmenter further, perhaps with labels that it does not know.

    Parameters
    ----------
    segmenter : Segmenter
        Stays as it is.
    examples : sequence of Example
    plan : Plan, optional
        Made of the segmenter's own and of `options` if not given.
    replay : sequence of Example
        That it learned from before, not to be forgotten.
    options
        Those of `TrainSettings` that do not change the network: ``minutes=2``.

    Raises
    ------
    MedunetError
        If the examples do not fit the segmenter, or options ask for another network.
    """
    every = [*examples, *replay]
    plan = plan or extend_plan(segmenter.plan, every, _settings(examples, options))
    start_quietly()
    from napari_medunet.engine.training import Predecessor, fine_tune

    with progress_bar("Training") as report:
        names = _names(examples)
        known = Predecessor(segmenter, replay)
        return fine_tune(known, list(examples), plan, report, names)


def cross_validate(
    examples: Sequence[Example], plan: Plan, names: Mapping[int, str] | None = None
) -> tuple[Segmenter, Evaluation]:
    """Train a network for each fold of a plan, and measure it on the cases left out.

    Returns
    -------
    segmenter : Segmenter
        Of all networks, whose probabilities are averaged.
    evaluation : Evaluation
        Of every case by the network that never saw it.

    Raises
    ------
    MedunetError
        If the plan has no folds, there are fewer cases, or they cannot be learned from.
    """
    start_quietly()
    from napari_medunet.engine.training import cross_validate

    with progress_bar("Cross-validating") as report:
        found = cross_validate(list(examples), plan, report, names or _names(examples))
    return found.segmenter, found.evaluation


def load(path: AnyPath) -> Segmenter:
    """Read a segmenter from a `.medunet` file. No code in it is run: there is none.

    Raises
    ------
    OSError, MedunetError
        If it cannot be read, or is no segmenter.
    """
    start_quietly()
    return Segmenter.load(path)


def read(path: AnyPath, as_labels: bool = False) -> Volume:
    """Read a volume: NIfTI, Analyze, PNG, JPEG or TIFF.

    Parameters
    ----------
    path : path of a file
    as_labels : bool
        Read a mask: of pictures, indices and not colours; names come from a table beside it.

    Raises
    ------
    OSError, MedunetError
        One line, if the file is missing, is broken, or is of no kind that can be read.
    """
    volume = files.read(path, as_labels=as_labels)
    return with_names(volume, Path(path)) if as_labels else volume


def write(volume: Volume, path: AnyPath, overwrite: bool = False) -> Path:
    """Write a volume; labels go back onto the grid of the file that their image came from.

    Parameters
    ----------
    volume : Volume
        Whole numbers are written as labels, with a table of their names beside them where they have some;
        others as an image.
    path : path ending in .nii or .nii.gz; of labels also in .png, .tif or .tiff
    overwrite : bool
        Replace a file that is there.

    Raises
    ------
    OSError, MedunetError
        If the file is there already, cannot be written, or is of no such kind.
    """
    target = Path(path)
    if target.exists() and not overwrite:
        raise MedunetError(
            f"'{target}' is there already; wanted a new name. Choose another one, or say overwrite=True."
        )
    files.write(target, volume)
    return target


def evaluate(prediction: Volume | AnyPath, truth: Volume | AnyPath, **options: Any) -> Evaluation:
    """Measure predictions against the truth: Dice, IoU, Hausdorff distance and more, in mm.

    Parameters
    ----------
    prediction, truth : two volumes, two files, or two folders whose files have the same names
    options
        Those of `EvaluateSettings`: ``tolerance_mm=2``, ``annotated="slices"``.

    Returns
    -------
    Evaluation
        A table where it is printed or shown in a notebook; ``.to_csv("scores.csv")`` writes every score.

    Raises
    ------
    OSError, MedunetError
        If something cannot be read, or lies on another grid than its truth.
    """
    with _refusals_in_one_line():
        settings = EvaluateSettings.of(**options)
    if not isinstance(prediction, Volume) and not isinstance(truth, Volume):
        pairs = files.pair(truth, prediction)
        return evaluate_files(pairs.pairs, settings, unpaired=pairs.unpaired)
    measured, reference = (
        one if isinstance(one, Volume) else read(one, as_labels=True) for one in (prediction, truth)
    )
    scores = evaluate_case(reference, measured, settings)
    names = {**reference.names, **measured.names}
    return Evaluation({measured.name: scores}, settings=settings, names=names)


def with_names(labels: Volume, path: Path) -> Volume:
    """Labels with the names in the table beside their file, where there is one."""
    from dataclasses import replace

    found = find_label_names(path)
    if found is None:
        return labels
    return replace(labels, names={label: one.name for label, one in found[0].items()})


def _settings(examples: Sequence[Example], options: dict[str, Any]) -> TrainSettings:
    """Settings out of options; how annotations were read is known of examples that were loaded."""
    known = examples.annotation if isinstance(examples, LoadedExamples) else AnnotationSettings()
    with _refusals_in_one_line():
        settings = TrainSettings(annotation=known)
        return settings.changed(**options)


def _names(examples: Sequence[Example]) -> dict[int, str]:
    return examples.names() if isinstance(examples, LoadedExamples) else {}


@contextmanager
def _refusals_in_one_line() -> Iterator[None]:
    """Context in which a value that an option refuses is said in one line."""
    try:
        yield
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"])
        wanted = first["msg"].removeprefix("Value error, ")
        raise MedunetError(f"{name} is {first['input']!r}: {wanted}.") from error
