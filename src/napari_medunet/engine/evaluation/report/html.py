"""One HTML file that says how good a segmentation is: opened anywhere, without a network.

Plots stand in it as SVG, pictures as data, and the few lines of script only sort the table: without
them everything is there. It prints on white paper, and can be read in black and white.
"""

from __future__ import annotations

import platform
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from html import escape
from math import isnan
from pathlib import Path
from string import Template

from napari_medunet import __version__
from napari_medunet.engine.errors import MedunetError
from napari_medunet.engine.evaluation.comparison import Comparison
from napari_medunet.engine.evaluation.evaluation import Evaluation
from napari_medunet.engine.evaluation.report import figures
from napari_medunet.engine.evaluation.report.definitions import MAIN, definitions
from napari_medunet.engine.evaluation.report.folds import fold_rows
from napari_medunet.engine.evaluation.report.html_summary import summary_section
from napari_medunet.engine.evaluation.report.markup import called, number, section, table, unit
from napari_medunet.engine.evaluation.report.overlays import (
    CaseFiles,
    best_and_worst,
    overlay_figure,
)
from napari_medunet.engine.evaluation.report.page import PAGE
from napari_medunet.engine.evaluation.summary import CONFIDENCE, RESAMPLES
from napari_medunet.engine.files.saving import atomic_write
from napari_medunet.engine.hardware.devices import package_version
from napari_medunet.engine.prediction.card import Card, LabelMeans

_MANY_ROWS = 2_000  # of the case table; more belong into the CSV


@dataclass(frozen=True, eq=False)
class ReportParts:
    """What a report shows beside the scores, each where it is at hand.

    Attributes
    ----------
    files : dict of case name to CaseFiles
        To draw the best and the worst cases.
    names : dict of label to str
        What to call the labels.
    title : str
    versus : (str, Evaluation, Comparison) or None
        Another segmenter on the same cases, its name first.
    card : Card or None
        Of the segmenter that made the predictions, for its training curves.
    """

    files: Mapping[str, CaseFiles] = field(default_factory=dict)
    names: Mapping[int, str] = field(default_factory=dict)
    title: str = "Segmentation against truth"
    versus: tuple[str, Evaluation, Comparison] | None = None
    card: Card | None = None


def write_html(evaluation: Evaluation, path: Path, parts: ReportParts | None = None) -> None:
    """Write the report.

    Raises
    ------
    OSError
        Where the file cannot be written; an earlier one is then still whole.
    """
    page = html_report(evaluation, parts or ReportParts())
    with atomic_write(Path(path)) as stream:
        stream.write(page.encode())


def html_report(evaluation: Evaluation, parts: ReportParts) -> str:
    """Lay out the report as one HTML page."""
    sections = [
        _notes(evaluation, parts),
        *(_measured(evaluation, parts) if evaluation.cases else []),
        _definitions(evaluation),
    ]
    return Template(PAGE).substitute(
        title=escape(parts.title), subtitle=_subtitle(evaluation), body="\n".join(sections)
    )


def _measured(evaluation: Evaluation, parts: ReportParts) -> list[str]:
    """Sections that need a case."""
    sections = [summary_section(evaluation, parts.names)]
    evaluations = {_own_name(parts): evaluation}
    if parts.versus:
        evaluations[parts.versus[0]] = parts.versus[1]
    if evaluation.rows:
        spread = figures.as_svg(figures.spread_figure(evaluations, names=parts.names))
        sections.append(
            section("Spread over cases", spread, "Boxes: quartiles and median; dots: cases.")
        )
    if parts.versus:
        sections.append(_comparison(parts.versus[2], parts))
    matrix = figures.as_svg(figures.confusion_figure(evaluation.confusion(), parts.names))
    sections.append(section("Confusion matrix", matrix, "Voxels of all cases together."))
    sections.append(_pictures(evaluation, parts))
    if parts.card:
        sections += [_folds(parts.card), _training(parts.card)]
    sections.append(_case_table(evaluation, parts))
    return [one for one in sections if one]


def _own_name(parts: ReportParts) -> str:
    return parts.versus[2].names[0] if parts.versus else "prediction"


def _subtitle(evaluation: Evaluation) -> str:
    cases, failed = len(evaluation.cases), len(evaluation.failures)
    text = f"{cases} {'case' if cases == 1 else 'cases'} measured"
    if failed:
        text += f", {failed} could not be"
    when = datetime.now().astimezone()
    return escape(f"{text}. {when:%Y-%m-%d %H:%M}, napari-medunet {__version__}.")


def _notes(evaluation: Evaluation, parts: ReportParts) -> str:
    """What was not measured, or changed before it was."""
    lines = [f"'{name}' was not measured: {why}" for name, why in evaluation.failures.items()]
    lines += list(evaluation.unpaired)
    lines += evaluation.notes
    if parts.versus:
        other, second, comparison = parts.versus
        lines += [f"'{n}' of {other} was not measured: {why}" for n, why in second.failures.items()]
        lines += [f"'{name}' was measured for one of the two only." for name in comparison.left_out]
    if not lines:
        return ""
    items = "".join(f"<li>{escape(line)}</li>" for line in lines)
    return f'<section class="notes"><h2>Please note</h2><ul>{items}</ul></section>'


