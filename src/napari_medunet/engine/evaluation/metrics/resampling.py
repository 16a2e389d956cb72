"""How two grids differ, and nearest-neighbour resampling of labels from one to the other."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from napari_medunet.engine.errors import MedunetError
from napari_medunet.engine.labels import as_labels
from napari_medunet.engine.volume import Volume


def labels_on_grid_of(labels: Volume, like: Volume) -> Volume:
    """Resample labels to another volume's grid: each voxel takes the nearest one's label.

    Nothing is interpolated, so no label appears that was not there. Voxels of the new grid whose
    centre lies outside the old one (by more than half a voxel) are background.

    Parameters
    ----------
    labels : Volume
        Integers, or floats that hold integers, (z, y, x).
    like : Volume
        Whose shape and affine to take.

    Raises
    ------
    MedunetError
        Where the volume holds no labels, or some above 2**53.
    """
    from scipy.ndimage import affine_transform

    values = as_labels(labels.voxels, f"'{labels.name}'")
    if values.size and max(-int(values.min()), int(values.max())) > 2**53:
        raise MedunetError(
            f"'{labels.name}' has labels above 2**53, which cannot be resampled exactly: renumber them."
        )
    index = np.linalg.inv(labels.affine) @ like.affine  # from the new grid's index to the old one's
    # A margin of background: scipy takes what is less than half a voxel outside for outside as well.
    moved = affine_transform(
        np.pad(values, 1),
        index[:3, :3],
        index[:3, 3] + 1,
        output_shape=like.shape,
        order=0,
        mode="constant",
        cval=0,
        prefilter=False,
    )
    return replace(labels, voxels=moved, affine=like.affine.copy(), source=None)


def grid_difference(first: Volume, second: Volume) -> str:
    """Say what is different about two grids: shapes, else spacings, else where they lie."""
    if first.shape != second.shape:
        return f"{_by(first.shape)} against {_by(second.shape)} voxels"
    if not np.allclose(first.spacing_mm, second.spacing_mm, rtol=1e-3):
        return f"{_by(first.spacing_mm)} against {_by(second.spacing_mm)} mm a voxel"
    if not np.allclose(first.affine[:3, 3], second.affine[:3, 3], atol=1e-3):
        origins = (_by(volume.affine[:3, 3], ", ") for volume in (first, second))
        return "first voxel at ({}) against ({}) mm".format(*origins)
    axes = (np.round(volume.affine[:3, :3], 4).tolist() for volume in (first, second))
    return "axes of the affine {} against {}".format(*axes)


def _by(numbers: Iterable[float], between: str = " x ") -> str:
    return between.join(f"{number:.6g}" for number in numbers)
