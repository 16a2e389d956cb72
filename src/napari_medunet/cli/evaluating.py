"""The command `evaluate`: what it reads, measures, writes and prints."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from napari_medunet.cli import DONE, FAILED, console
from napari_medunet.cli.keeping import write_somewhere
from napari_medunet.engine.errors import MedunetError
from napari_medunet.engine.evaluation.comparison import Comparison, compare
from napari_medunet.engine.evaluation.evaluation import Evaluation, evaluate_files
from napari_medunet.engine.evaluation.report.json_content import as_content, comparison_content
from napari_medunet.engine.evaluation.report.tables import comparison_table
from napari_medunet.engine.evaluation.scores_csv import SCORES, write_csv
from napari_medunet.engine.files.listing import list_cases
from napari_medunet.engine.files.matching import match_names
from napari_medunet.engine.files.pairing import Pairs, pair
from napari_medunet.engine.files.paths import readable
from napari_medunet.engine.files.saving import Kind, check_targets
from napari_medunet.engine.prediction.model_file import read_card
from napari_medunet.engine.settings import EvaluateSettings

_SHOWN = 5  # names in one sentence


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
    def segmentations(self) -> list[Path]:
        """The predictions of one segmenter, or of two."""
        return [self.predictions, self.versus] if self.versus else [self.predictions]

    @property
    def names(self) -> tuple[str, str]:
        """What to call the two segmenters: their folders, where these differ."""
        if self.versus is None:
            return readable(self.predictions.name), ""
        first, second = self.predictions.resolve(), self.versus.resolve()
        if first.name == second.name:
            return readable(str(self.predictions)), readable(str(self.versus))
        return readable(first.name), readable(second.name)

    def files(self) -> list[Path]:
        """All that is read.

        Raises
        ------
        OSError, MedunetError
            If some folder is missing or holds no volumes.
        """
        folders = (self.predictions, self.truth, self.versus, self.images)
        volumes = [path for one in folders if one for path in list_cases(one).values()]
        return [*volumes, *([self.model] if self.model else [])]


@dataclass(frozen=True)
class Outputs:
    """What is written: a table, a report, and JSON in place of tables for people.

    `overwrite` replaces a table and a report that are there.
    """

    csv: Path | None = None
    html: Path | None = None
    overwrite: bool = False
    as_json: bool = False

    def check(self, inputs: Inputs) -> None:
        """Refuse what must not be written, before anything is measured.

        Raises
        ------
        OSError, MedunetError
            As `check_targets`.
        """
        from napari_medunet.engine.evaluation.report.html import REPORT

        kinds: list[tuple[Path | None, Kind]] = [(self.csv, SCORES), (self.html, REPORT)]
        targets = [(path, kind) for path, kind in kinds if path is not None]
        check_targets(targets, self.overwrite, inputs.files() if targets else ())


def evaluate_and_write(inputs: Inputs, settings: EvaluateSettings, outputs: Outputs) -> int:
    """Measure, write and print.

    Returns
    -------
    int
        The exit code: `FAILED` where some pair could not be measured, or a truth has no prediction.

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
    outputs.check(inputs)
    if inputs.predictions.resolve() == inputs.truth.resolve():
        console.print_warning(
            f"--predictions and --truth are both '{inputs.truth}': every case is measured against itself."
        )
    card = read_card(inputs.model) if inputs.model else None
    names = {one.value: one.name for one in card.classes} if card else {}
    pairs = {
        called: pair(inputs.truth, folder)
        for called, folder in zip(inputs.names, inputs.segmentations, strict=False)
    }
    evaluations = {
        called: _measured(called, found, settings, names, outputs)
        for called, found in pairs.items()
    }
    comparison = None
    if inputs.versus:
        first, second = evaluations.values()
        comparison = compare(first, second, inputs.names)
    for called, evaluation in evaluations.items():
        _warn(evaluation, pairs[called])
    _print(evaluations, comparison, outputs)
    scores = {name: one.cases for name, one in evaluations.items()}
    written = []
    if outputs.csv:
        written.append(write_somewhere(partial(write_csv, scores), outputs.csv, outputs.overwrite))
    if outputs.html:
        report = partial(_write_report, inputs, pairs, evaluations, comparison)
        written.append(write_somewhere(report, outputs.html, outputs.overwrite))
    if not outputs.as_json:
        for path in written:
            console.print_line(f"Written to {readable(str(path))}")
    elsewhere = set(written) - {outputs.csv, outputs.html}
    return FAILED if elsewhere else _exit_code(pairs, evaluations)


def _exit_code(pairs: Mapping[str, Pairs], evaluations: Mapping[str, Evaluation]) -> int:
    """`FAILED` where something was not measured that should have been, which is said."""
    for called, found in pairs.items():
        if found.alone:
            shown = ", ".join(f"'{name}'" for name in found.alone[:_SHOWN])
            more = " ..." if len(found.alone) > _SHOWN else ""
            count = len(found.alone) + len(found.pairs)
            console.print_error(
                f"{len(found.alone)} of {count} truths have no prediction in {called}: {shown}{more}. "
                "Segment them, too, or move the truths away."
            )
    missing = any(found.alone for found in pairs.values())
    return FAILED if missing or any(one.failures for one in evaluations.values()) else DONE


def _measured(
    called: str,
    pairs: Pairs,
    settings: EvaluateSettings,
    names: Mapping[int, str],
    outputs: Outputs,
) -> Evaluation:
    if outputs.as_json:
        return evaluate_files(pairs.pairs, settings, unpaired=pairs.unpaired, names=names)
    with console.shown(False, f"Measuring {called}") as report:
        return evaluate_files(pairs.pairs, settings, report, pairs.unpaired, names)


def _warn(evaluation: Evaluation, pairs: Pairs) -> None:
    for note in pairs.notes:
        console.print_note(note)
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


def _write_report(
    inputs: Inputs,
    pairs: Mapping[str, Pairs],
    evaluations: Mapping[str, Evaluation],
    comparison: Comparison | None,
    target: Path,
    overwrite: bool,
) -> None:
    from napari_medunet.engine.evaluation.report.html import write_html
    from napari_medunet.engine.evaluation.report.overlays import CaseFiles
    from napari_medunet.engine.evaluation.report.sections import ReportParts

    name, other = inputs.names
    first = evaluations[name]
    images = _images_of(inputs, list(first.cases))
    measured = {n: paths for n, paths in pairs[name].pairs.items() if n in first.cases}
    files = {n: CaseFiles(*paths, images.get(n)) for n, paths in measured.items()}
    versus = (other, evaluations[other], comparison) if comparison else None
    title = f"{name} against {readable(inputs.truth.name)}"
    card = read_card(inputs.model) if inputs.model else None
    write_html(first, target, ReportParts(files, title, versus, card), overwrite)


def _images_of(inputs: Inputs, cases: list[str]) -> dict[str, Path]:
    """The image of each case that has one."""
    images = list_cases(inputs.images) if inputs.images else {}
    if len(images) == 1 and len(cases) == 1:  # one file each belong together
        return dict.fromkeys(cases, *images.values())
    return {name: images[called] for name, called in match_names(cases, list(images)).items()}
