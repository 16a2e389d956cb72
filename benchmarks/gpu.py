"""On a GPU: images per second of the training step, and Dice on real MRI after two minutes, beside MONAI.

    KERAS_BACKEND=jax MEDUNET_DATA=<folder with images/ and labels/> python benchmarks/gpu.py

From a checkout, with Keras, JAX or torch, PyTorch and MONAI installed; TensorFlow need not be (`pip install
--no-deps .` leaves it out, and what else the package needs). `--quick` runs everything small, on a CPU too,
to see that it works: its figures mean nothing. Without MEDUNET_DATA only the step is measured. `--of` and
`--programs` leave parts out.

The peer is MONAI's DynUNet with the same levels, filters and normalisation, in PyTorch with bfloat16
autocast, Adam, a cosine schedule and averaged weights. It learns from the same patches, drawn by the same
code, minimises MONAI's own DiceCELoss, and predicts with the same tiles: what differs is the network, of
which the peer has one for all minutes, and the step. Each program runs in a child process of its own, one
after the other.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import numpy as np

from napari_medunet.engine.examples.example import Example
from napari_medunet.engine.examples.folders import load_examples
from napari_medunet.engine.patches.augment import augmentation_by_share
from napari_medunet.engine.patches.batches import batches
from napari_medunet.engine.patches.cutting import IGNORED
from napari_medunet.engine.patches.sampler import PatchSampler
from napari_medunet.engine.plan import Plan
from napari_medunet.engine.planning.plan_maker import make_plan
from napari_medunet.engine.prediction.predict import predict
from napari_medunet.engine.settings import TrainSettings
from napari_medunet.engine.training.learning.clock import Clock

TEST_CASES = 48
PROGRAMS = ("ours", "MONAI")
WORKS = ("2d", "3d", "score")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=2.0)
    parser.add_argument("--dims", default="3d", choices=["2d", "3d"], help="of the score")
    parser.add_argument("--filters", type=int, help="of the score, in place of the plan's")
    parser.add_argument("--of", nargs="+", default=WORKS, choices=WORKS)
    parser.add_argument("--programs", nargs="+", default=PROGRAMS, choices=PROGRAMS)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--child", nargs=2, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.child:
        program, work = chosen.child
        print(json.dumps(child(program, work, chosen)))
        return
    for work in chosen.of:
        if work == "score" and not os.environ.get("MEDUNET_DATA"):
            continue
        found = {program: run(program, work, chosen) for program in chosen.programs}
        for program, one in found.items():
            what = f"{one['what']}: {one['on']}"
            if work == "score":
                dice = " / ".join(f"{dice:.4f}" for dice in one["dice"])
                print(f"{program:6} Dice {dice}, {chosen.minutes:g} min, {what}", flush=True)
            else:
                rate = f"{one['rate']:.1f} images/s (the first step took {one['first']:.1f} s)"
                print(f"{program:6} {rate}, {work} step, {what}", flush=True)
        if len(found) == 2:
            print(f"  {compared(found['ours'], found['MONAI'])}", flush=True)


def compared(ours: dict, monai: dict) -> str:
    """Our figure over MONAI's."""
    if "rate" in ours:
        return f"ours / MONAI: {ours['rate'] / monai['rate']:.2f}"
    errors = [(1 - a) / (1 - b) for a, b in zip(ours["dice"], monai["dice"], strict=True)]
    return f"our error / MONAI's: {' / '.join(f'{error:.2f}' for error in errors)}"


def run(program: str, work: str, chosen: argparse.Namespace) -> dict:
    """What a child process finds."""
    command = [sys.executable, __file__, "--minutes", str(chosen.minutes), "--dims", chosen.dims]
    command += ["--filters", str(chosen.filters)] if chosen.filters else []
    command += ["--quick"] * chosen.quick + ["--child", program, work]
    done = subprocess.run(command, text=True, stdout=subprocess.PIPE)
    if done.returncode:
        sys.exit(f"{program} ({work}) did not run: see above")
    return json.loads(done.stdout.splitlines()[-1])


