"""Which voxels of a truth count."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from napari_medunet.engine.examples.annotation import annotated_voxels
from napari_medunet.engine.labels import LabelArray
from napari_medunet.engine.settings import EvaluateSettings


def evaluation_mask(
    truth: LabelArray, settings: EvaluateSettings, annotated: npt.NDArray[np.bool_] | None = None
) -> tuple[LabelArray, npt.NDArray[np.bool_] | None]:
    """Find which voxels of a truth count, by the settings and by a mask.

    Returns
    -------
    truth : array of the same shape
        With 0 in place of the label painted on background.
    annotated : bool array or None
        None where all voxels count.
    """
    counted = [] if annotated is None else [annotated]
    if settings.annotated != "all":
        counted.append(annotated_voxels(truth, settings.annotated))
    if settings.ignore_label is not None:
        counted.append(truth != settings.ignore_label)
    if settings.background_label is not None:
        truth = np.where(truth == settings.background_label, 0, truth)
    return truth, np.logical_and.reduce(counted) if counted else None
