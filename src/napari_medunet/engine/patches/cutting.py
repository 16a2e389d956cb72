"""Cutting: a patch out of an example on the network's grid, varied on the way."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from napari_medunet.engine.examples.between_slices import Guess
from napari_medunet.engine.patches.augment import AugmentationParams
from napari_medunet.engine.patches.augment.warp import ElasticField, Placing, warp
from napari_medunet.engine.patches.preprocessing import Float32Array, slices_around

IGNORED = -1

ClassArray = npt.NDArray[np.int32]
Patch = tuple[Float32Array, ClassArray]


@dataclass(frozen=True, eq=False)
class Case:
    """An example on the network's grid, with what is learned from it."""

    image: Float32Array  # (c, slices, rows, columns)
    annotation: npt.NDArray[np.int16]  # (slices, rows, columns), IGNORED where not annotated
    classes: npt.NDArray[np.int16]  # the annotation, with pseudo-labels where there is none
    guess: Guess | None  # between slices that were painted
    centres: dict[int, npt.NDArray[np.int64]]  # class -> flat indices; IGNORED -> any known voxel


def with_neighbours(case: Case, index: int, context: int) -> Case:
    """A single slice, with the slices around it as further channels."""
    seen = slices_around(case.image, index, index + 1, context)
    classes = case.classes[index : index + 1]
    image = seen.reshape(-1, 1, *seen.shape[2:])
    return replace(case, image=image, annotation=classes, classes=classes)


def cut(
    case: Case, centre: tuple[int, ...], patch: tuple[int, ...], variation: AugmentationParams
) -> Patch:
    """Cut a patch around a voxel, inside the volume where it fits.

    In two dimensions it is a block of one slice.
    """
    size, extent = np.array((1, *patch)[-3:]), np.asarray(case.classes.shape)
    matrix, shift = np.eye(3), np.zeros(3)
    matrix[-len(patch) :, -len(patch) :] = variation.matrix
    shift[-len(patch) :] = variation.shift
    inside = np.clip(np.asarray(centre) - size // 2, 0, np.maximum(extent - size, 0))
    start = np.where(extent <= size, -((size - extent) // 2), inside) + shift
    image = np.zeros((*size, len(case.image)), np.float32)
    classes = np.full(size, IGNORED, np.int32)
    if variation.bend is None and np.array_equal(np.abs(matrix), np.eye(3)):
        _copy(case, start.astype(int), image, classes)
        mirrored = tuple(axis for axis in range(3) if matrix[axis, axis] < 0)
        image, classes = np.flip(image, mirrored), np.flip(classes, mirrored)
    else:
        middle = (size - 1) / 2
        placing = Placing(matrix, start + middle - matrix @ middle, _as_block(variation.bend))
        warp(case.image, case.classes, placing, image, classes)
    return image.reshape(*patch, -1), classes.reshape(patch)


def _copy(
    case: Case, start: npt.NDArray[np.int64], image: Float32Array, classes: ClassArray
) -> None:
    """Fill a patch with the voxels from `start` on, as they are."""
    stop = np.minimum(start + classes.shape, case.classes.shape)
    source = tuple(slice(max(a, 0), max(b, 0)) for a, b in zip(start, stop, strict=True))
    target = tuple(
        slice(max(-a, 0), max(b - a, max(-a, 0))) for a, b in zip(start, stop, strict=True)
    )
    classes[target] = case.classes[source]
    image[target] = np.moveaxis(case.image[:, *source], 0, -1)


def _as_block(bend: ElasticField | None) -> ElasticField | None:
    """A plane's bend as one of a block of one slice."""
    if bend is None or len(bend.bases) == 3:
        return bend
    rows, columns = bend.moves
    return ElasticField(
        np.stack([np.zeros_like(rows), rows, columns])[:, None], (np.ones((1, 1)), *bend.bases)
    )