def child(program: str, work: str, chosen: argparse.Namespace) -> dict:
    if work == "score":
        score = our_score if program == "ours" else monai_score
        return score(*examples(chosen), settings_of(chosen))
    plan = plan_of_step(work, chosen.quick)
    step, on = our_step(plan) if program == "ours" else monai_step(plan)
    rng = np.random.default_rng(0)
    images = rng.normal(size=(plan.schedule.batch, *plan.grid.patch, 1)).astype(np.float32)
    classes = rng.integers(0, plan.classes, images.shape[:-1]).astype(np.int32)
    first, usual = seconds_of(lambda: step(images, classes), 3 if chosen.quick else 50)
    return {"rate": plan.schedule.batch / usual, "first": first, "on": on, "what": in_words(plan)}


def in_words(plan: Plan) -> str:
    """What a step looks at, and the width of the network."""
    size = " x ".join(map(str, plan.grid.patch))
    words = f"{size}, batch {plan.schedule.batch}, {plan.network.filters} filters"
    return words if plan.network.networks == 1 else f"{words}, {plan.network.networks} networks"


def plan_of_step(dims: str, quick: bool) -> Plan:
    """A step that keeps a GPU busy, or something small."""
    patch, depth, filters, batch = {
        "2d": ((256, 256), 5, 32, 16),
        "3d": ((64, 64, 64), 4, 32, 2),
    }[dims]
    if quick:
        patch, depth, filters = tuple(n // 4 for n in patch), depth - 1, 8
    return Plan(
        dims=f"{len(patch)}d",
        spacing_mm=(1.0, 1.0, 1.0),
        patch=patch,
        labels=(0, 1, 2),
        depth=depth,
        pools=((2,) * len(patch),) * (depth - 1),
        filters=filters,
        batch=batch,
    )


def seconds_of(step: Callable[[], object], count: int) -> tuple[float, float]:
    """Seconds of the first step, which compiles, and of a usual one.

    The latter is the whole of `count`, after two more, waiting for the last only.
    """
    start = time.perf_counter()
    float(step())
    first = time.perf_counter() - start
    for _ in range(2):
        float(step())
    start = time.perf_counter()
    for _ in range(count):
        loss = step()
    float(loss)
    return first, (time.perf_counter() - start) / count


def settings_of(chosen: argparse.Namespace) -> TrainSettings:
    small = {"epochs": 2, "depth": 3} if chosen.quick else {}
    filters = 4 if chosen.quick else chosen.filters
    return TrainSettings.of(minutes=chosen.minutes, dims=chosen.dims, filters=filters, **small)


def examples(chosen: argparse.Namespace) -> tuple[list[Example], list[Example]]:
    """Cases to train on, and 48 others."""
    data = Path(os.environ["MEDUNET_DATA"])
    names = sorted(path.name for path in (data / "images").iterdir())
    random.Random(1).shuffle(names)
    found = []
    for cases in (names[TEST_CASES:], names[:TEST_CASES]):
        cases = cases[:4] if chosen.quick else cases
        with tempfile.TemporaryDirectory() as folder:
            for kind in ("images", "labels"):
                Path(folder, kind).mkdir()
                for name in cases:
                    Path(folder, kind, name).symlink_to(data.absolute() / kind / name)
            here = Path(folder)
            settings = TrainSettings()
            found.append(
                load_examples(here / "images", here / "labels", settings.annotation).examples
            )
    return found[0], found[1]


def mean_dice(network: object, cases: list[Example], labels: tuple[int, ...]) -> list[float]:
    """Mean over cases of each label's Dice."""
    scores = []
    for case in cases:
        found = predict(network, case.image)
        both = [((found == n) & (case.labels == n)).sum() for n in labels]
        sizes = [(found == n).sum() + (case.labels == n).sum() for n in labels]
        scores.append([2 * b / s if s else float("nan") for b, s in zip(both, sizes, strict=True)])
    return [float(mean) for mean in np.nanmean(scores, axis=0)]


def our_step(plan: Plan) -> tuple[Callable[..., object], str]:
    from napari_medunet.engine.hardware import devices
    from napari_medunet.engine.hardware.data_parallel import DeviceGroup
    from napari_medunet.engine.training.learning.steps import compile_steps, new_learner

    learn, _ = compile_steps(new_learner(plan, devices.precision(), DeviceGroup()))
    return learn, devices.describe()


def our_score(training: list[Example], test: list[Example], settings: TrainSettings) -> dict:
    from napari_medunet.engine.hardware import devices
    from napari_medunet.engine.training import train

    devices.start_backend()
    segmenter = train(training, make_plan(training, settings))
    plan = segmenter.plan
    dice = mean_dice(segmenter, test, plan.labels[1:])
    return {"dice": dice, "on": devices.describe(), "what": in_words(plan)}


def monai_step(plan: Plan) -> tuple[Callable[..., object], str]:
    peer = MonaiNetwork(plan)
    return peer.learn, peer.on


def monai_score(training: list[Example], test: list[Example], settings: TrainSettings) -> dict:
    plan = make_plan(training, settings)
    peer, clock = MonaiNetwork(plan), Clock(settings.budget)
    seed = plan.budget.seed
    samples = PatchSampler(training, plan, seed)
    steps = max(4, samples.annotated_patches() // plan.schedule.batch)
    vary = augmentation_by_share(plan, clock.share)
    with closing(batches(samples, vary, seed)) as stream:
        while clock.share() < 1:
            peer.set_rate(
                plan.schedule.learning_rate
                * max(0.01, 0.5 * (1 + math.cos(math.pi * clock.share())))
            )
            peer.learn(*next(stream))
            clock.epochs_done += 1 / steps
    peer.take_average()
    dice = mean_dice(peer, test, plan.labels[1:])
    one = plan.changed(networks=1)
    return {"dice": dice, "on": peer.on, "what": in_words(one)}


class MonaiNetwork:
    """MONAI's DynUNet as a plan describes it, to train, and to predict with our tiles."""

    def __init__(self, plan: Plan) -> None:
        import torch
        from monai.losses import DiceCELoss
        from monai.networks.nets import DynUNet

        torch.manual_seed(0)
        self.torch, self.plan = torch, plan
        self.device = "cuda" if torch.cuda.is_available() else "cpu"
        name = torch.cuda.get_device_name() if self.device == "cuda" else "CPU"
        self.on = f"PyTorch {torch.__version__}, {name}, bfloat16 autocast"
        factors = [(1,) * plan.spatial_dims, *plan.network.pools]
        layout = torch.channels_last if plan.spatial_dims == 2 else torch.channels_last_3d
        self.layout = layout
        self.network = DynUNet(
            plan.spatial_dims,
            plan.inputs,
            plan.classes,
            kernel_size=[plan.kernel(level) for level in range(plan.network.depth)],
            strides=factors,
            upsample_kernel_size=factors[1:],
            filters=[plan.network.filters * 2**level for level in range(plan.network.depth)],
            norm_name=plan.network.normalisation,
        ).to(self.device, memory_format=layout)
        self.loss = DiceCELoss(to_onehot_y=True, softmax=True, include_background=False, batch=True)
        self.optimizer = torch.optim.Adam(self.network.parameters(), plan.schedule.learning_rate)
        average = torch.optim.swa_utils.get_ema_multi_avg_fn(0.99)
        self.average = torch.optim.swa_utils.AveragedModel(
            self.network, multi_avg_fn=average, use_buffers=True
        )

    def set_rate(self, rate: float) -> None:
        """Set the learning rate of the next step."""
        for group in self.optimizer.param_groups:
            group["lr"] = rate

    def learn(self, images: np.ndarray, classes: np.ndarray) -> object:
        """One step; what lies outside an image counts as background, since MONAI ignores nothing."""
        truth = self.torch.from_numpy(np.where(classes == IGNORED, 0, classes)[:, None])
        self.network.train()
        self.optimizer.zero_grad(set_to_none=True)
        with self.torch.autocast(self.device, self.torch.bfloat16):
            logits = self.network(self._tensor(images))
        loss = self.loss(logits.float(), truth.to(self.device))
        loss.backward()
        self.optimizer.step()
        self.average.update_parameters(self.network)
        return loss.detach()

    def take_average(self) -> None:
        """Go on with the averaged weights."""
        self.network = self.average.module

    def probabilities(self, images: np.ndarray) -> np.ndarray:
        """As our prediction asks for them."""
        self.network.eval()
        with self.torch.inference_mode(), self.torch.autocast(self.device, self.torch.bfloat16):
            logits = self.network(self._tensor(images)).float()
        return logits.softmax(1).movedim(1, -1).cpu().numpy()

    def _tensor(self, images: np.ndarray) -> object:
        moved = self.torch.from_numpy(np.ascontiguousarray(np.moveaxis(images, -1, 1)))
        return moved.to(self.device, memory_format=self.layout, non_blocking=True)


if __name__ == "__main__":
    main()
