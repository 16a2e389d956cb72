"""Dice, IoU, HD, HD95 and ASSD of every label: seconds and memory here and in other programs.

    python benchmarks/metrics.py [--repeat 5]

Runs napari-medunet beside surface-distance, MONAI, MedPy and SimpleITK, where they are installed
(`pip install surface-distance monai medpy SimpleITK`), in this one process, on three synthetic
cases. Values are compared where the definitions are shared; MONAI is called as its users call it,
one tensor with all labels, and once more with each label cropped to its box. The ratio is their seconds
over ours: above 1, we are faster.

The first call is that of a new process, with compiled code cached by an earlier one. Memory is the
process's peak during that call above what it held with the inputs in place (Linux).
"""

from __future__ import annotations

import argparse
import importlib
import json
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np

from napari_medunet.engine.evaluation.metrics import overlap
from napari_medunet.engine.evaluation.metrics.confusion import confusion_matrix
from napari_medunet.engine.evaluation.metrics.label_pairs import pair_labels
from napari_medunet.engine.evaluation.metrics.surface import surfaces
from napari_medunet.engine.evaluation.metrics.surface.surface_points import surface_points

Scores = dict[int, dict[str, float]]
Case = tuple[np.ndarray, np.ndarray, tuple[float, float, float]]


def ball(shape, centre, radii):
    """Box of an ellipsoid, and its mask in that box."""
    low = [max(0, int(c - r)) for c, r in zip(centre, radii, strict=True)]
    high = [min(n, int(c + r) + 2) for n, c, r in zip(shape, centre, radii, strict=True)]
    grid = np.ogrid[tuple(slice(a, b) for a, b in zip(low, high, strict=True))]
    terms = zip(grid, centre, radii, strict=True)
    return tuple(map(slice, low, high)), sum(((g - c) / r) ** 2 for g, c, r in terms) <= 1


def paint(shape, blobs, seed):
    """Ellipsoids with rough surfaces: (label, centre, radii) each, later ones on top."""
    rng = np.random.default_rng(seed)
    labels = np.zeros(shape, dtype=np.uint8)
    for label, centre, radii in blobs:
        for bump in range(12):
            shift = rng.normal(0, 0.25, 3) * radii if bump else np.zeros(3)
            size = np.array(radii) * (rng.uniform(0.5, 0.8) if bump else 1)
            box, mask = ball(shape, np.array(centre) + shift, size)
            labels[box][mask] = label
    return labels


def two_blobs() -> Case:
    """A hippocampus, anterior and posterior, in 256 x 256 x 256 voxels of 0.25 mm."""
    blobs = [(1, (120, 90, 128), (45, 35, 40)), (2, (130, 160, 128), (35, 50, 35))]
    shape = (256, 256, 256)
    return paint(shape, blobs, 1), paint(shape, blobs, 2), (0.25, 0.25, 0.25)


def organ() -> Case:
    """One organ in 200 x 512 x 512 voxels of 2.5 x 1 x 1 mm."""
    blobs = [(1, (90, 250, 200), (35, 80, 90))]
    shape = (200, 512, 512)
    return paint(shape, blobs, 3), paint(shape, blobs, 4), (2.5, 1.0, 1.0)


def ten_labels() -> Case:
    """Ten small structures in 256 x 256 x 256 voxels of 1 mm."""
    places = [(z, y, x) for z in (80, 170) for y in (70, 180) for x in (60, 130, 200)][:10]
    blobs = [(label, place, (16, 14, 18)) for label, place in enumerate(places, 1)]
    shape = (256, 256, 256)
    return paint(shape, blobs, 5), paint(shape, blobs, 6), (1.0, 1.0, 1.0)


def ours(truth, prediction, spacing) -> Scores:
    pair = pair_labels(truth, prediction, spacing)
    confusion = confusion_matrix(pair)
    scores = {}
    points = surface_points(pair)
    for label, distances in surfaces.all_surface_distances(points, pair.spacing_mm).items():
        counts = confusion.counts(label)
        scores[label] = {
            "dice": overlap.dice(counts),
            "iou": overlap.iou(counts),
            "hd": surfaces.hausdorff(distances),
            "hd95": surfaces.hausdorff(distances, 95),
            "assd": surfaces.assd(distances),
        }
    return scores


