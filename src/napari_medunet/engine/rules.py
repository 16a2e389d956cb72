"""Rules: one function for each decision of a plan, which returns its choice and why.

Their numbers stand at the top. What the user has set goes before every rule.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from napari_medunet.engine import devices
from napari_medunet.engine.annotation import AXES, annotated_across, annotated_slices
from napari_medunet.engine.effort import budget_tflop, expected_steps, rounded
from napari_medunet.engine.examples import Example
from napari_medunet.engine.mirroring import left_and_right
from napari_medunet.engine.plan import Plan, Preset
from napari_medunet.engine.settings import TrainSettings

# In 3D a first level of 32 takes five times as long a step as one of 16 (750 ms against 145 ms for two
# volumes of 40 x 56 x 40 on two cores), and learns less in the same minutes.
_FILTERS: dict[int, int] = {2: 32, 3: 16}
# With fewer steps, batches are made smaller, then filters are halved. Hippocampus in 3D, two minutes on two
# cores without bfloat16: Dice 0.877 and 0.869 with 8 filters (650 steps), 0.872 and 0.862 with 16 (280).
_FEWEST_STEPS: dict[int, int] = {2: 200, 3: 600}
# Kernels of half precision take so many channels at once: a step of two blocks of 32 x 48 x 32 on two cores
# with AMX took 115 ms with 16 filters, 236 ms with 8. Other processors and GPUs are taken to be alike.
_CHANNELS_AT_ONCE = 16
_SMALL_BATCH = 4  # patches: batches are not made smaller than that for the sake of more steps
_DEEPEST: dict[int, int] = {2: 5, 3: 4}
_PATCH_VOXELS: dict[int, int] = {2: 256**2, 3: 64**3}
_LONGEST_PATCH = 1024  # of a side, as in `Plan`: a strip of 60 x 1100 is shown in parts
# A block needs not hold the whole volume: with four fifths of each side twice as many are seen in the same
# minutes. Hippocampus, two minutes on two cores: Dice 0.898 and 0.881, whole volumes 0.890 and 0.876.
_BLOCK_SHARE = 0.8
# Voxels per step about constant: memory and a step's time stay in hand. Four blocks of hippocampus a
# step in place of two, and half as many steps, cost 0.002 of Dice; with fifteen slices to learn from
# steps count more.
_STEP_VOXELS: dict[int, int] = {2: 2**18, 3: 2**16}
_BATCH = (2, 16)  # fewest: a step of one patch is too noisy; most: small images need many steps
# It follows the budget from there. Two minutes on two cores without bfloat16: of a CT with 40 organs, 2.5D,
# Dice 0.65 with 0.006, 0.19 with 0.002; of five slices in each of three hippocampi, 2D, which are soon
# learned by heart, 0.71 and 0.74 with 0.006, 0.78 and 0.79 with 0.002.
_LEARNING_RATE: dict[int, float] = {2: 6e-3, 3: 3e-3}
_LEARNING_RATE_OF_PAINTED = 2e-3  # in 2D
_SMALLEST_LEVEL = 4  # voxels across: one level fewer cost 0.01 of Dice on slices of 50 x 35
# Voxels across that are halved once more. A slice is shown whole: what it is rounded up by is empty. A
# block is smaller than its volume, which has the room for what 6.5 is rounded up to.
_HALVED_FROM: dict[int, float] = {2: 8, 3: 6.5}
CONTEXT = 1  # slices on each side in 2.5D
_ANISOTROPIC = 3.0  # coarsest to finest spacing, from where blocks gain little (as in nnU-Net)
_THIN = 8  # slices: blocks need more
# Voxels of a volume, with this effort at most and in proportion with more: of a larger one a 3D network
# has not seen enough by then. One CT of 1.2 million voxels, 2 minutes on two cores with bfloat16: with 8
# organs Dice 0.93 in 2D and 0.57 in 3D; with 40 organs 0.90 in 2.5D, 0.86 in 2D and 0.09 in 3D.
_LARGEST_FOR_3D = 64**3
_TFLOP_FOR_LARGEST = 300.0  # as many as two cores with bfloat16, without AMX, do in ten minutes
# Fifteen slices of hippocampus, two minutes on two cores: Dice 0.81 and 0.79 in 3D with strong
# augmentation, 0.76 and 0.77 with standard; in 2D 0.76 and 0.72 with strong, 0.76 and 0.73 with standard.
_MANY_SLICES = 300
# At the end images are learned from as they are: those that will be predicted are not varied either (He et
# al. 2019, "Data augmentation revisited", arXiv:1909.09148). 148 hippocampi, 15 epochs in 3D, mean Dice of
# both labels on 52 others: 0.887 varied to the end, 0.887, 0.889 and 0.889 with 15, 25 and 50 % unvaried.
_UNVARIED_END = 0.3
# From so many labels on, some are told apart by their place alone. CT with 40 organs, 2 minutes in 3D: Dice
# 0.05 with left and right mirrored, 0.09 without.
_MANY_LABELS = 10
# With less a 3D network is not ahead of one of slices; of what was painted one in 2.5D learns more than one
# in 2D. Two minutes on two cores without bfloat16 (10 Tflop), three hippocampi, two draws. Five slices of
# each: Dice 0.800 and 0.805, 0.820 and 0.781 in 3D; 0.790 and 0.780, 0.799 and 0.740 in 2.5D. 25 strokes of
# each label, mean of both labels and draws: 0.63 in 3D, 0.54 in 2.5D, 0.50 in 2D.
_TFLOP_FOR_3D = 5.0
# What was painted is learned by then, in steps of two blocks of the widest network; more of them only learn
# it by heart. Fifteen slices of hippocampus, steps as planned. Two cores with AMX, two minutes, mean of
# three draws: Dice 0.826 and 0.795 with one network (1,400 steps), 0.804 and 0.793 with three (460 each);
# five minutes: 0.837 and 0.823 with three (1,140). Without bfloat16, ten minutes: 0.830 and 0.782 with one
# (1,800), 0.844 and 0.830 with two of 3.3 minutes (600).
_STEPS_OF_A_NETWORK = 700
# Where all is annotated a network has not learned it before it has seen as many voxels as so many volumes
# hold, also counted for the widest. The same volumes, all of 156, where that is 1,500 steps, in thirty
# minutes: Dice 0.894 and 0.878 with one network, 0.897 and 0.881 with three.
_VOLUMES_OF_A_NETWORK = 1800
_MOST_NETWORKS = 3  # to predict with each takes its time

Pools = tuple[tuple[Literal[1, 2], ...], ...]
Intensity = tuple[Literal["zscore", "ct"], tuple[float, float, float, float]]


@dataclass(frozen=True)
class Data:
    """What most rules look at.

    Attributes
    ----------
    spacing_mm : (z, y, x) floats
        Of the network's grid.
    sizes : (z, y, x) ints
        Voxels on that grid of three in four volumes, at most.
    axis : int
        Across the slices.
    labels : int
        Their number, without background.
    """

    examples: list[Example]
    settings: TrainSettings
    spacing_mm: tuple[float, float, float]
    sizes: tuple[int, int, int]
    axis: int
    labels: int

    @property
    def slices(self) -> int:
        """Slices of a volume."""
        return self.sizes[self.axis]

    @property
    def tflop(self) -> float:
        """What this machine computes in the minutes."""
        return budget_tflop(self.settings)

    @property
    def anisotropy(self) -> float:
        """Coarsest to finest spacing."""
        return max(self.spacing_mm) / min(self.spacing_mm)


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


def dims(data: Data) -> tuple[str, str]:
    """Slices, slices with neighbours, or blocks."""
    if data.settings.dims == "3d":
        thin = [e.name for e in data.examples if min(e.image.shape) < 4]
        if thin:
            raise ValueError(
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


def patch(data: Data, axes: list[int], dims: int) -> tuple[tuple[int, ...], str]:
    """Voxels of a patch along `axes`, before `rounded_up`."""
    if data.settings.patch:
        if len(data.settings.patch) != dims:
            raise ValueError(
                f"The patch {by(data.settings.patch)} has {len(data.settings.patch)} sizes; wanted {dims} "
                f"for a {dims}D network. Give as many, or leave it out."
            )
        return data.settings.patch, "as set"
    sizes = [min(data.sizes[axis], _LONGEST_PATCH) for axis in axes]
    if dims == 3:
        sizes = [max(_SMALLEST_LEVEL, round(_BLOCK_SHARE * size)) for size in sizes]
    if np.prod(sizes) <= _PATCH_VOXELS[dims]:
        if max(data.sizes[axis] for axis in axes) > _LONGEST_PATCH:
            return tuple(
                sizes
            ), f"a side is {_LONGEST_PATCH} voxels at most: a part is seen at a time"
        part = (
            "three in four images" if dims == 2 else f"{_BLOCK_SHARE:.0%} of three in four volumes"
        )
        return tuple(sizes), f"{part} fit whole"
    while np.prod(sizes) > _PATCH_VOXELS[dims]:
        extents = [size * data.spacing_mm[axis] for size, axis in zip(sizes, axes, strict=True)]
        longest = int(np.argmax(extents))
        sizes[longest] = max(1, min(sizes[longest] - 1, int(sizes[longest] * 0.97)))
    return tuple(
        sizes
    ), f"about as long in mm on each side, of at most {_PATCH_VOXELS[dims]} voxels"


def pools(
    patch: tuple[int, ...], spacing_mm: list[float], dims: int, settings: TrainSettings
) -> tuple[Pools, str]:
    """Halve what is fine enough and large enough, level by level (as nnU-Net does)."""
    sizes, spacing = np.asarray(patch, float), np.asarray(spacing_mm)
    deepest = settings.depth or _DEEPEST[dims]
    pools: list[tuple[Literal[1, 2], ...]] = []
    while len(pools) < deepest - 1:
        large = sizes >= _HALVED_FROM[dims]
        if not large.any():
            if len(pools) and not settings.depth:
                break
            # So many levels were asked for, or two are the fewest. The first axis never gets 2 voxels.
            large = np.array([dims == 2 or sizes[0] > _SMALLEST_LEVEL, *[True] * (dims - 1)])
        fine = spacing < 2 * spacing[large].min()
        factors = np.where(large & fine, 2, 1)
        pools.append(tuple(2 if factor == 2 else 1 for factor in factors))
        sizes, spacing = sizes / factors, spacing * factors
    if settings.depth:
        return tuple(pools), "as set"
    why = f"until the deepest sees the patch as about {_SMALLEST_LEVEL} voxels, {deepest} at most"
    if any(1 in factors for factors in pools):
        why += "; a coarse or short axis is halved less often"
    return tuple(pools), why


def rounded_up(patch: tuple[int, ...], pools: Pools) -> tuple[int, ...]:
    """A patch that each level divides."""
    steps = [int(np.prod(factors)) for factors in zip(*pools, strict=True)]
    return tuple(-(-size // step) * step for size, step in zip(patch, steps, strict=True))


def networks(plan: Plan, data: Data) -> tuple[int, str]:
    """Networks that share the minutes, of a plan that is decided but for them, batch and filters."""
    settings = data.settings
    if settings.folds:
        if (settings.networks or 1) > 1:
            raise ValueError(
                f"Each fold has one network, and {settings.networks} were asked for: leave networks out, "
                "or train without folds."
            )
        return 1, "of each fold"
    if settings.networks:
        return settings.networks, "as set"
    if settings.epochs or plan.dims == 2:
        return 1, "more are for minutes, and for blocks"
    widest = plan.model_copy(update={"filters": settings.filters or _FILTERS[3], "batch": 2})
    steps = expected_steps(widest, settings)
    if settings.annotated != "all":
        soon, fitting = "what was painted is soon learned", steps / _STEPS_OF_A_NETWORK
    elif data.labels >= _MANY_LABELS:
        return 1, f"{data.labels} labels take all minutes to learn"
    else:
        volumes = steps * widest.batch * np.prod(plan.patch) / np.prod(data.sizes)
        soon, fitting = "a part of the minutes is enough", volumes / _VOLUMES_OF_A_NETWORK
    count = int(np.clip(fitting, 1, _MOST_NETWORKS))
    if count == 1:
        return 1, "the minutes are what one needs"
    return count, f"{soon}: the mean of several is better than one for longer"


def batch(plan: Plan, settings: TrainSettings) -> tuple[int, str]:
    """Patches in a step, of a plan that is decided but for them and the filters."""
    if settings.batch:
        return settings.batch, "as set"
    fewest, most = _BATCH
    voxels = _STEP_VOXELS[plan.dims]
    batch = usual = int(np.clip(voxels // int(np.prod(plan.patch)), fewest, most))

    def steps(batch: int) -> float:
        widest = {"filters": settings.filters or _FILTERS[plan.dims], "batch": batch}
        return expected_steps(plan.model_copy(update=widest), settings)

    while batch > _SMALL_BATCH and steps(batch) < _FEWEST_STEPS[plan.dims]:
        batch = max(_SMALL_BATCH, batch // 2)
    if batch < usual:
        return batch, f"with {usual} there are about {rounded(steps(usual))} steps, which are few"
    return batch, f"about {voxels} voxels a step, {fewest} to {most} patches"


def filters(plan: Plan, settings: TrainSettings) -> tuple[int, str]:
    """Filters of the first level of a plan that is decided but for them."""
    if settings.filters:
        return settings.filters, "as set"
    most = _FILTERS[plan.dims]
    steps = expected_steps(plan.model_copy(update={"filters": most}), settings)
    if steps < _FEWEST_STEPS[plan.dims]:
        few, half = f"with {most} there are about {rounded(steps)} steps, which are few", most // 2
        if half % _CHANNELS_AT_ONCE and devices.expects_half_precision():
            return most, f"{few}; but {half} filters are slower in half precision"
        return half, few
    return most, "on the first level: more are slower than they learn in minutes"


def learning_rate(dims: int, settings: TrainSettings) -> tuple[float, str]:
    """The highest of the training."""
    if settings.learning_rate:
        return settings.learning_rate, "as set"
    length = f"{settings.epochs} epochs" if settings.epochs else f"{settings.minutes:g} minutes"
    falls = f"falls to a hundredth over as many steps as fit into {length}"
    if dims == 2 and settings.annotated != "all":
        return (
            _LEARNING_RATE_OF_PAINTED,
            f"at its highest, since what was painted is little; {falls}",
        )
    return _LEARNING_RATE[dims], f"at its highest; {falls}"


def augmentation(data: Data, dims: int) -> tuple[Preset, str]:
    """Preset of augmentation."""
    if data.settings.augmentation != "auto":
        return data.settings.augmentation, "as set"
    if dims == 2:
        return "standard", "slices that are varied more take longer to learn"
    slices = sum(len(annotated_slices(e.annotated, data.axis)) for e in data.examples)
    if slices < _MANY_SLICES:
        return "strong", f"{slices} annotated slices are few: varied much, they teach more"
    return "standard", f"{slices} annotated slices differ enough to be varied a little"


def unvaried_end(settings: TrainSettings) -> tuple[float, str]:
    """Share of the training, at its end, in which images are not varied."""
    if settings.unvaried_end is not None:
        return settings.unvaried_end, "as set"
    if settings.augmentation == "none":
        return 0.0, "images are never varied but by what was set"
    if settings.annotated != "all":
        return 0.0, "what was painted is little, and varied to the end"
    return _UNVARIED_END, "the last steps learn from images like those that will be predicted"


def flip_axes(data: Data, in_patch: list[int]) -> tuple[tuple[int, ...], str]:
    """Axes of the patch that are mirrored by chance; `in_patch` are the volume's axes."""
    flip = data.settings.flip
    if 2 not in in_patch and flip in ("auto", "left-right"):
        return (), "sagittal slices have no left and right"
    if flip != "auto":
        return chosen_flip_axes(flip, in_patch), "as set"
    if data.settings.augmentation == "none":
        return (), "images are never varied but by what was set"
    left_right = chosen_flip_axes("left-right", in_patch)
    if why := why_sides_matter(data.examples, data.labels):
        return (), why
    return left_right, "no labels that look like left and right of a pair"


