"""The grid that the network looks at: spacing, the axis across the slices, slices or blocks."""

from __future__ import annotations

import numpy as np

from napari_medunet.engine.errors import MedunetError
from napari_medunet.engine.examples.annotation import AXES, annotated_across
from napari_medunet.engine.examples.example import Example
from napari_medunet.engine.planning.rules.facts import DataFacts, by
from napari_medunet.engine.settings import TrainSettings

CONTEXT = 1  # slices on each side in 2.5D
_ANISOTROPIC = 3.0  # coarsest to finest spacing, from where blocks gain little (as in nnU-Net)
_THIN = 8  # slices: blocks need more
# Voxels of a volume, with this effort at most and in proportion with more: of a larger one a 3D network
# has not seen enough by then. One CT of 1.2 million voxels, 2 minutes on two cores with bfloat16: with 8
# organs Dice 0.93 in 2D and 0.57 in 3D; with 40 organs 0.90 in 2.5D, 0.86 in 2D and 0.09 in 3D.
_LARGEST_FOR_3D = 64**3
_TFLOP_FOR_LARGEST = 300.0  # as many as two cores with bfloat16, without AMX, do in ten minutes
# With less a 3D network is not ahead of one of slices; of what was painted one in 2.5D learns more than one
# in 2D. Two minutes on two cores without bfloat16 (10 Tflop), three hippocampi, two draws. Five slices of
# each: Dice 0.800 and 0.805, 0.820 and 0.781 in 3D; 0.790 and 0.780, 0.799 and 0.740 in 2.5D. 25 strokes of
# each label, mean of both labels and draws: 0.63 in 3D, 0.54 in 2.5D, 0.50 in 2D.
_TFLOP_FOR_3D = 5.0


def spacing(
    examples: list[Example], settings: TrainSettings
) -> tuple[tuple[float, float, float], str]:
    """Voxel size of the network's grid in mm."""
    if settings.spacing_mm:
        return settings.spacing_mm, "as set"
    z, y, x = np.median([e.image.spacing_mm for e in examples], axis=0)
    why = "the median of the images: few are blown up, and few lose detail"
    return (float(z), float(y), float(x)), why


def axis(examples: list[Example], settings: TrainSettings) -> tuple[int, str]:
    """Axis across the slices that a 2D network looks at."""
    if settings.axis != "auto":
        return AXES.index(settings.axis), "as set"
    flat = [e.image.shape for e in examples if min(e.image.shape) == 1]
    if flat:
        return int(np.argmin(flat[0])), f"{len(flat)} of {len(examples)} images are flat"
    # Of a volume with nothing unannotated no axis is more painted than another.
    partly = [e.annotated for e in examples if not e.annotated.all()]
    if settings.annotated != "all" and partly:
        axes = [annotated_across(annotated) for annotated in partly]
        axis = max(set(axes), key=axes.count)
        others = len(axes) - axes.count(axis)
        mixed = f"; {others} painted otherwise count where they cross" if others else ""
        return axis, f"{axes.count(axis)} of {len(axes)} volumes were painted so{mixed}"
    spacing = np.median([e.image.spacing_mm for e in examples], axis=0)
    if spacing.max() > 1.5 * np.median(spacing):
        return int(np.argmax(spacing)), "the coarsest axis: slices are sharpest in their plane"
    return 0, "no axis is clearly coarser: axial slices"


def sizes_on_grid(
    examples: list[Example], spacing_mm: tuple[float, float, float]
) -> tuple[int, int, int]:
    """Largest usual size in voxels of the network's grid: three in four volumes fit whole."""
    sizes = [np.asarray(e.image.shape) * e.image.spacing_mm / spacing_mm for e in examples]
    z, y, x = (max(1, round(size)) for size in np.percentile(sizes, 75, axis=0))
    return z, y, x


def dims(data: DataFacts) -> tuple[str, str]:
    """Slices, slices with neighbours, or blocks."""
    if data.settings.dims == "3d":
        thin = [e.name for e in data.examples if min(e.image.shape) < 4]
        if thin:
            raise MedunetError(
                f"Image '{thin[0]}' is fewer than 4 voxels thick; blocks (3d) need more. Choose 2d or auto."
            )
    if data.settings.dims != "auto":
        return data.settings.dims, "as set"
    if any(min(e.image.shape) == 1 for e in data.examples):
        return "2d", "a single slice has no neighbours"
    if data.settings.patch:
        return f"{len(data.settings.patch)}d", "the patch that was set has so many sizes"
    if data.anisotropy >= _ANISOTROPIC:
        return "2.5d", (
            f"voxels are {data.anisotropy:.1f} times as long across the slices: blocks gain little, and "
            "the neighbouring slices help"
        )
    if data.settings.axis != "auto":
        return "2d", "slices across this axis were asked for"
    if data.slices < _THIN:
        return "2.5d", f"{data.slices} slices are too few for blocks, and the neighbours help"
    plural = "" if data.settings.minutes == 1 else "s"
    minutes = f"{data.settings.minutes:g} minute{plural} on this machine"
    painted = data.settings.annotated != "all"  # of a larger volume most blocks would hold none
    if data.tflop < _TFLOP_FOR_3D:
        if painted:
            return "2.5d", f"blocks need more than {minutes}, and the neighbouring slices help"
        return "2d", f"blocks need more than {minutes}"
    longer = 1.0 if painted else max(1.0, data.tflop / _TFLOP_FOR_LARGEST)
    if np.prod(data.sizes) > _LARGEST_FOR_3D * longer:
        return "2.5d", (
            f"{by(data.sizes)} voxels are too many to learn from in blocks in {minutes}, and the "
            "neighbouring slices help"
        )
    return (
        "3d",
        "small volumes of nearly even voxels: blocks beat slices",
    )