def surface_distance(module, truth, prediction, spacing) -> Scores:
    scores = {}
    for label in np.unique(truth)[1:]:
        t, p = truth == label, prediction == label
        d = module.compute_surface_distances(t, p, spacing)
        sides = module.compute_average_surface_distance(d)
        dice = module.compute_dice_coefficient(t, p)
        scores[int(label)] = {  # distances between cell corners, weighted by area: not ours
            "dice": dice,
            "iou": dice / (2 - dice),
            "(hd)": module.compute_robust_hausdorff(d, 100),
            "(hd95)": module.compute_robust_hausdorff(d, 95),
            "(assd)": sum(sides) / 2,
        }
    return scores


def monai(module, truth, prediction, spacing) -> Scores:
    import torch

    labels = np.unique(truth)
    hot = [
        torch.from_numpy(np.stack([a == label for label in labels])[None].astype(np.float32))
        for a in (prediction, truth)
    ]
    far = {"include_background": False, "spacing": list(spacing)}
    found = {
        "dice": module.compute_dice(*hot, include_background=False),
        "iou": module.compute_iou(*hot, include_background=False),
        "hd": module.compute_hausdorff_distance(*hot, **far),
        "hd95": module.compute_hausdorff_distance(*hot, percentile=95, **far),
        "assd": module.compute_average_surface_distance(*hot, symmetric=True, **far),
    }
    return {
        int(label): {name: float(values[0, i]) for name, values in found.items()}
        for i, label in enumerate(labels[1:])
    }


def monai_cropped(module, truth, prediction, spacing) -> Scores:
    import torch

    scores = {}
    for label in np.unique(truth)[1:]:
        masks = prediction == label, truth == label
        where = np.nonzero(masks[0] | masks[1])
        box = tuple(slice(max(0, w.min() - 1), w.max() + 2) for w in where)
        hot = [torch.from_numpy(m[box][None, None].astype(np.float32)) for m in masks]
        far = {"include_background": True, "spacing": list(spacing)}
        found = {
            "dice": module.compute_dice(*hot, include_background=True),
            "iou": module.compute_iou(*hot, include_background=True),
            "hd": module.compute_hausdorff_distance(*hot, **far),
            "hd95": module.compute_hausdorff_distance(*hot, percentile=95, **far),
            "assd": module.compute_average_surface_distance(*hot, symmetric=True, **far),
        }
        scores[int(label)] = {name: float(value) for name, value in found.items()}
    return scores


def medpy(module, truth, prediction, spacing) -> Scores:
    scores = {}
    for label in np.unique(truth)[1:]:
        p, t = prediction == label, truth == label
        scores[int(label)] = {
            "dice": module.dc(p, t),
            "iou": module.jc(p, t),
            "hd": module.hd(p, t, spacing),
            "(hd95)": module.hd95(p, t, spacing),  # both directions pooled before the percentile
            "assd": module.assd(p, t, spacing),
        }
    return scores


def simpleitk(sitk, truth, prediction, spacing) -> Scores:
    images = [sitk.GetImageFromArray(a) for a in (truth, prediction)]
    for image in images:
        image.SetSpacing(spacing[::-1])
    overlap = sitk.LabelOverlapMeasuresImageFilter()
    overlap.Execute(*images)
    scores = {}
    for label in map(int, np.unique(truth)[1:]):
        apart = sitk.HausdorffDistanceImageFilter()
        apart.Execute(images[0] == label, images[1] == label)
        scores[label] = {  # distances to the foreground, not to its surface: not ours
            "dice": overlap.GetDiceCoefficient(label),
            "iou": overlap.GetJaccardCoefficient(label),
            "(hd)": apart.GetHausdorffDistance(),
            "(assd)": apart.GetAverageHausdorffDistance(),
        }
    return scores


