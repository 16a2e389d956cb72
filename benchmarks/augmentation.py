"""Augmented images per second, beside the training step's and MONAI's.

    python benchmarks/augmentation.py [--monai-python PYTHON] [--seconds 3]

Three patches: a plane of 256 x 256, a block of 64 x 64 x 64, and a block of 40 x 56 x 40 (a hippocampus),
each out of a synthetic volume, per preset. Beside them, in the same run: the training step of the plan's
own network on the same patches, alone and with patches of the preset *standard* prepared beside it; and
MONAI's transforms with the same parts, ranges and
chances (RandAffined, Rand2DElasticd or Rand3DElasticd, RandGaussianSmoothd,
RandSimulateLowResolutiond, RandAdjustContrastd, RandScaleIntensityd, RandShiftIntensityd,
RandGaussianNoised), which get the cut patch and so need not cut. MONAI runs in a child process, on
`--monai-python` where this Python has none. A ratio above 1 says that ours is faster.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from functools import partial

import numpy as np

PATCHES = ((256, 256), (64, 64, 64), (40, 56, 40))
PRESETS = ("none", "light", "standard", "strong")
DRAWS = 30  # in a round
STEPS = 8


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--monai-python", default=sys.executable)
    parser.add_argument("--seconds", type=float, default=3.0, help="for each figure")
    parser.add_argument("--monai", help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.monai:
        print(json.dumps(monai_rates(json.loads(chosen.monai), chosen.seconds)))
        return
    for patch in PATCHES:
        show(patch, chosen)


def show(patch: tuple[int, ...], chosen: argparse.Namespace) -> None:
    """Print the figures of one patch."""
    from napari_medunet.engine.patches.augment import CHANCES, Augmentation
    from napari_medunet.engine.planning.rules.augmentation import strengths
    from napari_medunet.engine.settings.schedule import StrengthSettings

    samples = synthetic_samples(patch)
    reach = {name: strengths(name, StrengthSettings()) for name in PRESETS}
    parts = {name: Augmentation(mirror=True, strengths=reach[name]) for name in PRESETS}
    ours = {name: rate(partial(draws, samples, parts[name]), chosen.seconds) for name in PRESETS}
    asked = {
        "patch": patch,
        "presets": {name: reach[name].model_dump() for name in PRESETS},
        "chances": CHANCES,
    }
    monai = ask_monai(asked, chosen)
    alone, beside = training_rates(samples, parts["standard"])
    print(
        f"\n{' x '.join(map(str, patch))}, batches of {samples.plan.schedule.batch}: images per second"
    )
    print(f"the training step alone {alone:.1f}, with 'standard' beside it {beside:.1f}")
    header = ("", "ours", "MONAI", "ours/step", "ours/MONAI")
    print("{:9}{:>9}{:>9}{:>11}{:>12}".format(*header))
    for name in PRESETS:
        mine, peer = ours[name], monai.get(name, float("nan"))
        ratios = f"{mine / alone:11.1f}{mine / peer:12.2f}"
        print(f"{name:9}{mine:9.0f}{peer:9.0f}{ratios}")


def synthetic_samples(patch: tuple[int, ...]):
    """Samples of one volume, a little smaller than the patch as a hippocampus is, or ten slices."""
    from napari_medunet.engine.examples.example import Example
    from napari_medunet.engine.examples.phantoms import make_phantom
    from napari_medunet.engine.patches.sampler import PatchSampler
    from napari_medunet.engine.planning.plan_maker import make_plan
    from napari_medunet.engine.settings import TrainSettings
    from napari_medunet.engine.volume import Volume, affine_from_spacing

    flat = len(patch) == 2
    shape = (10, *patch) if flat else tuple(n - n % 8 - 2 * (n < 64) for n in patch)
    image, truth = make_phantom(0, shape)
    image = Volume(image.voxels, affine_from_spacing((1.0, 1.0, 1.0)), image.name)
    example = Example(image, truth.voxels, np.ones(shape, bool))
    settings = TrainSettings.of(dims="2d" if flat else "3d", flip="all", patch=patch)
    plan = make_plan([example], settings)
    return PatchSampler([example], plan)


def draws(samples, augmentation) -> None:
    """The same patches each time it is called."""
    rng = np.random.default_rng(0)
    for _ in range(DRAWS):
        samples.draw(rng, augmentation)


def rate(round_of_draws: Callable[[], None], seconds: float) -> float:
    """Images per second in the fastest of some rounds: other work on the machine is left out."""
    round_of_draws()  # compiles, or fills caches
    fastest, end = np.inf, time.perf_counter() + seconds
    while time.perf_counter() < end or np.isinf(fastest):
        start = time.perf_counter()
        round_of_draws()
        fastest = min(fastest, time.perf_counter() - start)
    return DRAWS / fastest


def training_rates(samples, augmentation) -> tuple[float, float]:
    """Images per second of the training step: on one batch for ever, and on batches drawn meanwhile."""
    from napari_medunet.engine.hardware import devices
    from napari_medunet.engine.patches.batches import batches, draw_batch

    devices.set_up_backend()
    learn = training_step(samples.plan)
    batch = draw_batch(samples, samples.plan.schedule.batch, np.random.default_rng(0))
    alone = fastest_step(lambda: learn(*batch))
    with closing(batches(samples, lambda: augmentation, seed=0)) as stream:
        beside = fastest_step(lambda: learn(*next(stream)))
    return samples.plan.schedule.batch / alone, samples.plan.schedule.batch / beside


def fastest_step(step: Callable[[], object]) -> float:
    """Seconds: of a few steps in turn the fastest, after two that compile and allocate."""
    seconds = []
    for _ in range(STEPS + 2):
        start = time.perf_counter()
        float(step())
        seconds.append(time.perf_counter() - start)
    return min(seconds[2:])


def training_step(plan):
    """The step that training takes, on its own network."""
    from napari_medunet.engine.hardware import devices
    from napari_medunet.engine.hardware.data_parallel import DeviceGroup
    from napari_medunet.engine.training.learning.steps import compile_steps, new_learner

    return compile_steps(new_learner(plan, devices.precision(), DeviceGroup()))[0]


def ask_monai(asked: dict, chosen: argparse.Namespace) -> dict[str, float]:
    """Images per second of each preset in MONAI; nothing where it does not run."""
    options = ["--seconds", str(chosen.seconds), "--monai", json.dumps(asked)]
    command = [chosen.monai_python, __file__, *options]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"}
    done = subprocess.run(command, env=environment, text=True, capture_output=True)
    if done.returncode:
        print(f"MONAI did not run: {done.stderr.strip().splitlines()[-1]}")
        return {}
    return json.loads(done.stdout.splitlines()[-1])


def monai_rates(asked: dict, seconds: float) -> dict[str, float]:
    import torch

    torch.set_num_threads(1)
    rng = np.random.default_rng(0)
    image = rng.normal(size=(1, *asked["patch"])).astype(np.float32)
    labels = (image > 1).astype(np.uint8)

    def vary(transforms) -> None:
        transforms.set_random_state(0)
        for _ in range(DRAWS):
            transforms({"image": image, "labels": labels})

    return {
        name: rate(
            partial(vary, monai_transforms(asked["patch"], reach, asked["chances"])), seconds
        )
        for name, reach in asked["presets"].items()
        if name != "none"  # MONAI has nothing to do then
    }


def monai_transforms(patch: list[int], reach: dict, chances: dict):
    """MONAI's transforms for the same parts, ranges and chances."""
    from monai import transforms as t

    dims, both, modes = len(patch), ["image", "labels"], ["bilinear", "nearest"]
    turned = 1 - (1 - chances["rotate"]) * (1 - chances["scale"])
    affine = {
        "rotate_range": [np.radians(reach["rotate"])] * (3 if dims == 3 else 1),
        "scale_range": [reach["scale"]] * dims,
        "translate_range": [reach["shift"] * n for n in patch],
    }
    zoom, gamma = 1 / (1 + reach["low_resolution"]), 1 + reach["gamma"]
    steps = []
    if reach["mirror"]:
        steps += [t.RandFlipd(both, prob=0.5, spatial_axis=axis) for axis in range(dims)]
    if reach["rotate"]:
        steps.append(t.RandAffined(both, prob=turned, mode=modes, padding_mode="zeros", **affine))
    if reach["elastic"]:
        bend = {"prob": chances["elastic"], "mode": modes, "padding_mode": "zeros"}
        if dims == 2:
            steps.append(t.Rand2DElasticd(both, spacing=(64, 64), magnitude_range=(0, 2), **bend))
        else:
            steps.append(
                t.Rand3DElasticd(both, sigma_range=(4, 6), magnitude_range=(0, 50), **bend)
            )
    if reach["blur"]:
        sigma = {f"sigma_{axis}": (0.01, reach["blur"]) for axis in "xyz"}
        steps.append(t.RandGaussianSmoothd("image", prob=chances["blur"], **sigma))
    if reach["low_resolution"]:
        prob = chances["low_resolution"]
        upsample = {"upsample_mode": "bilinear" if dims == 2 else "trilinear"}
        steps.append(
            t.RandSimulateLowResolutiond("image", prob=prob, zoom_range=(zoom, 1), **upsample)
        )
    if reach["gamma"]:
        span = (1 / gamma, gamma)
        steps.append(t.RandAdjustContrastd("image", prob=chances["gamma"], gamma=span))
    if reach["contrast"]:
        factors, prob = reach["contrast"], chances["contrast"]
        steps.append(t.RandScaleIntensityd("image", prob=prob, factors=factors))
    if reach["brightness"]:
        offsets, prob = reach["brightness"], chances["brightness"]
        steps.append(t.RandShiftIntensityd("image", prob=prob, offsets=offsets))
    if reach["noise"]:
        steps.append(t.RandGaussianNoised("image", prob=chances["noise"], std=reach["noise"]))
    return t.Compose(steps)


if __name__ == "__main__":
    main()
