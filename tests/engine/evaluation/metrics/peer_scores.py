"""Small cases, and what other programs measure on them.

`python peer_scores.py` writes `peer_scores.json` beside this file, where the programs are installed:
`pip install monai medpy surface-distance SimpleITK panoptica scikit-learn torchmetrics pymia
scikit-image`. The tests
read that file and need none of them. Only numbers whose definition is ours are kept; a name with a number
behind it is a surface Dice at that tolerance.
"""

from __future__ import annotations

import json
from importlib.metadata import version
from pathlib import Path

import numpy as np

STORED = Path(__file__).with_suffix(".json")
TOLERANCES_MM = (0.5, 1.0, 2.0)
LESIONS = (  # truth and prediction: one is found, one half, one missed, one is false
    [(5, 5, 5), (18, 6, 6), (6, 17, 16)],
    [(5, 6, 5), (18, 8, 8), (19, 18, 16)],
)


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
    lesions = np.zeros((2, 26, 24, 22), dtype=bool)
    for mask, places in zip(lesions, LESIONS, strict=True):
        for place in places:
            mask |= ellipsoid(mask.shape, place, (3.6, 3.1, 3.4))
    return {
        "ellipsoids": (big, shifted, (1.0, 1.0, 1.0)),
        "ellipsoids, thick slices": (big, shifted, (2.5, 0.7, 0.9)),
        "speckles": (big, speckled, (1.5, 1.0, 0.8)),
        "at the border": (touching, np.roll(touching, 2, axis=1), (3.0, 1.0, 1.2)),
        "dense noise": (noise[0] < 45, noise[1] < 55, (0.9, 1.7, 1.1)),
        "sparse noise": (noise[0] < 5, noise[1] < 5, (2.0, 0.6, 1.3)),
        "one voxel each": (single((5, 6, 7), (1, 2, 3)), single((5, 6, 7), (4, 2, 5)), (2, 1, 0.5)),
        "lesions": (lesions[0], lesions[1], (1.2, 0.9, 1.0)),
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
    directed = [m.compute_average_surface_distance(*pair, **both) for pair in ((p, t), (t, p))]
    counts = m.get_confusion_matrix(p, t)
    scores = {
        "hd": m.compute_hausdorff_distance(p, t, **both),
        "hd95": m.compute_hausdorff_distance(p, t, percentile=95, **both),
        "assd": m.compute_average_surface_distance(p, t, symmetric=True, **both),
        "masd": sum(directed) / 2,
        "dice": m.compute_dice(p, t, include_background=True),
        "iou": m.compute_iou(p, t, include_background=True),
    }
    for name in ("precision", "recall", "specificity", "accuracy"):
        called = {"recall": "sensitivity"}.get(name, name)
        scores[name] = m.compute_confusion_matrix_metric(called, counts)
    for tolerance in TOLERANCES_MM:
        nsd = m.compute_surface_dice
        scores[f"border {tolerance}"] = nsd(p, t, [tolerance], **both)
        scores[f"area {tolerance}"] = nsd(p, t, [tolerance], use_subvoxels=True, **both)
    instances = (torch.from_numpy(components(mask)) for mask in (prediction, truth))
    found, false, missed, iou = m.compute_panoptic_quality(
        *instances, output_confusion_matrix=True
    ).tolist()
    # from its counts: its own ratios add a millionth to what they divide by
    scores["lesion_f1"] = found / (found + (false + missed) / 2)
    scores["panoptic_quality"] = iou / (found + (false + missed) / 2)
    scores["lesions_matched"] = found
    scores["lesion_sensitivity"] = found / (found + missed)
    scores["lesion_precision"] = found / (found + false)
    if found:
        scores["segmentation_quality"] = iou / found
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
        "relative_volume_difference": b.ravd(prediction, truth),
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
    """`LabelOverlapMeasuresImageFilter` and `LabelShapeStatisticsImageFilter`.

    Its volume similarity is 2 (Vp - Vt) / (Vp + Vt): ours is one minus half its size.
    """
    import SimpleITK as sitk  # noqa: N813

    images = [sitk.GetImageFromArray(a.astype(np.uint8)) for a in (truth, prediction)]
    overlap = sitk.LabelOverlapMeasuresImageFilter()
    overlap.Execute(*images)
    centres, volumes = [], []
    for image in images:
        image.SetSpacing([float(s) for s in spacing[::-1]])
        shape = sitk.LabelShapeStatisticsImageFilter()
        shape.Execute(image)
        centres.append(np.array(shape.GetCentroid(1)))
        volumes.append(shape.GetPhysicalSize(1) / 1000)
    return {
        "dice": overlap.GetDiceCoefficient(1),
        "iou": overlap.GetJaccardCoefficient(1),
        "volume_similarity": 1 - abs(overlap.GetVolumeSimilarity(1)) / 2,
        "volume_truth_ml": volumes[0],
        "volume_prediction_ml": volumes[1],
        "volume_difference_ml": volumes[1] - volumes[0],
        "centre_distance": float(np.linalg.norm(centres[0] - centres[1])),
    }


def panoptica_scores(truth, prediction, spacing):
    """`panoptica.Metric.*` and `Panoptica_Evaluator`, which finds and matches the components itself.

    Its ASSD is the mean of the two directed means; its HD95 and NSD are others, and in 2D its components
    touch at a side only.
    """
    import panoptica as pa

    evaluator = pa.Panoptica_Evaluator(
        expected_input=pa.InputType.SEMANTIC,
        instance_approximator=pa.ConnectedComponentsInstanceApproximator(),
        instance_matcher=pa.NaiveThresholdMatching(matching_threshold=0.5),
        instance_metrics=[pa.Metric.IOU],
        global_metrics=[],
    )
    images = (a.astype(np.uint8) for a in (prediction, truth))
    (found,) = evaluator.evaluate(*images, verbose=False).values()
    far = {
        "hd": pa.Metric.HD,
        "masd": pa.Metric.ASSD,
        "relative_volume_difference": pa.Metric.RVD,
        "centre_distance": pa.Metric.CEDI,
    }
    scores = {
        name: metric(truth.copy(), prediction.copy(), voxelspacing=spacing)
        for name, metric in far.items()
    }
    if truth.ndim == 3:
        scores |= {
            "lesions_truth": found.n_ref_instances,
            "lesions_prediction": found.n_pred_instances,
            "lesions_matched": found.tp,
            "lesion_sensitivity": found.rec,
            "lesion_precision": found.prec,
            "lesion_f1": found.rq,
            "panoptic_quality": found.pq,
        }
        if found.tp:
            scores["segmentation_quality"] = found.sq
    return {name: float(value) for name, value in scores.items()}


def scikit_learn_scores(truth, prediction, spacing):
    """`sklearn.metrics.*_score(truth, prediction)` over all voxels; `f_beta` has beta 2."""
    from sklearn import metrics as m

    t, p = truth.reshape(-1), prediction.reshape(-1)
    scores = {
        "dice": m.f1_score(t, p),
        "f1": m.f1_score(t, p),
        "f_beta": m.fbeta_score(t, p, beta=2),
        "iou": m.jaccard_score(t, p),
        "precision": m.precision_score(t, p),
        "recall": m.recall_score(t, p),
        "specificity": m.recall_score(t, p, pos_label=False),
        "accuracy": m.accuracy_score(t, p),
        "kappa": m.cohen_kappa_score(t, p),
    }
    return {name: float(value) for name, value in scores.items()}


def torchmetrics_scores(truth, prediction, spacing):
    """`torchmetrics.functional.classification.binary_*` over all voxels, and its panoptic quality.

    Its panoptic quality takes background for a second kind, beside the lesions.
    """
    import torch
    from torchmetrics.functional import classification as c
    from torchmetrics.functional.detection import panoptic_quality

    p, t = (torch.from_numpy(a.astype(np.int64)).reshape(-1) for a in (prediction, truth))
    maps = [
        torch.from_numpy(np.stack([mask, components(mask)], -1)[None].astype(np.int64))
        for mask in (prediction, truth)
    ]
    quality = panoptic_quality(
        *maps, things={1}, stuffs={0}, return_sq_and_rq=True, return_per_class=True
    )
    of_lesions = quality.reshape(-1, 3)[0]  # things come first
    scores = {
        "f_beta": c.binary_fbeta_score(p, t, beta=2.0),
        "f1": c.binary_f1_score(p, t),
        "iou": c.binary_jaccard_index(p, t),
        "precision": c.binary_precision(p, t),
        "recall": c.binary_recall(p, t),
        "specificity": c.binary_specificity(p, t),
        "accuracy": c.binary_accuracy(p, t),
        "kappa": c.binary_cohen_kappa(p, t),
        "panoptic_quality": of_lesions[0],
        "lesion_f1": of_lesions[2],
    }
    if of_lesions[1] > 0:
        scores["segmentation_quality"] = of_lesions[1]
    return {name: float(value) for name, value in scores.items()}


def pymia_scores(truth, prediction, spacing):
    """`pymia.evaluation.metric.*` from its own confusion matrix."""
    from pymia.evaluation import metric as m
    from pymia.evaluation.metric.base import ConfusionMatrix

    counts = ConfusionMatrix(prediction.astype(np.uint8), truth.astype(np.uint8))
    kinds = {
        "dice": m.DiceCoefficient,
        "volume_similarity": m.VolumeSimilarity,
        "kappa": m.CohenKappaCoefficient,
        "accuracy": m.Accuracy,
    }
    scores = {}
    for name, kind in kinds.items():
        one = kind()
        one.confusion_matrix = counts
        scores[name] = float(one.calculate())
    return scores


def scikit_image_scores(truth, prediction, spacing):
    """`skimage.measure.regionprops(mask, spacing=spacing)`."""
    from skimage.measure import regionprops

    (t,), (p,) = (regionprops(a.astype(np.uint8), spacing=spacing) for a in (truth, prediction))
    return {
        "volume_truth_ml": float(t.area) / 1000,
        "volume_prediction_ml": float(p.area) / 1000,
        "volume_difference_ml": float(p.area - t.area) / 1000,
        "centre_distance": float(np.linalg.norm(np.subtract(t.centroid, p.centroid))),
    }


def components(mask) -> np.ndarray:
    """Lesions, by number: voxels that touch at a face, an edge or a corner."""
    from scipy import ndimage

    return ndimage.label(mask, structure=np.ones((3,) * mask.ndim))[0]


def main() -> None:
    peers = {
        "monai": monai_scores,
        "medpy": medpy_scores,
        "surface-distance": surface_distance_scores,
        "SimpleITK": simpleitk_scores,
        "panoptica": panoptica_scores,
        "scikit-learn": scikit_learn_scores,
        "torchmetrics": torchmetrics_scores,
        "pymia": pymia_scores,
        "scikit-image": scikit_image_scores,
    }
    stored = {
        f"{peer} {version(peer)}": {name: measure(*case) for name, case in cases().items()}
        for peer, measure in peers.items()
    }
    STORED.write_text(json.dumps(stored, indent=1) + "\n")


if __name__ == "__main__":
    main()
