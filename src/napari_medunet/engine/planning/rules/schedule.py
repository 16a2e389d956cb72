"""How many networks, patches in a step and filters the minutes allow, and how fast they learn."""

from __future__ import annotations

import numpy as np

from napari_medunet.engine.errors import MedunetError
from napari_medunet.engine.hardware import devices
from napari_medunet.engine.plan import Plan
from napari_medunet.engine.planning.compute_budget import expected_steps, rounded
from napari_medunet.engine.planning.rules.facts import MANY_LABELS, DataFacts
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


def networks(plan: Plan, data: DataFacts) -> tuple[int, str]:
    """Networks that share the minutes, of a plan that is decided but for them, batch and filters."""
    settings = data.settings
    if settings.folds:
        if (settings.networks or 1) > 1:
            raise MedunetError(
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
    elif data.labels >= MANY_LABELS:
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
