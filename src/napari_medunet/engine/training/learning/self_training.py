"""Self-training: where volumes are annotated in part, learn from the rest of them, too.

The network labels voxels that are not annotated. Its background, and its labels of high probability, are
pseudo-labels: they are learned from like annotation, until the next round (Lee 2013, "Pseudo-Label", ICML
workshop on challenges in representation learning).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.special import softmax

from napari_medunet.engine.examples.between_slices import Guess
from napari_medunet.engine.patches.cutting import IGNORED, ClassArray
from napari_medunet.engine.patches.preprocessing import Float32Array
from napari_medunet.engine.patches.sampler import PatchSampler
from napari_medunet.engine.plan import Plan
from napari_medunet.engine.prediction.sliding_window import blended_slabs
from napari_medunet.engine.progress import Progress
from napari_medunet.engine.training.learning.loop import Loop

_ROUNDS = (0.35, 0.55, 0.75)  # shares of the training after which there are new pseudo-labels
# Least probability of a pseudo-label. Background needs none: otherwise labels would grow into what is not
# annotated, from round to round.
_SURE, _SURE_OF_BACKGROUND = 0.8, 0.0
_EFFORT = 0.05  # of the arithmetic of the whole training that a round may take
_FORWARD = 1 / 3  # of the arithmetic of learning from a voxel, to predict it


class SelfTraining:
    """Sets pseudo-labels after given shares of a training.

    Parameters
    ----------
    samples : PatchSampler
        Of the training.
    voxels_per_step : int
        That the training learns from.
    """

    def __init__(self, samples: PatchSampler, voxels_per_step: int) -> None:
        self._samples = samples
        self._voxels_per_step = voxels_per_step
        self._rounds = 0

    def __call__(self, loop: Loop) -> None:
        """Before an epoch: predict pseudo-labels with the averaged weights, if a round is due."""
        share = loop.clock.schedule()
        due = sum(share >= start for start in _ROUNDS)
        if due <= self._rounds:
            return
        self._rounds = due
        plan = self._samples.plan
        whole_training = self._voxels_per_step * loop.steps_done / share
        most_voxels = _EFFORT * whole_training / (_FORWARD * 2 ** len(plan.schedule.flip_axes))

        with loop.learner.average.in_place():
            average = InTraining(plan, loop.predictor())

            def classify(image: Float32Array, guess: Guess | None) -> ClassArray:
                return _classify(average, image, guess, loop)

            self._samples.set_pseudo_labels(classify, most_voxels, seed=due)


class InTraining:
    """The network in training, as a `Predictor`."""

    def __init__(self, plan: Plan, network: Any) -> None:
        self.plan = plan
        self._network = network

    def probabilities(self, images: Float32Array) -> Float32Array:
        """Class probabilities (batch, *size, classes) of images (batch, *size, channels)."""
        logits = np.asarray(self._network.predict_on_batch(images), np.float32)
        return np.asarray(softmax(logits, axis=-1), np.float32)


def _classify(
    network: InTraining, image: Float32Array, guess: Guess | None, loop: Loop
) -> ClassArray:
    def advance(share: float) -> None:
        loop.report(Progress(loop.clock.share(), "Labelling what is not annotated"))

    classes = np.empty(image.shape[1:], np.int32)
    for start, probabilities in blended_slabs(network, image, tta=True, advance=advance):
        slab = slice(start, start + len(probabilities[0]))
        if guess:
            guess.weigh(probabilities, slab, loop.recall)
        classes[slab] = sure_classes(probabilities)
    return classes


def sure_classes(probabilities: Float32Array) -> ClassArray:
    """Most likely classes, and `IGNORED` where their probability is too low.

    Parameters
    ----------
    probabilities : (classes, slices, rows, columns) array
        Class 0 is background.
    """
    best: ClassArray = probabilities.argmax(axis=0).astype(np.int32)
    least = np.where(best > 0, _SURE, _SURE_OF_BACKGROUND)
    best[probabilities.max(axis=0) < least] = IGNORED
    return best
