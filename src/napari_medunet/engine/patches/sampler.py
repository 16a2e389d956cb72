"""Sampling of training patches from examples: foreground-aware, on annotated voxels only.

Where the patch is larger than the volume, the rest is filled with 0 (the mean, once normalised) and
counts as not annotated.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from napari_medunet.engine.errors import MedunetError
from napari_medunet.engine.examples.between_slices import Guess, guess_between
from napari_medunet.engine.examples.example import Example
from napari_medunet.engine.patches.augment import (
    NO_AUGMENTATION,
    Augmentation,
    draw_params,
    vary_intensity,
)
from napari_medunet.engine.patches.cutting import (
    IGNORED,
    Case,
    ClassArray,
    Patch,
    cut,
    with_neighbours,
)
from napari_medunet.engine.patches.preprocessing import (
    Float32Array,
    classes_to_grid,
    grid_spacing_mm,
    image_to_grid,
)
from napari_medunet.engine.plan import Plan
from napari_medunet.engine.volume import Volume

Classify = Callable[[Float32Array, Guess | None], ClassArray]

_FOREGROUND_SHARE = 0.5  # of the patches are centred on a voxel of a class chosen by even chance
_MOST_CENTRES = 20_000  # remembered per case and class


class PatchSampler:
    """Examples on the network's grid, from which patches are drawn.

    Parameters
    ----------
    examples : non-empty list of Example
    plan : Plan
    seed : int
        Of the choice of centres in large structures; each draw has a generator of its own.
    before : callable
        Called with each example before it is prepared, which takes seconds if it is large.
    prepared : PatchSampler, optional
        Of the same plan: images that it has are shared, and not prepared twice.

    Raises
    ------
    MedunetError
        If nothing that was annotated is left on the network's grid.
    """

    def __init__(
        self,
        examples: list[Example],
        plan: Plan,
        seed: int = 0,
        before: Callable[[Example], None] = lambda example: None,
        prepared: PatchSampler | None = None,
    ) -> None:
        self.plan = plan
        rng = np.random.default_rng(seed)
        self._on_grid: dict[Volume, Float32Array] = dict(prepared._on_grid) if prepared else {}
        self._cases = []
        for example in examples:
            before(example)
            self._cases.append(self._prepare(example, rng))
        self._holders = self._by_class()
        if not self._holders:
            raise MedunetError(
                f"Nothing of what was painted is left in voxels of {plan.grid.spacing_mm} mm; wanted some. "
                "Set a finer spacing, or paint larger areas."
            )
        self.pseudo_label_rounds = 0  # rounds of pseudo-labels so far

    @property
    def cases(self) -> int:
        """Number of examples."""
        return len(self._cases)

    def _prepare(self, example: Example, rng: np.random.Generator) -> Case:
        classes = classes_to_grid(example.labels, example.annotated, example.image, self.plan)
        if example.image not in self._on_grid:
            self._on_grid[example.image] = image_to_grid(example.image, self.plan)
        return self._case(self._on_grid[example.image], classes, classes, rng)

    def _case(
        self,
        image: Float32Array,
        annotation: npt.NDArray[np.int16],
        classes: npt.NDArray[np.int16],
        rng: np.random.Generator,
    ) -> Case:
        learns_more = self.plan.schedule.self_training
        guess = guess_between(annotation, grid_spacing_mm(self.plan)) if learns_more else None
        return Case(image, annotation, classes, guess, _centres(classes, self.plan, rng))

    def _by_class(self) -> dict[int, list[Case]]:
        """The cases that hold each class; all of them under `IGNORED`."""
        numbers = [IGNORED, *range(1, self.plan.classes)]
        holders = {n: [case for case in self._cases if n in case.centres] for n in numbers}
        return {number: cases for number, cases in holders.items() if cases}

    def set_pseudo_labels(self, classify: Classify, most_voxels: float, seed: int) -> None:
        """Set pseudo-labels where nothing is annotated, until the next round; annotation is not changed.

        A structure that does not touch annotation of its class gets none: it may be there or not.

        Parameters
        ----------
        classify : callable
            From an image (c, slices, rows, columns) on the network's grid, and the guess between its
            painted slices, to classes (slices, rows, columns), `IGNORED` where it is not sure.
        most_voxels : float
            To be classified in all; if there are more, cases are chosen at random.
        seed : int
            Of that choice.
        """
        rng = np.random.default_rng(seed)
        for index in rng.permutation(len(self._cases)):
            case = self._cases[index]
            unknown = case.annotation == IGNORED
            if unknown.any() and case.annotation.size <= most_voxels:
                most_voxels -= case.annotation.size
                found = classify(case.image, case.guess)
                classes = np.where(unknown, found, case.annotation).astype(np.int16)
                classes[_apart(classes, case.annotation)] = IGNORED
                centres = _centres(classes, self.plan, rng)
                self._cases[index] = replace(case, classes=classes, centres=centres)
        self._holders = self._by_class()
        self.pseudo_label_rounds += 1

    def lacks(self, held_out: PatchSampler) -> bool:
        """Whether another sampler, of the same plan, has annotation that this one has not."""
        by_image = {id(case.image): case.annotation for case in self._cases}
        known = (by_image.get(id(held.image)) for held in held_out._cases)
        return any(
            mine is None or bool(((mine == IGNORED) & (held.annotation != IGNORED)).any())
            for mine, held in zip(known, held_out._cases, strict=True)
        )

    def learn_also(self, held_out: PatchSampler) -> None:
        """Draw from what was held out, too, from now on.

        Parameters
        ----------
        held_out : PatchSampler
            Of the same plan; of images that this one has, where slices were held out, or of others.
        """
        rng = np.random.default_rng(0)
        images = {id(case.image) for case in self._cases}
        held = {id(case.image): case for case in held_out._cases}
        joined = [
            self._joined(case, held[id(case.image)], rng) if id(case.image) in held else case
            for case in self._cases
        ]
        new = [case for image, case in held.items() if image not in images]
        self._cases = [*joined, *new]
        self._holders = self._by_class()

    def _joined(self, case: Case, held: Case, rng: np.random.Generator) -> Case:
        new = held.annotation != IGNORED
        annotation = np.where(new, held.annotation, case.annotation)
        classes = np.where(new, held.annotation, case.classes)
        return self._case(case.image, annotation, classes, rng)

    def images(self) -> list[Float32Array]:
        """All images (c, slices, rows, columns), on the network's grid."""
        return [case.image for case in self._cases]

    def annotated_shares(self) -> npt.NDArray[np.float64]:
        """Share of each class among what was annotated."""
        counts = np.zeros(self.plan.classes)
        for case in self._cases:
            known = case.annotation[case.annotation != IGNORED]
            counts += np.bincount(known, minlength=self.plan.classes)
        return np.asarray(counts / counts.sum())

    def annotated_patches(self) -> int:
        """About how many patches it takes to see everything that was annotated once."""
        per_patch = np.prod(self.plan.grid.patch)
        if self.plan.spatial_dims == 2:
            return sum(
                int((case.annotation != IGNORED).any(axis=(1, 2)).sum())
                * max(1, round(case.annotation[0].size / per_patch))
                for case in self._cases
            )
        return sum(max(1, round(case.annotation.size / per_patch)) for case in self._cases)

    def draw(self, rng: np.random.Generator, augmentation: Augmentation = NO_AUGMENTATION) -> Patch:
        """Draw one patch.

        Returns
        -------
        image : (*patch, inputs) float32 array
        classes : (*patch) int32 array
            `IGNORED` where nothing was annotated.
        """
        holders, number = self._holders, IGNORED
        if len(holders) > 1 and rng.random() < _FOREGROUND_SHARE:
            number = list(holders)[1 + rng.integers(len(holders) - 1)]
        case = holders[number][rng.integers(len(holders[number]))]
        centres = case.centres[number]
        centre = np.unravel_index(centres[rng.integers(len(centres))], case.classes.shape)
        place = tuple(int(i) for i in centre)
        if self.plan.grid.context:
            case, place = with_neighbours(case, place[0], self.plan.grid.context), (0, *place[1:])
        variation = draw_params(rng, self.plan, augmentation)
        image, classes = cut(case, place, self.plan.grid.patch, variation)
        vary_intensity(image, variation, rng)
        return image, classes


