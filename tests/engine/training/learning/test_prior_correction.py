from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import norm

from napari_medunet.engine.examples.example import make_example
from napari_medunet.engine.examples.phantoms import make_phantom
from napari_medunet.engine.network.unet import build_unet
from napari_medunet.engine.patches.sampler import PatchSampler
from napari_medunet.engine.plan import Plan
from napari_medunet.engine.progress import StopRequested, ignore
from napari_medunet.engine.settings import TrainSettings
from napari_medunet.engine.training.learning.prior_correction import (
    class_prior_ratios,
    correct_priors,
)

BACKGROUND = 9
SETTINGS = TrainSettings.of(annotated="voxels", background_label=BACKGROUND)
PLAN = Plan.of(
    dims="2d", patch=(32, 32), spacing_mm=(1.0, 1.0, 1.0), labels=(0, 1, 2), depth=2, filters=4
)


@pytest.mark.parametrize("shares", [(0.9, 0.08, 0.02), (0.2, 0.3, 0.5), (0.5, 0.5, 0.0)])
def test_shares_are_found_by_a_classifier_that_learned_from_others(shares):
    """Three classes of normal intensities; what the classifier says is right by Bayes' rule."""
    painted = np.array([0.4, 0.3, 0.3])
    rng = np.random.default_rng(0)
    classes = rng.choice(3, 20_000, p=shares)
    intensities = rng.normal(2.0 * classes, 1.0)
    likelihoods = norm.pdf(intensities, 2.0 * np.arange(3)[:, None])
    said = likelihoods * painted[:, None]
    found = class_prior_ratios(said / said.sum(axis=0), painted) * painted
    np.testing.assert_allclose(found, shares, atol=0.02)


def test_of_a_class_that_was_not_painted_nothing_is_known():
    said = np.random.default_rng(0).dirichlet([1, 1, 1], 1000).T
    assert class_prior_ratios(said, np.array([0.6, 0.4, 0.0]))[2] == 1


def scribbled(background=True):
    """A phantom with every 37th voxel of each class painted, or of labels only."""
    image, truth = make_phantom(0, (6, 32, 32))
    painted = np.zeros_like(truth.voxels)
    for label in (0, 1, 2) if background else (1, 2):
        places = np.flatnonzero(truth.voxels == label)[:: 37 if label else 200]
        painted.flat[places] = label or BACKGROUND
    settings = SETTINGS if background else SETTINGS.changed(background_label=None)
    return make_example(image, replace(truth, voxels=painted), settings.annotation)


def last_bias(network):
    return np.asarray(network.get_layer("logits").bias).copy()


def test_a_network_that_cannot_tell_is_left_as_it_is():
    """It says the same of each voxel, and so nothing of how often a label is."""
    network = build_unet(PLAN)
    samples = PatchSampler([scribbled()], PLAN)
    logits = network.get_layer("logits")
    logits.kernel.assign(np.zeros(logits.kernel.shape))
    logits.bias.assign(np.log(samples.annotated_shares()))
    before = last_bias(network)
    correct_priors(network, samples, 1e9, ignore)
    np.testing.assert_allclose(last_bias(network), before, atol=1e-4)


def test_a_label_becomes_rarer_by_a_limit_and_background_stays():
    network = build_unet(PLAN)
    logits = network.get_layer("logits")
    logits.kernel.assign(np.zeros(logits.kernel.shape))
    logits.bias.assign([9.0, 0.0, 0.0])  # it sees background everywhere

    def stopped(progress):
        raise StopRequested

    correct_priors(network, PatchSampler([scribbled()], PLAN), 1e9, stopped)
    np.testing.assert_allclose(last_bias(network), [9.0, -4.0, -4.0], atol=1e-3)


@pytest.mark.parametrize(("background", "learned_voxels"), [(False, 1e9), (True, 10)])
def test_nothing_is_changed_without_background_or_time(background, learned_voxels):
    network = build_unet(PLAN)
    before = last_bias(network)
    correct_priors(network, PatchSampler([scribbled(background)], PLAN), learned_voxels, ignore)
    np.testing.assert_array_equal(last_bias(network), before)
