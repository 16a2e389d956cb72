"""Synthetic volumes with known truth: for the demo, the sample data, the tests and the benchmarks."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import ndimage, spatial

from napari_medunet.engine.volume import FloatArray, Volume, affine_from_spacing

PHANTOM_LABELS = {1: "organ", 2: "lesion"}
_SPACING_MM = (2.0, 1.0, 1.0)


def make_phantom(seed: int, shape: tuple[int, int, int] = (24, 64, 64)) -> tuple[Volume, Volume]:
    """Make an MR-like volume and its truth.

    A body with uneven illumination holds a bright organ (label 1) with a darker lesion inside it
    (label 2), and a round vessel as bright as the organ that carries no label: place and shape
    have to be learned, intensity alone does not do.

    Parameters
    ----------
    seed : int
        The same seed gives the same voxels.
    shape : (z, y, x) number of voxels, of 2 x 1 x 1 mm

    Returns
    -------
    image : Volume of float32
    truth : Volume of uint8, with labels 0, 1 and 2, on the same grid
    """
    rng = np.random.default_rng(seed)
    extent = np.asarray(shape) * _SPACING_MM
    points = _positions_mm(shape)
    body = _ellipsoid(points, np.zeros(3), extent * (0.60, 0.44, 0.46), np.eye(3))
    centre = extent * rng.uniform((-0.08, -0.08, -0.16), (0.08, 0.08, -0.06))
    turn = spatial.transform.Rotation.from_euler("zyx", rng.uniform(-0.4, 0.4, 3)).as_matrix()
    radii = extent * rng.uniform((0.30, 0.20, 0.17), (0.38, 0.28, 0.23))
    organ = _ellipsoid(points, centre, radii, turn)
    lesion_at = centre + turn.T @ (radii * rng.uniform(-0.3, 0.3, 3))
    lesion = organ & _ellipsoid(points, lesion_at, radii * rng.uniform(0.38, 0.5), turn)
    vessel_at = extent * rng.uniform((0, -0.1, 0.26), (0, 0.1, 0.30))
    vessel = _ellipsoid(points, vessel_at, extent * (2.0, 0.07, 0.07), np.eye(3)) & body

    contrast = rng.uniform(0.9, 1.1, 4) * (60, 160, 100, 160)
    image = np.full(shape, 8.0)
    for mask, value in zip((body, organ, lesion, vessel), contrast, strict=True):
        image[mask] = value
    image = ndimage.gaussian_filter(image, 0.8 / np.asarray(_SPACING_MM))
    image *= 1 + 0.25 * _smooth_noise(rng, shape)
    image += rng.normal(0, 9.0, shape)

    truth = np.where(lesion, 2, np.where(organ, 1, 0)).astype(np.uint8)
    affine = affine_from_spacing(_SPACING_MM, tuple(-extent / 2))
    name = phantom_name(seed)
    return (
        Volume(np.maximum(image, 0).astype(np.float32), affine, name),
        Volume(truth, affine, name),
    )


def phantom_name(seed: int) -> str:
    """What the volume of a seed is called."""
    return f"phantom_{seed:02d}"


def _positions_mm(shape: tuple[int, int, int]) -> FloatArray:
    """Distance of every voxel from the volume's centre, in mm: (z, y, x, 3)."""
    axes = [(np.arange(n) - (n - 1) / 2) * mm for n, mm in zip(shape, _SPACING_MM, strict=True)]
    return np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1)


def _ellipsoid(
    points: FloatArray, centre: FloatArray, radii: FloatArray, turn: FloatArray
) -> npt.NDArray[np.bool_]:
    inside: npt.NDArray[np.bool_] = (((points - centre) @ turn.T / radii) ** 2).sum(axis=-1) <= 1
    return inside


def _smooth_noise(rng: np.random.Generator, shape: tuple[int, int, int]) -> FloatArray:
    noise = ndimage.gaussian_filter(rng.normal(size=shape), np.asarray(shape) / 5, mode="wrap")
    return np.asarray(noise / np.abs(noise).max())