def _centres(
    classes: npt.NDArray[np.int16], plan: Plan, rng: np.random.Generator
) -> dict[int, npt.NDArray[np.int64]]:
    known = classes != IGNORED
    centres = {IGNORED: _some(known, rng)} if known.any() else {}
    # A pass over the whole volume for each of a hundred labels would take minutes of a training.
    boxes = ndimage.find_objects(np.maximum(classes, 0), plan.classes - 1)
    for number, box in enumerate(boxes, 1):
        if box is not None:
            inside = np.unravel_index(_some(classes[box] == number, rng), classes[box].shape)
            places = [part.start + found for part, found in zip(box, inside, strict=True)]
            centres[number] = np.ravel_multi_index(places, classes.shape)
    return centres


def _some(chosen: npt.NDArray[np.bool_], rng: np.random.Generator) -> npt.NDArray[np.int64]:
    """Flat indices of chosen voxels, in order: all, or `_MOST_CENTRES` at random."""
    if chosen.size > _MOST_CENTRES and chosen.all():  # of a large volume all indices are many bytes
        return np.sort(rng.choice(chosen.size, _MOST_CENTRES, replace=False))
    found = np.flatnonzero(chosen)
    if found.size <= _MOST_CENTRES:
        return found
    return np.sort(rng.choice(found, _MOST_CENTRES, replace=False))


def _apart(
    classes: npt.NDArray[np.int16], annotation: npt.NDArray[np.int16]
) -> npt.NDArray[np.bool_]:
    """Which voxels of structures touch no annotation of their class, directly or through others of it."""
    from skimage import measure

    pieces = measure.label(classes, background=0)
    touching = np.zeros(pieces.max() + 1, bool)
    touching[pieces[annotation > 0]] = True
    return np.asarray((classes > 0) & ~touching[pieces])
