"""The front door: what a script or a notebook needs, each in one call. `napari_medunet` offers it.

Each function here calls one of the engine's, which has further parameters; see `engine`.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from napari_medunet.engine.evaluation.evaluation import Evaluation, evaluate_files
from napari_medunet.engine.evaluation.metrics.scores import evaluate_case
from napari_medunet.engine.examples import folders
from napari_medunet.engine.examples.example import Example
from napari_medunet.engine.examples.folders import LoadedExamples
from napari_medunet.engine.examples.plausibility import find_oddities
from napari_medunet.engine.files import files
from napari_medunet.engine.files.doubts import once_each
from napari_medunet.engine.files.label_names import with_names
from napari_medunet.engine.files.pairing import pair
from napari_medunet.engine.files.paths import AnyPath, expand_home
from napari_medunet.engine.hardware.quiet import start_quietly
from napari_medunet.engine.plan import Plan
from napari_medunet.engine.planning.fine_tuning_plan import extend_plan
from napari_medunet.engine.planning.plan_maker import make_plan
from napari_medunet.engine.prediction.segmenter import Segmenter
from napari_medunet.engine.settings import AnnotationSettings, EvaluateSettings, TrainSettings
from napari_medunet.engine.settings.tree import refusals_in_one_line
from napari_medunet.engine.volume import Volume
from napari_medunet.progress_bar import progress_bar


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
        A sequence of examples. Files that could not be read (its `failed`), and what is odd, are warned of.

    Raises
    ------
    OSError, MedunetError
        If a folder is missing, or no pair can be used.
    """
    with refusals_in_one_line(AnnotationSettings):
        annotation = AnnotationSettings.of(**options)
    loaded = folders.load_examples(expand_home(images), expand_home(labels), annotation)
    _warn((*loaded.unlike, *loaded.unpaired, *loaded.notes), loaded.failed)
    return loaded


def plan(examples: Sequence[Example], **options: Any) -> Plan:
    """Decide how to train on examples. Trains nothing yet, and starts no backend.

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
        ``print(plan.why)`` gives the reasons; ``plan.changed(filters=8)`` returns another plan.

    Raises
    ------
    MedunetError
        If the examples cannot be trained on, or not with these options.
    """
    return _made_plan(examples, options)


def train(
    examples: Sequence[Example],
    plan: Plan | None = None,
    names: Mapping[int, str] | None = None,
) -> Segmenter:
    """Train a segmenter by a plan, with a progress bar.

    Parameters
    ----------
    examples : sequence of Example
    plan : Plan, optional
        Made of these examples; if not given, a plan of five minutes by the rules. For a plan with folds
        call `cross_validate`.
    names : mapping of label to str, optional
        Of the labels; if not given, from the tables beside the label files.

    Raises
    ------
    MedunetError
        If the examples cannot be trained on, or the plan is for other ones.
    """
    began = time.monotonic()
    plan = plan or _made_plan(examples, {})
    start_quietly()
    from napari_medunet.engine.training import counted_from, train

    with counted_from(began), progress_bar("Training") as report:
        return train(list(examples), plan, report, names or _names(examples))


def fine_tune(
    segmenter: Segmenter,
    examples: Sequence[Example],
    plan: Plan | None = None,
    replay: Sequence[Example] = (),
    **options: Any,
) -> Segmenter:
    """Train a segmenter further, perhaps with new labels.

    Parameters
    ----------
    segmenter : Segmenter
        It is not changed.
    examples : sequence of Example
    plan : Plan, optional
        If not given, it is made from the segmenter's plan and `options`.
    replay : sequence of Example
        Old training examples, so that it does not forget them.
    options
        Those of `TrainSettings` that do not change the network: ``minutes=2``.

    Raises
    ------
    MedunetError
        If the examples do not fit the segmenter, or options ask for another network.
    """
    began = time.monotonic()
    _warn_of_oddities(examples)
    every = [*examples, *replay]
    plan = plan or extend_plan(segmenter.plan, every, _settings(examples, options))
    start_quietly()
    from napari_medunet.engine.training import Predecessor, counted_from, fine_tune

    known = Predecessor(segmenter, replay)
    with counted_from(began), progress_bar("Training") as report:
        return fine_tune(known, list(examples), plan, report, _names(examples))


