"""Describe in words what an image or label file holds."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from napari_medunet.engine.files.files import read
from napari_medunet.engine.files.nifti import NiftiSource
from napari_medunet.engine.volume import Volume, is_oblique

_MOST_LABELS = 64  # a volume of more distinct integers is taken for an image


def describe_file(path: Path) -> dict[str, str]:
    """Facts about a file of voxels: its grid, its intensities or labels, and where its affine came from.

    Returns
    -------
    dict of name to value, both for the user

    Raises
    ------
    OSError, MedunetError
        One line, if the file cannot be read.
    """
    volume = read(path)
    spacing = " x ".join(f"{mm:.4g}" for mm in volume.spacing_mm)
    z, y, x = volume.affine[:3, 3]
    facts = {
        "file": str(path),
        "axes": ", ".join((*volume.leading_axes, "z", "y", "x")),
        "voxels": " x ".join(str(n) for n in volume.voxels.shape),
        "type": str(volume.voxels.dtype),
        "spacing mm": spacing,
        "first voxel": f"({z:.4g}, {y:.4g}, {x:.4g}) mm to the right, anterior, superior",
        "tilted": "yes, shown in its own frame"
        if is_oblique(volume.affine, volume.shape)
        else "no",
        **_content(volume),
    }
    if isinstance(volume.source, NiftiSource):
        facts["on disk"] = f"{volume.source.shape}, {volume.source.dtype}"
        facts["affine from"] = volume.source.affine_from
        for number, note in enumerate(volume.source.notes, 1):
            facts[f"note {number}"] = note
    return facts


def _content(volume: Volume) -> dict[str, str]:
    voxels = volume.voxels
    finite = voxels[np.isfinite(voxels)]
    facts = {}
    if finite.size < voxels.size:
        facts["not finite"] = f"{voxels.size - finite.size} voxels are NaN or infinite"
    if not finite.size:
        return facts
    values, counts = np.unique(finite, return_counts=True)
    if len(values) <= _MOST_LABELS and (values == np.round(values)).all():
        shown = ", ".join(f"{v:g}: {n}" for v, n in zip(values, counts, strict=True))
        return facts | {"labels": f"{shown} voxels"}
    return facts | {
        "intensities": f"{finite.min():.4g} to {finite.max():.4g}, mean {finite.mean():.4g}"
    }
