"""The average of a network's weights over its last steps."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_AVERAGING = 0.99  # momentum of the weights' moving average, at most
_SPAN = 50.0  # so that it is over the last fiftieth of the steps, M20


class WeightAverage:
    """Exponential moving average of a network's weights (Polyak & Juditsky 1992, in spirit).

    The momentum rises with the number of steps, so that a short training is not held back by its
    first, random weights.

    Parameters
    ----------
    network : keras.Model
        Statistics of its normalisation are averaged with its weights.
    """

    def __init__(self, network: Any) -> None:
        self._weights = network.weights
        self.variables = [_copied(weight) for weight in self._weights]

    def restart(self) -> None:
        """Begin anew with the network's weights as they are."""
        from keras import ops

        for average, weight in zip(self.variables, self._weights, strict=True):
            average.assign(ops.copy(weight.value))

    def update(self, steps: Any) -> None:
        """Take the weights after so many steps into the average; part of a compiled step."""
        import keras
        from keras import ops

        steps = ops.cast(steps, "float32")
        share = 1 - ops.minimum(_AVERAGING, (1 + steps) / (_SPAN + steps))  # of the new weights
        if keras.backend.backend() == "torch":  # three operations in place of three for each
            import torch

            averages = [average.value for average in self.variables]
            changes = torch._foreach_sub([weight.value for weight in self._weights], averages)
            torch._foreach_mul_(changes, share)
            torch._foreach_add_(averages, changes)
        else:
            for average, weight in zip(self.variables, self._weights, strict=True):
                average.assign(average.value + (weight.value - average.value) * share)

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """Context in which the network has the averaged weights."""
        from keras import ops

        # Copies, since JAX gives the arrays of a step away.
        before = [ops.copy(weight.value) for weight in self._weights]
        for weight, average in zip(self._weights, self.variables, strict=True):
            weight.assign(ops.copy(average.value))
        try:
            yield
        finally:
            for weight, value in zip(self._weights, before, strict=True):
                weight.assign(value)


def _copied(weight: Any) -> Any:
    import keras
    from keras import ops

    return keras.Variable(ops.copy(weight.value), trainable=False, dtype=weight.dtype)
