"""The loss that training minimises, and the scores that it shows: both of annotated voxels only."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from napari_medunet.engine.hardware.data_parallel import sum_over_devices

# Of the voxels. A small structure beside a large one hardly counts in the cross-entropy, and once its
# probability is near 0 the Dice loss has no gradient there: it was never learned. M17
_LEAST_SHARE = 0.03


def cross_entropy_and_dice(classes: Any, logits: Any) -> Any:
    """Cross-entropy plus soft Dice loss over the annotated voxels of a batch.

    The sum is that of nnU-Net (Isensee et al. 2021, Nature Methods 18, 203-211, Methods); the soft
    Dice is Milletari et al. 2016 (V-Net, section 3) with unsquared sums, over the batch as one volume,
    averaged over the foreground classes that the batch holds. In the cross-entropy a class that the
    batch holds counts as if it were at least `_LEAST_SHARE` of the voxels.

    Parameters
    ----------
    classes : (batch, *size) integer tensor
        `IGNORED` where nothing was annotated.
    logits : (batch, *size, classes) tensor

    Returns
    -------
    scalar tensor
    """
    truth = _one_hot(classes, logits.shape[-1])
    logits = _classes_first(logits)
    log_probabilities = logits - ops.logsumexp(logits, axis=0)
    probabilities = ops.exp(log_probabilities) * ops.sum(truth, axis=0)  # of what is not ignored

    entropy, overlap, held, predicted = sum_over_devices(
        [
            -ops.sum(truth * log_probabilities, axis=1),
            ops.sum(truth * probabilities, axis=1)[1:],
            ops.sum(truth, axis=1),
            ops.sum(probabilities, axis=1)[1:],
        ]
    )
    weights = _at_least_1(_LEAST_SHARE * ops.sum(held) / _at_least_1(held))
    cross_entropy = ops.sum(weights * entropy) / _at_least_1(ops.sum(weights * held))
    held = held[1:]
    present = ops.cast(held > 0, "float32")
    dice = (2 * overlap + 1) / (held + predicted + 1)
    dice_loss = 1 - ops.sum(dice * present) / _at_least_1(ops.sum(present))
    return cross_entropy + dice_loss * ops.max(present)


def _classes_first(logits: Any) -> Any:
    """From (batch, *size, classes) to (classes, voxels): what is summed up lies side by side."""
    return ops.transpose(ops.cast(ops.reshape(logits, (-1, logits.shape[-1])), "float32"))


def _one_hot(classes: Any, count: int) -> Any:
    """From (batch, *size) to (count, voxels), 1 where a voxel is of a class; `IGNORED` is of none."""
    numbers = ops.arange(count, dtype="int32")[:, None]
    return ops.cast(ops.cast(ops.reshape(classes, (-1,)), "int32") == numbers, "float32")


def _at_least_1(values: Any) -> Any:
    # With `ops.maximum` torch would send its 1 to the GPU, and Python wait until all before it is done.
    return 1 + ops.relu(values - 1)


class ClassScores(keras.metrics.Metric):  # type: ignore[misc]
    """Scores from the confusion matrix of all annotated voxels since the last reset.

    Parameters
    ----------
    classes : int
        Background included. The means are over the foreground classes that occur in truth or
        prediction.
    """

    def __init__(self, classes: int) -> None:
        super().__init__(name="scores", dtype="float32")
        self.classes = classes
        self.confusion = self.add_variable(
            (classes, classes), initializer="zeros", dtype="float32", name="confusion"
        )

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Count the voxels of a batch; the names of the parameters are Keras's."""
        logits = _classes_first(y_pred)
        # Two equal logits would count for both classes; argmax takes longer. M31
        prediction = ops.cast(logits == ops.max(logits, axis=0), "float32")
        counts = ops.matmul(_one_hot(y_true, self.classes), ops.transpose(prediction))
        self.confusion.assign_add(counts)

    def result(self) -> dict[str, Any]:
        """Mean Dice, IoU, precision and recall of the foreground, and overall accuracy."""
        hits = ops.diagonal(self.confusion)
        in_truth = ops.sum(self.confusion, axis=1)
        in_prediction = ops.sum(self.confusion, axis=0)
        return {
            "dice": _mean_ratio(2 * hits, in_truth + in_prediction),
            "iou": _mean_ratio(hits, in_truth + in_prediction - hits),
            "precision": _mean_ratio(hits, in_prediction),
            "recall": _mean_ratio(hits, in_truth),
            "accuracy": ops.sum(hits) / ops.maximum(ops.sum(self.confusion), 1.0),
        }

    def dice_per_class(self) -> list[float]:
        """Dice of each foreground class; NaN where it is neither in truth nor in the prediction."""
        confusion = self.confusion.numpy()
        sizes = confusion.sum(axis=0) + confusion.sum(axis=1)
        return [
            float(2 * confusion[c, c] / sizes[c]) if sizes[c] else float("nan")
            for c in range(1, self.classes)
        ]

    def recall_per_class(self) -> tuple[float, ...]:
        """Share of each class's voxels that was found, background first; nearly a half of no voxels."""
        confusion = self.confusion.numpy()
        found, all_of_it = confusion.diagonal() + 1, confusion.sum(axis=1) + 2
        return tuple((found / all_of_it).tolist())


def _mean_ratio(numerator: Any, denominator: Any) -> Any:
    """Mean of the ratios of the foreground classes, over those that are defined."""
    defined = ops.cast(denominator[1:] > 0, "float32")
    ratios = numerator[1:] / ops.maximum(denominator[1:], 1.0)
    return ops.sum(ratios * defined) / ops.maximum(ops.sum(defined), 1.0)
