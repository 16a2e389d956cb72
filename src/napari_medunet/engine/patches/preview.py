"""Preview: what training will see, before it starts.

Patches come from the same `PatchSampler` as in training, so that the preview shows what training uses.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_medunet.engine.examples.example import Example
from napari_medunet.engine.patches.augment import augmentation_of
from napari_medunet.engine.patches.cutting import ClassArray
from napari_medunet.engine.patches.preprocessing import Float32Array
from napari_medunet.engine.patches.sampler import PatchSampler
from napari_medunet.engine.plan import Plan


@dataclass(frozen=True, eq=False)
class Preview:
    """Slices as the network will see them.

    Attributes
    ----------
    images : (count, rows, columns, channels) float32 array
        Normalised intensities: 0 is the mean, 1 a standard deviation.
    labels : (count, rows, columns) array of the smallest unsigned type that holds the labels
        The user's own labels; 0 is background, and what was not annotated.
    spacing_mm : two floats
        Of rows and columns.
    """

    images: Float32Array
    labels: npt.NDArray[Any]
    spacing_mm: tuple[float, float]


def preview(examples: list[Example], plan: Plan, count: int = 8, seed: int = 0) -> Preview:
    """Draw training patches and show one slice of each.

    The same seed shows the same places whatever the plan's augmentation is: with "none" they
    are shown as they lie in their volumes, unless mirrored. Of a block (3d) the slice that holds most
    labels is shown, across its coarsest axis. No more than `count` examples are prepared. Imports no
    backend; a first call on a machine may compile for some seconds.

    Parameters
    ----------
    examples : non-empty list of Example
    plan : Plan
        Made of these examples.
    count : int
        How many patches.
    seed : int

    Raises
    ------
    MedunetError
        If nothing of what was annotated is left on the network's grid.
    """
    chosen = np.random.default_rng(seed).permutation(len(examples))[:count]
    samples = PatchSampler([examples[i] for i in chosen], plan, seed)
    augmentation = augmentation_of(plan)
    slices = []
    for number in range(count):
        # A generator of its own: how a patch is varied does not move the next one.
        rng = np.random.default_rng((seed, number))
        slices.append(_slice(*samples.draw(rng, augmentation), plan))
    images, classes = (np.stack(arrays) for arrays in zip(*slices, strict=True))
    values = np.asarray(plan.labels)
    rows, columns = np.delete(plan.grid.spacing_mm, _across(plan))
    return Preview(
        images=images,
        labels=values.astype(np.min_scalar_type(values.max()))[classes.clip(0)],
        spacing_mm=(float(rows), float(columns)),
    )


def _across(plan: Plan) -> int:
    """Axis (of z, y, x) across the slices to show."""
    return plan.axis if plan.spatial_dims == 2 else int(np.argmax(plan.grid.spacing_mm))


def _slice(image: Float32Array, classes: ClassArray, plan: Plan) -> tuple[Float32Array, ClassArray]:
    if plan.spatial_dims == 2:
        return image[
            ..., plan.grid.context :: 2 * plan.grid.context + 1
        ], classes  # without its neighbours
    image = np.moveaxis(image, _across(plan), 0)
    classes = np.moveaxis(classes, _across(plan), 0)
    held = (classes > 0).sum(axis=(1, 2))
    shown = int(held.argmax()) if held.any() else len(held) // 2
    return image[shown], classes[shown]
