"""Pictures of cases: the outlines of truth and prediction on a slice of the image."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import isnan
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from napari_medunet.engine.errors import MedunetError
from napari_medunet.engine.evaluation.evaluation import Evaluation
from napari_medunet.engine.evaluation.metrics.label_pairs import foreground_box, grown
from napari_medunet.engine.evaluation.plots.cuts import MOST_DRAWN
from napari_medunet.engine.grids import fit_labels, lay_on
from napari_medunet.engine.labels import as_labels
from napari_medunet.engine.volume import Volume

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_MARGIN_MM = 15.0
_MOST_PIXELS = 512  # of a side: the picture is 250 wide
_MOST_VERTICES = 20_000  # of all outlines; more become pixels


@dataclass(frozen=True)
class CaseFiles:
    """The files of one case.

    Attributes
    ----------
    truth, prediction : Path
    image : Path or None
        None where there is only the pair of labels to draw on.
    """

    truth: Path
    prediction: Path
    image: Path | None = None


def best_and_worst(evaluation: Evaluation, each: int = 3) -> tuple[list[str], list[str]]:
    """Name the cases with the highest and the lowest mean Dice over labels, each case once."""
    dice = {name: evaluation.mean_over_labels(name)["dice"].mean for name in evaluation.cases}
    order = sorted((name for name in dice if not isnan(dice[name])), key=lambda name: -dice[name])
    each = min(each, (len(order) + 1) // 2)
    return order[:each], order[each:][-each:][::-1]


def overlay_figure(files: CaseFiles, title: str) -> Figure:
    """Draw the slice of a case in which truth and prediction differ most.

    The truth is a solid, light line with a dark edge, the prediction a dashed, dark one with a light edge:
    both can be seen on any grey, and differ in black and white.

    Raises
    ------
    OSError, MedunetError
        Where a file cannot be read or lies on a grid that does not fit.
    """
    from matplotlib.figure import Figure
    from matplotlib.patheffects import Normal, Stroke

    truth, prediction, image, spacing = _coarser(*_slice(files))
    shown, cut = _worst_in_slice(truth, prediction)
    title += f"\nthe {len(shown)} worst of its labels" if cut else ""
    height, width = truth.shape[0] * spacing[0], truth.shape[1] * spacing[1]
    figure = Figure(figsize=(2.9, min(4.5, 0.35 + 2.9 * height / width)), layout="constrained")
    axes = figure.subplots()
    axes.set_axis_off()
    axes.set_title(title, fontsize=8)
    low, high = np.nanpercentile(image, [1, 99]) if image.size else (0, 1)
    aspect = spacing[0] / spacing[1]
    axes.imshow(image, cmap="gray", aspect=aspect, vmin=low, vmax=max(high, low + 1e-6))
    # Light on dark and dark on light, so that the two differ in grey as well.
    lines = ((truth, "#ffd21f", "solid", "black"), (prediction, "#0a2a9c", "dashed", "white"))
    outlines = []
    for labels, colour, style, edge in lines:
        for x, y, mask in _masks(labels, shown):
            drawn = axes.contour(x, y, mask, [0.5], colors=colour, linestyles=style)
            drawn.set_linewidth(1.6)
            drawn.set_path_effects([Stroke(linewidth=3, foreground=edge, alpha=0.8), Normal()])
            outlines.append(drawn)
    vertices = sum(len(np.asarray(p.vertices)) for drawn in outlines for p in drawn.get_paths())
    for drawn in outlines:
        drawn.set_rasterized(vertices > _MOST_VERTICES)
    return figure


def _coarser(
    truth: npt.NDArray[Any], prediction: npt.NDArray[Any], image: npt.NDArray[Any], spacing: Any
) -> tuple[npt.NDArray[Any], ...]:
    """Fewer pixels, where there are more than the picture shows."""
    step = -(-max(truth.shape) // _MOST_PIXELS)
    few = slice(None, None, max(1, step))
    return truth[few, few], prediction[few, few], image[few, few], spacing * max(1, step)


def _worst_in_slice(
    truth: npt.NDArray[Any], prediction: npt.NDArray[Any]
) -> tuple[npt.NDArray[Any], bool]:
    """The labels of the lowest Dice in a slice, and whether there are others."""
    labels, codes = np.unique(np.stack([truth, prediction]), return_inverse=True)
    first, second = codes.reshape(2, -1)
    both = np.bincount(first[first == second], minlength=labels.size)
    dice = 2 * both / np.bincount(codes.reshape(-1), minlength=labels.size)
    worst = [place for place in np.argsort(dice, kind="stable") if labels[place] != 0]
    return labels[worst[:MOST_DRAWN]], len(worst) > MOST_DRAWN


def _masks(
    labels: npt.NDArray[Any], shown: npt.NDArray[Any]
) -> Iterator[tuple[npt.NDArray[Any], ...]]:
    """Columns, rows and mask of each label, no larger than it is: outlines of the whole take gigabytes."""
    codes = np.zeros(labels.shape, np.int32)
    for code, label in enumerate(shown, 1):
        codes[labels == label] = code
    for code, box in enumerate(ndimage.find_objects(codes), 1):
        if box is None:
            continue
        rows, columns = grown(box, labels.shape)
        mask = codes[rows, columns] == code
        if min(mask.shape) > 1 and not mask.all():  # else there is no line between it and others
            yield np.arange(columns.start, columns.stop), np.arange(rows.start, rows.stop), mask


def _slice(files: CaseFiles) -> tuple[npt.NDArray[Any], ...]:
    """Truth, prediction and image of one slice, cropped, and its spacing along rows and columns."""
    from napari_medunet.engine.files.files import read

    truth = read(files.truth, as_labels=True)
    prediction = read(files.prediction, as_labels=True)
    prediction, _ = fit_labels(prediction, truth, resample=True)
    first, second = as_labels(truth.voxels), as_labels(prediction.voxels)
    wrong = np.count_nonzero(first != second, axis=(1, 2))
    held = np.count_nonzero((first != 0) | (second != 0), axis=(1, 2))
    place = int(np.argmax(wrong if wrong.any() else held))
    box = _with_margin(foreground_box(first[place], second[place]), truth)
    image = _image(files.image, truth, place)
    if image is None:  # grey where both agree on a label, darker where they do not
        image = 0.3 * (first[place] != 0) + 0.3 * (second[place] != 0)
    spacing = np.array(truth.spacing_mm[1:])
    return first[place][box], second[place][box], image[box], spacing


def _image(path: Path | None, truth: Volume, place: int) -> npt.NDArray[Any] | None:
    """A slice of the image on the truth's grid; None where there is no image."""
    from napari_medunet.engine.files.files import read

    if path is None:
        return None
    image = read(path)
    laid = lay_on(image, truth)
    if laid is None:
        raise MedunetError(f"Image '{image.name}' is on another grid than its truth: no picture.")
    voxels = laid[0].voxels
    while voxels.ndim > 3:  # of channels or times, the first
        voxels = voxels[0]
    return np.asarray(voxels[place], dtype=np.float32)


def _with_margin(box: tuple[slice, ...], volume: Volume) -> tuple[slice, ...]:
    sizes = zip(box, volume.shape[1:], volume.spacing_mm[1:], strict=True)
    if any(side.stop == side.start for side in box):
        return tuple(slice(0, n) for n in volume.shape[1:])
    return tuple(
        slice(
            max(0, side.start - round(_MARGIN_MM / mm)), min(n, side.stop + round(_MARGIN_MM / mm))
        )
        for side, n, mm in sizes
    )
