"""The command `train`: read, train and write, from the beginning or from a run folder."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

import typer

from napari_medunet.cli import DONE, FAILED, console, measuring, planning, started
from napari_medunet.cli.keeping import write_somewhere
from napari_medunet.engine.errors import MedunetError
from napari_medunet.engine.examples.folders import LoadedExamples, load_examples
from napari_medunet.engine.files.saving import check_target
from napari_medunet.engine.hardware.quiet import start_quietly
from napari_medunet.engine.plan import Plan, Reason, with_reasons
from napari_medunet.engine.planning.fine_tuning_plan import extend_plan
from napari_medunet.engine.prediction.model_file import SEGMENTER, read_card, with_suffix
from napari_medunet.engine.prediction.segmenter import Segmenter
from napari_medunet.engine.progress import ProgressCallback
from napari_medunet.engine.settings import AnnotationSettings, TrainSettings
from napari_medunet.engine.training import choose_folds
from napari_medunet.engine.training.fine_tuning import sample_replay
from napari_medunet.engine.training.run.record import RunFiles
from napari_medunet.engine.training.run.run_folder import RunFolder
from napari_medunet.engine.training.shares import counted_from

Learn = Callable[[ProgressCallback], Segmenter]


@dataclass(frozen=True)
class Files:
    """The files that a command names; None for what was not given."""

    images: Path | None = None
    labels: Path | None = None
    model: Path | None = None
    run: Path | None = None
    plan: Path | None = None
    out_of_fold: Path | None = None
    start_from: Path | None = None
    replay_images: Path | None = None
    replay_labels: Path | None = None

    def of_run(self, folds: int | None) -> RunFiles:
        """Files of a new training, absolute.

        Raises
        ------
        typer.BadParameter
            If one is missing, or they do not go together.
        """
        self._check(folds)
        names = RunFiles.model_fields
        given = {name: getattr(self, name) for name in names if getattr(self, name) is not None}
        target = with_suffix(given["model"])
        given["model"] = target
        if folds:
            given.setdefault("out_of_fold", target.with_name(f"{target.stem}-folds"))
        return RunFiles(**{name: path.absolute() for name, path in given.items()})

    def _check(self, folds: int | None) -> None:
        for name in ("images", "labels", "model"):
            if getattr(self, name) is None:
                raise typer.BadParameter(f"--{name} is missing; only --resume needs no files.")
        wrong = {
            "--replay-images and --replay-labels need one another.": (
                bool(self.replay_images) != bool(self.replay_labels)
            ),
            "--replay-images needs --start-from: nothing is forgotten anew.": (
                self.replay_images and not self.start_from
            ),
            "--start-from keeps the segmenter's own plan: leave --plan out.": (
                self.start_from and self.plan
            ),
            "--out-of-fold needs --folds: predictions come from left-out cases.": (
                self.out_of_fold and not folds
            ),
            "--start-from trains one network: leave --folds out.": self.start_from and folds,
        }
        for message, found in wrong.items():
            if found:
                raise typer.BadParameter(message)


def on_the_clock() -> AbstractContextManager[None]:
    """Context in which the minutes of a training count from when its command was entered."""
    return counted_from(started.when())


def train_anew(files: Files, settings: TrainSettings, overwrite: bool, as_json: bool) -> int:
    """Train and write a segmenter in a run folder: of one network, or of one for each fold.

    Parameters
    ----------
    files : Files
    settings : TrainSettings
    overwrite : bool
        Replace a segmenter, and what is written of folds, that are there.
    as_json : bool

    Returns
    -------
    int
        The exit code.
    """
    given = planning.given_plan(files.plan, settings)
    folds = given.hold_out.folds if given else settings.hold_out.folds
    known = files.of_run(folds)
    target = known.needed("model")
    read = [path for path in (files.plan, known.start_from) if path is not None]
    check_target(target, SEGMENTER, overwrite, read)
    run_path = files.run or target.with_name(f"{target.stem}-run")
    _check_not_read_from(run_path, read)
    run = RunFolder.new(run_path, known, overwrite)
    annotation = given.annotation if given else settings.annotation
    loaded = _load(known, annotation, as_json)
    if known.start_from:
        return _fine_tune(loaded, settings, run, as_json)
    if folds:  # refused before the backend takes its seconds to start
        seed = given.budget.seed if given else settings.budget.seed
        choose_folds(loaded.examples, folds, seed)
    with measuring.before_planning(settings, as_json):
        plan = planning.choose_plan(loaded, settings, given, as_json)
    return _train(loaded, plan, run, as_json)


def _check_not_read_from(run: Path, read: list[Path]) -> None:
    """Refuse a run folder in which something lies that is read: its files are written anew."""
    for path in read:
        if path.resolve().parent == run.resolve():
            raise MedunetError(
                f"'{path}' is read, and lies in the run folder '{run}' that is to be written; wanted "
                "another folder. Name one with --run."
            )


def resume(
    folder: Path, files: Files, settings: TrainSettings, overwrite: bool, as_json: bool
) -> int:
    """Resume the training of a run folder, with its own files and plan.

    Raises
    ------
    typer.BadParameter
        If files or settings were given.
    OSError, MedunetError
        If it cannot be resumed.
    """
    run = RunFolder.open(folder, overwrite)
    if files != Files() or settings != TrainSettings():
        raise typer.BadParameter(
            "--resume takes files and options from its run folder; leave all others out, or train anew."
        )
    known, plan = run.record.files, run.begun_plan
    read = [known.start_from] if known.start_from else []
    check_target(known.needed("model"), SEGMENTER, run.record.overwrite, read)
    loaded = _load(known, plan.annotation, as_json)
    if known.start_from:
        return _go_on_learning(loaded, _replay(known, as_json), plan, run, as_json)
    return _train(loaded, plan, run, as_json)


def _train(loaded: LoadedExamples, plan: Plan, run: RunFolder, as_json: bool) -> int:
    """Train by a plan, and write the segmenter."""
    start_quietly()
    if plan.hold_out.folds:
        from napari_medunet.cli.cross_validating import cross_validate_and_write

        return cross_validate_and_write(loaded, plan, run, as_json)
    from napari_medunet.engine.training import train

    def learn(report: ProgressCallback) -> Segmenter:
        return train(loaded.examples, plan, report, loaded.names(), run)

    return _learn(learn, loaded, run, as_json)


def _fine_tune(
    loaded: LoadedExamples, settings: TrainSettings, run: RunFolder, as_json: bool
) -> int:
    """Plan a fine-tuning, which refuses what cannot be trained before the backend starts, and train."""
    known = read_card(run.record.files.needed("start_from"))
    replay = _replay(run.record.files, as_json)
    replayed = sample_replay(replay.examples, len(loaded.examples), settings.budget.seed)
    plan = extend_plan(known.plan, [*loaded.examples, *replayed], settings)
    if replayed:
        which = known.plan.annotation.annotated
        why = f"of which {which} count, as in the segmenter's last training"
        replay_reason = Reason(choice=f"{len(replayed)} examples", why=why)
        plan = with_reasons(plan, {**plan.reasons, "replayed": replay_reason})
    planning.show_plan(plan, loaded.notes, as_json)
    planning.warn_of_scattered(loaded.examples, plan.annotation)
    return _go_on_learning(loaded, replay, plan, run, as_json)


def _go_on_learning(
    loaded: LoadedExamples, replay: LoadedExamples, plan: Plan, run: RunFolder, as_json: bool
) -> int:
    start_quietly()
    from napari_medunet.engine.training import Predecessor, fine_tune

    old = Predecessor(Segmenter.load(run.record.files.needed("start_from")), replay.examples)

    def learn(report: ProgressCallback) -> Segmenter:
        return fine_tune(old, loaded.examples, plan, report, loaded.names(), run)

    return _learn(learn, loaded, run, as_json)


def _replay(files: RunFiles, as_json: bool) -> LoadedExamples:
    """Old examples of a segmenter, with the annotation of its last training."""
    if files.replay_images is None:
        return LoadedExamples()
    then = read_card(files.needed("start_from")).plan.annotation
    return _load(files, then, as_json, prefix="replay_")


def _learn(learn: Learn, loaded: LoadedExamples, run: RunFolder, as_json: bool) -> int:
    """Train, write the segmenter and say how good it is; the exit code."""
    with (
        console.shown(as_json, "Training") as report,
        console.stopped_by_interrupt(report) as stoppable,
    ):
        segmenter = learn(stoppable)
    target = run.record.files.needed("model")
    place = write_somewhere(segmenter.save, target, run.record.overwrite)
    run.finish()
    _show(segmenter, run, place, loaded, as_json)
    return FAILED if loaded.failed or place != target else DONE


def _load(
    files: RunFiles, annotation: AnnotationSettings, as_json: bool, prefix: str = ""
) -> LoadedExamples:
    images, labels = files.needed(f"{prefix}images"), files.needed(f"{prefix}labels")
    with console.shown(as_json, "Reading") as report:
        loaded = load_examples(images, labels, annotation, report)
    console.print_loaded(loaded)
    return loaded


def _show(
    segmenter: Segmenter, run: RunFolder, target: Path, loaded: LoadedExamples, as_json: bool
) -> None:
    card = segmenter.card
    planned = max(network.pace.networks for network in card.networks)
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
        epochs=card.networks[0].history[-1].epoch,
        minutes=card.minutes,
        warnings=list(
            dict.fromkeys([*loaded.notes, *(w for n in card.networks for w in n.warnings)])
        ),
        failed=loaded.failed,
        unpaired=loaded.unpaired,
    )
