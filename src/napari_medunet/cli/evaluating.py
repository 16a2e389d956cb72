"""The command `evaluate`: what it reads, measures, writes and prints."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from napari_medunet.cli import DONE, FAILED, console
from napari_medunet.engine.errors import MedunetError
from napari_medunet.engine.evaluation.comparison import Comparison, compare
from napari_medunet.engine.evaluation.evaluation import Evaluation, evaluate_files
from napari_medunet.engine.evaluation.report.json_content import as_content, comparison_content
from napari_medunet.engine.evaluation.report.tables import comparison_table
from napari_medunet.engine.evaluation.scores_csv import write_csv
from napari_medunet.engine.files.files import Pairs, list_cases, pair
from napari_medunet.engine.files.saving import check_writable
from napari_medunet.engine.prediction.card import Card
from napari_medunet.engine.prediction.model_file import read_card
from napari_medunet.engine.settings import EvaluateSettings


@dataclass(frozen=True)
class Inputs:
    """What is measured: folders of files of the same names, or one file each.

    Attributes
    ----------
    predictions, truth : Path
    versus, images, model : Path or None
        Another segmenter's predictions, the images, and the segmenter.
    """

    predictions: Path
    truth: Path
    versus: Path | None = None
    images: Path | None = None
    model: Path | None = None

    @property
    def names(self) -> tuple[str, str]:
        """What to call the two segmenters: their folders, where these differ."""
        if self.versus is None:
            return self.predictions.name, ""
        first, second = self.predictions.resolve(), self.versus.resolve()
        if first.name == second.name:
            return str(self.predictions), str(self.versus)
        return first.name, second.name


@dataclass(frozen=True)
class Outputs:
    """What is written: a table, a report, and JSON in place of tables for people."""

    csv: Path | None = None
    html: Path | None = None
    as_json: bool = False


def evaluate_and_write(inputs: Inputs, settings: EvaluateSettings, outputs: Outputs) -> int:
    """Measure, write and print.

    Returns
    -------
    int
        The exit code: `FAILED` where some pair could not be measured.

    Raises
    ------
    OSError, MedunetError
        If a file cannot be read or written, or predictions are compared with themselves.
    """
    if inputs.names[0] == inputs.names[1]:
        raise MedunetError(
            f"--versus is '{inputs.versus}', as --predictions is; wanted predictions of another segmenter "
            "or rater. Choose another folder."
        )
    for path in (outputs.csv, outputs.html):
        if path:
            check_writable(path)
    card = read_card(inputs.model) if inputs.model else None
    names = {one.value: one.name for one in card.classes} if card else {}
    first = _measured(inputs.predictions, inputs.truth, settings, names, outputs)
    evaluations = {inputs.names[0]: first}
    comparison = None
    if inputs.versus:
        second = _measured(inputs.versus, inputs.truth, settings, names, outputs)
        evaluations[inputs.names[1]] = second
        comparison = compare(first, second, inputs.names)
    for evaluation in evaluations.values():
        _warn(evaluation)
    if outputs.csv:
        write_csv({name: one.cases for name, one in evaluations.items()}, outputs.csv)
    if outputs.html:
        _write_report(inputs, evaluations, comparison, card, outputs.html)
    _print(evaluations, comparison, outputs)
    return FAILED if any(found.failures for found in evaluations.values()) else DONE


def _measured(
    predictions: Path,
    truth: Path,
    settings: EvaluateSettings,
    names: Mapping[int, str],
    outputs: Outputs,
) -> Evaluation:
    pairs: Pairs = pair(truth, predictions)
    if outputs.as_json:
        return evaluate_files(pairs.pairs, settings, unpaired=pairs.unpaired, names=names)
    with console.shown(False, f"Measuring {predictions.name}") as report:
        return evaluate_files(pairs.pairs, settings, report, pairs.unpaired, names)


def _warn(evaluation: Evaluation) -> None:
    for sentence in evaluation.unpaired:
        console.print_warning(sentence)
    for name, reason in evaluation.failures.items():
        console.print_warning(f"'{name}' failed: {reason}")
    for note in evaluation.notes:
        console.print_warning(note)


def _print(
    evaluations: dict[str, Evaluation],
    comparison: Comparison | None,
    outputs: Outputs,
) -> None:
    first, *others = evaluations.values()
    if outputs.as_json:
        content = as_content(first)
        if comparison:
            content["versus"] = as_content(others[0])
            content["comparison"] = comparison_content(comparison)
        console.print_json(**content)
        return
    for called, evaluation in evaluations.items():
        if len(evaluations) > 1:
            console.print_line(called)
        if evaluation.cases:
            console.print_line(evaluation)
    if comparison:
        console.print_line(comparison_table(comparison, first.names))
    for path in (outputs.csv, outputs.html):
        if path:
            console.print_line(f"Written to {path}")


def _write_report(
    inputs: Inputs,
    evaluations: dict[str, Evaluation],
    comparison: Comparison | None,
    card: Card | None,
    target: Path,
) -> None:
    from napari_medunet.engine.evaluation.report.html import write_html
    from napari_medunet.engine.evaluation.report.overlays import CaseFiles
    from napari_medunet.engine.evaluation.report.sections import ReportParts

    first, *others = evaluations.values()
    images = list_cases(inputs.images) if inputs.images else {}
    if len(images) == 1 and len(first.cases) == 1:  # one file each belong together
        images = dict.fromkeys(first.cases, *images.values())
    pairs = pair(inputs.truth, inputs.predictions).pairs
    files = {n: CaseFiles(*paths, images.get(n)) for n, paths in pairs.items() if n in first.cases}
    versus = (inputs.names[1], others[0], comparison) if comparison else None
    title = f"{inputs.names[0]} against {inputs.truth.name}"
    write_html(first, target, ReportParts(files, title, versus, card))
