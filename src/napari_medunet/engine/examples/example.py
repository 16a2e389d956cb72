"""Example: an image with its annotation, checked, ready for training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_medunet.engine.errors import MedunetError
from napari_medunet.engine.examples.annotation import BoolArray, annotated_voxels
from napari_medunet.engine.examples.label_texture import (
    blended_values,
    check_texture,
    looks_like_labels,
)
from napari_medunet.engine.grids import Fit, fit_labels
from napari_medunet.engine.labels import integer_labels
from napari_medunet.engine.settings import AnnotationSettings
from napari_medunet.engine.volume import Volume


@dataclass(frozen=True, eq=False)
class Example:
    """What training takes: a volume, a label for each voxel, and which voxels are annotated.

    Attributes
    ----------
    image : Volume
        One channel, (z, y, x), or several, (c, z, y, x); every voxel is finite.
    labels : (z, y, x) integer array
        0 is background; other values are the user's own, the label that is ignored among them.
    annotated : (z, y, x) bool array
        Voxels outside it touch neither loss nor metrics.
    fit : Fit
        How the labels came to lie on the image's grid.
    """

    image: Volume
    labels: npt.NDArray[np.integer[Any]]
    annotated: BoolArray
    fit: Fit = field(default_factory=Fit)

    @property
    def name(self) -> str:
        """The case's name."""
        return self.image.name


def make_example(image: Volume, labels: Volume, settings: AnnotationSettings) -> Example:
    """Pair an image with its labels.

    Parameters
    ----------
    image : Volume
        Channels may be a fifth axis of components or, where the settings say so, the axis of time.
    labels : Volume
        On the image's grid, as `fit_labels` has it. Floating-point voxels are accepted where they hold
        integers.
    settings : AnnotationSettings

    Raises
    ------
    MedunetError
        If the grids differ and the settings do not ask to resample, the image has voxels that are not
        finite, labels are no integers or look like a picture, or nothing was painted where only what was
        painted counts.
    """
    image = with_channels(image, time_as_channels=settings.time_as_channels)
    check_image(image)
    labels, fit = _on_grid_of(image, labels, settings)
    values = integer_labels(labels)
    _check_labels(image, labels.name, values)
    if settings.annotated != "all" and not values.any():
        raise MedunetError(
            f"Labels '{labels.name}' hold no label: every voxel is 0. Paint at least one slice, or "
            f"leave '{image.name}' out."
        )
    annotated = annotated_voxels(values, settings.annotated, settings.painted_across)
    if settings.ignore_label is not None:
        annotated &= values != settings.ignore_label
        if not annotated.any():
            raise MedunetError(
                f"Labels '{labels.name}' hold no voxel that counts: those that are annotated have the "
                f"label {settings.ignore_label}, which is ignored. Leave '{image.name}' out, or ignore "
                "another label."
            )
    if settings.annotated == "voxels":
        values = _background_to_zero(values, labels.name, settings.background_label)
    return Example(image, values, annotated, fit)


def fit_notes(examples: Sequence[Example]) -> list[str]:
    """Say how labels came to lie on their images' grids: a sentence for all of a kind."""
    kinds: dict[str, list[Example]] = {}
    for example in examples:
        if example.fit.how:
            kinds.setdefault(example.fit.how, []).append(example)
    return [
        f"Labels of image '{first.name}'{f' and {len(others)} more' if others else ''} are {first.fit}."
        for first, *others in kinds.values()
    ]


def as_painted(example: Example, settings: AnnotationSettings) -> npt.NDArray[np.integer[Any]]:
    """The labels from which `make_example` made an example with these settings."""
    background = settings.background_label if settings.annotated == "voxels" else None
    if background is None:
        return example.labels
    return np.where(example.annotated & (example.labels == 0), background, example.labels)


def with_channels(image: Volume, *, time_as_channels: bool) -> Volume:
    """An image whose channels lie on another axis, with that axis as channels; others as they are.

    SimpleITK writes components (`Compose`) as NIfTI's fifth axis, which can mean nothing else here, and
    volumes that were joined (`JoinSeries`) as its fourth, with seconds as the unit: only who made them
    knows that they are no series.
    """
    if image.leading_axes == ("v",) or (time_as_channels and image.leading_axes == ("t",)):
        return replace(image, leading_axes=("c",), leading_scale=(1.0,))
    return image


