"""`train --folds`: what it trains, writes and prints."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from napari_medunet.cli import DONE, FAILED, console
from napari_medunet.engine.card import Card
from napari_medunet.engine.files import label_suffix, write_labels_like
from napari_medunet.engine.folders import LoadedExamples
from napari_medunet.engine.plan import Plan
from napari_medunet.engine.report import fold_table, summary_table, write_csv
from napari_medunet.engine.saving import check_writable
from napari_medunet.engine.settings import TrainSettings
from napari_medunet.engine.training import CrossValidation, cross_validate


@dataclass(frozen=True)
class Written:
    """What is written: the segmenter, a folder of predictions and scores, and JSON in place of tables.

    Attributes
    ----------
    model : path of the segmenter
    folder : path of the folder for ``predictions/``, ``scores.csv`` and ``report.html``
    """

    model: Path
    folder: Path
    as_json: bool = False


def cross_validate_and_write(
    loaded: LoadedExamples, settings: TrainSettings, plan: Plan, written: Written
) -> int:
    """Cross-validate with the folds of the settings, write what comes of it, and print the scores.

    Returns
    -------
    int
        The exit code: `FAILED` where some pair could not be read.
    """
    check_writable(written.folder / "scores.csv")
    with (
        console.shown(written.as_json, "Cross-validating") as report,
        console.stopped_by_interrupt(report) as stoppable,
    ):
        found = cross_validate(loaded.examples, settings, stoppable, plan=plan)
    found.segmenter.save(written.model)
    predictions = _write_predictions(found, loaded, written.folder / "predictions")
    write_csv(found.evaluation, written.folder / "scores.csv")
    _write_report(found, loaded, predictions, written.folder / "report.html")
    _print(found, loaded, written)
    return FAILED if loaded.failed else DONE


def _write_predictions(
    found: CrossValidation, loaded: LoadedExamples, folder: Path
) -> dict[str, Path]:
    """Write the labels of each case that was left out, of its image's kind and on its grid."""
    written = {}
    for index, labels in found.labels.items():
        example = loaded.examples[index]
        image, _ = loaded.files[example.name]
        written[example.name] = folder / f"{example.name}{label_suffix(image)}"
        write_labels_like(written[example.name], labels, example.image)
    return written


def _write_report(
    found: CrossValidation, loaded: LoadedExamples, predictions: dict[str, Path], target: Path
) -> None:
    from napari_medunet.engine.report.html import ReportParts, write_html
    from napari_medunet.engine.report.overlays import CaseFiles

    files = {
        name: CaseFiles(loaded.files[name][1], prediction, loaded.files[name][0])
        for name, prediction in predictions.items()
    }
    card = found.segmenter.card
    title = "Cross-validation: cases left out against their truth"
    write_html(found.evaluation, target, ReportParts(files, _names(card), title, None, card))


def _print(found: CrossValidation, loaded: LoadedExamples, written: Written) -> None:
    card = found.segmenter.card
    missing = [e.name for i, e in enumerate(loaded.examples) if i not in found.labels]
    if missing:
        done, wanted = len(card.networks), card.settings.folds
        console.print_warning(
            f"Stopped: {done} of {wanted} folds are finished, and the segmenter holds their networks. Not "
            f"measured: {', '.join(missing)}."
        )
    if written.as_json:
        scores = card.cross_validation.model_dump() if card.cross_validation else {}
        console.print_json(
            event="result",
            model=str(written.model),
            cross_validation=scores,
            out_of_fold=str(written.folder),
            not_measured=missing,
            minutes=card.minutes,
            failed=loaded.failed,
            unpaired=loaded.unpaired,
        )
        return
    console.print_line(fold_table(card))
    console.print_line(summary_table(found.evaluation, _names(card)))
    console.print_line(f"Segmenter of {len(card.networks)} networks written to {written.model}")
    console.print_line(
        f"Predictions of left-out cases, their scores and a report are in {written.folder}"
    )


def _names(card: Card) -> dict[int, str]:
    return {one.value: one.name for one in card.classes}
