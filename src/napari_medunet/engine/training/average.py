"""The average of a network's weights over its last steps."""

from __future__ import annotations

from contextlib import closing
from typing import Any

_AVERAGING = 0.99  # momentum of the weights' moving average


class WeightAverage:
    """Exponential moving average of a network's weights (Polyak & Juditsky 1992, in spirit).

    The momentum rises with the number of steps, so that a short training is not held back by its
    first, random weights.
    """

    def __init__(self, network: Any) -> None:
        from keras import ops

        self._ops = ops
        self._weights = network.weights
        self._average = [ops.copy(weight.value) for weight in self._weights]
        self._steps = 0

    def update(self) -> None:
        """Take the weights of one more step into the average."""
        self._steps += 1
        momentum = min(_AVERAGING, (1 + self._steps) / (10 + self._steps))
        self._average = [
            average + (weight.value - average) * (1 - momentum)
            for average, weight in zip(self._average, self._weights, strict=True)
        ]

    def in_place(self) -> Any:
        """Context in which the network has the averaged weights."""
        return closing(_Swapped(self._weights, self._average, self._ops))


class _Swapped:
    def __init__(self, weights: Any, values: Any, ops: Any) -> None:
        self._weights = weights
        self._before = [ops.copy(weight.value) for weight in weights]
        for weight, value in zip(weights, values, strict=True):
            weight.assign(ops.copy(value))  # JAX gives a step's arrays away: the average stays ours

    def close(self) -> None:
        for weight, value in zip(self._weights, self._before, strict=True):
            weight.assign(value)
