"""Dice on real MRI, through the command line: three quarters of the volumes train, the others test.

    MEDUNET_DATA=<folder with images/ and labels/> python benchmarks/hippocampus.py --minutes 5 --seeds 3
    MEDUNET_DATA=<...> python benchmarks/hippocampus.py --minutes 2 --slices 5 [--draw 1]
    MEDUNET_DATA=<...> python benchmarks/hippocampus.py --minutes 2 --slices 5 --draws 5 --seeds 3
    MEDUNET_DATA=<...> python benchmarks/hippocampus.py --minutes 2 --slices 1 --volumes 15 --draw 1
    MEDUNET_DATA=<...> python benchmarks/hippocampus.py --minutes 2 --scribbles 25 [--draw 1]
    ... --programs ours monai-3d monai-2d [--monai-python PYTHON] [--monai-filters 8]
    ... --programs ours with-adam without-average without-cosine without-crops without-mirroring
    ... --programs ours without-unaugmented-tail --minutes 9 --train --epochs 15 --networks 1
    ... --slices 5 --programs ours without-self-training with-sure-background with-all-pseudo-labels
    ... --slices 5 --programs ours with-best-epoch without-guess
    ... --scribbles 25 --programs ours without-prior-correction

The data are Task04 of the Medical Segmentation Decathlon (Antonelli et al. 2022, Nature Communications
13, 4128), 1 mm isotropic, labels 1 (anterior) and 2 (posterior). Everything is left at its default but the
minutes, the seed and what stands on the command line. A figure is the mean of the cases' Dice or HD95 (mm),
over seeds; each seed tests on another quarter, or another of so many `--parts`.

With `--slices` three volumes train (216, 257 and 335, or others by `--draw`; another number by
`--volumes`), of each of which so many axial slices are annotated, evenly spread over the structure, a
single one at another height in each; all other volumes of the quarter test. `--draws` goes through so many
draws. With `--scribbles` so many strokes of each label are, and twice as many of background: lines of
five voxels at most, about voxels chosen by chance.

The peers learn from the same files and are tested on the same: MONAI (`monai_unet.py`), and ours with one
technique changed, which tells what it gives. Where the processor has bfloat16 recorded figures are printed
beside them: of MONAI U-Nets in PyTorch with bfloat16, averaged weights, a cosine schedule, affine and
intensity augmentation, tested on 52 other volumes of the same kind and trained on 208, a third more than
here, on two cores with bfloat16, which may have been faster or slower than these.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import nibabel
import numpy as np

from napari_medunet.engine.hardware.machine import cpu_has_bfloat16

PEERS = {
    ("2", 0): {"MONAI 2D": (0.854, 0.842), "MONAI 3D": (0.871, 0.853)},
    ("5", 0): {"MONAI 2D": (0.867, 0.851), "MONAI 3D": (0.891, 0.875)},
    ("10", 0): {"MONAI 2D": (0.876, 0.862), "MONAI 3D": (0.894, 0.877)},
    ("2", 5): {"MONAI 2D, mirrored": (0.735, 0.697)},
}
MONAI = {"monai-2d": "2d", "monai-3d": "3d"}
OURS = ("-m", "napari_medunet")
# What is changed in our program before it starts, for the techniques that are no option of it.
LEARNING = "from napari_medunet.engine.training.learning import"
SAMPLER = "from napari_medunet.engine.patches import sampler"
CHANGED = {
    "with-adam": f"{LEARNING} steps; steps.Muon = keras.optimizers.Adam",
    "without-average": f"{LEARNING} average; average._AVERAGING = 0.0",
    "without-cosine": f"{LEARNING} loop;"
    "loop.Loop._learning_rate = lambda loop: loop.plan.schedule.learning_rate",
    "with-best-epoch": f"{LEARNING} loop; loop._AS_GOOD = 0.0",
    "with-all-pseudo-labels": f"{SAMPLER};"
    "sampler._apart = lambda classes, annotation: classes != classes",
    "with-sure-background": f"{LEARNING} self_training;"
    "self_training._SURE_OF_BACKGROUND = self_training._SURE",
    "without-prior-correction": "from napari_medunet.engine.training import one_network;"
    "one_network.correct_priors = lambda *given: None",
    "without-guess": f"{SAMPLER}; sampler.guess_between = lambda *given: None",
    "without-crops": f"{SAMPLER}; sampler._FOREGROUND_SHARE = 0.0",
}
# Options of `train` and of `predict`. Without mirroring it is our own network, which predicts otherwise.
OPTIONS = {
    "without-self-training": (["--no-self-training"], []),
    "without-unaugmented-tail": (["--unaugmented-tail", "0"], []),
    "without-mirroring": ([], ["--no-tta"]),
}
PROGRAMS = ["ours", *CHANGED, *OPTIONS, *MONAI]
PAINTED = ("216", "257", "335")
BACKGROUND = 3  # label of background's strokes


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", default="5")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--slices", type=int, default=0, help="annotated in each of three volumes")
    parser.add_argument("--scribbles", type=int, default=0, help="strokes of each label, likewise")
    parser.add_argument("--draw", type=int, default=0, help="other volumes, by chance")
    parser.add_argument("--draws", type=int, default=1, help="this one and those after it")
    parser.add_argument("--volumes", type=int, default=3, help="with slices or strokes")
    parser.add_argument("--parts", type=int, default=4, help="of the volumes; one of them tests")
    parser.add_argument("--programs", nargs="+", default=["ours"], choices=PROGRAMS)
    parser.add_argument("--monai-python", default=sys.executable)
    parser.add_argument("--monai-filters", help="of the first level, where not the usual")
    parser.add_argument("--train", nargs=argparse.REMAINDER, default=[], help="more for train")
    chosen = parser.parse_args()
    if chosen.slices and "monai-3d" in chosen.programs:
        parser.error("MONAI's loss takes what is not annotated for background: choose monai-2d")
    if chosen.scribbles and (chosen.slices or MONAI.keys() & set(chosen.programs)):
        parser.error("Scribbles are for our programs, and without slices")
    if chosen.volumes != 3 and not chosen.draw:
        parser.error("Other numbers of volumes are drawn by chance: give --draw 1")
    found: dict[str, list[np.ndarray]] = {program: [] for program in chosen.programs}
    seeds = range(chosen.first_seed, chosen.first_seed + chosen.seeds)
    draws = range(chosen.draw, chosen.draw + chosen.draws)
    for chosen.draw, seed in itertools.product(draws, seeds):
        with tempfile.TemporaryDirectory() as folder:
            split(Path(os.environ["MEDUNET_DATA"]), Path(folder), chosen, seed)
            for program in chosen.programs:
                measure = monai_scores if program in MONAI else our_scores
                scores = measure(Path(folder), chosen, seed, program)
                found[program].append(scores)
                drawn = f"draw {chosen.draw}, " if len(draws) > 1 else ""
                print(f"{drawn}seed {seed}, {program}: {in_words(scores)}", flush=True)
    report(found, chosen)


def report(found: dict[str, list[np.ndarray]], chosen: argparse.Namespace) -> None:
    """Print means, spread, and our error beside each peer's."""
    means = {program: np.mean(scores, axis=0)[0] for program, scores in found.items()}
    for program, scores in found.items():
        spread = np.ptp(scores, axis=0)
        print(f"{program}, {chosen.minutes} min: {in_words(np.mean(scores, axis=0))}, ", end="")
        print(f"mean of {len(scores)}; highest - lowest: {in_words(spread)}")
        worst = np.min(scores, axis=0)[0]
        print(f"{program}, lowest Dice of {len(scores)}: {worst[0]:.4f} / {worst[1]:.4f}")
    ours = means.pop("ours", None)
    comparable = cpu_has_bfloat16() and not chosen.draw and not chosen.scribbles
    recorded = PEERS.get((chosen.minutes, chosen.slices), {}) if comparable else {}
    for name, peer in {**means, **recorded}.items() if ours is not None else ():
        errors = (1 - ours) / (1 - np.asarray(peer))
        print(f"our error / that of {name}: {errors[0]:.2f} / {errors[1]:.2f}")


