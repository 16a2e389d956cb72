"""The optimizer: Muon for the kernels of convolutions, Adam for everything else.

Muon (Jordan et al. 2024, https://kellerjordan.github.io/posts/muon) makes the momentum of a matrix
orthogonal before it takes the step, so that no direction is learned much faster than the others. Its steps
are as long as Adam's usual ones (Liu et al. 2025, arXiv:2502.16982, section 2.2), so that one learning rate
serves both. Keras's own Muon knows matrices only and leaves kernels of convolutions to Adam.
"""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

MOMENTUM = 0.95
ADAM = (0.9, 0.999, 1e-7)  # momenta of mean and squares, and what keeps from dividing by 0
_ROOT_MEAN_SQUARE = 0.2  # of a step of Adam, in parts of the learning rate
# Of the polynomial a x + b x^3 + c x^5, which brings singular values from 0 to 1 near 1 (Jordan et al.).
POLYNOMIAL = (3.4445, -4.7750, 2.0315)
ITERATIONS = 5


class Muon(keras.optimizers.Optimizer):  # type: ignore[misc]
    """Muon for all kernels but that of the logits; Adam (Kingma & Ba 2015) for the rest.

    Parameters
    ----------
    learning_rate : float
    """

    def __init__(self, learning_rate: float) -> None:
        super().__init__(learning_rate, name="muon")

    def build(self, variables: list[Any]) -> None:
        """Make what is remembered beside each variable; the name of the parameter is Keras's."""
        if self.built:
            return
        super().build(variables)
        self._means = [self.add_variable_from_reference(v, "mean") for v in variables]
        self._squares = [
            None if _is_kernel(v) else self.add_variable_from_reference(v, "square")
            for v in variables
        ]

    def _backend_update_step(
        self, grads: list[Any], trainable_variables: list[Any], learning_rate: Any
    ) -> None:
        """Change all variables: with torch many at a time, as Keras's own optimizers do."""
        if keras.backend.backend() != "torch":
            super()._backend_update_step(grads, trainable_variables, learning_rate)
            return
        import torch

        from napari_medunet.engine import muon_torch

        kernels, others = [], []
        for gradient, variable in zip(grads, trainable_variables, strict=True):
            index = self._get_variable_index(variable)
            mean, square = self._means[index], self._squares[index]
            if square is None:
                kernels.append((variable.value, gradient, mean.value))
            else:
                others.append((variable.value, gradient, mean.value, square.value))
        with torch.no_grad():
            if kernels:
                muon_torch.change_kernels(kernels, learning_rate.value)
            if others:
                count = self.iterations.value + 1
                muon_torch.change_others(others, learning_rate.value, count)

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """Change one variable; the names of the parameters are Keras's."""
        index = self._get_variable_index(variable)
        rate = ops.cast(learning_rate, gradient.dtype)
        mean, square = self._means[index], self._squares[index]
        if square is None:
            self.assign(mean, mean * MOMENTUM + gradient)
            step = _orthogonal(gradient + mean * MOMENTUM)  # looking ahead, as Nesterov does
        else:
            first, second, small = ADAM
            count = ops.cast(self.iterations + 1, gradient.dtype)
            self.assign(mean, mean * first + gradient * (1 - first))
            self.assign(square, square * second + ops.square(gradient) * (1 - second))
            unbiased = ops.sqrt(1 - second**count) / (1 - first**count)
            step = unbiased * mean / (ops.sqrt(square) + small)
        self.assign_sub(variable, rate * step)


def length(rows: int) -> float:
    """By how much an orthogonal matrix of so many rows is lengthened to be a step as long as Adam's."""
    # Its root mean square is 1 over the root of its rows.
    return float(_ROOT_MEAN_SQUARE * rows**0.5)


def _is_kernel(variable: Any) -> bool:
    return len(variable.shape) > 2 and "logits" not in variable.path


def _orthogonal(kernel: Any) -> Any:
    """A kernel of the same directions, but with singular values about equal, as large as a step is to be.

    As a matrix it has a column for each output, or input where it is transposed. Newton's and Schulz's
    iteration is of the small matrix of the columns' products, which has all that it needs to know: two
    products with the kernel itself are left, where the usual form has three in each of its rounds.
    """
    matrix = ops.reshape(kernel, (-1, kernel.shape[-1]))
    wide = matrix.shape[0] < matrix.shape[1]
    if wide:
        matrix = ops.transpose(matrix)
    matrix = matrix / (ops.norm(matrix) + 1e-7)
    products = ops.matmul(ops.transpose(matrix), matrix)
    identity = ops.eye(products.shape[0], dtype=products.dtype)
    a, b, c = POLYNOMIAL
    whole = identity
    for _ in range(ITERATIONS):
        factor = a * identity + b * products + c * ops.matmul(products, products)
        whole = ops.matmul(whole, factor)
        products = ops.matmul(ops.matmul(factor, products), factor)
    matrix = ops.matmul(matrix, whole)
    step = ops.transpose(matrix) if wide else matrix
    return ops.reshape(step, kernel.shape) * length(matrix.shape[0])
