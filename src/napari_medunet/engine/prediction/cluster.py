"""Prediction on many machines: one Dask task for each file, in folders that all machines share."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from napari_medunet.engine.errors import told
from napari_medunet.engine.prediction.ensemble import load_segmenters
from napari_medunet.engine.prediction.folders import Outcome, predict_file
from napari_medunet.engine.prediction.sliding_window import TrainedPredictor
from napari_medunet.engine.progress import Progress, ProgressCallback, ignore
from napari_medunet.engine.settings import PredictSettings


def predict_files_on(
    scheduler: str,
    models: list[Path],
    files: dict[str, tuple[Path, Path]],
    settings: PredictSettings,
    report: ProgressCallback = ignore,
    overwrite: bool = False,
) -> Outcome:
    """Segment files on a Dask cluster: what `predict_files` does, on many machines.

    Paths are made absolute and must mean the same file on every worker. A file that fails, or whose
    worker dies again and again, does not stop the others.

    Parameters
    ----------
    scheduler : str
        Address of the scheduler, such as "tcp://10.0.0.1:8786".
    models : list of paths of `.medunet` files
        Several are averaged. Each worker loads them once.
    files : dict of case name to (image, labels) paths
    report : callable
        Raise `Cancelled` in it to stop; files that are not begun are dropped.
    overwrite : bool
        Replace labels that napari-medunet made.

    Raises
    ------
    OSError
        If `distributed` is not installed or the scheduler cannot be reached.
    """
    client = _connect(scheduler)
    from distributed import as_completed

    outcome = Outcome()
    paths = tuple(str(path.resolve()) for path in models)
    absolute = {name: (file.resolve(), target.resolve()) for name, (file, target) in files.items()}
    with client:
        futures = {
            client.submit(_predict_one, paths, file, settings, overwrite, pure=False): name
            for name, file in absolute.items()
        }
        report(Progress(0, f"Segmenting on {scheduler}"))
        try:
            for number, future in enumerate(as_completed(futures), 1):
                name = futures[future]
                segmented = Progress(number / len(futures), f"Segmented {name}")
                error = future.exception()  # of the cluster: its worker died, say
                warnings, failure = future.result() if error is None else ([], told(error))
                for warning in warnings:
                    report(replace(segmented, warning=outcome.keep_warning(name, warning)))
                if failure:
                    outcome.failed[name] = failure
                else:
                    outcome.done[name] = files[name][1]
                report(segmented)
        finally:
            client.cancel(list(futures))
    return outcome


def _connect(scheduler: str) -> Any:
    try:
        from distributed import Client
    except ImportError as error:
        raise OSError(
            "Predicting on a scheduler needs Dask's distributed, which is not installed: "
            "pip install 'napari-medunet[distributed]'."
        ) from error
    try:
        return Client(scheduler, timeout=5)
    except (OSError, ValueError) as error:
        raise OSError(
            f"No Dask scheduler answers at '{scheduler}' ({error}): start one with 'dask scheduler', and "
            "workers with 'dask worker ADDRESS', or check the address."
        ) from error


def _predict_one(
    models: tuple[str, ...], file: tuple[Path, Path], settings: PredictSettings, overwrite: bool
) -> tuple[list[str], str]:
    """Run on a worker: segment one file; what is odd about it, and in one line why it failed, if so."""
    warnings: list[str] = []

    def keep(progress: Progress) -> None:
        if progress.warning:
            warnings.append(progress.warning)

    try:
        predict_file(_loaded(models), *file, settings, keep, overwrite=overwrite)
    except Exception as error:  # what was odd before is told, too; a bug is told as one
        return warnings, told(error)
    return warnings, ""


@lru_cache(maxsize=1)
def _loaded(models: tuple[str, ...]) -> TrainedPredictor:
    return load_segmenters([Path(model) for model in models])
