"""Prediction: a volume in, labels on its own grid out."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from napari_medunet.engine.errors import MedunetError
from napari_medunet.engine.examples.example import check_image, with_channels
from napari_medunet.engine.memory import check_memory
from napari_medunet.engine.patches.preprocessing import (
    image_to_grid,
    labels_from_classes,
    most_probable,
)
from napari_medunet.engine.plan import Plan, grid_shape
from napari_medunet.engine.prediction.painted import find_painted
from napari_medunet.engine.prediction.plausibility import (
    check_image_fits,
    find_result_oddity,
)
from napari_medunet.engine.prediction.sliding_window import TrainedPredictor, blended_slabs
from napari_medunet.engine.progress import Progress, ProgressCallback, ignore
from napari_medunet.engine.settings import PredictSettings
from napari_medunet.engine.volume import Volume


def predict(
    segmenter: TrainedPredictor,
    volume: Volume,
    settings: PredictSettings | None = None,
    report: ProgressCallback = ignore,
) -> npt.NDArray[Any]:
    """Label every voxel of a volume.

    Parameters
    ----------
    segmenter : Segmenter
    volume : Volume
        (z, y, x) voxels, or (c, z, y, x) with as many channels as the segmenter was trained on;
        resampled and normalised as in training. Channels may be components, or the axis of time where
        it was taken for channels in training.
    settings : PredictSettings
    report : callable
        Called after each batch; raise `Cancelled` in it to stop. Its warnings say what is odd about the
        volume, before the work, and about the result.

    Returns
    -------
    (z, y, x) array
        On the volume's own grid, of the smallest unsigned type that holds the labels; 0 is background.

    Raises
    ------
    MedunetError
        If the volume has other channels than the segmenter expects, voxels that are no numbers, a scale
        that cannot be meant, or more voxels at the segmenter's spacing than fit into memory.
    """
    settings = settings or PredictSettings()
    plan = segmenter.plan
    volume = _checked(volume, plan)
    doing = f"Preparing {volume.name}"
    report(Progress(0, doing))
    for oddity in check_image_fits(volume, plan, segmenter.statistics):
        report(Progress(0, doing, warning=oddity))
    _check_fits(volume, plan)
    painted = find_painted(segmenter.painted, volume) if settings.interpolate else None
    guess = painted.guess(volume, plan) if painted else None
    grid = image_to_grid(volume, plan)
    own_shape = tuple(np.moveaxis(np.empty(volume.shape, bool), plan.axis, 0).shape)
    classes = np.empty(own_shape, np.int16)

    def advance(share: float) -> None:
        report(Progress(share, f"Segmenting {volume.name}"))

    for start, probabilities in blended_slabs(segmenter, grid, settings.tta, advance):
        # A slab of slices is never resampled across them, a whole 3D volume may be.
        depth = own_shape[0] if plan.spatial_dims == 3 else probabilities.shape[1]
        if guess:
            guess.weigh(
                probabilities, slice(start, start + probabilities.shape[1]), segmenter.recall
            )
        own = (depth, own_shape[1], own_shape[2])
        classes[start : start + depth] = most_probable(probabilities, own)
    if settings.largest_component:
        keep_largest_components(classes, plan.classes)
    labels = labels_from_classes(classes, plan)
    if painted:
        painted.restore(labels)
    if oddity := find_result_oddity(labels, volume):
        report(Progress(1, f"Segmented {volume.name}", warning=oddity))
    return labels


def _checked(volume: Volume, plan: Plan) -> Volume:
    """Channels where the segmenter looks for them, or has as many of them as the volume has frames."""
    as_many = plan.channels > 1 and volume.voxels.shape[:-3] == (plan.channels,)
    volume = with_channels(volume, time_as_channels=as_many or plan.annotation.time_as_channels)
    check_image(volume)
    channels = volume.voxels.shape[0] if volume.leading_axes else 1
    if channels != plan.channels:
        raise MedunetError(
            f"Image '{volume.name}' has {channels} channels; the segmenter was trained on "
            f"{plan.channels}. Convert the image, or choose another segmenter."
        )
    return volume


def _check_fits(volume: Volume, plan: Plan) -> None:
    """Refuse a volume that takes more memory than there is: at the least, resampled, or blended in 3D."""
    shape = grid_shape(volume, plan)
    own, grid = math.prod(volume.shape), math.prod(shape)
    prepared = 4 * ((plan.channels + 1) * grid + own)
    blended = 4 * grid * (2 * plan.channels + plan.classes) if plan.spatial_dims == 3 else 0
    voxels = " x ".join(map(str, shape))
    what = f"'{volume.name}', of {voxels} voxels at the segmenter's spacing,"
    check_memory(max(prepared, blended) + 2 * own, what)


def keep_largest_components(classes: npt.NDArray[np.int16], count: int) -> None:
    """Set to background all but the largest face-connected piece of each class, in place."""
    for number in range(1, count):
        pieces, found = ndimage.label(classes == number)
        if found > 1:
            sizes = np.bincount(pieces.ravel())
            sizes[0] = 0
            classes[(pieces > 0) & (pieces != sizes.argmax())] = 0
