"""The optimizer: Muon for the kernels of convolutions, Adam for everything else.

Muon (Jordan et al. 2024, https://kellerjordan.github.io/posts/muon) makes the momentum of a matrix
orthogonal before it takes the step, so that no direction is learned much faster than the others. Its steps
are as long as Adam's usual ones (Liu et al. 2025, arXiv:2502.16982, section 2.2), so that one learning rate
serves both. Keras's own Muon knows matrices only and leaves kernels of convolutions to Adam.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import keras
import numpy as np
from keras import ops

from napari_medunet.engine.network.newton_schulz import ITERATIONS, MOMENTUM, POLYNOMIAL, length

ADAM = (0.9, 0.999, 1e-7)  # momenta of mean and squares, and what keeps from dividing by 0


class Muon(keras.optimizers.Optimizer):  # type: ignore[misc]
    """Muon for all kernels but that of the logits; Adam (Kingma & Ba 2015) for the rest.

    Parameters
    ----------
    learning_rate : float
    """

    def __init__(self, learning_rate: float) -> None:
        super().__init__(learning_rate, name="muon")

    def build(self, variables: list[Any]) -> None:
        """Make the optimizer's own variables; the name of the parameter is Keras's."""
        if self.built:
            return
        super().build(variables)
        kernels, others = _apart(variables)
        self._momenta = [self.add_variable_from_reference(kernel, "momentum") for kernel in kernels]
        # The others are small and many: changed as one they are a tenth of the operations.
        size = sum(int(np.prod(variable.shape)) for variable in others)
        self._mean, self._square = (
            self.add_variable((size,), name=name, initializer="zeros")
            for name in ("mean", "square")
        )

    def _backend_update_step(
        self, grads: list[Any], trainable_variables: list[Any], learning_rate: Any
    ) -> None:
        """Change all variables."""
        if keras.backend.backend() == "tensorflow":  # adds up the gradients of all devices first
            super()._backend_update_step(grads, trainable_variables, learning_rate)
        else:
            self._change(grads, ops.convert_to_tensor(learning_rate))

    def _distributed_tf_update_step(
        self, distribution: Any, grads_and_vars: list[tuple[Any, Any]], learning_rate: Any
    ) -> None:
        """Change all variables on each device at once, where Keras does so one by one."""
        gradients = [gradient for gradient, _ in grads_and_vars]
        distribution.extended.update(
            grads_and_vars[0][1],
            lambda _, gradients, rate: self._change(gradients, rate),
            args=(gradients, learning_rate),
            group=False,
        )

    def _change(self, gradients: list[Any], rate: Any) -> None:
        changed = list(zip(self._trainable_variables, gradients, strict=True))
        kernels, others = _apart(self._trainable_variables)
        if kernels:
            self._change_kernels(kernels, [g for v, g in changed if _is_kernel(v)], rate)
        if others:
            self._change_others(others, [g for v, g in changed if not _is_kernel(v)], rate)

    def _change_kernels(self, kernels: list[Any], gradients: list[Any], rate: Any) -> None:
        """Take Muon's step with each kernel."""
        if keras.backend.backend() == "torch":
            from napari_medunet.engine.network import muon_torch

            values, momenta = ([v.value for v in part] for part in (kernels, self._momenta))
            muon_torch.change_kernels(values, gradients, momenta, rate)
            return
        ahead = []
        for momentum, gradient in zip(self._momenta, gradients, strict=True):
            self.assign(momentum, momentum * MOMENTUM + gradient)
            ahead.append(gradient + momentum * MOMENTUM)  # looking ahead, as Nesterov does
        for kernel, step in zip(kernels, _orthogonal(ahead), strict=True):
            self.assign_sub(kernel, rate * step)

    def _change_others(self, others: list[Any], gradients: list[Any], rate: Any) -> None:
        """Take Adam's step with all other variables, as one."""
        first, second, small = ADAM
        gradient = ops.concatenate([ops.reshape(one, (-1,)) for one in gradients])
        mean = self._mean * first + gradient * (1 - first)
        square = self._square * second + ops.square(gradient) * (1 - second)
        self.assign(self._mean, mean)
        self.assign(self._square, square)
        count = ops.cast(self.iterations + 1, gradient.dtype)
        unbiased = rate * ops.sqrt(1 - second**count) / (1 - first**count)
        step = unbiased * mean / (ops.sqrt(square) + small)
        sizes = [int(np.prod(variable.shape)) for variable in others]
        _, *parts = ops.split(step, np.cumsum([0, *sizes[:-1]]).tolist())  # nothing lies before 0
        parts = [ops.reshape(p, v.shape) for p, v in zip(parts, others, strict=True)]
        if keras.backend.backend() == "torch":
            from napari_medunet.engine.network import muon_torch

            muon_torch.subtract([variable.value for variable in others], parts)
            return
        for variable, part in zip(others, parts, strict=True):
            self.assign_sub(variable, part)


def _apart(variables: list[Any]) -> tuple[list[Any], list[Any]]:
    """Kernels, and all other variables. Keras would take a list that is kept for the optimizer's own."""
    others = [variable for variable in variables if not _is_kernel(variable)]
    return [variable for variable in variables if _is_kernel(variable)], others


def _is_kernel(variable: Any) -> bool:
    return len(variable.shape) > 2 and "logits" not in variable.path


def _orthogonal(kernels: list[Any]) -> list[Any]:
    """Kernels of the same directions, but with singular values about equal, as large as a step is to be.

    As a matrix each has a column for each output, or input where it is transposed. Newton's and Schulz's
    iteration is of the small matrix of the columns' products, which has all that it needs to know: two
    products with the kernel itself are left, where the usual form has three in each of its rounds. Those
    of kernels with as many columns are iterated together.
    """
    matrices = [ops.reshape(kernel, (-1, kernel.shape[-1])) for kernel in kernels]
    tall = [m if m.shape[0] >= m.shape[1] else ops.transpose(m) for m in matrices]
    groups = defaultdict(list)
    for index, matrix in enumerate(tall):
        groups[matrix.shape[1]].append(index)
    steps = list(kernels)
    for indices in groups.values():
        products = ops.stack([ops.matmul(ops.transpose(tall[i]), tall[i]) for i in indices])
        for index, root in zip(indices, ops.unstack(_inverse_roots(products)), strict=True):
            step = ops.matmul(tall[index], root * length(tall[index].shape[0]))
            step = step if tall[index] is matrices[index] else ops.transpose(step)
            steps[index] = ops.reshape(step, kernels[index].shape)
    return steps


def _inverse_roots(products: Any) -> Any:
    """Factors that make matrices about orthogonal, from their columns' products, both (number, n, n)."""
    identity = ops.eye(products.shape[1], dtype=products.dtype)
    size = ops.sqrt(ops.sum(products * identity, axis=(1, 2), keepdims=True)) + 1e-7
    products = products / ops.square(size)
    a, b, c = POLYNOMIAL
    whole, linear = identity, a * identity
    for _ in range(ITERATIONS):
        factor = linear + b * products + c * ops.matmul(products, products)
        whole = ops.matmul(whole, factor)
        products = ops.matmul(ops.matmul(factor, products), factor)
    return whole / size
