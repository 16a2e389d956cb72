"""How many networks, filters and patches in a step the minutes allow."""

from __future__ import annotations

import numpy as np

from napari_medunet.engine.errors import MedunetError
from napari_medunet.engine.hardware import devices
from napari_medunet.engine.plan import Plan
from napari_medunet.engine.planning.compute_budget import expected_steps, rounded
from napari_medunet.engine.planning.rules.facts import MANY_LABELS, DataFacts
from napari_medunet.engine.planning.rules.reasons import Reasons
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


def decide_network(plan: Plan, data: DataFacts, reasons: Reasons) -> Plan:
    """Decide networks, batch and filters, in this order, of a plan that is decided but for them."""
    plan = plan.changed(networks=reasons.decided("network.networks", networks(plan, data)))
    plan = plan.changed(batch=reasons.decided("schedule.batch", batch(plan, data.settings)))
    return plan.changed(filters=reasons.decided("network.filters", filters(plan, data.settings)))


def widest(spatial_dims: int) -> int:
    """Filters of the first level that are taken where nothing speaks for fewer."""
    return _FILTERS[spatial_dims]


def networks(plan: Plan, data: DataFacts) -> tuple[int, str]:
    """Networks that share the minutes."""
    chosen, folds = data.settings.network, data.settings.hold_out.folds
    if folds:
        if (chosen.networks or 1) > 1:
            raise MedunetError(
                f"Each fold has one network, and {chosen.networks} were asked for: leave networks out, "
                "or train without folds."
            )
        return 1, "of each fold"
    if chosen.networks:
        return chosen.networks, "as set"
    if data.settings.budget.epochs or plan.spatial_dims == 2:
        return 1, "more are for minutes, and for blocks"
    steps = expected_steps(plan.changed(filters=chosen.filters or _FILTERS[3], batch=_BATCH[0]))
    if data.partly_annotated:
        soon, fitting = "what was painted is soon learned", steps / _STEPS_OF_A_NETWORK
    elif data.labels >= MANY_LABELS:
        return 1, f"{data.labels} labels take all minutes to learn"
    else:
        volumes = steps * _BATCH[0] * np.prod(plan.grid.patch) / np.prod(data.sizes)
        soon, fitting = "a part of the minutes is enough", volumes / _VOLUMES_OF_A_NETWORK
    count = int(np.clip(fitting, 1, _MOST_NETWORKS))
    if count == 1:
        return 1, "the minutes are what one needs"
    return count, f"{soon}: the mean of several is better than one for longer"


def batch(plan: Plan, settings: TrainSettings) -> tuple[int, str]:
    """Patches in a step, of a plan that is decided but for them and the filters."""
    if settings.schedule.batch:
        return settings.schedule.batch, "as set"
    fewest, most = _BATCH
    dims = plan.spatial_dims
    voxels = _STEP_VOXELS[dims]
    batch = usual = int(np.clip(voxels // int(np.prod(plan.grid.patch)), fewest, most))

    def steps(batch: int) -> float:
        filters = settings.network.filters or _FILTERS[dims]
        return expected_steps(plan.changed(filters=filters, batch=batch))

    while batch > _SMALL_BATCH and steps(batch) < _FEWEST_STEPS[dims]:
        batch = max(_SMALL_BATCH, batch // 2)
    if batch < usual:
        return batch, f"with {usual} there are about {rounded(steps(usual))} steps, which are few"
    return batch, f"about {voxels} voxels a step, {fewest} to {most} patches"


def filters(plan: Plan, settings: TrainSettings) -> tuple[int, str]:
    """Filters of the first level of a plan that is decided but for them."""
    if settings.network.filters:
        return settings.network.filters, "as set"
    most, fewest_steps = _FILTERS[plan.spatial_dims], _FEWEST_STEPS[plan.spatial_dims]
    steps = expected_steps(plan.changed(filters=most))
    if steps < fewest_steps:
        few, half = f"with {most} there are about {rounded(steps)} steps, which are few", most // 2
        if half % _CHANNELS_AT_ONCE and devices.expects_half_precision():
            return most, f"{few}; but {half} filters are slower in half precision"
        return half, few
    return most, "on the first level: more are slower than they learn in minutes"
