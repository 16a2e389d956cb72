"""Which augmentation: the preset, the axes to mirror along, and the tail without."""

from __future__ import annotations

from napari_medunet.engine.examples.example import Example
from napari_medunet.engine.planning.left_right_pairs import left_and_right
from napari_medunet.engine.planning.rules.facts import MANY_LABELS, DataFacts
from napari_medunet.engine.settings.bounds import Preset
from napari_medunet.engine.settings.schedule import ScheduleSettings, Strengths, StrengthSettings

_MANY_SLICES = 300  # fewer teach more where they are varied more, M12
# Images that will be predicted are not varied either (He et al. 2019, "Data augmentation revisited",
# arXiv:1909.09148). M13
_UNAUGMENTED_TAIL = 0.3

_OFF = Strengths()
# Units are those of `Strengths`; how often each part takes part is told where it is drawn.
_STRENGTHS: dict[Preset, Strengths] = {
    "none": _OFF,
    "light": Strengths(
        rotate=10, scale=0.1, shift=0.04, gamma=0.2, contrast=0.13, brightness=0.12, noise=0.06
    ),
    "standard": Strengths(
        rotate=20, scale=0.22, shift=0.08, elastic=0.3, blur=1.0, low_resolution=0.7, gamma=0.4,
        contrast=0.28, brightness=0.25, noise=0.12,
    ),
    "strong": Strengths(
        rotate=30, scale=0.35, shift=0.12, elastic=0.8, blur=1.5, low_resolution=1.0, gamma=0.6,
        contrast=0.45, brightness=0.4, noise=0.18,
    ),
}  # fmt: skip


def strengths(preset: Preset, chosen: StrengthSettings) -> Strengths:
    """How far each part goes by a preset, and by what a user set apart from it."""
    return _STRENGTHS[preset].changed(**chosen.model_dump(exclude_none=True))


def augmentation(data: DataFacts, dims: int) -> tuple[Preset, str]:
    """Preset of augmentation.

    *strong* in 3D where as many voxels are annotated as fewer than `_MANY_SLICES` slices hold, else
    *standard*: the less there is to learn from, the more it helps to vary it (M12).
    """
    if data.settings.schedule.augmentation != "auto":
        return data.settings.schedule.augmentation, "as set"
    if dims == 2:
        return "standard", "slices that are varied more take longer to learn"
    slices = round(data.annotated_slices)
    if slices < _MANY_SLICES:
        return (
            "strong",
            f"as much as {slices} slices is annotated, few: varied much, they teach more",
        )
    return "standard", f"as much as {slices} annotated slices differ enough to be varied a little"


def unaugmented_tail(chosen: ScheduleSettings, annotated_share: float) -> tuple[float, str]:
    """Share of the training, at its end, in which images are not varied.

    `_UNAUGMENTED_TAIL` of the training where all is annotated: the last steps learn from images like those
    that will be predicted (M13). Else none of it, since what was painted is little.
    """
    if chosen.unaugmented_tail is not None:
        return chosen.unaugmented_tail, "as set"
    if chosen.augmentation == "none":
        return 0.0, "images are never varied but by what was set"
    if annotated_share < 1:
        return 0.0, "what was painted is little, and varied to the end"
    return _UNAUGMENTED_TAIL, "the last steps learn from images like those that will be predicted"


def flip_axes(data: DataFacts, in_patch: list[int]) -> tuple[tuple[int, ...], str]:
    """Axes of the patch that are mirrored by chance; `in_patch` are the volume's axes.

    Left and right, since most anatomy looks alike mirrored. Not if slices are sagittal, if augmentation is
    *none*, if there are `MANY_LABELS` labels or more (M14), or if two labels look like left and right of a
    pair (as large, as high, beside each other): where labels are told apart by their side, mirrored images
    teach what is wrong.
    """
    flip = data.settings.schedule.flip
    if 2 not in in_patch and flip in ("auto", "left-right"):
        return (), "sagittal slices have no left and right"
    if flip != "auto":
        return chosen_flip_axes(flip, in_patch), "as set"
    if data.settings.schedule.augmentation == "none":
        return (), "images are never varied but by what was set"
    left_right = chosen_flip_axes("left-right", in_patch)
    if why := laterality_reason(data.examples, data.labels):
        return (), why
    return left_right, "no labels that look like left and right of a pair"


def laterality_reason(examples: list[Example], labels: int) -> str:
    """Why left and right must not be exchanged; empty where nothing says so."""
    if labels >= MANY_LABELS:
        return f"{labels} labels are told apart by where they lie, too"
    if pairs := left_and_right(examples):
        return "labels {} and {} look like left and right of a pair".format(*pairs[0])
    return ""


def chosen_flip_axes(flip: str, in_patch: list[int]) -> tuple[int, ...]:
    """Axes of the patch that a setting other than "auto" mirrors."""
    mirrored = {"none": (), "left-right": (2,), "all": (0, 1, 2)}[flip]
    return tuple(index for index, axis in enumerate(in_patch) if axis in mirrored)
