"""Prior correction: after a training on scribbles, the network's class priors become those of the images.

Scribbles hold labels far more often than images do, and a network that learns from them labels too many
voxels. The class frequencies of the images are estimated from its predictions by expectation maximisation
(Saerens, Latinne & Decaestecker 2002, Neural Computation 14(1), section 2.2), and its last bias is changed
by the logarithms of the ratios. What it gives is M21 in `docs/decisions.md`.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_medunet.engine.patches.preprocessing import Float32Array
from napari_medunet.engine.patches.sampler import PatchSampler
from napari_medunet.engine.prediction.sliding_window import blended_slabs
from napari_medunet.engine.progress import Progress, ProgressCallback, StopRequested
from napari_medunet.engine.training.learning.self_training import InTraining

_VOXELS = 200_000  # of all images together, which are enough to estimate frequencies
_ROUNDS = 100
LOOKED_AT = 0.15  # of the voxels learned from: a twentieth of the arithmetic
# Of the logarithm of how much rarer than background a label is: a network that is unsure of a small one
# would lose it.
_MOST = 4.0


def correct_priors(
    network: Any, samples: PatchSampler, learned_voxels: float, report: ProgressCallback
) -> None:
    """Correct the priors of a network to the class frequencies of the images, as it estimates them.

    Parameters
    ----------
    network : keras.Model
        Its last bias is changed.
    samples : PatchSampler
        Of the training; if no background is annotated, nothing is changed.
    learned_voxels : float
        Of all steps together. If the images have more than a share of that, some are chosen at random.
    report : callable
        If it asks to stop, that is ignored: the training has ended.
    """

    def advance(share: float) -> None:
        with suppress(StopRequested):
            report(Progress(1.0, "Counting what the images hold"))

    painted = samples.annotated_shares()
    if not painted[0]:
        return
    seen = []
    images, most_voxels = samples.images(), LOOKED_AT * learned_voxels
    predictor = InTraining(samples.plan, network)
    for index in np.random.default_rng(0).permutation(len(images)):
        image = images[index]
        voxels = image[0].size
        if voxels > most_voxels:
            continue
        most_voxels -= voxels
        step = max(1, voxels * len(images) // _VOXELS)
        for _, probabilities in blended_slabs(predictor, image, tta=False, advance=advance):
            some = probabilities.reshape(len(probabilities), -1)[:, ::step]
            seen.append(some.copy())  # not a view, which would hold on to all
    if seen:
        times = class_prior_ratios(np.concatenate(seen, axis=1), painted)
        rarer = np.clip(np.log(times / times[0]), -_MOST, _MOST)
        bias = network.get_layer("logits").bias
        bias.assign(bias + rarer)


def class_prior_ratios(
    probabilities: Float32Array, painted: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """Ratio of each class's frequency among voxels to its frequency in a classifier's training data.

    Parameters
    ----------
    probabilities : (classes, voxels) array
        Of the classifier.
    painted : (classes,) array
        Frequencies of the classes in its training data; the ratio of a class without any is 1.
    """
    likely = np.maximum(probabilities, 1e-6)
    times = np.ones(len(painted))
    for _ in range(_ROUNDS):
        weighted = likely * times[:, None]
        shares = np.maximum((weighted / weighted.sum(axis=0)).mean(axis=1), 1e-12)
        times = np.divide(shares, painted, out=np.ones(len(painted)), where=painted > 0)
    return times
