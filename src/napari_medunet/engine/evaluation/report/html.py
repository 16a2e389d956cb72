"""The report: one HTML file that says how good a segmentation is, and needs no network.

Plots stand in it as SVG, pictures as data, and the few lines of script only sort the table: without
them everything is there. It prints on white paper, and can be read in black and white.
"""

from __future__ import annotations

import platform
from datetime import datetime
from pathlib import Path

from napari_medunet.engine.evaluation.evaluation import Evaluation
from napari_medunet.engine.evaluation.metrics.table import shown_metrics
from napari_medunet.engine.evaluation.report.figures import default_look
from napari_medunet.engine.evaluation.report.sections import ReportParts, measured_content
from napari_medunet.engine.evaluation.summary import CONFIDENCE, RESAMPLES
from napari_medunet.engine.evaluation.templates import render
from napari_medunet.engine.files.paths import AnyPath, expand_home
from napari_medunet.engine.files.saving import Kind, write_target
from napari_medunet.engine.hardware.devices import package_version

_PACKAGES = ("napari-medunet", "numpy", "scipy", "numba", "nibabel", "matplotlib")


_GENERATOR = b'<meta name="generator" content="napari-medunet">'


def _is_report(path: Path) -> bool:
    with path.open("rb") as stream:
        return _GENERATOR in stream.read(2**10)


REPORT = Kind("report", _is_report)


def write_html(
    evaluation: Evaluation,
    path: AnyPath,
    parts: ReportParts | None = None,
    overwrite: bool = False,
) -> None:
    """Write the report.

    Parameters
    ----------
    evaluation : Evaluation
    path : path of the file
    parts : ReportParts, optional
    overwrite : bool
        Replace a report that is there.

    Raises
    ------
    OSError, MedunetError
        Where the file cannot be written or must not be replaced; an earlier one is then still whole.
    """
    page = html_report(evaluation, parts or ReportParts())
    with write_target(expand_home(path), REPORT, overwrite) as stream:
        stream.write(page.encode(errors="backslashreplace"))


def html_report(evaluation: Evaluation, parts: ReportParts) -> str:
    """Lay out the report as one HTML page."""
    known = shown_metrics(evaluation.settings).values()
    with default_look():
        measured = measured_content(evaluation, parts) if evaluation.cases else None
    return render(
        "report.html",
        title=parts.title,
        subtitle=_subtitle(evaluation),
        notes=_notes(evaluation, parts),
        measured=measured,
        definitions=[(one.heading, one.unit, one.better, one.text) for one in known],
        settings=evaluation.settings.model_dump().items(),
        versions=_versions(),
        resamples=f"{RESAMPLES:,}",
        confidence=f"{CONFIDENCE:.0%}",
    )


def _subtitle(evaluation: Evaluation) -> str:
    cases, failed = len(evaluation.cases), len(evaluation.failures)
    text = f"{cases} {'case' if cases == 1 else 'cases'} measured"
    if failed:
        text += f", {failed} could not be"
    when = datetime.now().astimezone()
    return f"{text}. {when:%Y-%m-%d %H:%M}, napari-medunet {package_version('napari-medunet')}."


def _notes(evaluation: Evaluation, parts: ReportParts) -> list[str]:
    """What was not measured, or changed before it was."""
    notes = [f"'{name}' was not measured: {why}" for name, why in evaluation.failures.items()]
    notes += evaluation.unpaired
    notes += evaluation.notes
    if parts.versus:
        other, second, comparison = parts.versus
        notes += [f"'{n}' of {other} was not measured: {why}" for n, why in second.failures.items()]
        notes += [f"'{name}' was measured for one of the two only." for name in comparison.left_out]
    return notes


def _versions() -> list[tuple[str, str]]:
    versions = [(name, package_version(name)) for name in _PACKAGES]
    return [*versions, ("Python", f"{platform.python_version()} on {platform.platform()}")]
