"""The command `predict`: what it reads, segments, writes and prints."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from napari_medunet.cli import DONE, FAILED, console
from napari_medunet.engine.files.saving import check_writable
from napari_medunet.engine.prediction.folders import MOST_TOLD, all_cases, sort_cases
from napari_medunet.engine.prediction.model_file import read_card
from napari_medunet.engine.settings import PredictSettings

if TYPE_CHECKING:
    from napari_medunet.engine.prediction.folders import Outcome


@dataclass(frozen=True)
class Job:
    """What is segmented, by what, and where to.

    Attributes
    ----------
    models : paths of segmenters; several are averaged
    images : paths of folders or files
    out : path of a folder
    overwrite : bool
        Do again what was done before.
    scheduler : str or None
        Address of a Dask scheduler.
    """

    models: list[Path]
    images: list[Path]
    out: Path
    overwrite: bool = False
    scheduler: str | None = None


def predict_and_write(job: Job, settings: PredictSettings, as_json: bool) -> int:
    """Segment images, each onto its own grid, and say what became of them.

    Returns
    -------
    int
        The exit code: `FAILED` where some image could not be segmented.
    """
    cases = dict(all_cases(job.images, job.out))
    for path in job.models:  # before the backend takes its seconds to start
        read_card(path)
    found = sort_cases(cases, job.out, job.overwrite)
    check_writable(job.out / "labels")
    outcome = _segment(job, found.files, settings, as_json)
    failed, skipped = found.refused | outcome.failed, found.skipped
    untold = len(outcome.warnings) - MOST_TOLD
    more = f"{untold} more files are odd, or their results: --json lists them."
    console.print_warnings([more] if untold > 0 else [], failed)
    if as_json:
        console.print_json(
            event="result",
            done=outcome.done,
            skipped=skipped,
            failed=failed,
            warnings=outcome.warnings,
        )
    else:
        console.print_line(
            f"{len(outcome.done)} segmented into {job.out}, {len(skipped)} skipped (there already; "
            f"--overwrite segments again what was segmented before), {len(failed)} failed"
        )
    return FAILED if failed else DONE


def _segment(
    job: Job, files: dict[str, tuple[Path, Path]], settings: PredictSettings, as_json: bool
) -> Outcome:
    """Segment files here, or on a cluster."""
    from napari_medunet.engine.hardware.quiet import start_quietly
    from napari_medunet.engine.prediction import cluster, folders
    from napari_medunet.engine.prediction.ensemble import load_segmenters

    if not files:
        return folders.Outcome()
    if job.scheduler:
        with console.shown(as_json, "Segmenting") as report:
            return cluster.predict_files_on(
                job.scheduler, job.models, files, settings, report, job.overwrite
            )
    start_quietly()
    segmenter = load_segmenters(job.models)
    with console.shown(as_json, "Segmenting") as report:
        return folders.predict_files(segmenter, files, settings, report, job.overwrite)
