"""How many networks, filters and patches in a step the minutes allow."""

from __future__ import annotations

import numpy as np

from napari_medunet.engine.errors import MedunetError
from napari_medunet.engine.hardware import devices
from napari_medunet.engine.plan import Plan
from napari_medunet.engine.planning.compute_budget import expected_steps, rounded
from napari_medunet.engine.planning.rules.facts import MANY_LABELS, DataFacts
from napari_medunet.engine.planning.rules.reasons import AS_SET, Reasons
from napari_medunet.engine.settings import TrainSettings

_FILTERS: dict[int, int] = {2: 32, 3: 16}  # 32 in 3D learn less in the same minutes, M5
_FEWEST_STEPS: dict[int, int] = {2: 200, 3: 600}  # with fewer, 8 filters learn more than 16, M6
_CHANNELS_AT_ONCE = 16  # of kernels of half precision: 8 filters take longer than 16, M7
_SMALL_BATCH = 4  # patches: batches are not made smaller than that for the sake of more steps
# Voxels per step about constant: memory and a step's time stay in hand, and steps count more than what
# each of them sees. M8
_STEP_VOXELS: dict[int, int] = {2: 2**18, 3: 2**16}
_BATCH = (2, 16)  # fewest: a step of one patch is too noisy; most: small images need many steps
# What was painted is learned by then, in steps of two blocks of the widest network; more of them only learn
# it by heart. M9
_STEPS_OF_A_NETWORK = 1500
# Where all is annotated a network has not learned it before it has seen as many voxels as so many volumes
# hold, also counted for the widest. M10
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
    """Networks that share the minutes.

    One. Up to `_MOST_NETWORKS` share the minutes in 3D, where into the share of each fit
    `_STEPS_OF_A_NETWORK` steps of the widest network (not all is annotated, M9), or as many as see the
    voxels of `_VOLUMES_OF_A_NETWORK` volumes (all is annotated, fewer than `MANY_LABELS` labels, M10). What
    is learned by then is learned: the mean of several is better than one for longer. Predicting takes as
    many times as long.
    """
    chosen, folds = data.settings.network, data.settings.hold_out.folds
    if folds:
        if (chosen.networks or 1) > 1:
            raise MedunetError(
                f"Each fold has one network, and {chosen.networks} were asked for: leave networks out, "
                "or train without folds."
            )
        return 1, "of each fold"
    if chosen.networks:
        return chosen.networks, AS_SET
    if data.settings.budget.epochs or plan.spatial_dims == 2:
        return 1, "more are for minutes, and for blocks"
    return networks_by_effort(plan, data, expected_steps(of_the_widest(plan, chosen.filters)))


def of_the_widest(plan: Plan, filters: int | None) -> Plan:
    """The plan by which the steps of a network are counted: of the widest one, if none were set."""
    return plan.changed(filters=filters or _FILTERS[3], batch=_BATCH[0])


def networks_by_effort(plan: Plan, data: DataFacts, steps: float) -> tuple[int, str]:
    """As many as so many steps, of two blocks, are enough for.

    Parameters
    ----------
    plan : Plan
        Of 3D blocks.
    data : DataFacts
    steps : float
        That fit into the minutes of all networks.
    """
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
    """Patches in a step, of a plan that is decided but for them and the filters.

    About `_STEP_VOXELS[2]` voxels a step in 2D and `_STEP_VOXELS[3]` in 3D (M8), `_BATCH[0]` to `_BATCH[1]`
    patches. Smaller, but not below `_SMALL_BATCH`, while fewer than `_FEWEST_STEPS[2]` steps fit into the
    minutes in 2D, or `_FEWEST_STEPS[3]` in 3D: many small steps teach more than few large ones.
    """
    if settings.schedule.batch:
        return settings.schedule.batch, AS_SET
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
    """Filters of the first level of a plan that is decided but for them.

    `_FILTERS[2]` on the first level in 2D and `_FILTERS[3]` in 3D, doubled on each level: more are slower
    than they learn in minutes (M5). Half as many where, in spite of smaller batches, fewer than
    `_FEWEST_STEPS[2]` steps fit in 2D, or `_FEWEST_STEPS[3]` in 3D (M6); in half precision not fewer than
    `_CHANNELS_AT_ONCE`, since they would be slower (M7).
    """
    if settings.network.filters:
        return settings.network.filters, AS_SET
    most, fewest_steps = _FILTERS[plan.spatial_dims], _FEWEST_STEPS[plan.spatial_dims]
    steps = expected_steps(plan.changed(filters=most))
    if steps < fewest_steps:
        few, half = f"with {most} there are about {rounded(steps)} steps, which are few", most // 2
        if half % _CHANNELS_AT_ONCE and devices.expects_half_precision():
            return most, f"{few}; but {half} filters are slower in half precision"
        return half, few
    return most, "on the first level: more are slower than they learn in minutes"
