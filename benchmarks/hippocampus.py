"""Dice on real MRI, through the command line: train on 160 hippocampus volumes, test on 48 others.

    MEDUNET_DATA=<folder with images/ and labels/> python benchmarks/hippocampus.py --minutes 5

The data are Task04 of the Medical Segmentation Decathlon (Antonelli et al. 2022, Nature Communications
13, 4128), 1 mm isotropic, labels 1 (anterior) and 2 (posterior). The peer's figures are of a MONAI 2D
U-Net in PyTorch with bfloat16, averaged weights, a cosine schedule, and affine and intensity augmentation,
on two cores of the same kind of machine: 0.867 and 0.851 after 5 minutes.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

PEER = {"2": (0.854, 0.842), "5": (0.867, 0.851), "10": (0.876, 0.862)}
TEST_CASES = 48


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", default="5")
    parser.add_argument("--dims", default="2d")
    parser.add_argument("--seed", default="0")
    parser.add_argument("--tta", action="store_true")
    chosen = parser.parse_args()
    data = Path(os.environ["MEDUNET_DATA"])
    with tempfile.TemporaryDirectory() as folder:
        scores = measure(data, Path(folder), chosen)
    anterior, posterior = (scores["summary"][label]["dice"]["mean"] for label in "12")
    print(f"ours, {chosen.dims}, {chosen.minutes} min: {anterior:.4f} / {posterior:.4f} Dice")
    if chosen.minutes in PEER:
        first, second = PEER[chosen.minutes]
        print(f"MONAI 2D, {chosen.minutes} min: {first:.4f} / {second:.4f} Dice (recorded)")
        errors = (1 - anterior) / (1 - first), (1 - posterior) / (1 - second)
        print(f"our error against its: {errors[0]:.2f} / {errors[1]:.2f}")


def measure(data: Path, folder: Path, chosen: argparse.Namespace) -> dict:
    """Split the cases, train, predict and evaluate with the command line's own commands."""
    names = sorted(path.name for path in (data / "images").iterdir())
    random.Random(1).shuffle(names)
    for part, cases in (("test", names[:TEST_CASES]), ("train", names[TEST_CASES:])):
        for kind in ("images", "labels"):
            (folder / part / kind).mkdir(parents=True)
            for name in cases:
                shutil.copy(data / kind / name, folder / part / kind / name)
    train, test, model = folder / "train", folder / "test", folder / "model.medunet"
    run("train", "--images", train / "images", "--labels", train / "labels", "--model", model,
        "--minutes", chosen.minutes, "--dims", chosen.dims, "--seed", chosen.seed)  # fmt: skip
    options = ["--tta"] if chosen.tta else []
    run("predict", model, "--images", test / "images", "--out", test / "predictions", *options)
    scored = run(
        "evaluate", "--predictions", test / "predictions", "--truth", test / "labels", "--json"
    )
    return json.loads(scored)


def run(*arguments: object) -> str:
    command = [sys.executable, "-m", "napari_medunet", *map(str, arguments)]
    return subprocess.run(command, check=True, text=True, stdout=subprocess.PIPE).stdout


if __name__ == "__main__":
    main()
