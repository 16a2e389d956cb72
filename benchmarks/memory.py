"""Estimated and measured memory of trainings: what the process takes beyond its start, at its highest.

    nice python benchmarks/memory.py

Each plan trains a few steps in a process of its own; Linux tells the highest resident size of a process.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys

SPACING = (1.0, 1.0, 1.0)
PLANS = {
    "2D 256x256, 32 filters, batch 16": {
        "dims": "2d", "patch": (256, 256), "depth": 5, "filters": 32, "batch": 16},
    "2D 256x256, 32 filters, batch 4": {
        "dims": "2d", "patch": (256, 256), "depth": 5, "filters": 32, "batch": 4},
    "2D 256x256, 16 filters, batch 4, 41 classes": {
        "dims": "2d", "patch": (256, 256), "depth": 5, "filters": 16, "batch": 4,
        "labels": tuple(range(41))},
    "3D 64x64x64, 16 filters, batch 2": {
        "dims": "3d", "patch": (64, 64, 64), "depth": 4, "filters": 16, "batch": 2},
    "3D 32x48x32 (hippocampus), 16 filters, batch 2": {
        "dims": "3d", "patch": (32, 48, 32), "depth": 4, "filters": 16, "batch": 2},
}  # fmt: skip


def main() -> None:
    for name, fields in PLANS.items():
        command = [sys.executable, __file__, json.dumps({"spacing_mm": SPACING, **fields})]
        ran = subprocess.run(command, check=True, text=True, stdout=subprocess.PIPE)
        estimated, measured = map(float, ran.stdout.split()[-2:])
        ratio = estimated / measured
        print(
            f"{name}: estimated {estimated:.0f} MiB, measured {measured:.0f}, {ratio:.2f}",
            flush=True,
        )


def measure(fields: dict) -> None:
    """Train a few steps by a plan and print what was estimated and what it took."""
    from napari_medunet.engine.hardware import devices

    devices.start_backend()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    import numpy as np

    from napari_medunet.engine.examples.example import Example
    from napari_medunet.engine.plan import Plan
    from napari_medunet.engine.planning.memory import feature_bytes, training_memory
    from napari_medunet.engine.training import train
    from napari_medunet.engine.volume import Volume, affine_from_spacing

    plan = Plan.of(**({"labels": (0, 1, 2)} | fields))
    rng = np.random.default_rng(0)
    shape = (12, *plan.grid.patch) if plan.spatial_dims == 2 else plan.grid.patch
    examples = []
    for number in range(5):
        voxels = rng.normal(size=shape).astype(np.float32)
        image = Volume(voxels, affine_from_spacing(SPACING), f"case {number}")
        labels = rng.integers(0, plan.classes, shape).astype(np.uint8)
        examples.append(Example(image, labels, np.ones(shape, bool)))
    loaded = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    train(examples, plan.changed(minutes=60, epochs=1))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    voxels = sum(example.labels.size for example in examples)
    print(training_memory(plan, voxels, feature_bytes()).total, peak - max(before, loaded))


if __name__ == "__main__":
    main() if len(sys.argv) == 1 else measure(json.loads(sys.argv[1]))
