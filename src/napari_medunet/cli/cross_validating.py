"""The command ``train --folds``: cross-validate, write and print."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from napari_medunet.cli import DONE, FAILED, console
from napari_medunet.cli.keeping import write_somewhere
from napari_medunet.engine.evaluation.report.tables import fold_table
from napari_medunet.engine.examples.folders import LoadedExamples
from napari_medunet.engine.files.files import label_file, write_labels_like
from napari_medunet.engine.files.marks import LABELS
from napari_medunet.engine.files.saving import Kind, check_targets, free_name
from napari_medunet.engine.plan import Plan
from napari_medunet.engine.prediction.card import Card
from napari_medunet.engine.training import CrossValidation, cross_validate
from napari_medunet.engine.training.run.run_folder import RunFolder

_SCORES, _REPORT = "scores.csv", "report.html"


def cross_validate_and_write(
    loaded: LoadedExamples, plan: Plan, run: RunFolder, as_json: bool
) -> int:
    """Cross-validate with the folds of a plan, write the results, and print the scores.

    The run says where the segmenter goes, and ``predictions/``, ``scores.csv`` and ``report.html``.

    Returns
    -------
    int
        The exit code: `FAILED` where some pair could not be read.
    """
    folder, target = (run.record.files.needed(name) for name in ("out_of_fold", "model"))
    overwrite = run.record.overwrite
    predictions = _predictions(loaded, folder)
    check_targets(
        _targets(folder, predictions),
        overwrite,
        [p for pair in loaded.files.values() for p in pair],
    )
    with (
        console.shown(as_json, "Cross-validating") as report,
        console.stopped_by_interrupt(report) as stoppable,
    ):
        found = cross_validate(loaded.examples, plan, stoppable, loaded.names(), run)
    found = replace(found, evaluation=replace(found.evaluation, names=_names(found.segmenter.card)))
    place = write_somewhere(found.segmenter.save, target, overwrite)
    run.finish()
    _print(found, loaded, run, place, as_json)  # before what may not find room
    table = write_somewhere(
        found.evaluation.to_csv, folder / _SCORES, overwrite, f"{folder.name}/{_SCORES}"
    )
    kept = _write_predictions(found, loaded, predictions, overwrite)
    report = partial(_write_report, found, loaded, predictions | kept)
    page = write_somewhere(report, folder / _REPORT, overwrite, f"{folder.name}/{_REPORT}")
    wanted = (target, folder / _SCORES, folder / _REPORT)
    elsewhere = (place, table, page) != wanted or not kept.items() <= predictions.items()
    return FAILED if loaded.failed or elsewhere else DONE


def _predictions(loaded: LoadedExamples, folder: Path) -> dict[str, Path]:
    """Where the labels of each case go, of its image's kind."""
    return {
        name: label_file(folder / "predictions", name, image)
        for name, (image, _) in loaded.files.items()
    }


def _targets(folder: Path, predictions: dict[str, Path]) -> list[tuple[Path, Kind]]:
    """All that is written into the folder of what folds say."""
    from napari_medunet.engine.evaluation.report.html import REPORT
    from napari_medunet.engine.evaluation.scores_csv import SCORES

    labels = [(path, LABELS) for path in predictions.values()]
    return [(folder / _SCORES, SCORES), (folder / _REPORT, REPORT), *labels]


def _write_predictions(
    found: CrossValidation, loaded: LoadedExamples, targets: dict[str, Path], overwrite: bool
) -> dict[str, Path]:
    """Write the labels of each case that was left out, on its grid; where they are.

    Where one of them cannot be written, the others go to the place that is found for it.
    """
    kept: dict[str, Path] = {}
    moved = None
    for index, labels in found.labels.items():
        example = loaded.examples[index]
        target = targets[example.name]

        def write(
            path: Path, replace: bool, labels: Any = labels, image: Any = example.image
        ) -> None:
            write_labels_like(path, labels, image, replace)

        if moved is not None:
            target = free_name(moved / target.name)
        name = "/".join(targets[example.name].parts[-3:])  # organ-folds/predictions/case.nii.gz
        place = kept[example.name] = write_somewhere(write, target, overwrite, name)
        if place != target:
            moved = place.parent
    return kept


def _write_report(
    found: CrossValidation,
    loaded: LoadedExamples,
    predictions: dict[str, Path],
    target: Path,
    overwrite: bool,
) -> None:
    from napari_medunet.engine.evaluation.report.html import write_html
    from napari_medunet.engine.evaluation.report.overlays import CaseFiles
    from napari_medunet.engine.evaluation.report.sections import ReportParts

    files = {
        name: CaseFiles(loaded.files[name][1], prediction, loaded.files[name][0])
        for name, prediction in predictions.items()
        if name in found.evaluation.cases
    }
    card = found.segmenter.card
    title = "Cross-validation: cases left out against their truth"
    write_html(found.evaluation, target, ReportParts(files, title, None, card), overwrite)


def _print(
    found: CrossValidation, loaded: LoadedExamples, run: RunFolder, place: Path, as_json: bool
) -> None:
    card, files = found.segmenter.card, run.record.files
    missing = [e.name for i, e in enumerate(loaded.examples) if i not in found.labels]
    if missing:
        done, wanted = len(card.networks), card.plan.hold_out.folds
        console.print_warning(
            f"{done} of {wanted} folds are finished, and the segmenter holds their networks. Not "
            f"measured: {', '.join(missing)}."
        )
    if as_json:
        scores = card.cross_validation.model_dump() if card.cross_validation else {}
        console.print_json(
            event="result",
            model=place,
            run=str(run.path),
            cross_validation=scores,
            out_of_fold=files.out_of_fold,
            not_measured=missing,
            minutes=card.minutes,
            failed=loaded.failed,
            unpaired=loaded.unpaired,
            warnings=loaded.notes,
        )
        return
    console.print_line(fold_table(card))
    console.print_line(found.evaluation)
    console.print_line(
        f"Segmenter of {len(card.networks)} networks written to {place}, the log and history of "
        f"each fold are in {run.path}"
    )
    console.print_line(
        f"Predictions of left-out cases, their scores and a report are in {files.out_of_fold}"
    )


def _names(card: Card) -> dict[int, str]:
    return {one.value: one.name for one in card.classes}
