"""All metrics of one case: each label of a prediction against the truth."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from napari_medunet.engine.errors import MedunetError
from napari_medunet.engine.evaluation.metrics.confusion import Confusion, confusion_matrix
from napari_medunet.engine.evaluation.metrics.label_pairs import LabelPair, pair_labels
from napari_medunet.engine.evaluation.metrics.label_scores import (
    CaseScores,
    overlap_scores,
    with_distances,
    with_known_distances,
    with_regions,
)
from napari_medunet.engine.evaluation.metrics.mask import evaluation_mask
from napari_medunet.engine.evaluation.metrics.regions import label_masks
from napari_medunet.engine.evaluation.metrics.surface import surfaces
from napari_medunet.engine.evaluation.metrics.surface.surface_points import surface_points
from napari_medunet.engine.evaluation.metrics.table import ABSENT, LabelScores
from napari_medunet.engine.examples.label_texture import check_texture
from napari_medunet.engine.grids import fit_labels, with_scale_of
from napari_medunet.engine.labels import as_labels
from napari_medunet.engine.memory import check_memory
from napari_medunet.engine.settings import EvaluateSettings
from napari_medunet.engine.volume import Volume

__all__ = ["CaseScores", "evaluate_case", "score_labels"]


def score_labels(
    truth: npt.ArrayLike,
    prediction: npt.ArrayLike,
    spacing_mm: Sequence[float] | None = None,
    settings: EvaluateSettings | None = None,
    annotated: npt.NDArray[np.bool_] | None = None,
    name: str = "case",
) -> CaseScores:
    """Measure every label of a prediction against the truth.

    Parameters
    ----------
    truth, prediction : (z, y, x) or (y, x) arrays of labels
        Integers, or floats that hold integers; 0 is background.
    spacing_mm : sequence of float, optional
        Distance between voxels along each axis, in mm; 1 where it is not given.
    settings : EvaluateSettings, optional
    annotated : bool array of the same shape, optional
        Which voxels count, beside what the settings say. Where some do not, distances are between what
        is known of the surfaces (`surface_points`), and what takes whole shapes (NSD by area, boundary,
        centres, lesions) is NaN; among scribbles (``annotated="voxels"``) distances are NaN too.
    name : str
        What to call the case.

    Raises
    ------
    MedunetError
        See `label_pairs.pair_labels`.
    """
    settings = settings or EvaluateSettings()
    truth, annotated = evaluation_mask(as_labels(truth, "Truth"), settings, annotated)
    pair = pair_labels(truth, prediction, spacing_mm, annotated)
    confusion = confusion_matrix(pair)
    labels = _label_scores(pair, confusion, settings)
    groups = {
        group: _group_scores(pair, members, settings) for group, members in settings.groups.items()
    }
    return CaseScores(name, labels, confusion, groups, partial=pair.partial, settings=settings)


def evaluate_case(
    truth: Volume,
    prediction: Volume,
    settings: EvaluateSettings | None = None,
    annotated: npt.NDArray[np.bool_] | None = None,
) -> CaseScores:
    """Measure a prediction against the truth; the case is called what the truth is called.

    Parameters
    ----------
    truth, prediction : Volume
        Labels on one grid, without axes before (z, y, x); where the settings ask for it the prediction
        is brought to the truth's grid, and `CaseScores.resampled` says so.
    settings : EvaluateSettings, optional
    annotated : (z, y, x) bool array, optional
        Which voxels count, as in `score_labels`; all where it is not given.

    Raises
    ------
    MedunetError
        Where the grids differ and the settings do not ask to resample, or what the volumes hold are
        not labels, or look like a picture.
    """
    for role, volume in (("Truth", truth), ("Prediction", prediction)):
        if volume.leading_axes:
            axes = ", ".join(volume.leading_axes)
            raise MedunetError(
                f"{role} '{volume.name}' has the axes ({axes}) before (z, y, x); wanted labels of "
                "one volume: measure each of its volumes on its own."
            )
    settings = settings or EvaluateSettings()
    voxels = " x ".join(map(str, truth.shape))
    check_memory(4 * math.prod(truth.shape), f"'{truth.name}', of {voxels} voxels,")
    truth, prediction = _as_labels(truth, "Truth"), _as_labels(prediction, "Prediction")
    truth = with_scale_of(truth, prediction)
    prediction, fit = fit_labels(
        prediction, truth, resample=settings.resample, roles=("Prediction", "truth")
    )
    scores = score_labels(
        truth.voxels, prediction.voxels, truth.spacing_mm, settings, annotated, truth.name
    )
    return replace(scores, resampled=fit.how and f"prediction {fit}")


def _as_labels(volume: Volume, role: str) -> Volume:
    """A volume that holds labels, as integers."""
    values = as_labels(volume.voxels, role)
    check_texture(values, f"Labels of the {role.lower()} '{volume.name}'")
    return replace(volume, voxels=values)


def _label_scores(
    pair: LabelPair, confusion: Confusion, settings: EvaluateSettings
) -> dict[int, LabelScores]:
    overlap = overlap_scores(confusion, pair.voxel_ml, settings)
    points = surface_points(pair)
    distances = surfaces.all_surface_distances(points, pair.spacing_mm)
    if pair.partial:
        return {
            label: with_known_distances(found, distances.get(label, surfaces.NOTHING), settings)
            for label, found in overlap.items()
        }
    scores = {}
    for label, found in overlap.items():
        found = with_distances(found, distances[label], settings)
        if settings.nsd == "area":
            nsd = surfaces.label_surface_dice(pair, label, points[label], settings.tolerance_mm)
            found = replace(found, nsd=nsd)
        scores[label] = with_regions(found, label_masks(pair, label, points[label]), settings)
    return scores


def _group_scores(
    pair: LabelPair, members: tuple[int, ...], settings: EvaluateSettings
) -> LabelScores:
    """Measure several labels as if they were one."""
    together = pair.together(members)
    confusion = confusion_matrix(together)
    return _label_scores(together, confusion, settings).get(1, ABSENT)