def in_words(scores: np.ndarray) -> str:
    """Two metrics of both labels."""
    (anterior, posterior), (anterior_mm, posterior_mm) = scores
    return f"{anterior:.4f} / {posterior:.4f} Dice, HD95 {anterior_mm:.2f} / {posterior_mm:.2f} mm"


def split(data: Path, folder: Path, chosen: argparse.Namespace, seed: int) -> None:
    """Lay out the cases that train and the cases that test."""
    names = sorted(path.name for path in (data / "images").iterdir())
    random.Random(1).shuffle(names)
    test = names[seed % chosen.parts :: chosen.parts]
    train = [name for name in names if name not in test]
    if chosen.slices or chosen.scribbles:
        painted = [name for name in names if any(number in name for number in PAINTED)]
        if chosen.draw:
            painted = random.Random(chosen.draw).sample(train, chosen.volumes)
        train = painted
        test = [name for name in test if name not in train]
    for part, cases in (("test", test), ("train", train)):
        for kind in ("images", "labels"):
            (folder / part / kind).mkdir(parents=True)
            for name in cases:
                shutil.copy(data / kind / name, folder / part / kind / name)
    paths = sorted((folder / "train" / "labels").iterdir())
    for number, path in enumerate(paths):
        if chosen.slices:
            height = (number + 0.5) / len(paths)
            change_labels(path, lambda labels, at=height: some_slices(labels, chosen.slices, at))
        elif chosen.scribbles:
            change_labels(path, lambda labels: scribbles(labels, chosen.scribbles))


