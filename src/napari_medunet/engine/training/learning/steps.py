"""One batch through the network, to learn from it or to measure: the same arithmetic on each backend.

A step is compiled where the backend compiles, and what it finds stays on the device until somebody asks,
so that the device need not wait for Python. Keras's own ``train_on_batch`` and ``test_on_batch`` wait after
every batch, and forget what the metrics had counted before it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import keras
from keras import ops

from napari_medunet.engine.hardware import devices
from napari_medunet.engine.hardware.data_parallel import DeviceGroup
from napari_medunet.engine.network.losses import ClassScores, cross_entropy_and_dice
from napari_medunet.engine.network.muon import Muon
from napari_medunet.engine.network.unet import build_unet
from napari_medunet.engine.plan import Plan
from napari_medunet.engine.progress import Scores
from napari_medunet.engine.training.learning.average import WeightAverage

Afterwards = Callable[[], None]
Step = Callable[[Any, Any], Any]
"""From images (batch, *size, channels) and classes (batch, *size) to the loss, a scalar tensor."""


@dataclass(frozen=True, eq=False)
class Learner:
    """A network with its optimizer, average and scores: all that a step changes.

    Attributes
    ----------
    network : keras.Model
    optimizer : keras.optimizers.Optimizer
    average : WeightAverage
        Of `network`, taken further by each batch that is learned from.
    scores : ClassScores
    loss : keras.metrics.Mean
        As `scores`, over all batches since the last `reset`.
    device_group : DeviceGroup
        The devices that each have a copy of the network.
    """

    network: Any
    optimizer: Any
    average: WeightAverage
    scores: ClassScores
    loss: Any
    device_group: DeviceGroup = field(default_factory=DeviceGroup)

    def reset(self) -> None:
        """Forget the scores and the mean loss."""
        self.scores.reset_state()
        self.loss.reset_state()

    def results(self) -> Scores:
        """Mean loss and scores since the last reset. Waits for the device."""
        found = {"loss": self.loss.result(), **self.scores.result()}
        return Scores(**{name: float(value) for name, value in found.items()})

    def variables(self) -> list[Any]:
        """Every variable that a step may change."""
        parts = (self.network, self.optimizer, self.average, self.scores, self.loss)
        return [variable for part in parts for variable in part.variables]


def new_learner(plan: Plan, precision: str, device_group: DeviceGroup) -> Learner:
    """A learner with fresh weights; see `build_unet` for the precision."""
    with device_group.scope():
        network = build_unet(plan, precision)
        optimizer = Muon(plan.schedule.learning_rate)
        if precision == "mixed_float16":  # small gradients would vanish
            optimizer = keras.optimizers.LossScaleOptimizer(optimizer)
        scores, loss = ClassScores(plan.classes), keras.metrics.Mean(name="loss")
    return Learner(network, optimizer, WeightAverage(network), scores, loss, device_group)


def compile_steps(learner: Learner) -> tuple[Step, Step]:
    """Build the step that learns from a batch, and the one that only measures it."""
    name = devices.backend_name()
    differentiate = {"tensorflow": _with_tape, "torch": _backward, "jax": _with_grad}[name]
    apply = _apply_purely if name == "jax" else _apply
    compiled = {"tensorflow": _as_graph, "torch": _eagerly, "jax": _as_pure_function}[name]
    with learner.device_group.scope():
        learner.optimizer.build(learner.network.trainable_variables)

    def count(classes: Any, logits: Any, loss: Any) -> Any:
        learner.scores.update_state(classes, logits)
        learner.loss.update_state(loss)
        return loss

    def learn(images: Any, classes: Any) -> Any:
        loss, logits, gradients = differentiate(learner, images, classes)
        apply(learner, gradients)
        return count(classes, logits, loss)

    def measure(images: Any, classes: Any) -> Any:
        logits = learner.network(images, training=False)
        return count(classes, logits, cross_entropy_and_dice(classes, logits))

    def average() -> None:
        learner.average.update(learner.optimizer.iterations)

    return compiled(learn, learner, average), compiled(measure, learner)


def _nothing() -> None:
    pass


# Each of these goes through the network in training, and returns loss, logits and gradients.


def _with_tape(learner: Learner, images: Any, classes: Any) -> tuple[Any, Any, Any]:
    import tensorflow as tf

    with tf.GradientTape() as tape:
        logits = learner.network(images, training=True)
        loss = cross_entropy_and_dice(classes, logits)
        scaled = learner.optimizer.scale_loss(loss)
        # Each device tells the loss of the whole batch, and the devices' gradients are added up.
        scaled = scaled / tf.distribute.get_strategy().num_replicas_in_sync
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


def _apply(learner: Learner, gradients: Any) -> None:
    learner.optimizer.apply(gradients, learner.network.trainable_variables)


def _apply_purely(learner: Learner, gradients: Any) -> None:
    """For JAX, where a scaled loss decides inside the compiled step whether gradients can be used."""
    changed = learner.optimizer.variables, learner.network.trainable_variables
    states, weights = ([variable.value for variable in group] for group in changed)
    weights, states = learner.optimizer.stateless_apply(states, gradients, weights)
    for variable, value in zip([*changed[0], *changed[1]], [*states, *weights], strict=True):
        variable.assign(value)


# Each of these compiles a step that changes the learner's variables.


def _as_graph(step: Step, learner: Learner, afterwards: Afterwards = _nothing) -> Step:
    """TensorFlow: `step` runs on each device, `afterwards` once. No XLA: it is slower on CPUs."""
    import tensorflow as tf

    share = learner.device_group.share
    with learner.device_group.scope():
        strategy = tf.distribute.get_strategy()

    @tf.function(autograph=False)  # type: ignore[untyped-decorator]
    def graph(images: Any, classes: Any) -> Any:
        loss = strategy.run(step, (images, classes))
        afterwards()
        return strategy.reduce("MEAN", loss, axis=None)

    return lambda images, classes: graph(share(images), share(classes))


def _eagerly(step: Step, learner: Learner, afterwards: Afterwards = _nothing) -> Step:
    import torch

    def sent(array: Any) -> Any:
        tensor = torch.from_numpy(array)
        if torch.cuda.is_available():  # from pinned memory Python need not wait for the GPU
            tensor = tensor.pin_memory().to("cuda", non_blocking=True)
        return ops.convert_to_tensor(tensor)

    def run(images: Any, classes: Any) -> Any:
        with torch.no_grad():
            loss = step(sent(images), sent(classes))
            afterwards()
        return loss

    return run


def _as_pure_function(step: Step, learner: Learner, afterwards: Afterwards = _nothing) -> Step:
    """JAX compiles functions without side effects: the variables go in, their new values come out."""
    import jax

    variables, share = learner.variables(), learner.device_group.share
    kept_where_they_are = [variable.value.sharding for variable in variables]

    @partial(jax.jit, donate_argnums=0, out_shardings=(None, kept_where_they_are))
    def pure(values: Any, images: Any, classes: Any) -> Any:
        with keras.StatelessScope(zip(variables, values, strict=True)) as scope:
            loss = step(images, classes)
            afterwards()
        return loss, [scope.get_current_value(variable) for variable in variables]

    def run(images: Any, classes: Any) -> Any:
        # Some 240 variables: to ask each for its value and to assign it, with Keras's checks of type and
        # shape, takes Python longer than the step takes a GPU.
        values = [variable._value for variable in variables]
        loss, values = pure(values, share(images), share(classes))
        for variable, value in zip(variables, values, strict=True):
            variable._value = value
        return loss

    return run
