"""Contrast limits of an image: those of its file, or robust percentiles."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_medunet.engine.files.nifti.lazy import LazyVoxels

_SAMPLE = 2**20  # values that are looked at
_PLANES = 24  # of a big volume; whole planes lie together on disk, single voxels all over it
_PERCENTILES = (0.5, 99.5)

Limits = tuple[float, float]


def contrast_limits(
    voxels: npt.NDArray[Any] | LazyVoxels, stated: Limits | None = None, *, glance: bool = False
) -> Limits:
    """Choose the values to show as black and white.

    Those that the file states (cal_min, cal_max) count if some of the voxels lie between them;
    else half a percent of the finite voxels is left out at either end.

    Parameters
    ----------
    voxels : (..., z, y, x) array, or LazyVoxels, of which no more is read than is looked at
    stated : (float, float) or None
    glance : bool
        Look at the middle plane of the first volume only: the one that is shown first.

    Returns
    -------
    low, high : float
        Finite, and low < high, whatever the voxels are.
    """
    sample = _sample(voxels, glance)
    sample = sample[np.isfinite(sample)]
    if not sample.size:
        return stated or (0.0, 1.0)
    if stated and ((sample > stated[0]) & (sample < stated[1])).any():
        return stated
    low, high = (float(limit) for limit in np.percentile(sample, _PERCENTILES))
    if low == high:
        low, high = float(sample.min()), float(sample.max())
    return low, high if high > low else low + max(1.0, abs(low) * 1e-6)


def _sample(voxels: npt.NDArray[Any] | LazyVoxels, glance: bool) -> npt.NDArray[Any]:
    leading, depth = voxels.shape[:-3], voxels.shape[-3]
    if glance:
        return np.asarray(voxels[(*(0 for _ in leading), depth // 2)])
    if voxels.size <= _SAMPLE:
        return np.asarray(voxels).ravel()
    count = math.prod(leading)
    frames = sorted({0, count // 2, count - 1})
    step = max(1, math.ceil(depth * len(frames) / _PLANES))
    stride = max(1, round(math.sqrt(_PLANES * math.prod(voxels.shape[-2:]) / _SAMPLE)))
    planes = [
        np.asarray(voxels[(*np.unravel_index(frame, leading), z)])[::stride, ::stride].ravel()
        for frame in frames
        for z in range(0, depth, step)
    ]
    return np.concatenate(planes)
