"""Grids: how two differ, and labels brought onto that of the image or truth that they belong to."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import nibabel as nib
import numpy as np

from napari_medunet.engine.errors import MedunetError
from napari_medunet.engine.files.nifti import NiftiSource
from napari_medunet.engine.labels import as_labels
from napari_medunet.engine.volume import FloatArray, Volume, same_grid

_ROUNDING = 0.1  # voxels between two grids that are one: an affine of three digits is that far off


@dataclass(frozen=True)
class Fit:
    """How labels came to lie on another volume's grid.

    Attributes
    ----------
    how : str
        What was done, after "the labels are": empty where there is nothing to say.
    detail : str
        In numbers.
    """

    how: str = ""
    detail: str = ""

    def __str__(self) -> str:
        return f"{self.how} ({self.detail})" if self.detail else self.how


def fit_labels(
    labels: Volume, like: Volume, *, resample: bool, roles: tuple[str, str] = ("Labels", "image")
) -> tuple[Volume, Fit]:
    """Bring labels onto another volume's grid: as `lay_on` does, else resampled where that is asked for.

    Parameters
    ----------
    labels, like : Volume
    resample : bool
        Whether labels elsewhere are brought there, each voxel taking the nearest one's label.
    roles : (str, str)
        What to call the two in an error.

    Raises
    ------
    MedunetError
        If the grids differ and `resample` does not say what to do.
    """
    laid = lay_on(labels, like, roles[1])
    if laid is not None:
        return laid
    difference = grid_difference(labels, like)
    if resample:
        how = f"brought to the {roles[1]}'s grid, nearest voxel"
        return labels_on_grid_of(labels, like), Fit(how, difference)
    doubts = "".join(f" {doubt}" for doubt in (*like.doubts, *labels.doubts))
    is_one = roles[0] != "Labels"
    raise MedunetError(
        f"{roles[0]} '{labels.name}' {'is' if is_one else 'are'} on another grid than {roles[1]} "
        f"'{like.name}' ({difference}): resample one of them (--resample does), or pair the right "
        f"files.{doubts}"
    )


def lay_on(volume: Volume, like: Volume, role: str = "image") -> tuple[Volume, Fit] | None:
    """Give a volume another one's grid where the two belong together voxel for voxel; else None.

    An affine that was rounded counts as the other's: no corner may lie more than a tenth of a voxel apart.
    Where one of the two states no scale (a PNG beside a TIFF, a header without geometry) voxels of equal
    shape lie on each other, in the order of the files. `role` is what to call the other one.
    """
    if same_grid(volume, like):
        return volume, Fit()
    placed = _in_order_of_files(volume, like)
    if placed is not None:
        if volume.source is None and like.source is None:  # pictures, which seldom state a scale
            return placed, Fit()
        return placed, Fit(
            f"laid on the {role} voxel for voxel: one of the two does not say where it lies"
        )
    apart = _voxels_apart(volume, like)
    if apart > _ROUNDING:
        return None
    near = replace(volume, affine=like.affine.copy(), source=None)
    how = f"taken to lie on the {role}'s grid: an affine was rounded"
    return near, Fit(how, f"{apart:.1g} voxels apart")


def with_scale_of(volume: Volume, other: Volume) -> Volume:
    """A picture of unknown scale, with that of another picture of the same size where it has one."""
    both_pictures = volume.source is None and other.source is None
    if not both_pictures or volume.scale_known or volume.shape != other.shape:
        return volume
    return replace(volume, affine=other.affine.copy(), scale_known=other.scale_known)


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
    """Say what is different about two grids: shapes, else spacings, else directions and place."""
    if first.shape != second.shape:
        return f"{_by(first.shape)} against {_by(second.shape)} voxels"
    if not np.allclose(first.spacing_mm, second.spacing_mm, rtol=1e-3):
        return f"{_by(first.spacing_mm)} against {_by(second.spacing_mm)} mm a voxel"
    on_disk = _mirrored_on_disk(first, second)
    if on_disk:
        return on_disk
    differences = []
    degrees = _degrees_apart(first, second)
    if degrees > 0.001:
        differences.append(f"directions of the axes that differ by {degrees:.3g} degrees")
    if not np.allclose(first.affine[:3, 3], second.affine[:3, 3], atol=1e-3):
        origins = (_by(volume.affine[:3, 3], ", ") for volume in (first, second))
        differences.append("first voxel at ({}) against ({}) mm".format(*origins))
    if not differences:
        axes = (np.round(volume.affine[:3, :3], 4).tolist() for volume in (first, second))
        return "axes of the affine {} against {}".format(*axes)
    return ", ".join(differences)


def _in_order_of_files(labels: Volume, like: Volume) -> Volume | None:
    """Labels laid on a volume voxel for voxel, where one of the two states no scale; else None."""
    if labels.scale_known and like.scale_known and not _one_has_sizes_alone(labels, like):
        return None
    voxels, own, other = labels.voxels, labels.source, like.source
    if isinstance(own, NiftiSource) and isinstance(other, NiftiSource):
        if own.space != other.space:
            return None
        voxels = other.to_array(own.to_disk(voxels))
    if voxels.shape[-3:] != like.shape:
        return None
    return replace(labels, voxels=voxels, affine=like.affine.copy(), source=None)


def _one_has_sizes_alone(first: Volume, second: Volume) -> bool:
    """Whether a header states no place and no direction, and its voxels have the sizes of the other's."""
    one, other = first.source, second.source
    if not (isinstance(one, NiftiSource) and isinstance(other, NiftiSource)):
        return False
    own, others = (np.linalg.norm(source.affine[:3, :3], axis=0) for source in (one, other))
    return "voxel size" in (one.affine_from, other.affine_from) and np.allclose(
        own, others, rtol=1e-3
    )


def _voxels_apart(first: Volume, second: Volume) -> float:
    """How far, in voxels along an axis, some corner of one grid lies from that of the other."""
    if first.shape != second.shape:
        return np.inf
    corners = np.array(
        np.meshgrid(*[(0, max(n - 1, 1)) for n in first.shape], [1], indexing="ij"),
        dtype=np.float64,
    ).reshape(4, -1)
    index = np.linalg.inv(second.affine) @ first.affine
    return float(np.abs(index @ corners - corners).max())


def _degrees_apart(first: Volume, second: Volume) -> float:
    """Largest angle between the same axes of two grids."""
    one, other = (_directions(volume.affine) for volume in (first, second))
    # of nearly equal directions the difference is exact where the cosine is not
    chords = np.linalg.norm(one - other, axis=0)
    return float(np.degrees(2 * np.arcsin(np.minimum(chords / 2, 1))).max())


def _directions(affine: FloatArray) -> FloatArray:
    steps = affine[:3, :3]
    directions: FloatArray = steps / np.linalg.norm(steps, axis=0)
    return directions


def _mirrored_on_disk(first: Volume, second: Volume) -> str:
    """Say that two files differ in nothing but which way their axes run; empty where they do not."""
    one, other = first.source, second.source
    if not (isinstance(one, NiftiSource) and isinstance(other, NiftiSource)):
        return ""
    codes = ["".join(nib.aff2axcodes(source.affine)) for source in (one, other)]
    same_origin = np.allclose(one.affine[:3, 3], other.affine[:3, 3], atol=1e-3)
    if codes[0] == codes[1] or one.space != other.space or not same_origin:
        return ""
    return f"only the directions differ: axes on disk run to {codes[0]} against {codes[1]}"


def _by(numbers: Iterable[float], between: str = " x ") -> str:
    return between.join(f"{number:.6g}" for number in numbers)
