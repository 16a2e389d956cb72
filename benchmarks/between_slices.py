"""One volume, some of its slices painted: Dice on the others, beside interpolation and MONAI.

    [MEDUNET_DATA=<folder with images/ and labels/>] python benchmarks/between_slices.py --minutes 2
    ... [--sets ct organ hippocampus] [--slices 3 5 10] [--seeds 3] [--monai-python PYTHON]
    ... [--predict --no-interpolate] [--train --epochs 20]

`train` and `predict` of the command line, with the defaults and the minutes; the same image is predicted
of which slices were painted, evenly spread over what there is to paint. A figure is the mean over the
labels of Dice on the slices that were not painted. The peer is signed-distance interpolation between the
painted slices, label by label (Herman, Zheng & Bucholtz 1992), with nothing beyond the outermost; with
`--monai-python` MONAI's 2D U-Net in the same minutes, too. *ct* has 40 organs in 36 slices of 8 mm, *organ*
an organ, a lesion and a vessel in 24; of *hippocampus* (Task04 of the Medical Segmentation Decathlon) each
seed takes another volume.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import nibabel
import numpy as np
from hippocampus import PAINTED, some_slices
from other_data import Case, ct, painted
from scipy import ndimage

from napari_medunet.engine.examples.between_slices import guess_between
from napari_medunet.engine.files.nifti import read_volume, write_labels, write_volume
from napari_medunet.engine.volume import Volume, affine_from_spacing


def hippocampus(seed: int) -> Case:
    """A volume of the folder MEDUNET_DATA."""
    data = Path(os.environ["MEDUNET_DATA"])
    name = next(p.name for p in (data / "images").iterdir() if PAINTED[seed % 3] in p.name)
    image, labels = (read_volume(data / kind / name) for kind in ("images", "labels"))
    return np.asarray(image.voxels), np.asarray(labels.voxels, np.uint8), (1.0, 1.0, 1.0)


def thick_ct(seed: int) -> Case:
    """The CT of `other_data.py`, every second slice of it."""
    image, labels, _ = ct(seed)
    return image[::2], labels[::2], (8.0, 3.0, 3.0)


SETS = {"ct": thick_ct, "organ": painted, "hippocampus": hippocampus}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", default="2")
    parser.add_argument("--sets", nargs="+", default=list(SETS), choices=SETS)
    parser.add_argument("--slices", nargs="+", type=int, default=[3, 5, 10])
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--monai-python")
    parser.add_argument("--predict", nargs=argparse.REMAINDER, default=[], help="more for predict")
    parser.add_argument("--train", default="", help="more for train, in one string")
    chosen = parser.parse_args()
    for name in chosen.sets:
        for count in chosen.slices:
            rows = [measured(name, count, seed, chosen) for seed in range(chosen.seeds)]
            shown = (f"{who} {told([row[who] for row in rows])}" for who in rows[0])
            share = np.mean([(1 - r["ours"]) / (1 - r["interpolation"]) for r in rows])
            print(f"{name}, {count} slices: {', '.join(shown)}; our error / interpolation's {share:.2f}",
                  flush=True)  # fmt: skip


def told(scores: list[float]) -> str:
    """Mean, and the worst where there are several."""
    worst = f" (worst {min(scores):.3f})" if len(scores) > 1 else ""
    return f"{np.mean(scores):.3f}{worst}"


def measured(name: str, count: int, seed: int, chosen: argparse.Namespace) -> dict[str, float]:
    """Dice of each program on a volume's slices that were not painted."""
    image, labels, spacing = SETS[name](seed)
    sparse = np.moveaxis(some_slices(np.moveaxis(labels, 0, -1), count), -1, 0)
    hidden = ~sparse.any(axis=(1, 2))
    with tempfile.TemporaryDirectory() as folder:
        places = [Path(folder, part) for part in ("train/images", "train/labels", "ours", "monai")]
        for place in places:
            place.mkdir(parents=True)
        images, painted_slices, ours, monai = places
        affine = affine_from_spacing(spacing)
        scan = Volume(image, affine, "scan")
        write_volume(images / "scan.nii.gz", scan)
        write_labels(painted_slices / "scan.nii.gz", sparse, scan)
        model = Path(folder, "ours.medunet")
        more = ["--annotated", "slices", "--minutes", chosen.minutes, "--seed", seed]
        data = ["--images", images, "--labels", painted_slices]
        ours_of = ("-m", "napari_medunet")
        run(*ours_of, "train", *data, "--model", model, *more, *chosen.train.split())
        run(*ours_of, "predict", model, "--images", images, "--out", ours, *chosen.predict)
        found = {"ours": dice(read_labels(ours), labels, hidden)}
        if chosen.monai_python:
            script = Path(__file__).with_name("monai_unet.py")
            run(script, Path(folder, "train"), images, monai, "--minutes", chosen.minutes, "--dims", "2d",
                "--slices", "--seed", seed, python=chosen.monai_python)  # fmt: skip
            found["MONAI 2D"] = dice(read_labels(monai), labels, hidden)
        found["interpolation"] = dice(interpolated(sparse, spacing), labels, hidden)
        annotation = np.where(hidden[:, None, None], -1, sparse.astype(np.int16))
        guess = guess_between(annotation, spacing)
        found["guess alone"] = dice(guess.classes, labels, hidden)
        print(f"  {name}, {count} slices, seed {seed}: "
              + ", ".join(f"{who} {score:.3f}" for who, score in found.items())
              + f", slope {guess.slope:.2f}", flush=True)  # fmt: skip
    return found


def interpolated(sparse: np.ndarray, spacing: tuple[float, ...]) -> np.ndarray:
    """Signed distances of each label, blended between the painted slices; the largest one wins."""
    held = np.flatnonzero(sparse.any(axis=(1, 2)))
    found, best = sparse.copy(), np.zeros(sparse.shape, np.float32)
    for label in np.unique(sparse)[1:]:
        distances = [signed_distance(sparse[index] == label, spacing[1:]) for index in held]
        for one, other, at, to in zip(distances, distances[1:], held, held[1:], strict=False):
            for index in range(at + 1, to):
                share = (index - at) / (to - at)
                blended = (1 - share) * one + share * other
                better = blended > best[index]
                best[index][better], found[index][better] = blended[better], label
    return found


def signed_distance(inside: np.ndarray, spacing: tuple[float, ...]) -> np.ndarray:
    if not inside.any():
        return np.full(inside.shape, -50.0)  # mm: it ends soon after the slice that has it
    edt = ndimage.distance_transform_edt
    return edt(inside, spacing) - edt(~inside, spacing)


def dice(prediction: np.ndarray, truth: np.ndarray, where: np.ndarray) -> float:
    """Mean over the labels of the truth."""
    prediction, truth = prediction[where], truth[where]
    labels = np.unique(truth)[1:]
    both = [2 * ((prediction == n) & (truth == n)).sum() for n in labels]
    sizes = [(prediction == n).sum() + (truth == n).sum() for n in labels]
    return float(np.mean(np.divide(both, sizes)))


def read_labels(folder: Path) -> np.ndarray:
    (path,) = folder.glob("*.nii.gz")
    return np.asarray(nibabel.load(path).dataobj).astype(int).transpose()


def run(*arguments: object, python: str = sys.executable) -> None:
    subprocess.run([python, *map(str, arguments)], check=True, stdout=subprocess.DEVNULL)


if __name__ == "__main__":
    main()
