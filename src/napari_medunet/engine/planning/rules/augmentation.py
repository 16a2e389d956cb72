"""How images are varied while a network learns from them: which preset, mirrored along which axes."""

from __future__ import annotations

from napari_medunet.engine.examples.annotation import annotated_slices
from napari_medunet.engine.examples.example import Example
from napari_medunet.engine.plan import Preset
from napari_medunet.engine.planning.left_right_pairs import left_and_right
from napari_medunet.engine.planning.rules.facts import MANY_LABELS, DataFacts
from napari_medunet.engine.settings import TrainSettings

# Fifteen slices of hippocampus, two minutes on two cores: Dice 0.81 and 0.79 in 3D with strong
# augmentation, 0.76 and 0.77 with standard; in 2D 0.76 and 0.72 with strong, 0.76 and 0.73 with standard.
_MANY_SLICES = 300
# At the end images are learned from as they are: those that will be predicted are not varied either (He et
# al. 2019, "Data augmentation revisited", arXiv:1909.09148). 148 hippocampi, 15 epochs in 3D, mean Dice of
# both labels on 52 others: 0.887 varied to the end, 0.887, 0.889 and 0.889 with 15, 25 and 50 % unvaried.
_UNVARIED_END = 0.3


def augmentation(data: DataFacts, dims: int) -> tuple[Preset, str]:
    """Preset of augmentation."""
    if data.settings.augmentation != "auto":
        return data.settings.augmentation, "as set"
    if dims == 2:
        return "standard", "slices that are varied more take longer to learn"
    slices = sum(len(annotated_slices(e.annotated, data.axis)) for e in data.examples)
    if slices < _MANY_SLICES:
        return "strong", f"{slices} annotated slices are few: varied much, they teach more"
    return "standard", f"{slices} annotated slices differ enough to be varied a little"


def unaugmented_tail(settings: TrainSettings) -> tuple[float, str]:
    """Share of the training, at its end, in which images are not varied."""
    if settings.unaugmented_tail is not None:
        return settings.unaugmented_tail, "as set"
    if settings.augmentation == "none":
        return 0.0, "images are never varied but by what was set"
    if settings.annotated != "all":
        return 0.0, "what was painted is little, and varied to the end"
    return _UNVARIED_END, "the last steps learn from images like those that will be predicted"


def flip_axes(data: DataFacts, in_patch: list[int]) -> tuple[tuple[int, ...], str]:
    """Axes of the patch that are mirrored by chance; `in_patch` are the volume's axes."""
    flip = data.settings.flip
    if 2 not in in_patch and flip in ("auto", "left-right"):
        return (), "sagittal slices have no left and right"
    if flip != "auto":
        return chosen_flip_axes(flip, in_patch), "as set"
    if data.settings.augmentation == "none":
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
