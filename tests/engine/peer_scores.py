"""Small cases, and what other programs measure on them.

`python peer_scores.py` writes `peer_scores.json` beside this file, where MONAI, MedPy,
surface-distance and SimpleITK are installed. The tests read that file and need none of them.
Only numbers whose definition is ours are kept.
"""

from __future__ import annotations

import json
from importlib.metadata import version
from pathlib import Path

import numpy as np

STORED = Path(__file__).with_suffix(".json")
TOLERANCES_MM = (0.5, 1.0, 2.0)


def cases() -> dict[str, tuple[np.ndarray, np.ndarray, tuple[float, ...]]]:
    """Truth, prediction and spacing in mm by name; both are bool, none is empty."""
    rng = np.random.default_rng(20240501)
    noise = rng.integers(0, 100, (2, 14, 12, 10))
    big = ellipsoid((30, 34, 28), (14, 16, 13), (9, 12, 8))
    shifted = ellipsoid((30, 34, 28), (15, 18, 12), (8, 12, 9))
    speckled = shifted ^ (rng.integers(0, 1000, shifted.shape) < 5)
    touching = ellipsoid((16, 20, 18), (2, 3, 17), (9, 8, 7))
    disc = ellipsoid((40, 50), (20, 24), (14, 17))
    dented = disc & ~ellipsoid((40, 50), (8, 24), (6, 5))
    return {
        "ellipsoids": (big, shifted, (1.0, 1.0, 1.0)),
        "ellipsoids, thick slices": (big, shifted, (2.5, 0.7, 0.9)),
        "speckles": (big, speckled, (1.5, 1.0, 0.8)),
        "at the border": (touching, np.roll(touching, 2, axis=1), (3.0, 1.0, 1.2)),
        "dense noise": (noise[0] < 45, noise[1] < 55, (0.9, 1.7, 1.1)),
        "sparse noise": (noise[0] < 5, noise[1] < 5, (2.0, 0.6, 1.3)),
        "one voxel each": (single((5, 6, 7), (1, 2, 3)), single((5, 6, 7), (4, 2, 5)), (2, 1, 0.5)),
        "disc, 2D": (disc, dented, (1.0, 0.6)),
        "noise, 2D": (noise[0, 0] < 40, noise[1, 0] < 40, (1.4, 0.8)),
    }


def ellipsoid(shape, centre, radii) -> np.ndarray:
    grid = np.ogrid[tuple(slice(n) for n in shape)]
    return sum(((g - c) / r) ** 2 for g, c, r in zip(grid, centre, radii, strict=True)) <= 1


def single(shape, index) -> np.ndarray:
    mask = np.zeros(shape, dtype=bool)
    mask[index] = True
    return mask


def monai_scores(truth, prediction, spacing):
    """`monai.metrics.compute_*(prediction, truth, spacing=spacing, ...)` on (1, 1, ...) tensors."""
    import torch
    from monai import metrics as m

    p, t = (torch.from_numpy(a[None, None].astype(np.float32)) for a in (prediction, truth))
    both = {"include_background": True, "spacing": [float(s) for s in spacing]}
    scores = {
        "hd": m.compute_hausdorff_distance(p, t, **both),
        "hd95": m.compute_hausdorff_distance(p, t, percentile=95, **both),
        "assd": m.compute_average_surface_distance(p, t, symmetric=True, **both),
        "dice": m.compute_dice(p, t, include_background=True),
        "iou": m.compute_iou(p, t, include_background=True),
    }
    for tolerance in TOLERANCES_MM:
        nsd = m.compute_surface_dice
        scores[f"border {tolerance}"] = nsd(p, t, [tolerance], **both)
        scores[f"area {tolerance}"] = nsd(p, t, [tolerance], use_subvoxels=True, **both)
    return {name: float(value) for name, value in scores.items()}


def medpy_scores(truth, prediction, spacing):
    """`medpy.metric.binary.*(prediction, truth, voxelspacing=spacing)`; asd is one direction."""
    from medpy.metric import binary as b

    directed = [b.asd(prediction, truth, spacing), b.asd(truth, prediction, spacing)]
    scores = {
        "hd": b.hd(prediction, truth, spacing),
        "assd": b.assd(prediction, truth, spacing),
        "masd": sum(directed) / 2,
        "dice": b.dc(prediction, truth),
        "iou": b.jc(prediction, truth),
        "precision": b.precision(prediction, truth),
        "recall": b.recall(prediction, truth),
        "specificity": b.specificity(prediction, truth),
    }
    return {name: float(value) for name, value in scores.items()}


def surface_distance_scores(truth, prediction, spacing):
    """`compute_surface_dice_at_tolerance(compute_surface_distances(...), tolerance)`."""
    import surface_distance as s

    distances = s.compute_surface_distances(truth, prediction, spacing)
    return {
        f"area {t}": float(s.compute_surface_dice_at_tolerance(distances, t)) for t in TOLERANCES_MM
    }


def simpleitk_scores(truth, prediction, spacing):
    """`LabelOverlapMeasuresImageFilter`; its volume similarity is another formula."""
    import SimpleITK as sitk  # noqa: N813

    overlap = sitk.LabelOverlapMeasuresImageFilter()
    overlap.Execute(*(sitk.GetImageFromArray(a.astype(np.uint8)) for a in (truth, prediction)))
    return {"dice": overlap.GetDiceCoefficient(1), "iou": overlap.GetJaccardCoefficient(1)}


def main() -> None:
    peers = {
        "monai": monai_scores,
        "medpy": medpy_scores,
        "surface-distance": surface_distance_scores,
        "SimpleITK": simpleitk_scores,
    }
    stored = {
        f"{peer} {version(peer)}": {name: measure(*case) for name, case in cases().items()}
        for peer, measure in peers.items()
    }
    STORED.write_text(json.dumps(stored, indent=1) + "\n")


if __name__ == "__main__":
    main()
