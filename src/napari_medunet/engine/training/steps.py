"""One batch through the network, to learn from it or to measure: the same arithmetic on each backend.

A step is compiled where the backend compiles, and what it finds stays on the device until somebody asks,
so that the device need not wait for Python. Keras's own `train_on_batch` and `test_on_batch` wait after
every batch, and forget what the metrics had counted before it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from napari_medunet.engine import devices
from napari_medunet.engine.losses import ClassScores, cross_entropy_and_dice
from napari_medunet.engine.training.average import WeightAverage

Step = Callable[[Any, Any], Any]
"""From images (batch, *size, channels) and classes (batch, *size) to the loss, a scalar tensor."""


@dataclass(frozen=True, eq=False)
class Learner:
    """A network with all that changes beside it when it learns.

    Attributes
    ----------
    network : keras.Model
    optimizer : keras.optimizers.Optimizer
    average : WeightAverage
        Of `network`, taken further by each batch that is learned from.
    scores : ClassScores
    loss : keras.metrics.Mean
        As `scores`, over all batches since the last `reset`.
    """

    network: Any
    optimizer: Any
    average: WeightAverage
    scores: ClassScores
    loss: Any

    def reset(self) -> None:
        """Forget the scores and the mean loss."""
        self.scores.reset_state()
        self.loss.reset_state()

    def results(self) -> dict[str, float]:
        """Mean loss and scores since the last reset. Waits for the device."""
        found = {"loss": self.loss.result(), **self.scores.result()}
        return {name: float(value) for name, value in found.items()}

    def variables(self) -> list[Any]:
        """Every variable that a step may change."""
        parts = (self.network, self.optimizer, self.average, self.scores, self.loss)
        return [variable for part in parts for variable in part.variables]


def compile_steps(learner: Learner) -> tuple[Step, Step]:
    """Build the step that learns from a batch, and the one that only measures it."""
    name = devices.backend_name()
    differentiate = {"tensorflow": _with_tape, "torch": _backward, "jax": _with_grad}[name]
    compiled = {"tensorflow": _as_graph, "torch": _eagerly, "jax": _as_pure_function}[name]
    learner.optimizer.build(learner.network.trainable_variables)

    def count(classes: Any, logits: Any, loss: Any) -> Any:
        learner.scores.update_state(classes, logits)
        learner.loss.update_state(loss)
        return loss

    def learn(images: Any, classes: Any) -> Any:
        loss, logits, gradients = differentiate(learner, images, classes)
        learner.optimizer.apply(gradients, learner.network.trainable_variables)
        learner.average.update()
        return count(classes, logits, loss)

    def measure(images: Any, classes: Any) -> Any:
        logits = learner.network(images, training=False)
        return count(classes, logits, cross_entropy_and_dice(classes, logits))

    return compiled(learn, learner), compiled(measure, learner)


# Each of these goes through the network in training, and returns loss, logits and gradients.


def _with_tape(learner: Learner, images: Any, classes: Any) -> tuple[Any, Any, Any]:
    import tensorflow as tf

    with tf.GradientTape() as tape:
        logits = learner.network(images, training=True)
        loss = cross_entropy_and_dice(classes, logits)
        scaled = learner.optimizer.scale_loss(loss)
    weights = [weight.value for weight in learner.network.trainable_variables]
    return loss, logits, tape.gradient(scaled, weights)


def _backward(learner: Learner, images: Any, classes: Any) -> tuple[Any, Any, Any]:
    import torch

    learner.network.zero_grad()
    with torch.enable_grad():
        logits = learner.network(images, training=True)
        loss = cross_entropy_and_dice(classes, logits)
        learner.optimizer.scale_loss(loss).backward()
    gradients = [weight.value.grad for weight in learner.network.trainable_variables]
    return loss.detach(), logits.detach(), gradients


def _with_grad(learner: Learner, images: Any, classes: Any) -> tuple[Any, Any, Any]:
    import jax

    trained = learner.network.trainable_variables
    other = learner.network.non_trainable_variables

    def forward(values: Any, others: Any) -> tuple[Any, tuple[Any, Any, Any]]:
        logits, changed = learner.network.stateless_call(values, others, images, training=True)
        loss = cross_entropy_and_dice(classes, logits)
        return learner.optimizer.scale_loss(loss), (loss, logits, changed)

    gradients, (loss, logits, changed) = jax.grad(forward, has_aux=True)(
        [variable.value for variable in trained], [variable.value for variable in other]
    )
    for variable, value in zip(other, changed, strict=True):
        variable.assign(value)
    return loss, logits, gradients


# Each of these compiles a step that changes the learner's variables.


def _as_graph(step: Step, learner: Learner) -> Step:
    import tensorflow as tf

    return tf.function(step, autograph=False)  # type: ignore[no-any-return]  # XLA is slower on CPUs


def _eagerly(step: Step, learner: Learner) -> Step:
    import torch
    from keras import ops

    def run(images: Any, classes: Any) -> Any:
        with torch.no_grad():
            return step(ops.convert_to_tensor(images), ops.convert_to_tensor(classes))

    return run


def _as_pure_function(step: Step, learner: Learner) -> Step:
    """JAX compiles functions without side effects: the variables go in, their new values come out."""
    import jax
    from keras import StatelessScope

    variables = learner.variables()

    @partial(jax.jit, donate_argnums=0)
    def pure(values: Any, images: Any, classes: Any) -> Any:
        with StatelessScope(zip(variables, values, strict=True)) as scope:
            loss = step(images, classes)
        return loss, [scope.get_current_value(variable) for variable in variables]

    def run(images: Any, classes: Any) -> Any:
        loss, values = pure([variable.value for variable in variables], images, classes)
        for variable, value in zip(variables, values, strict=True):
            variable.assign(value)
        return loss

    return run
