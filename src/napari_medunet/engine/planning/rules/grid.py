"""The network's grid: its spacing, the axis across the slices, and whether slices or blocks."""

from __future__ import annotations

from typing import Literal

import numpy as np

from napari_medunet.engine.errors import MedunetError
from napari_medunet.engine.examples.annotation import AXES, annotated_across, nearly_whole
from napari_medunet.engine.examples.example import Example
from napari_medunet.engine.planning.rules.facts import DataFacts, by
from napari_medunet.engine.planning.rules.intensity import intensity
from napari_medunet.engine.planning.rules.reasons import Reasons
from napari_medunet.engine.settings import TrainSettings
from napari_medunet.engine.settings.bounds import AxisName
from napari_medunet.engine.settings.grid import GridPlan

Dims = Literal["2d", "2.5d", "3d"]

_PATCH_VOXELS: dict[int, int] = {2: 256**2, 3: 64**3}
_LONGEST_PATCH = 1024  # of a side, as in `Plan`: a strip of 60 x 1100 is shown in parts
_BLOCK_SHARE = 0.8  # of each side: twice as many such blocks are seen as whole volumes, M2
_SHORTEST_PATCH = 4  # of a side
_CONTEXT = 1  # slices on each side in 2.5D
_ANISOTROPIC = 3.0  # coarsest to finest spacing, from where blocks gain little (as in nnU-Net)
_COARSER = 1.5  # coarsest to median spacing, from where slices lie across the coarsest axis
_AXIS_NAMES: tuple[AxisName, ...] = ("z", "y", "x")
_THIN = 8  # slices: blocks need more
# Voxels of a volume, with this effort at most and in proportion with more: of a larger one a 3D network
# has not seen enough by then. M3
_LARGEST_FOR_3D = 64**3
_TFLOP_FOR_LARGEST = 300.0
# With less a 3D network is not ahead of one of slices; of what was painted one in 2.5D learns more than one
# in 2D. M4
_TFLOP_FOR_3D = 5.0


def decide_grid(data: DataFacts, reasons: Reasons) -> tuple[GridPlan, list[int]]:
    """Decide the grid, but for what the levels of the network round up.

    Returns
    -------
    grid : GridPlan
    axes : list of int
        Axes of the volume that the patch has.
    """
    looked_at = reasons.decided("grid.dims", dims(data), str.upper)
    axes = [axis for axis in range(3) if looked_at == "3d" or axis != data.axis]
    sizes = reasons.decided("grid.patch", patch(data, axes, len(axes)), by)
    rule = intensity(data.examples, data.settings)
    kind, window = reasons.decided("grid.intensity", rule, lambda found: found[0])
    grid = GridPlan(
        dims=looked_at,
        context=_CONTEXT if looked_at == "2.5d" else 0,
        looked_across="z" if looked_at == "3d" else _AXIS_NAMES[data.axis],
        spacing_mm=data.spacing_mm,
        patch=sizes,
        intensity=kind,
        window=window,
    )
    return grid, axes


def spacing(
    examples: list[Example], settings: TrainSettings
) -> tuple[tuple[float, float, float], str]:
    """Voxel size of the network's grid in mm.

    The median of the images, along each axis: few images are blown up, and few lose detail. A network of
    slices never resamples across them.
    """
    if settings.grid.spacing_mm:
        return settings.grid.spacing_mm, "as set"
    z, y, x = np.median([e.image.spacing_mm for e in examples], axis=0)
    why = "the median of the images: few are blown up, and few lose detail"
    return (float(z), float(y), float(x)), why


def looked_across(examples: list[Example], settings: TrainSettings) -> tuple[int, str]:
    """Axis across the slices that a 2D network looks at.

    The axis on which slices were painted, in most of the volumes; where all is annotated the coarsest axis,
    if its spacing is more than `_COARSER` times the median; else axial slices. Slices are sharpest in their
    plane. An image of a single slice is looked at as it is.
    """
    if settings.grid.looked_across != "auto":
        return AXES.index(settings.grid.looked_across), "as set"
    flat = [e.image.shape for e in examples if min(e.image.shape) == 1]
    if flat:
        return int(np.argmin(flat[0])), f"{len(flat)} of {len(examples)} images are flat"
    # Of a volume with nothing unannotated no axis is more painted than another.
    partly = [e.annotated for e in examples if not nearly_whole(e.annotated)]
    if partly:
        if settings.annotation.painted_across != "auto":
            return AXES.index(settings.annotation.painted_across), "on which slices were painted"
        axes = [annotated_across(annotated) for annotated in partly]
        axis = max(set(axes), key=axes.count)
        others = len(axes) - axes.count(axis)
        mixed = f"; {others} painted otherwise count where they cross" if others else ""
        return axis, f"{axes.count(axis)} of {len(axes)} volumes were painted so{mixed}"
    spacing = np.median([e.image.spacing_mm for e in examples], axis=0)
    if spacing.max() > _COARSER * np.median(spacing):
        return int(np.argmax(spacing)), "the coarsest axis: slices are sharpest in their plane"
    return 0, "no axis is clearly coarser: axial slices"


def sizes_on_grid(
    examples: list[Example], spacing_mm: tuple[float, float, float]
) -> tuple[int, int, int]:
    """Largest usual size in voxels of the network's grid: three in four volumes fit whole."""
    sizes = [np.asarray(e.image.shape) * e.image.spacing_mm / spacing_mm for e in examples]
    z, y, x = (max(1, round(size)) for size in np.percentile(sizes, 75, axis=0))
    return z, y, x


