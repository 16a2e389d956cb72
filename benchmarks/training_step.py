"""One training step, here and in plain PyTorch: the same network, the same images, in one run.

    python benchmarks/training_step.py [--size 128 128] [--batch 16] [--threads 1] [--torch-python PYTHON]

A U-Net of four levels, 32 to 256 filters, learns from random images: forward, cross-entropy plus Dice,
backward, optimizer (ours Muon, the peer's Adam); ours also averages its weights and counts its scores.
The peer is the same network written in PyTorch, channels last, in float32 and in bfloat16 autocast, where
the processor has that. Each program runs in a child process of its own, one after the other, round after
round, so that what disturbs the machine disturbs all of them; the time of a program is the fastest step
of all rounds. The first step is told beside it: in it the graph is built and memory taken.
`--torch-python` names a Python that has torch, where this one has not. The ratio is the peer's time over
ours: above 1, we are faster.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time

import numpy as np

PROGRAMS = {
    "ours float32": ("ours", "float32"),
    "ours bfloat16": ("ours", "mixed_bfloat16"),
    "PyTorch float32": ("torch", "float32"),
    "PyTorch bfloat16": ("torch", "bfloat16"),
}
FILTERS, LEVELS, CLASSES = 32, 4, 3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, nargs="+", default=[128, 128])
    parser.add_argument("--filters", type=int, default=FILTERS)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--steps", type=int, default=6)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--torch-python", default=sys.executable)
    parser.add_argument("--child", nargs=2, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.child:
        program, precision = chosen.child
        step = ours(chosen, precision) if program == "ours" else pytorch(chosen, precision)
        print(json.dumps(times_of(step, chosen.steps)))
        return
    from napari_medunet.engine.hardware.machine import cpu_has_bfloat16

    programs = [name for name in PROGRAMS if cpu_has_bfloat16() or "bfloat16" not in name]
    rounds = [
        {name: times_in_child(name, chosen) for name in programs} for _ in range(chosen.rounds)
    ]
    # After the second step nothing is compiled any more.
    fastest = {name: min(min(times[name][2:]) for times in rounds) for name in programs}
    first = {name: min(times[name][0] for times in rounds) for name in programs}
    size = " x ".join(map(str, chosen.size))
    print(f"{size}, batch {chosen.batch}, {chosen.filters} filters, {chosen.threads} thread(s)")
    for name, seconds in fastest.items():
        images = chosen.batch / seconds
        print(f"{name:17} {1000 * seconds:7.0f} ms a step, {images:6.1f} images/s", end=", ")
        print(f"the first step {first[name]:.1f} s")
    best = min(seconds for name, seconds in fastest.items() if name.startswith("ours"))
    for name in (name for name in programs if name.startswith("PyTorch")):
        print(f"{name} / ours, at its fastest: {fastest[name] / best:.2f}")


def times_in_child(name: str, chosen: argparse.Namespace) -> list[float]:
    """Seconds of each step of one child process."""
    program, precision = PROGRAMS[name]
    python = sys.executable if program == "ours" else chosen.torch_python
    options = [
        f"--{key}={getattr(chosen, key)}" for key in ("batch", "threads", "steps", "filters")
    ]
    command = [python, __file__, *options, "--child", program, precision, "--size"]
    command += [str(n) for n in chosen.size]
    environment = {
        **os.environ,
        "OMP_NUM_THREADS": str(chosen.threads),
        "TF_CPP_MIN_LOG_LEVEL": "3",
    }
    done = subprocess.run(command, env=environment, text=True, capture_output=True)
    if done.returncode:
        sys.exit(f"{name} did not run:\n{done.stderr[-2000:]}")
    times: list[float] = json.loads(done.stdout.splitlines()[-1])
    return times


def times_of(step, count: int) -> list[float]:
    """Seconds of each step: two that compile and allocate, and so many others."""
    seconds = []
    for _ in range(count + 2):
        start = time.perf_counter()
        loss = float(step())
        seconds.append(time.perf_counter() - start)
        if not np.isfinite(loss):
            sys.exit("the loss is no longer a number")
    return seconds


def random_batch(chosen: argparse.Namespace):
    rng = np.random.default_rng(0)
    images = rng.random((chosen.batch, *chosen.size, 1), dtype=np.float32)
    return images, rng.integers(0, CLASSES, images.shape[:-1]).astype(np.int32)


def ours(chosen: argparse.Namespace, precision: str):
    """Training's own step, on training's own network."""
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(chosen.threads)
    tf.config.threading.set_inter_op_parallelism_threads(1)

    from napari_medunet.engine.hardware.data_parallel import DeviceGroup
    from napari_medunet.engine.plan import Plan
    from napari_medunet.engine.training.learning.steps import compile_steps, new_learner

    plan = Plan.of(
        dims=f"{len(chosen.size)}d",
        spacing_mm=(1.0, 1.0, 1.0),
        patch=tuple(chosen.size),
        labels=tuple(range(CLASSES)),
        depth=LEVELS,
        filters=chosen.filters,
        batch=chosen.batch,
    )
    learn, _ = compile_steps(new_learner(plan, precision, DeviceGroup()))
    images, classes = random_batch(chosen)
    return lambda: learn(images, classes)


def pytorch(chosen: argparse.Namespace, precision: str):
    """The same network and loss in PyTorch, as its users write them."""
    import torch
    from torch import nn
    from torch.nn import functional

    torch.set_num_threads(chosen.threads)
    flat = len(chosen.size) == 2
    convolution = nn.Conv2d if flat else nn.Conv3d
    transpose = nn.ConvTranspose2d if flat else nn.ConvTranspose3d
    normalise = nn.BatchNorm2d if flat else nn.BatchNorm3d
    pool = nn.MaxPool2d(2) if flat else nn.MaxPool3d(2)
    layout = torch.channels_last if flat else torch.channels_last_3d

    def block(channels: int, filters: int) -> nn.Module:
        layers = []
        for count in (channels, filters):
            layers += [convolution(count, filters, 3, padding=1, bias=False)]
            layers += [normalise(filters), nn.ReLU(inplace=True)]
        return nn.Sequential(*layers)

    class UNet(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            sizes = [chosen.filters * 2**level for level in range(LEVELS)]
            self.down = nn.ModuleList(map(block, [1, *sizes[:-1]], sizes))
            self.upsample = nn.ModuleList(transpose(2 * n, n, 2, stride=2) for n in sizes[:-1])
            self.up = nn.ModuleList(block(2 * n, n) for n in sizes[:-1])
            self.logits = convolution(sizes[0], CLASSES, 1)

        def forward(self, features):
            skips = []
            for level, part in enumerate(self.down):
                features = part(pool(features) if level else features)
                skips.append(features)
            for level in reversed(range(LEVELS - 1)):
                features = torch.cat([self.upsample[level](features), skips[level]], 1)
                features = self.up[level](features)
            return self.logits(features)

    network = UNet().to(memory_format=layout)
    optimizer = torch.optim.Adam(network.parameters(), 1e-3)
    images, classes = random_batch(chosen)
    images = torch.from_numpy(np.moveaxis(images, -1, 1).copy()).to(memory_format=layout)
    classes = torch.from_numpy(classes).long()
    truth = functional.one_hot(classes.ravel(), CLASSES).float()

    def step():
        optimizer.zero_grad(set_to_none=True)
        with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bfloat16"):
            logits = network(images)
        logits = logits.float().movedim(1, -1).reshape(-1, CLASSES)
        probabilities = logits.softmax(-1)
        overlap = (truth * probabilities).sum(0)[1:]
        sizes = (truth + probabilities).sum(0)[1:]
        loss = functional.cross_entropy(logits, classes.ravel())
        loss = loss + 1 - ((2 * overlap + 1) / (sizes + 1)).mean()
        loss.backward()
        optimizer.step()
        return loss.detach()

    return step


if __name__ == "__main__":
    main()
