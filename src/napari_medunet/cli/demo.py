"""The demo: the whole path on synthetic volumes, with real files at every step."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from napari_medunet.cli.keeping import write_somewhere
from napari_medunet.engine.evaluation.evaluation import Evaluation, evaluate_files
from napari_medunet.engine.evaluation.scores_csv import SCORES
from napari_medunet.engine.examples.folders import load_examples
from napari_medunet.engine.examples.phantoms import PHANTOM_LABELS, make_phantom, phantom_name
from napari_medunet.engine.files.marks import IMAGE, LABELS
from napari_medunet.engine.files.nifti import write_labels, write_volume
from napari_medunet.engine.files.pairing import pair
from napari_medunet.engine.files.saving import Kind, check_targets
from napari_medunet.engine.planning.plan_maker import make_plan
from napari_medunet.engine.prediction.folders import predict_files, sort_cases
from napari_medunet.engine.prediction.model_file import SEGMENTER
from napari_medunet.engine.progress import Progress, ProgressCallback, ignore
from napari_medunet.engine.settings import PredictSettings, TrainSettings
from napari_medunet.engine.volume import Volume

_TRAINING_CASES = 6
_TEST_CASES = 4
_MODEL, _SCORES = "demo.medunet", "scores.csv"
_SLICES = 5  # annotated in each training case


@dataclass(frozen=True)
class DemoResult:
    """What the demo made.

    Attributes
    ----------
    evaluation : Evaluation
        Of the test cases, which training never saw.
    names : dict of label to name
    files : dict of str to path
    napari_command : str
        That opens a test case with its truth and its segmentation.
    """

    evaluation: Evaluation
    names: dict[int, str]
    files: dict[str, Path]
    napari_command: str


def check_demo_folder(out: Path, overwrite: bool) -> None:
    """Refuse a folder in which files lie that the demo would replace.

    Raises
    ------
    OSError, MedunetError
        As `saving.check_targets`.
    """
    names = [f"{phantom_name(seed)}.nii.gz" for seed in range(_TRAINING_CASES + _TEST_CASES)]
    train, test = names[:_TRAINING_CASES], names[_TRAINING_CASES:]
    targets: list[tuple[Path, Kind]] = [(out / _MODEL, SEGMENTER), (out / _SCORES, SCORES)]
    for folder, kind, files in (
        ("train/images", IMAGE, train),
        ("train/labels", LABELS, train),
        ("test/images", IMAGE, test),
        ("test/truth", LABELS, test),
        ("test/predictions", LABELS, test),
    ):
        targets += [(out / folder / file, kind) for file in files]
    check_targets(targets, overwrite)


def run_demo(
    out: Path, minutes: float, report: ProgressCallback = ignore, overwrite: bool = False
) -> DemoResult:
    """Make volumes, annotate a few slices, train, segment the held-out ones and measure them.

    Parameters
    ----------
    out : path of a folder, made where missing
    minutes : float
        Of training.
    report : callable
    overwrite : bool
        Replace the files of an earlier demo.

    Raises
    ------
    OSError
        If the folder cannot be written.
    """
    report(Progress(0.0, "Making volumes"))
    files = _write_phantoms(out, overwrite)
    settings = TrainSettings.of(minutes=minutes, annotated="slices")
    loaded = load_examples(files["images"], files["labels"], settings.annotation)
    report(Progress(0.02, "Starting the training"))
    from napari_medunet.engine.training import train

    plan = make_plan(loaded.examples, settings)
    segmenter = train(loaded.examples, plan, _part(report, 0.02, 0.9), names=PHANTOM_LABELS)
    files["model"] = write_somewhere(segmenter.save, out / _MODEL, overwrite)
    cases = {path.name.removesuffix(".nii.gz"): path for path in files["test images"].iterdir()}
    files["predictions"] = out / "test" / "predictions"
    todo = sort_cases(dict(sorted(cases.items())), files["predictions"], overwrite).files
    predictions = predict_files(
        segmenter, todo, PredictSettings(), _part(report, 0.9, 0.97), overwrite
    )
    pairs = pair(files["truth"], files["predictions"]).pairs
    evaluation = evaluate_files(pairs, report=_part(report, 0.97, 1.0), names=PHANTOM_LABELS)
    files["scores"] = out / _SCORES
    evaluation.to_csv(files["scores"], overwrite)
    name = min(predictions.done)
    shown = [files["test images"], files["truth"], files["predictions"]]
    opened = " ".join(f"'{folder / f'{name}.nii.gz'}'" for folder in shown)
    return DemoResult(
        evaluation, dict(PHANTOM_LABELS), files, f"napari --plugin napari-medunet {opened}"
    )


def annotate_slices(truth: Volume, count: int) -> Volume:
    """Keep the labels of a few axial slices, evenly spread over the labelled ones: a person's work.

    Parameters
    ----------
    truth : Volume of labels
    count : int
        Slices to keep.
    """
    held = np.flatnonzero(truth.voxels.any(axis=(1, 2)))
    kept = held[np.linspace(0, len(held) - 1, min(count, len(held)) + 2).round().astype(int)[1:-1]]
    labels = np.zeros_like(truth.voxels)
    labels[kept] = truth.voxels[kept]
    return replace(truth, voxels=labels)


def _write_phantoms(out: Path, overwrite: bool) -> dict[str, Path]:
    files = {
        "images": out / "train" / "images",
        "labels": out / "train" / "labels",
        "test images": out / "test" / "images",
        "truth": out / "test" / "truth",
    }
    for seed in range(_TRAINING_CASES + _TEST_CASES):
        image, truth = make_phantom(seed)
        training = seed < _TRAINING_CASES
        labels = annotate_slices(truth, _SLICES) if training else truth
        file = f"{image.name}.nii.gz"
        write_volume(files["images" if training else "test images"] / file, image, overwrite)
        write_labels(
            files["labels" if training else "truth"] / file, labels.voxels, image, overwrite
        )
    return files


def _part(report: ProgressCallback, start: float, stop: float) -> ProgressCallback:
    """Report of one step of several: its own 0 to 1 becomes `start` to `stop` of the whole."""

    def of_whole(progress: Progress) -> None:
        report(replace(progress, fraction=start + (stop - start) * progress.fraction))

    return of_whole
