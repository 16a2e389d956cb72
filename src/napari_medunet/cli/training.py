"""`train`: what it reads, trains and writes, anew or out of the run folder of a killed training."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import typer

from napari_medunet.cli import DONE, FAILED, console, planning
from napari_medunet.engine.errors import MedunetError
from napari_medunet.engine.examples.folders import LoadedExamples, load_examples
from napari_medunet.engine.files.saving import check_writable
from napari_medunet.engine.planning.fine_tuning_plan import reasoned_extension
from napari_medunet.engine.planning.plan_maker import Reason
from napari_medunet.engine.prediction.model_file import read_card, with_suffix
from napari_medunet.engine.prediction.segmenter import Segmenter
from napari_medunet.engine.progress import ProgressCallback
from napari_medunet.engine.settings import TrainSettings
from napari_medunet.engine.training import choose_folds
from napari_medunet.engine.training.fine_tuning import sample_replay
from napari_medunet.engine.training.run_folder import RunFolder

Learn = Callable[[ProgressCallback], Segmenter]
_KNOWN = ("start_from", "replay_images", "replay_labels")
_OF_ANNOTATION = {"annotated", "background_label", "axis"}


@dataclass(frozen=True)
class Files:
    """Where the files of a training are, or are to be; None for what was not given."""

    images: Path | None = None
    labels: Path | None = None
    model: Path | None = None
    run: Path | None = None
    plan: Path | None = None
    out_of_fold: Path | None = None
    start_from: Path | None = None
    replay_images: Path | None = None
    replay_labels: Path | None = None

    def needed(self) -> dict[str, Path]:
        """Images, labels and model, and what a segmenter is fine-tuned from, where one is.

        Raises
        ------
        typer.BadParameter
            If one is missing, or they do not go together.
        """
        given = {"images": self.images, "labels": self.labels, "model": self.model}
        for name, path in given.items():
            if path is None:
                raise typer.BadParameter(f"--{name} is missing; only --resume needs no files.")
        paths = {name: path for name, path in given.items() if path is not None}
        if bool(self.replay_images) != bool(self.replay_labels):
            raise typer.BadParameter("--replay-images and --replay-labels need one another.")
        if self.replay_images and not self.start_from:
            raise typer.BadParameter(
                "--replay-images needs --start-from: nothing is forgotten anew."
            )
        if self.start_from and self.plan:
            raise typer.BadParameter(
                "--start-from keeps the segmenter's own plan: leave --plan out."
            )
        known = {name: getattr(self, name) for name in _KNOWN}
        more = {name: path for name, path in known.items() if path is not None}
        return paths | more | {"model": with_suffix(paths["model"])}


def train_anew(files: Files, settings: TrainSettings, as_json: bool) -> int:
    """Train and write a segmenter in a run folder: of one network, or of one for each fold.

    Returns
    -------
    int
        The exit code.
    """
    if files.out_of_fold and not settings.folds:
        raise typer.BadParameter(
            "--out-of-fold needs --folds: predictions come from left-out cases."
        )
    if files.start_from and settings.folds:
        raise typer.BadParameter("--start-from trains one network: leave --folds out.")
    paths = files.needed()
    target = paths["model"]
    check_writable(target)
    if settings.folds:
        paths["out_of_fold"] = files.out_of_fold or target.with_name(f"{target.stem}-folds")
    known = {name: str(path.absolute()) for name, path in paths.items()}
    run = RunFolder.new(files.run or target.with_name(f"{target.stem}-run"), settings, known)
    return _train(run, files.plan, as_json)


def resume(folder: Path, files: Files, settings: TrainSettings, as_json: bool) -> int:
    """Go on with the training of a run folder, with its own files and settings.

    Raises
    ------
    typer.BadParameter
        If files or settings were given that the run has already.
    OSError, ValueError
        If it cannot be resumed.
    """
    run = RunFolder.open(folder)
    if files != Files() or settings not in (TrainSettings(), run.record.settings):
        raise typer.BadParameter(
            "--resume takes files and options from its run folder; leave all others out, or train anew."
        )
    missing = {"images", "labels", "model"} - set(run.record.files)
    if missing:
        raise MedunetError(
            f"The training in '{folder}' was not begun by this command: it does not say where "
            f"{', '.join(sorted(missing))} are. Resume it from where it was begun."
        )
    return _train(run, None, as_json)


def _train(run: RunFolder, plan_file: Path | None, as_json: bool) -> int:
    """Train in a run folder, new or old, and write the segmenter."""
    files, settings = {n: Path(p) for n, p in run.record.files.items()}, run.record.settings
    check_writable(files["model"])
    loaded = _load(files["images"], files["labels"], settings, as_json)
    if settings.folds:
        return _cross_validate(plan_file, loaded, run, as_json)
    learn = (
        _fine_tuning(files, loaded, run, as_json)
        if "start_from" in files
        else _training(plan_file, loaded, run, as_json)
    )
    with (
        console.shown(as_json, "Training") as report,
        console.stopped_by_interrupt(report) as stoppable,
    ):
        segmenter = learn(stoppable)
    segmenter.save(files["model"])
    run.finish()
    _show(segmenter, run, loaded, as_json)
    return FAILED if loaded.failed else DONE


def _cross_validate(
    plan_file: Path | None, loaded: LoadedExamples, run: RunFolder, as_json: bool
) -> int:
    settings = run.record.settings
    choose_folds(loaded.examples, settings)  # before the backend takes its seconds to start
    own = settings.of_fold(0)
    plan = run.plan or planning.choose_plan(loaded.examples, own, plan_file, as_json)
    console.start_backend()
    from napari_medunet.cli.cross_validating import cross_validate_and_write

    return cross_validate_and_write(loaded, plan, run, as_json)


def _training(
    plan_file: Path | None, loaded: LoadedExamples, run: RunFolder, as_json: bool
) -> Learn:
    settings = run.record.settings
    plan = run.plan or planning.choose_plan(loaded.examples, settings, plan_file, as_json)
    console.start_backend()
    from napari_medunet.engine.training import train

    return lambda report: train(loaded.examples, settings, report, plan=plan, run=run)


def _fine_tuning(
    files: dict[str, Path], loaded: LoadedExamples, run: RunFolder, as_json: bool
) -> Learn:
    settings, replay = run.record.settings, LoadedExamples()
    known = read_card(files["start_from"])
    # Annotated as they were when the segmenter learned from them, however the new ones are.
    then = settings.model_copy(update=known.settings.model_dump(include=_OF_ANNOTATION))
    if "replay_images" in files:
        replay = _load(files["replay_images"], files["replay_labels"], then, as_json)
    if run.plan is None:  # which also refuses before the backend takes its seconds to start
        replayed = sample_replay(replay.examples, len(loaded.examples), settings.seed)
        plan, reasons = reasoned_extension(known.plan, [*loaded.examples, *replayed], settings)
        if replayed:
            why = f"of which {then.annotated} count, as in the segmenter's last training"
            reasons.append(Reason("replayed", f"{len(replayed)} examples", why))
        planning.show_plan(plan, reasons, as_json)
        planning.warn_of_scattered(loaded.examples, settings)
    console.start_backend()
    from napari_medunet.engine.training import fine_tune

    old = Segmenter.load(files["start_from"])
    return lambda report: fine_tune(
        old, loaded.examples, settings, report, replay=replay.examples, run=run
    )


def _load(images: Path, labels: Path, settings: TrainSettings, as_json: bool) -> LoadedExamples:
    with console.shown(as_json, "Reading") as report:
        loaded = load_examples(images, labels, settings, report)
    console.print_warnings(loaded.unpaired, loaded.failed)
    return loaded


def _show(segmenter: Segmenter, run: RunFolder, loaded: LoadedExamples, as_json: bool) -> None:
    card, target = segmenter.card, run.record.files["model"]
    planned = run.plan.networks if run.plan else 1
    if len(card.networks) < planned:
        console.print_warning(
            f"{len(card.networks)} of {planned} networks are finished, and the segmenter holds these."
        )
    if not as_json:
        console.print_line(card.describe())
        console.print_line(f"Segmenter written to {target}, its log and history are in {run.path}")
        return
    console.print_json(
        event="result",
        model=target,
        run=str(run.path),
        validation_dice=card.validation_dice,
        best_epoch=card.networks[0].best_epoch,
        epochs=int(card.networks[0].history[-1]["epoch"]),
        minutes=card.minutes,
        warnings=list(dict.fromkeys(w for one in card.networks for w in one.warnings)),
        failed=loaded.failed,
        unpaired=loaded.unpaired,
    )
