"""Batches of patches, drawn ahead on threads so that the network does not wait."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import count, islice

import numpy as np

from napari_medunet.engine.hardware import machine
from napari_medunet.engine.patches.augment import NO_AUGMENTATION, Augmentation
from napari_medunet.engine.patches.cutting import ClassArray
from napari_medunet.engine.patches.preprocessing import Float32Array
from napari_medunet.engine.patches.sampler import PatchSampler

Batch = tuple[Float32Array, ClassArray]

_AHEAD = 2  # batches that are drawn before they are asked for, beside one on each thread


def draw_batch(
    samples: PatchSampler,
    size: int,
    rng: np.random.Generator,
    augmentation: Augmentation = NO_AUGMENTATION,
) -> Batch:
    """Draw `size` patches: images (size, *patch, inputs) and classes (size, *patch)."""
    images, classes = zip(*(samples.draw(rng, augmentation) for _ in range(size)), strict=True)
    return np.stack(images), np.stack(classes)


def batches(
    samples: PatchSampler, vary: Callable[[], Augmentation], seed: int, first: int = 0
) -> Generator[Batch, None, None]:
    """Draw batches for ever, a few ahead on threads, so that the network does not wait.

    `vary` is asked for the augmentation before each batch, which has its own chance, from `seed` and its
    number: a training that is resumed goes on with batch number `first` as if nothing had happened. Close
    the generator to end the threads.
    """
    size = samples.plan.schedule.batch
    threads = machine.loader_threads()

    def draw(number: int, augmentation: Augmentation) -> Batch:
        return draw_batch(samples, size, np.random.default_rng((seed, number)), augmentation)

    with ThreadPoolExecutor(threads, "medunet-samples") as pool:
        ahead: deque[Future[Batch]] = deque()
        before = samples.pseudo_label_rounds, vary()
        for number in count(first):
            augmentation = vary()
            now = samples.pseudo_label_rounds, augmentation
            # Batches ahead have another augmentation, or older pseudo-labels, or these in part.
            if now != before:
                ahead.clear()
                before = now
            while len(ahead) < _AHEAD + threads:
                ahead.append(pool.submit(draw, number + len(ahead), augmentation))
            yield ahead.popleft().result()


def joined(stream: Iterator[Batch], count: int) -> Iterator[Batch]:
    """Put each `count` batches together into one."""
    if count == 1:
        yield from stream
    while group := list(islice(stream, count)):
        images, classes = zip(*group, strict=True)
        yield np.concatenate(images), np.concatenate(classes)
