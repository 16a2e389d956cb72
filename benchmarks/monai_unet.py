"""The peer of `hippocampus.py`: a U-Net of MONAI, trained and used on the same files for the same minutes.

    python benchmarks/monai_unet.py TRAIN IMAGES OUT --minutes 5 --dims 3d [--filters 8] [--slices]

Needs PyTorch, MONAI and nibabel, and nothing of ours. TRAIN holds `images` and `labels`; the labels of
IMAGES are written to OUT. With `--slices` only axial slices that hold a label are learned from.

It does what MONAI is made for with such data (CacheDataset, crops about labelled and other voxels, DiceCE,
sliding windows with Gaussian weights), with bfloat16 where the processor has it, averaged weights, a
cosine over the minutes, and left and right mirrored at the end. Block, batch and learning rate in 3D are
those that our plan chooses for these volumes; so are the filters where many steps fit into the minutes
(with few of them, without bfloat16, our plan chooses 8: `--filters`). In 2D it sees whole slices.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Iterator
from pathlib import Path

import nibabel
import numpy as np
import torch
from monai.data import CacheDataset, DataLoader
from monai.inferers import sliding_window_inference
from monai.losses import DiceCELoss
from monai.networks.nets import DynUNet
from monai.transforms import (
    Compose,
    RandAdjustContrastd,
    RandAffined,
    RandCropByPosNegLabeld,
    RandFlipd,
    RandGaussianNoised,
    RandGaussianSmoothd,
    RandScaleIntensityd,
    RandSpatialCropd,
    SpatialPadd,
)
from torch.utils.data import RandomSampler

BOTH = ("image", "label")
# Without the hardware for it a step in bfloat16 takes minutes.
BFLOAT16 = any(flag in Path("/proc/cpuinfo").read_text() for flag in ("avx512_bf16", "amx_bf16"))
# Patch, patches a step, filters of the first level, levels, learning rate.
CONFIGURATIONS = {"2d": ((40, 56), 16, 32, 4, 1e-3), "3d": ((32, 48, 32), 2, 16, 4, 3e-3)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("train", type=Path)
    parser.add_argument("images", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--dims", choices=CONFIGURATIONS, default="3d")
    parser.add_argument("--filters", type=int, help="of the first level")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--slices", action="store_true", help="learn from labelled slices only")
    chosen = parser.parse_args()
    torch.manual_seed(chosen.seed)
    network = train(chosen)
    patch = CONFIGURATIONS[chosen.dims][0]
    chosen.out.mkdir(exist_ok=True)
    for path in sorted(chosen.images.iterdir()):
        file = nibabel.load(path)
        labels = segment(network, np.asarray(file.dataobj, np.float32), patch)
        nibabel.save(
            nibabel.Nifti1Image(labels.astype(np.uint8), file.affine), chosen.out / path.name
        )


def train(chosen: argparse.Namespace) -> torch.nn.Module:
    """Averaged weights after the minutes."""
    patch, batch, usual, depth, rate = CONFIGURATIONS[chosen.dims]
    filters = chosen.filters or usual
    flat = len(patch) == 2
    layout = torch.channels_last if flat else torch.channels_last_3d
    cases = [
        part
        for path in sorted((chosen.train / "images").iterdir())
        for part in parts_of(path, chosen.train / "labels" / path.name, flat, chosen.slices)
    ]
    start = time.perf_counter()  # of the minutes: reading does not count, as it does not for ours
    classes = 1 + max(int(case["label"].max()) for case in cases)
    network = DynUNet(
        len(patch),
        1,
        classes,
        kernel_size=[3] * depth,
        strides=[1] + [2] * (depth - 1),
        upsample_kernel_size=[2] * (depth - 1),
        filters=[filters * 2**level for level in range(depth)],
        norm_name="batch",
    ).to(memory_format=layout)
    loss_of = DiceCELoss(to_onehot_y=True, softmax=True, include_background=False, batch=True)
    optimizer = torch.optim.Adam(network.parameters(), rate)
    average = torch.optim.swa_utils.AveragedModel(
        network, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(0.99), use_buffers=True
    )
    network.train()
    for images, labels in batches(cases, patch, batch):
        share = (time.perf_counter() - start) / (60 * chosen.minutes)
        if share >= 1:
            break
        optimizer.param_groups[0]["lr"] = rate * max(0.003, 0.5 * (1 + math.cos(math.pi * share)))
        optimizer.zero_grad(set_to_none=True)
        with torch.autocast("cpu", torch.bfloat16, enabled=BFLOAT16):
            logits = network(images.contiguous(memory_format=layout))
        loss_of(logits.float(), labels).backward()
        optimizer.step()
        average.update_parameters(network)
    return average.module.eval()


def parts_of(image: Path, label: Path, flat: bool, labelled_only: bool) -> list[dict]:
    """The volume, or its axial slices (the files' last axis)."""
    voxels, labels = (np.asarray(nibabel.load(p).dataobj, np.float32) for p in (image, label))
    voxels = (voxels - voxels.mean()) / voxels.std()
    if not flat:
        return [{"image": voxels[None], "label": labels[None]}]
    slices = range(voxels.shape[-1])
    if labelled_only:
        slices = [index for index in slices if labels[..., index].any()]
    return [{"image": voxels[None, ..., n], "label": labels[None, ..., n]} for n in slices]


def batches(
    cases: list[dict], patch: tuple[int, ...], batch: int
) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Augmented patches without end, made by another process ahead of the step."""
    flat = len(patch) == 2
    crop = RandCropByPosNegLabeld(BOTH, "label", patch, num_samples=1)
    transforms = Compose(
        [
            SpatialPadd(BOTH, patch),
            RandSpatialCropd(BOTH, patch, random_size=False) if flat else crop,
            RandFlipd(BOTH, prob=0.5, spatial_axis=0),  # left and right
            RandAffined(
                BOTH,
                prob=0.5,
                rotate_range=[0.26] * (1 if flat else 3),
                scale_range=[0.15] * len(patch),
                mode=("bilinear", "nearest"),
                padding_mode="border",
            ),
            RandGaussianNoised("image", prob=0.15, std=0.1),
            RandGaussianSmoothd("image", prob=0.1),
            RandScaleIntensityd("image", factors=0.25, prob=0.15),
            RandAdjustContrastd("image", prob=0.15, gamma=(0.7, 1.5)),
        ]
    )
    data = CacheDataset(cases, transforms, progress=False)
    endless = RandomSampler(data, replacement=True, num_samples=10**9)
    for found in DataLoader(data, 1, batch_size=batch, sampler=endless):
        yield found["image"].as_tensor(), found["label"].as_tensor()


def segment(network: torch.nn.Module, voxels: np.ndarray, patch: tuple[int, ...]) -> np.ndarray:
    """Most probable class of each voxel of (x, y, z), with left and right mirrored and not."""
    image = torch.from_numpy((voxels - voxels.mean()) / voxels.std())[None, None]
    if len(patch) == 2:
        image = image[0].permute(3, 0, 1, 2)

    def probabilities(image: torch.Tensor) -> torch.Tensor:
        with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=BFLOAT16):
            found = sliding_window_inference(
                image, patch, 16, network, overlap=0.5, mode="gaussian"
            )
        return found.float().softmax(1)

    both = probabilities(image) + probabilities(image.flip(2)).flip(2)
    classes = both.argmax(1).numpy()
    return classes.transpose(1, 2, 0) if len(patch) == 2 else classes[0]


if __name__ == "__main__":
    main()