def _comparison(comparison: Comparison, parts: ReportParts) -> str:
    first, second = comparison.names
    known = definitions()
    heads = ["Label", "Metric", first, second, "Difference", "95 % interval", "Median", "p",
             "Larger", "n"]  # fmt: skip
    lines = []
    for row, found in comparison.differences.items():
        for metric in MAIN:
            one = found[metric]
            interval = f"{number(one.ci_low)} .. {number(one.ci_high)}"
            lines.append([
                called(row, parts.names),
                escape(f"{known[metric].heading}{unit(known[metric].unit)}"),
                *(number(value) for value in (one.first_mean, one.second_mean, one.mean)),
                "" if isnan(one.ci_low) else interval,
                number(one.median),
                "-" if isnan(one.p_value) else f"{one.p_value:.3g}",
                f"{one.first_larger} : {one.second_larger}",
                f"{one.n} of {one.of}",
            ])  # fmt: skip
    plot = figures.as_svg(figures.difference_figure(comparison, names=parts.names))
    text = (
        f"{escape(first)} minus {escape(second)}, case by case. Interval: bootstrap over cases; p: "
        "Wilcoxon signed rank test, two-sided, not corrected for the number of comparisons; larger: in "
        "how many cases the value of the first, and of the second, is the larger."
    )
    return section("Comparison", plot + table(heads, lines), text)


def _pictures(evaluation: Evaluation, parts: ReportParts) -> str:
    best, worst = best_and_worst(evaluation)
    shown = []
    for kind, names in (("best", best), ("worst", worst)):
        for name in names:
            if name not in parts.files:
                continue
            dice = evaluation.mean_over_labels(name)["dice"].mean
            try:
                figure = overlay_figure(parts.files[name], f"{kind}: {name}, Dice {number(dice)}")
            except (OSError, MedunetError) as error:
                shown.append(f"<p>No picture of '{escape(name)}': {escape(str(error))}</p>")
            else:
                shown.append(f"<figure>{figures.as_svg(figure)}</figure>")
    if not shown:
        return ""
    text = (
        "By the mean Dice over labels; the slice in which most voxels differ. Solid and light: truth; "
        "dashed and dark: prediction."
    )
    return section("Best and worst cases", f'<div class="row">{"".join(shown)}</div>', text)


def _folds(card: Card) -> str:
    """Scores of each fold, where the segmenter was cross-validated."""
    lines = [
        [escape(name), escape(what), *(number(value) for _, value in means)]
        for name, rows in fold_rows(card).items()
        for what, means in rows.items()
    ]
    if not lines:
        return ""
    known = definitions()
    heads = [f"{known[m].heading}{unit(known[m].unit)}" for m in LabelMeans.model_fields]
    text = (
        "Each case was measured with the network of its fold, which never saw it. In brackets: cases; mean "
        "and sd are of the folds."
    )
    return section("Cross-validation", table(["Label", "Fold", *heads], lines), text)


def _training(card: Card) -> str:
    curves = [figures.as_svg(figures.training_figure(one.history)) for one in card.networks]
    return section("Training", "".join(curves), escape(card.describe()).replace("\n", "<br>"))


def _case_table(evaluation: Evaluation, parts: ReportParts) -> str:
    known = definitions(evaluation.settings)
    heads = ["Case", "Label", *(f"{known[m].heading}{unit(known[m].unit)}" for m in MAIN)]
    lines = [
        [escape(name), called(row, parts.names), *(number(getattr(scores, m)) for m in MAIN)]
        for name, case in evaluation.cases.items()
        for row, scores in case.rows.items()
    ]
    text = (
        "A click on a heading sorts. -: not defined (the label is absent); inf: missed on one side."
    )
    if len(lines) > _MANY_ROWS:
        text += f" The first {_MANY_ROWS} of {len(lines)} rows; the CSV file has all of them."
    return section("Cases", table(heads, lines[:_MANY_ROWS], "sortable"), text)


def _definitions(evaluation: Evaluation) -> str:
    known = definitions(evaluation.settings).values()
    metrics = table(
        ["Metric", "Unit", "Better", "Definition"],
        [[escape(text) for text in (d.heading, d.unit, d.better, d.text)] for d in known],
        "words",
    )
    settings = evaluation.settings.model_dump()
    chosen = table(["Setting", "Value"], [[escape(k), escape(str(v))] for k, v in settings.items()])
    packages = ("napari-medunet", "numpy", "scipy", "numba", "nibabel", "matplotlib")
    versions = [[name, escape(package_version(name))] for name in packages]
    versions.append(["Python", f"{platform.python_version()} on {escape(platform.platform())}"])
    text = (
        "Each label is measured against everything else; TP, FP, FN and TN count voxels. The surface of a "
        "label is its voxels with a face neighbour that is not the label, outside the array counting as "
        "not the label; distances are between voxel centres, in mm. What is not defined (the label is "
        "absent in both) is left out of means; a label that is absent in one of them has overlap 0 and "
        "infinite distances. Intervals are of the mean, by bootstrap: "
        f"{RESAMPLES:,} samples of the cases, {CONFIDENCE:.0%}."
    )
    return section("Definitions", metrics, text) + section(
        "Settings and versions",
        f'<div class="row">{chosen}{table(["Package", "Version"], versions)}</div>',
    )