def check_image(image: Volume) -> None:
    """Refuse images with further axes, or with voxels that are not finite numbers.

    Raises
    ------
    MedunetError
    """
    if image.leading_axes not in ((), ("c",)):
        raise MedunetError(
            f"Image '{image.name}' has the axes {(*image.leading_axes, 'z', 'y', 'x')}; wanted one "
            "volume (z, y, x), or channels before it. Choose one time point and save it as a volume. "
            "If what looks like time are channels, train with --time-as-channels, in Python "
            "time_as_channels=True."
        )
    if np.iscomplexobj(image.voxels):
        raise MedunetError(
            f"Image '{image.name}' holds complex numbers; wanted real ones. Save its magnitude."
        )
    if 0 in image.voxels.shape:
        raise MedunetError(
            f"Image '{image.name}' has no voxels: its shape is {image.voxels.shape}."
        )
    if image.voxels.dtype.kind == "f":
        bad = image.voxels.size - int(np.count_nonzero(np.isfinite(image.voxels)))
        if bad:
            raise MedunetError(
                f"Image '{image.name}' has {bad} voxels that are NaN or infinite; wanted numbers. "
                "Replace them (with 0, say) and save the image again."
            )


def case_labels(example: Example) -> set[int]:
    """The labels of one example's annotated voxels, background among them where it is there."""
    return set(np.unique(example.labels[example.annotated]).tolist())


def channel_count(examples: list[Example]) -> int:
    """Channels of each image.

    Raises
    ------
    MedunetError
        If they differ.
    """
    counts = {e.image.voxels.shape[0] if e.image.leading_axes else 1: e.name for e in examples}
    if len(counts) > 1:
        (first, one), (second, other), *_ = sorted(counts.items())
        raise MedunetError(
            f"Image '{one}' has {first} channels and image '{other}' has {second}; wanted the same "
            "number in all. Convert them to the same kind, grey or colour."
        )
    return next(iter(counts))


def label_values(examples: list[Example]) -> tuple[int, ...]:
    """The labels of all examples in ascending order, background first.

    Raises
    ------
    MedunetError
        If the annotated voxels hold a single class: there is nothing to tell apart.
    """
    found: set[int] = set()
    for example in examples:
        found |= case_labels(example)
    if found == {0}:
        raise MedunetError(
            f"No label is painted in any of {len(examples)} examples: every voxel is 0. Paint at least "
            "one slice."
        )
    if len(found) < 2:
        raise MedunetError(
            f"The annotated voxels hold the single class {sorted(found)}; wanted at least two, to have "
            "something to tell apart. Paint another class, or choose which voxels count as annotated."
        )
    return (0, *sorted(found - {0}))


def _on_grid_of(image: Volume, labels: Volume, settings: AnnotationSettings) -> tuple[Volume, Fit]:
    fitted, fit = fit_labels(labels, image, resample=settings.resample)
    if settings.resample and fitted.voxels.any() < labels.voxels.any():
        raise MedunetError(
            f"Labels '{labels.name}' lie beside image '{image.name}': resampled, no voxel of the image has "
            f"a label ({fit.detail}). Pair the right files, or repair the affine of one."
        )
    return fitted, fit


def _check_labels(image: Volume, name: str, values: npt.NDArray[np.integer[Any]]) -> None:
    """Refuse a picture in the place of labels: what it would teach is one kind for each shade of grey."""
    if not blended_values(values):
        return
    if not image.leading_axes and np.array_equal(image.voxels, values):
        raise MedunetError(
            f"Labels '{name}' are the image itself: wanted labels that were painted on it. Was one folder "
            "or file given for both?"
        )
    grey = image.voxels[0] if image.leading_axes else image.voxels
    if looks_like_labels(grey):
        raise MedunetError(
            f"Labels '{name}' look like an image, and image '{image.name}' looks like labels: wanted it "
            "the other way round. Exchange images and labels."
        )
    check_texture(values, f"Labels '{name}'")


def _background_to_zero(
    values: npt.NDArray[np.integer[Any]], name: str, background: int | None
) -> npt.NDArray[np.integer[Any]]:
    if background is None:
        return values
    if not (values == background).any():
        raise MedunetError(
            f"Labels '{name}' hold no voxel of the background label {background}. Paint background with "
            "it, or choose the label that was used."
        )
    return np.where(values == background, 0, values)
