"""Priors: how often labels are in the images, where single voxels were painted.

Scribbles hold labels far more often than images do, and a network that learns from them sees too much of
each. How often they are in the images is found by expectation maximisation over what the network says of
these (Saerens, Latinne & Decaestecker 2002, Neural Computation 14(1), section 2.2), and put into its last
bias. What it gives is M21 in `docs/decisions.md`.
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

_VOXELS = 200_000  # of all images together, which tell how often a label is
_ROUNDS = 100
_LOOKED_AT = 0.15  # of the voxels learned from: a twentieth of the arithmetic
# Of the logarithm of how much rarer than background a label is: a network that is unsure of a small one
# would lose it.
_MOST = 4.0


def correct_priors(
    network: Any, samples: PatchSampler, learned_voxels: float, report: ProgressCallback
) -> None:
    """Make a network say labels as often as the images hold them, as far as it can tell.

    Parameters
    ----------
    network : keras.Model
        Whose last bias is changed.
    samples : Samples
        That it has learned from; where no background is among them, nothing is changed.
    learned_voxels : float
        Of all steps together. Of more than a part of that, images are chosen by chance.
    report : callable
        A wish to stop is fulfilled already, and not heard.
    """

    def advance(share: float) -> None:
        with suppress(StopRequested):
            report(Progress(1.0, "Counting what the images hold"))

    painted = samples.annotated_shares()
    if not painted[0]:
        return
    seen = []
    images, most_voxels = samples.images(), _LOOKED_AT * learned_voxels
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
    """How many times as often each class is among voxels as among what a classifier learned from.

    Parameters
    ----------
    probabilities : (classes, voxels) array
        What the classifier says of the voxels.
    painted : (classes,) array
        Shares of the classes in what it learned from; of one that was not there nothing is known (1).
    """
    likely = np.maximum(probabilities, 1e-6)
    times = np.ones(len(painted))
    for _ in range(_ROUNDS):
        weighted = likely * times[:, None]
        shares = np.maximum((weighted / weighted.sum(axis=0)).mean(axis=1), 1e-12)
        times = np.divide(shares, painted, out=np.ones(len(painted)), where=painted > 0)
    return times
