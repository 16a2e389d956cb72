"""Labels brought from one grid to another, through the world."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from napari_medunet.engine.label_pairs import as_labels
from napari_medunet.engine.volume import Volume


def labels_on_grid_of(labels: Volume, like: Volume) -> Volume:
    """Bring labels to another volume's grid: each voxel takes the nearest one's label.

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
    ValueError
        Where the volume holds no labels.
    """
    from scipy.ndimage import affine_transform

    values = as_labels(labels.voxels, f"'{labels.name}'")
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