def our_scores(folder: Path, chosen: argparse.Namespace, seed: int, program: str) -> np.ndarray:
    """Train and predict with the command line's own commands."""
    options = ["--annotated", "slices"] if chosen.slices else []
    if chosen.scribbles:
        options = ["--annotated", "voxels", "--background-label", BACKGROUND]
    for_train, for_predict = OPTIONS.get(program, ([], []))
    model = folder / f"{'ours' if for_predict else program}.medunet"
    if not model.exists():
        train = folder / "train"
        run("train", "--images", train / "images", "--labels", train / "labels",
            "--model", model, "--minutes", chosen.minutes, "--seed", seed, *options, *for_train,
            *chosen.train, start=start_of(program))  # fmt: skip
    images = folder / "test" / "images"
    run("predict", model, "--images", images, "--out", folder / program, *for_predict)
    return scores_of(folder, program)


def start_of(program: str) -> tuple[str, ...]:
    """What Python runs."""
    if program not in CHANGED:
        return OURS
    start = (
        "from napari_medunet.engine.hardware import devices; devices.start_backend(); import keras"
    )
    return ("-c", f"{start}\n{CHANGED[program]}\nfrom napari_medunet.cli import main; main()")


def monai_scores(folder: Path, chosen: argparse.Namespace, seed: int, program: str) -> np.ndarray:
    """Train and predict with MONAI, in a Python that has it."""
    script = Path(__file__).with_name("monai_unet.py")
    options = ["--minutes", chosen.minutes, "--dims", MONAI[program], "--seed", str(seed)]
    options += ["--slices"] * bool(chosen.slices)
    options += ["--filters", chosen.monai_filters] if chosen.monai_filters else []
    places = [folder / "train", folder / "test" / "images", folder / program]
    command = [chosen.monai_python, script, *places, *options]
    subprocess.run(command, check=True)
    return scores_of(folder, program)


def scores_of(folder: Path, program: str) -> np.ndarray:
    """Dice and HD95, each (anterior, posterior), by our own `evaluate`, whoever predicted."""
    truth = folder / "test" / "labels"
    scored = run("evaluate", "--predictions", folder / program, "--truth", truth, "--json")
    summary = json.loads(scored)["summary"]
    means = [[summary[label][metric]["mean"] for label in "12"] for metric in ("dice", "hd95")]
    return np.array(means, float)  # infinity is a word in JSON


def change_labels(path: Path, change: Callable[[np.ndarray], np.ndarray]) -> None:
    """Write other labels into a file."""
    file = nibabel.load(path)
    labels = change(np.asarray(file.dataobj))
    nibabel.save(nibabel.Nifti1Image(labels, file.affine, file.header), path)


def some_slices(labels: np.ndarray, count: int, height: float = 0.5) -> np.ndarray:
    """The labels of a few axial slices (the files' last axis), evenly spread, or of one at a height."""
    held = np.flatnonzero(labels.any(axis=(0, 1)))
    shares = np.linspace(0, 1, count + 2)[1:-1] if count > 1 else np.array([height])
    kept = held[(shares * (len(held) - 1)).round().astype(int)]
    sparse = np.zeros_like(labels)
    sparse[..., kept] = labels[..., kept]
    return sparse


def scribbles(labels: np.ndarray, count: int) -> np.ndarray:
    """Strokes from left to right (the files' first axis), each of one label."""
    rng = np.random.default_rng(labels.size)
    whole = np.where(labels == 0, BACKGROUND, labels).astype(labels.dtype)
    painted = np.zeros_like(whole)
    for label in np.unique(whole):
        places = np.argwhere(whole == label)
        strokes = 2 * count if label == BACKGROUND else count
        for x, y, z in rng.choice(places, min(strokes, len(places)), replace=False):
            stroke = slice(max(0, x - 2), x + 3), y, z
            painted[stroke] = np.where(whole[stroke] == label, label, painted[stroke])
    return painted


def run(*arguments: object, start: tuple[str, ...] = OURS) -> str:
    command = [sys.executable, *start, *map(str, arguments)]
    return subprocess.run(command, check=True, text=True, stdout=subprocess.PIPE).stdout


if __name__ == "__main__":
    main()