def dims(data: DataFacts) -> tuple[Dims, str]:
    """Slices, slices with neighbours, or blocks.

    The first line below that holds.

    - An image of a single slice: 2D, since it has no neighbours.
    - A patch was set: 2D or 3D, by the number of its sizes.
    - The coarsest spacing is at least `_ANISOTROPIC` times the finest: 2.5D. Blocks gain little there, and
      the neighbouring slices, which need no annotation, help.
    - The axis to look across was set: 2D.
    - Fewer than `_THIN` slices: 2.5D, since they are too few for blocks.
    - Less than `_TFLOP_FOR_3D` Tflop of arithmetic fit into the minutes: 2D, or 2.5D where not all is
      annotated. Blocks take longer to learn (M4).
    - More than `_LARGEST_FOR_3D` voxels, or as many times more as the arithmetic is more than
      `_TFLOP_FOR_LARGEST` Tflop, if all is annotated: 2.5D, since they are too many to learn from in
      blocks in these minutes (M3).
    - Else 3D: in small volumes of nearly even voxels blocks beat slices, and they learn from the slices
      between those painted.
    """
    chosen = data.settings.grid
    if chosen.dims == "3d":
        thin = [e.name for e in data.examples if min(e.image.shape) < 4]
        if thin:
            raise MedunetError(
                f"Image '{thin[0]}' is fewer than 4 voxels thick; blocks (3d) need more. Choose 2d or auto."
            )
    if chosen.dims != "auto":
        return chosen.dims, "as set"
    if any(min(e.image.shape) == 1 for e in data.examples):
        return "2d", "a single slice has no neighbours"
    if chosen.patch:
        of_patch: Dims = "3d" if len(chosen.patch) == 3 else "2d"
        return of_patch, "the patch that was set has so many sizes"
    if data.anisotropy >= _ANISOTROPIC:
        return "2.5d", (
            f"voxels are {data.anisotropy:.1f} times as long across the slices: blocks gain little, and "
            "the neighbouring slices help"
        )
    if chosen.looked_across != "auto":
        return "2d", "slices across this axis were asked for"
    if data.slices < _THIN:
        return "2.5d", f"{data.slices} slices are too few for blocks, and the neighbours help"
    return _dims_by_effort(data)


def _dims_by_effort(data: DataFacts) -> tuple[Dims, str]:
    """What the minutes are enough for."""
    minutes = f"{data.minutes:g} minute{'' if data.minutes == 1 else 's'} on this machine"
    if data.tflop < _TFLOP_FOR_3D:
        if data.partly_annotated:
            return "2.5d", f"blocks need more than {minutes}, and the neighbouring slices help"
        return "2d", f"blocks need more than {minutes}"
    # Of a larger volume that is annotated in part, most blocks would hold nothing to learn from.
    longer = 1.0 if data.partly_annotated else max(1.0, data.tflop / _TFLOP_FOR_LARGEST)
    if np.prod(data.sizes) > _LARGEST_FOR_3D * longer:
        return "2.5d", (
            f"{by(data.sizes)} voxels are too many to learn from in blocks in {minutes}, and the "
            "neighbouring slices help"
        )
    return "3d", "small volumes of nearly even voxels: blocks beat slices"


def patch(data: DataFacts, axes: list[int], spatial_dims: int) -> tuple[tuple[int, ...], str]:
    """Voxels of a patch along `axes`, before the levels round it up.

    In 2D the whole image, in 3D `_BLOCK_SHARE` of each side (M2), of the size that three in four images do
    not exceed. Where that is more than `_PATCH_VOXELS[2]` voxels in 2D or `_PATCH_VOXELS[3]` in 3D, it is
    made smaller, about as long in mm on each side. Context matters, and memory and a step's time are
    bounded.
    """
    chosen = data.settings.grid.patch
    if chosen:
        if len(chosen) != spatial_dims:
            raise MedunetError(
                f"The patch {by(chosen)} has {len(chosen)} sizes; wanted {spatial_dims} for a "
                f"{spatial_dims}D network. Give as many, or leave it out."
            )
        return chosen, "as set"
    most = _PATCH_VOXELS[spatial_dims]
    sizes = [min(data.sizes[axis], _LONGEST_PATCH) for axis in axes]
    if spatial_dims == 3:
        sizes = [max(_SHORTEST_PATCH, round(_BLOCK_SHARE * size)) for size in sizes]
    if np.prod(sizes) <= most:
        if max(data.sizes[axis] for axis in axes) > _LONGEST_PATCH:
            why = f"a side is {_LONGEST_PATCH} voxels at most: a part is seen at a time"
        elif spatial_dims == 2:
            why = "three in four images fit whole"
        else:
            why = f"{_BLOCK_SHARE:.0%} of three in four volumes fit whole"
        return tuple(sizes), why
    while np.prod(sizes) > most:
        extents = [size * data.spacing_mm[axis] for size, axis in zip(sizes, axes, strict=True)]
        longest = int(np.argmax(extents))
        sizes[longest] = max(1, min(sizes[longest] - 1, int(sizes[longest] * 0.97)))
    return tuple(sizes), f"about as long in mm on each side, of at most {most} voxels"