def cross_validate(
    examples: Sequence[Example], plan: Plan, names: Mapping[int, str] | None = None
) -> tuple[Segmenter, Evaluation]:
    """Train a network for each fold of a plan, and measure it on the cases of that fold.

    Returns
    -------
    segmenter : Segmenter
        All networks together; their probabilities are averaged.
    evaluation : Evaluation
        Of every case by the network that never saw it.

    Raises
    ------
    MedunetError
        If the plan has no folds, there are fewer cases than folds, or they cannot be trained on.
    """
    began = time.monotonic()
    start_quietly()
    from napari_medunet.engine.training import counted_from, cross_validate

    with counted_from(began), progress_bar("Cross-validating") as report:
        found = cross_validate(list(examples), plan, report, names or _names(examples))
    return found.segmenter, found.evaluation


def load(path: AnyPath) -> Segmenter:
    """Read a segmenter from a `.medunet` file, which holds no code.

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
        Read a mask: from pictures the palette's indices and not colours. The names of labels come from a
        table beside the file.

    Raises
    ------
    OSError, MedunetError
        If the file is missing, is damaged, or is of no kind that can be read.
    """
    file = expand_home(path)
    volume = files.read(file, as_labels=as_labels)
    return with_names(volume, file) if as_labels else volume


def write(volume: Volume, path: AnyPath, overwrite: bool = False) -> Path:
    """Write a volume; labels are written onto the grid of the file that their image was read from.

    Parameters
    ----------
    volume : Volume
        Whole numbers are written as labels, with a table of their names, if they have some, beside the
        file; other numbers as an image.
    path : path ending in .nii or .nii.gz; of labels also in .png, .tif or .tiff
    overwrite : bool
        Replace a file that `write` or a prediction wrote earlier. A file of another origin, and the file
        that the volume was read from, stay as they are, whatever is said.

    Raises
    ------
    OSError, MedunetError
        If the file is there and must not be replaced, cannot be written, or is of no such kind.
    """
    target = expand_home(path)
    files.write(target, volume, overwrite)
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
        Shown as a table by print and in a notebook; ``.to_csv("scores.csv")`` writes every score.

    Raises
    ------
    OSError, MedunetError
        If a file cannot be read, or a prediction is on another grid than its truth.
    """
    with refusals_in_one_line(EvaluateSettings):
        settings = EvaluateSettings.of(**options)
    if not isinstance(prediction, Volume) and not isinstance(truth, Volume):
        pairs = pair(expand_home(truth), expand_home(prediction))
        found = evaluate_files(pairs.pairs, settings, unpaired=pairs.unpaired)
        said = (*pairs.notes, *pairs.unpaired, *once_each(found.doubts), found.other_numbers)
        _warn(said, found.failures)
        return found
    measured, reference = (
        one if isinstance(one, Volume) else read(one, as_labels=True) for one in (prediction, truth)
    )
    scores = evaluate_case(reference, measured, settings)
    names = {**reference.names, **measured.names}
    found = Evaluation({measured.name: scores}, settings=settings, names=names)
    _warn([found.other_numbers])
    return found


def _warn(sentences: Iterable[str], failed: Mapping[str, str] | None = None) -> None:
    """Warn in the name of who has called a function of this module; empty sentences say nothing."""
    for sentence in (*sentences, *(f"'{name}': {why}" for name, why in (failed or {}).items())):
        if sentence:
            warnings.warn(sentence, stacklevel=3)


def _settings(examples: Sequence[Example], options: dict[str, Any]) -> TrainSettings:
    """Settings from options; loaded examples know how their annotation was read."""
    known = examples.annotation if isinstance(examples, LoadedExamples) else AnnotationSettings()
    with refusals_in_one_line(TrainSettings):
        return TrainSettings(annotation=known).changed(**options)


def _made_plan(examples: Sequence[Example], options: dict[str, Any]) -> Plan:
    _warn_of_oddities(examples)
    return make_plan(list(examples), _settings(examples, options))


def _warn_of_oddities(examples: Sequence[Example]) -> None:
    """Warn of what is odd about examples; of those that were loaded this has been said."""
    if not isinstance(examples, LoadedExamples):
        for sentence in find_oddities(list(examples)):
            warnings.warn(sentence, stacklevel=4)


def _names(examples: Sequence[Example]) -> dict[int, str]:
    return examples.names() if isinstance(examples, LoadedExamples) else {}
