"""The network: a U-Net (Ronneberger et al. 2015, arXiv:1505.04597), and nothing else.

Against the paper: convolutions are padded, so that the labels have the image's size, and each is
followed by a normalisation.
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from napari_medunet.engine.hardware.data_parallel import is_mirrored
from napari_medunet.engine.network.batch_normalization import BatchNormalization
from napari_medunet.engine.network.upsampling import Conv2DTranspose, Conv3DTranspose
from napari_medunet.engine.plan import Plan

CHANNELS_LAST = "channels_last"  # whatever the user has chosen for other work


def build_unet(plan: Plan, precision: str = "float32") -> keras.Model:
    """Build the network of a plan, with fresh weights.

    The weights and what dropout leaves out follow from the plan's seed alone: no generator of Python, numpy
    or the backend is read or changed.

    Parameters
    ----------
    plan : Plan
        `dims`, `depth`, `pools`, `filters`, `dropout`, `normalisation`, `inputs` and `classes` are read.
        Five levels from 64 filters are the classic network (64-128-256-512-1024).
    precision : "float32", "mixed_bfloat16" or "mixed_float16"
        Of the computation; weights and logits are float32 always.

    Returns
    -------
    keras.Model
        From (batch, *size, inputs) to logits (batch, *size, classes); each size a multiple of the
        plan's `steps`.
    """
    policy = keras.DTypePolicy(precision)
    seeds = np.random.default_rng(plan.budget.seed)  # one for each layer that draws

    # Down: each level halves the size and doubles the filters. An axis of thick slices waits.
    shape = (*[None] * plan.spatial_dims, plan.inputs)
    image = keras.Input(shape, dtype="float32", name="image")
    features = image
    skips = []
    for level in range(plan.network.depth - 1):
        features = _block(features, level, f"down_{level}", plan, policy, seeds)
        skips.append(features)
        features = _pool(features, level, f"down_{level}_pool", plan, policy)

    # The deepest level, where dropout regularises the largest share of the weights.
    features = _block(features, plan.network.depth - 1, "bottom", plan, policy, seeds)
    if plan.network.dropout:
        features = keras.layers.Dropout(
            plan.network.dropout, seed=_draw(seeds), dtype=policy, name="bottom_dropout"
        )(features)

    # Up: each level doubles the size and takes the details from the way down.
    for level in reversed(range(plan.network.depth - 1)):
        features = _upsample(features, level, f"up_{level}_upsample", plan, policy, seeds)
        features = keras.layers.Concatenate(dtype=policy, name=f"up_{level}_skip")(
            [features, skips[level]]
        )
        features = _block(features, level, f"up_{level}", plan, policy, seeds)

    convolution = keras.layers.Conv2D if plan.spatial_dims == 2 else keras.layers.Conv3D
    first = keras.initializers.GlorotUniform(_draw(seeds))
    logits = convolution(
        plan.classes,
        1,
        data_format=CHANNELS_LAST,
        kernel_initializer=first,
        dtype="float32",
        name="logits",
    )(features)
    return keras.Model(image, logits, name=f"unet_{plan.spatial_dims}d")


def _draw(seeds: np.random.Generator) -> int:
    return int(seeds.integers(2**31))


def _block(
    features: Any, level: int, name: str, plan: Plan, policy: Any, seeds: np.random.Generator
) -> Any:
    """Two convolutions, each normalised and rectified."""
    convolution = keras.layers.Conv2D if plan.spatial_dims == 2 else keras.layers.Conv3D
    for number in (1, 2):
        features = convolution(
            plan.network.filters * 2**level,
            plan.kernel(level),
            padding="same",
            data_format=CHANNELS_LAST,
            use_bias=False,  # the normalisation has one
            kernel_initializer=keras.initializers.HeNormal(_draw(seeds)),
            dtype=policy,
            name=f"{name}_conv_{number}",
        )(features)
        if plan.network.normalisation == "batch":
            # Momentum: trainings of minutes have too few steps for the usual 0.99.
            normalise = BatchNormalization(
                momentum=0.95,
                synchronized=is_mirrored(),
                dtype=policy,
                name=f"{name}_norm_{number}",
            )
        else:
            normalise = keras.layers.GroupNormalization(
                groups=-1, dtype=policy, name=f"{name}_norm_{number}"
            )
        features = normalise(features)
        features = keras.layers.ReLU(dtype=policy, name=f"{name}_relu_{number}")(features)
    return features


def _pool(features: Any, level: int, name: str, plan: Plan, policy: Any) -> Any:
    pool = keras.layers.MaxPooling2D if plan.spatial_dims == 2 else keras.layers.MaxPooling3D
    factors = plan.network.pools[level]
    return pool(factors, data_format=CHANNELS_LAST, dtype=policy, name=name)(features)


def _upsample(
    features: Any, level: int, name: str, plan: Plan, policy: Any, seeds: np.random.Generator
) -> Any:
    transpose = Conv2DTranspose if plan.spatial_dims == 2 else Conv3DTranspose
    factors = plan.network.pools[level]
    return transpose(
        plan.network.filters * 2**level,
        factors,
        strides=factors,
        data_format=CHANNELS_LAST,
        kernel_initializer=keras.initializers.HeNormal(_draw(seeds)),
        dtype=policy,
        name=name,
    )(features)
