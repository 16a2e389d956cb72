"""Batch normalisation (Ioffe & Szegedy 2015, arXiv:1502.03167) in one kernel where the backend has one.

Keras computes it of several operations, in float32 whatever comes in, which takes much of a training step
on a CPU (M28 in `docs/decisions.md`).
"""

from __future__ import annotations

from typing import Any

import keras


class BatchNormalization(keras.layers.BatchNormalization):  # type: ignore[misc]
    """Keras's layer, with its weights and their names, computed by the kernel of TensorFlow or torch.

    The class has Keras's name, since files of weights name layers after their class.
    """

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        """Normalise the last axis of (batch, *size, channels); the parameters are Keras's."""
        normalise = {"tensorflow": self._with_tensorflow, "torch": self._with_torch}.get(
            keras.backend.backend()
        )
        # The kernel sees one device's part of a batch.
        if normalise is None or self.synchronized or mask is not None:
            return super().call(inputs, training=training, mask=mask)
        return normalise(inputs, bool(training and self.trainable))

    def _with_tensorflow(self, inputs: Any, training: bool) -> Any:
        import tensorflow as tf

        normalise = tf.compat.v1.nn.fused_batch_norm
        gamma, beta = self.gamma.value, self.beta.value
        # All that is not the channel is one long axis: the kernel knows images, not volumes.
        flat = tf.reshape(inputs, (1, 1, -1, inputs.shape[-1]))
        if training:
            outputs, mean, variance = normalise(flat, gamma, beta, epsilon=self.epsilon)
            self._follow(self.moving_mean, mean)
            self._follow(self.moving_variance, variance)
        else:
            known = {"mean": self.moving_mean.value, "variance": self.moving_variance.value}
            outputs, _, _ = normalise(
                flat, gamma, beta, epsilon=self.epsilon, is_training=False, **known
            )
        return tf.reshape(outputs, tf.shape(inputs))

    def _follow(self, moving: Any, value: Any) -> None:
        moving.assign(moving * self.momentum + value * (1 - self.momentum))

    def _with_torch(self, inputs: Any, training: bool) -> Any:
        from torch.nn.functional import batch_norm

        known = (
            self.moving_mean.value,
            self.moving_variance.value,
            self.gamma.value,
            self.beta.value,
        )
        outputs = batch_norm(
            inputs.movedim(-1, 1), *known, training, 1 - self.momentum, self.epsilon
        )
        return outputs.movedim(1, -1)