def why_sides_matter(examples: list[Example], labels: int) -> str:
    """Why left and right must not be exchanged; empty where nothing says so."""
    if labels >= _MANY_LABELS:
        return f"{labels} labels are told apart by where they lie, too"
    if pairs := left_and_right(examples):
        return "labels {} and {} look like left and right of a pair".format(*pairs[0])
    return ""


def chosen_flip_axes(flip: str, in_patch: list[int]) -> tuple[int, ...]:
    """Axes of the patch that a setting other than "auto" mirrors."""
    mirrored = {"none": (), "left-right": (2,), "all": (0, 1, 2)}[flip]
    return tuple(index for index, axis in enumerate(in_patch) if axis in mirrored)


def intensity(examples: list[Example], settings: TrainSettings) -> tuple[Intensity, str]:
    """Normalisation, and the window of intensities that CT is clipped to."""
    whole: Intensity = ("zscore", (0.0, 1.0, 0.0, 1.0))
    if settings.intensity == "zscore":
        return whole, "as set"
    if settings.intensity == "auto" and not _looks_like_ct(examples):
        return whole, "each image by its own mean and deviation: its units are its own"
    inside = np.concatenate([_labelled_intensities(e) for e in examples])
    low, high = np.percentile(inside, (0.5, 99.5))
    clipped = np.clip(inside, low, high)
    window = (float(low), float(high), float(clipped.mean()), float(max(clipped.std(), 1e-3)))
    found = "as set" if settings.intensity == "ct" else "air lies far below 0, as in CT"
    return ("ct", window), f"{found}: clipped to {low:.0f} ... {high:.0f}, 99 % of what is labelled"


def _looks_like_ct(examples: list[Example]) -> bool:
    """CT has absolute units, and air at -1000 HU; nothing else goes so far below 0."""
    samples = [e.image.voxels.ravel()[:: max(1, e.image.voxels.size // 10_000)] for e in examples]
    grey = not examples[0].image.leading_axes
    return bool(grey and np.percentile(np.concatenate(samples), 1) < -200)


def _labelled_intensities(example: Example) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    values = example.image.voxels[..., example.labels > 0].ravel().astype(np.float64)
    return values[:: max(1, values.size // 10_000)]


def by(sizes: Any) -> str:
    """Sizes in words: 64 x 64."""
    return " x ".join(str(size) for size in sizes)
