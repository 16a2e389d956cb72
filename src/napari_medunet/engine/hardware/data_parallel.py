"""Several devices of one machine that train together: each batch is divided among them.

Every device holds the whole network, and the sums over a batch, in the loss and in the normalisation, are
over all devices: the weights are those that one device would find with the same batches.

JAX does it through `keras.distribution`, TensorFlow through its `MirroredStrategy`. torch would need a
process for each device, so it trains on one.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np

from napari_medunet.engine.hardware import devices


def _as_it_is(array: Any) -> Any:
    return array


@dataclass(frozen=True)
class DeviceGroup:
    """Devices that train as one; without arguments, one device.

    Attributes
    ----------
    count : int
        Of devices. A batch's size must be a multiple of it.
    scope : callable
        Gives the context in which the variables are made that all devices are to have.
    share : callable
        From an array to a tensor of the backend, its first axis shared out among the devices.
    """

    count: int = 1
    scope: Callable[[], AbstractContextManager[Any]] = nullcontext
    share: Callable[[Any], Any] = _as_it_is


def all_devices() -> DeviceGroup:
    """The devices that train together; see `devices_that_train`. Imports the backend."""
    found = devices.devices_that_train()
    if len(found) == 1:
        return DeviceGroup()
    return _mirrored(found) if devices.backend_name() == "tensorflow" else _on_mesh(found)


def sum_over_devices(sums: list[Any]) -> list[Any]:
    """Add up, inside a step, what each device has summed over its part of a batch.

    JAX does so by itself: it compiles a step for the batch as a whole.
    """
    if not is_mirrored():
        return sums
    import tensorflow as tf

    context = tf.distribute.get_replica_context()
    return sums if context is None else list(context.all_reduce("SUM", sums))


def is_mirrored() -> bool:
    """Whether devices run a step each for themselves, and must add up what concerns the whole batch."""
    if devices.backend_name() != "tensorflow":
        return False
    import tensorflow as tf

    return bool(tf.distribute.get_strategy().num_replicas_in_sync > 1)


def _mirrored(names: list[str]) -> DeviceGroup:
    """TensorFlow: each device runs the step on its part, and their gradients are added up."""
    import tensorflow as tf

    strategy = tf.distribute.MirroredStrategy(names)

    def share(array: Any) -> Any:
        parts = [tf.constant(part) for part in np.split(array, len(names))]
        return strategy.experimental_distribute_values_from_function(
            lambda context: parts[context.replica_id_in_sync_group]
        )

    return DeviceGroup(len(names), strategy.scope, share)


def _on_mesh(names: list[str]) -> DeviceGroup:
    """JAX: a step is compiled for all devices at once, from where its inputs lie."""
    from keras import distribution

    mesh = distribution.DataParallel(devices=names)

    def share(array: Any) -> Any:
        return distribution.distribute_tensor(array, mesh.get_data_layout(array.shape))

    return DeviceGroup(len(names), mesh.scope, share)