PEERS = {
    "surface-distance": ("surface_distance", surface_distance),
    "MONAI": ("monai.metrics", monai),
    "MONAI, cropped": ("monai.metrics", monai_cropped),
    "MedPy": ("medpy.metric.binary", medpy),
    "SimpleITK": ("SimpleITK", simpleitk),
}


def seconds(measure: Callable[..., Scores], case: Case, repeat: int) -> tuple[float, Scores]:
    times = []
    for _ in range(repeat):
        start = time.perf_counter()
        scores = measure(*case)
        times.append(time.perf_counter() - start)
    return min(times), scores


def disagreements(ours_: Scores, theirs: Scores) -> list[str]:
    return [
        f"label {label} {name}: {ours_[label][name]:.9g} here, {value:.9g} there"
        for label, found in theirs.items()
        for name, value in found.items()
        if name in ours_[label] and abs(value - ours_[label][name]) > 1e-5 + 1e-5 * abs(value)
    ]


def memory_mib(field: str) -> float:
    status = Path("/proc/self/status")
    if not status.exists():
        return float("nan")
    found = [line for line in status.read_text().splitlines() if line.startswith(field)]
    return int(found[0].split()[1]) / 1024


def measure_alone(name: str) -> None:
    """What `first_call` runs in a process of its own: seconds and MiB of one call."""
    case = CASES[name]()
    forget = Path("/proc/self/clear_refs")
    if forget.exists():
        forget.write_text("5")  # the peak so far is that of making the inputs
    before = memory_mib("VmRSS")
    taken, _ = seconds(ours, case, 1)
    print(json.dumps([taken, memory_mib("VmHWM") - before]))


def first_call(name: str) -> tuple[float, float]:
    runs = []
    for _ in range(3):
        ran = subprocess.run(
            [sys.executable, __file__, "--alone", name], capture_output=True, text=True, check=True
        )
        runs.append(json.loads(ran.stdout))
    return min(run[0] for run in runs), max(run[1] for run in runs)


def compare(name: str, peers: dict[str, Callable[..., Scores]], repeat: int) -> int:
    """Measure one case everywhere; return how many values differ."""
    case = CASES[name]()
    print(f"\n{CASES[name].__doc__}")
    ours(*case)
    first, memory = first_call(name)
    mine, scores = seconds(ours, case, repeat)
    in_fortran = (*map(np.asfortranarray, case[:2]), case[2])
    fortran, _ = seconds(ours, in_fortran, repeat)
    print(f"  napari-medunet    {mine:7.3f} s")
    print(f"  Fortran order     {fortran:7.3f} s")
    print(f"  first call        {first:7.3f} s   {memory:.0f} MiB above the inputs")
    wrong = 0
    fastest = np.inf
    for peer, measure in peers.items():
        theirs, found = seconds(measure, case, 1 if fastest < np.inf else 2)
        fastest = min(fastest, theirs)
        differs = disagreements(scores, found)
        wrong += len(differs)
        print(
            f"  {peer:17} {theirs:7.3f} s   ratio {theirs / mine:6.1f}  "
            f"{'; '.join(differs) or 'equal where the definition is shared'}"
        )
    if peers:
        print(
            f"  against the fastest of them: {fastest / mine:.1f} times, first call "
            f"{fastest / first:.1f}"
        )
    return wrong


CASES = {make.__name__: make for make in (two_blobs, organ, ten_labels)}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeat", type=int, default=5, help="best of this many")
    parser.add_argument("--alone", choices=CASES, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.alone:
        measure_alone(chosen.alone)
        return 0
    warnings.simplefilter("ignore")  # the peers' own
    peers: dict[str, Callable[..., Scores]] = {}
    for name, (module, measure) in PEERS.items():
        try:
            peers[name] = partial(measure, importlib.import_module(module))
        except ImportError:
            print(f"{name} is not installed: skipped")
    wrong = sum(compare(name, peers, chosen.repeat) for name in CASES)
    return 1 if wrong else 0


if __name__ == "__main__":
    raise SystemExit(main())
