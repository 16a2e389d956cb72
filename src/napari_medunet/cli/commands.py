"""The commands: one function each, which reads its arguments and calls the engine."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from napari_medunet.cli import DONE, FAILED, console, planning
from napari_medunet.cli.options import GroupedCommand, with_settings
from napari_medunet.engine.settings import EvaluateSettings, PredictSettings, TrainSettings

app = typer.Typer(
    help="From a folder of scans to a trained, measured segmentation.",
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]
Overwrite = Annotated[
    bool, typer.Option("--overwrite", help="Replace files that this command wrote earlier.")
]


@app.callback(invoke_without_command=True)
def version(
    context: typer.Context,
    show: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False,
) -> None:
    """From a folder of scans to a trained, measured segmentation."""
    if show:
        from napari_medunet.engine.hardware.devices import package_version

        console.print_line(package_version("napari-medunet"))
        raise typer.Exit
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


@app.command(cls=GroupedCommand)
@with_settings(TrainSettings)
def train(
    settings: TrainSettings,
    images: Annotated[Path | None, typer.Option(help="Folder of images, or one image.")] = None,
    labels: Annotated[
        Path | None, typer.Option(help="Folder of labels of the same names, or one file.")
    ] = None,
    model: Annotated[Path | None, typer.Option(help="The segmenter to write (.medunet).")] = None,
    plan: Annotated[
        Path | None, typer.Option(help="Train by this plan, as `plan` wrote it and you edited it.")
    ] = None,
    run: Annotated[
        Path | None,
        typer.Option(
            help="Folder for plan, log, history and checkpoints; MODEL-run beside MODEL if not given."
        ),
    ] = None,
    start_from: Annotated[
        Path | None,
        typer.Option(
            help="Fine-tune this segmenter (.medunet), perhaps with labels more than it has."
        ),
    ] = None,
    replay_images: Annotated[
        Path | None,
        typer.Option(help="With --start-from: images that it was trained on, not to forget them."),
    ] = None,
    replay_labels: Annotated[
        Path | None, typer.Option(help="The labels of --replay-images.")
    ] = None,
    resume: Annotated[
        Path | None,
        typer.Option(help="Go on with the killed training of this run folder; all else is there."),
    ] = None,
    out_of_fold: Annotated[
        Path | None,
        typer.Option(
            help=(
                "With --folds: folder for the predictions of left-out cases, their scores and a report; "
                "MODEL-folds beside the segmenter if not given."
            )
        ),
    ] = None,
    overwrite: Annotated[
        bool,
        typer.Option(
            "--overwrite",
            help="Replace MODEL, which is kept as NAME.bak.medunet, and --out-of-fold.",
        ),
    ] = False,
    as_json: AsJson = False,
) -> int:
    """Train a segmenter on images and their labels.

    Ctrl-C once ends the training and keeps the best segmenter so far; with --folds, the finished folds.
    """
    from napari_medunet.cli import training

    files = training.Files(
        images, labels, model, run, plan, out_of_fold, start_from, replay_images, replay_labels
    )
    with training.on_the_clock():
        if resume:
            return training.resume(resume, files, settings, overwrite, as_json)
        return training.train_anew(files, settings, overwrite, as_json)


@app.command(cls=GroupedCommand)
@with_settings(TrainSettings)
def plan(
    images: Annotated[Path, typer.Option(help="Folder of images, or one image.")],
    labels: Annotated[Path, typer.Option(help="Folder of labels of the same names, or one file.")],
    settings: TrainSettings,
    out: Annotated[
        Path | None, typer.Option(help="Write the plan here (.json), to edit and to train by.")
    ] = None,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> int:
    """Say how `train` with the same options would train, and why, without training."""
    from napari_medunet.engine.examples.folders import load_examples
    from napari_medunet.engine.files.saving import check_target
    from napari_medunet.engine.planning.plan_file import PLAN, write_plan

    if out is not None:
        check_target(out, PLAN, overwrite)
    with console.shown(as_json, "Reading") as report:
        loaded = load_examples(images, labels, settings.annotation, report)
    console.print_loaded(loaded)
    chosen = planning.choose_plan(loaded, settings, None, as_json)
    if out is not None:
        write_plan(out, chosen, overwrite)
    return FAILED if loaded.failed else DONE


@app.command()
@with_settings(PredictSettings)
def predict(
    models: Annotated[
        list[Path],
        typer.Argument(help="Segmenters (.medunet); several are averaged.", metavar="MODEL..."),
    ],
    images: Annotated[list[Path], typer.Option(help="Folder of images, or one image; repeatable.")],
    out: Annotated[Path, typer.Option(help="Folder for the labels.")],
    settings: PredictSettings,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Segment again what `predict` wrote earlier.")
    ] = False,
    scheduler: Annotated[
        str | None, typer.Option(help="Address of a Dask scheduler: segment on its machines.")
    ] = None,
    as_json: AsJson = False,
) -> int:
    """Segment images, each onto its own grid."""
    from napari_medunet.cli.predicting import Job, predict_and_write

    return predict_and_write(Job(models, images, out, overwrite, scheduler), settings, as_json)


@app.command()
@with_settings(EvaluateSettings)
def evaluate(
    predictions: Annotated[Path, typer.Option(help="Folder of predictions, or one file.")],
    truth: Annotated[Path, typer.Option(help="Folder of truths of the same names, or one file.")],
    settings: EvaluateSettings,
    versus: Annotated[
        Path | None,
        typer.Option(help="Predictions of another segmenter or rater, to compare case by case."),
    ] = None,
    images: Annotated[
        Path | None, typer.Option(help="Images of the same names, for the report's pictures.")
    ] = None,
    model: Annotated[
        Path | None,
        typer.Option(help="The segmenter (.medunet), for its names and training curves."),
    ] = None,
    csv: Annotated[Path | None, typer.Option(help="Write every score of every case here.")] = None,
    html: Annotated[
        Path | None, typer.Option(help="Write a report here: one file, with plots and pictures.")
    ] = None,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> int:
    """Measure predictions against the truth: Dice, IoU, Hausdorff and more, in mm."""
    from napari_medunet.cli.evaluating import Inputs, Outputs, evaluate_and_write

    return evaluate_and_write(
        Inputs(predictions, truth, versus, images, model),
        settings,
        Outputs(csv, html, overwrite, as_json),
    )


@app.command()
def demo(
    out: Annotated[Path, typer.Option(help="Folder for the demo's files.")] = Path("medunet-demo"),
    minutes: Annotated[
        float, typer.Option(help="How long training may take.", min=0.05, max=60)
    ] = 1.5,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> int:
    """Walk the whole path on synthetic volumes: annotate, train, segment, measure."""
    from napari_medunet.cli import demo as engine_demo
    from napari_medunet.engine.evaluation.report.json_content import to_json
    from napari_medunet.engine.hardware.quiet import start_quietly

    engine_demo.check_demo_folder(out, overwrite)
    start_quietly()
    with console.shown(as_json, "Demo") as report:
        result = engine_demo.run_demo(out, minutes, report, overwrite)
    if as_json:
        console.print_json(
            event="result", **json.loads(to_json(result.evaluation)), files=result.files
        )
        return DONE
    console.print_line(result.evaluation)
    console.print_line(f"Everything is in {out.resolve()}")
    console.print_line("Look at a test volume, its truth and its segmentation in napari:")
    console.print_line(f"  {result.napari_command}")
    return DONE


@app.command()
def info(
    file: Annotated[Path, typer.Argument(help="An image, labels, or a segmenter (.medunet).")],
    as_json: AsJson = False,
) -> int:
    """Say in words what a file holds."""
    from napari_medunet.engine.prediction.model_file import is_segmenter, read_card

    if is_segmenter(file):
        card = read_card(file)
        if as_json:
            console.print_json(**card.model_dump(mode="json"))
        else:
            console.print_line(card.describe())
        return DONE
    from napari_medunet.cli.describe import describe_file

    facts = describe_file(file)
    if as_json:
        console.print_json(**facts)
    else:
        for name, value in facts.items():
            console.print_line(f"{name:12} {value}")
    return DONE


@app.command()
def doctor(as_json: AsJson = False) -> int:
    """Say what will run: backend, device, versions, free memory, what is slow and why."""
    from napari_medunet.cli import measuring
    from napari_medunet.cli.doctor import examine
    from napari_medunet.engine.hardware.quiet import start_quietly

    start_quietly()
    with measuring.measured(as_json):
        facts, advice = examine()
    if as_json:
        console.print_json(**facts, advice=advice)
        return DONE
    for name, value in facts.items():
        console.print_line(f"{name:17} {value}")
    for line in advice:
        console.print_line(f"- {line}")
    return DONE
