"""Upsampling: a transposed convolution whose kernel is as large as its stride, as one matrix product.

Each voxel becomes a block of its own, and no block meets another. Backends take no notice of that and
compute the gradient of a strided convolution. XLA, which compiles for JAX, has no fast kernel for what
learning needs of that in three dimensions (github.com/openxla/xla, issue 34273): as a product a step is
several times as fast there, and no faster on TensorFlow (M25 in `docs/decisions.md`).
"""

from __future__ import annotations

from typing import Any

import keras
from keras import ops


class Conv2DTranspose(keras.layers.Conv2DTranspose):  # type: ignore[misc]
    """Keras's layer, where `kernel_size` equals `strides`.

    The class has Keras's name, since files of weights name layers after their class.
    """

    def call(self, inputs: Any) -> Any:
        """From (batch, *size, channels) to (batch, *size times strides, filters)."""
        if keras.backend.backend() != "jax":
            return super().call(inputs)
        return in_blocks(inputs, self.kernel, self.bias)


class Conv3DTranspose(keras.layers.Conv3DTranspose):  # type: ignore[misc]
    """As `Conv2DTranspose`, of volumes."""

    def call(self, inputs: Any) -> Any:
        """From (batch, *size, channels) to (batch, *size times strides, filters)."""
        if keras.backend.backend() != "jax":
            return super().call(inputs)
        return in_blocks(inputs, self.kernel, self.bias)


def in_blocks(inputs: Any, kernel: Any, bias: Any) -> Any:
    """Make a block of each voxel.

    Parameters
    ----------
    inputs : (batch, *size, channels) tensor
    kernel : (*block, filters, channels) tensor
    bias : (filters,) tensor

    Returns
    -------
    (batch, *size times block, filters) tensor
    """
    *block, filters, channels = kernel.shape
    size, dims = ops.shape(inputs)[1:-1], len(block)
    by_channel = ops.reshape(ops.moveaxis(ops.convert_to_tensor(kernel), -1, 0), (channels, -1))
    blocks = ops.reshape(ops.matmul(inputs, by_channel), (-1, *size, *block, filters))
    # After each axis of the volume that of the block: in 3D 1 and 4, 2 and 5, 3 and 6.
    pairs = [axis for first in range(1, 1 + dims) for axis in (first, first + dims)]
    blocks = ops.transpose(blocks, (0, *pairs, 1 + 2 * dims))
    larger = [voxels * times for voxels, times in zip(size, block, strict=True)]
    return ops.reshape(blocks, (-1, *larger, filters)) + bias
