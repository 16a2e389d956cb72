"""Painted images: what a segmenter keeps of the slices that were painted, for the images they are on.

Who paints every n-th slice of a scan wants the rest of it. What lies between two painted slices is known
better from both than from a network alone, so their labels travel with the segmenter, and are used where it
meets the very image again.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field, model_validator

from napari_medunet.engine.errors import MedunetError
from napari_medunet.engine.examples.annotation import annotated_across
from napari_medunet.engine.examples.between_slices import Guess, guess_between
from napari_medunet.engine.examples.example import Example
from napari_medunet.engine.patches.preprocessing import classes_to_grid, grid_spacing_mm
from napari_medunet.engine.plan import Plan
from napari_medunet.engine.volume import Volume

MOST_PAINTED = 10_000  # images
_MOST_BYTES = 512 * 2**20  # of all slices; a segmenter of more is of very many, and needs them less
_Size = Annotated[int, Field(ge=1, le=2**20)]


class PaintedCard(BaseModel):
    """Which image was painted on which slices.

    Attributes
    ----------
    sha256 : str
        Of the image's voxels, see `fingerprint`.
    shape : (z, y, x) ints
    kind : str
        Of the labels.
    axis : int
        Array axis across the slices.
    slices : tuple of int
        Those that are annotated as a whole, ascending.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
    shape: tuple[_Size, _Size, _Size]
    kind: Literal["uint8", "uint16", "uint32", "uint64"]
    axis: Annotated[int, Field(ge=0, le=2)]
    slices: Annotated[tuple[Annotated[int, Field(ge=0)], ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _inside(self) -> PaintedCard:
        if list(self.slices) != sorted({*self.slices}) or self.slices[-1] >= self.shape[self.axis]:
            raise ValueError("the painted slices are no ascending slices of the image")
        return self

    @property
    def little_endian(self) -> np.dtype[Any]:
        """Type of the labels in a file."""
        return np.dtype(self.kind).newbyteorder("<")

    @property
    def plane(self) -> tuple[int, int]:
        """Rows and columns of a slice."""
        rows, columns = (size for axis, size in enumerate(self.shape) if axis != self.axis)
        return rows, columns


@dataclass(frozen=True, eq=False)
class PaintedImage:
    """The labels of the slices that were painted on an image.

    Attributes
    ----------
    card : PaintedCard
    labels : (slices, rows, columns) integer array
        In the order of the card's slices.
    """

    card: PaintedCard
    labels: npt.NDArray[np.integer[Any]]

    def guess(self, image: Volume, plan: Plan) -> Guess | None:
        """What lies between and beyond the slices, on the network's grid."""
        labels = np.zeros(self.card.shape, self.labels.dtype)
        annotated = np.zeros(self.card.shape, bool)
        labels[self._where], annotated[self._where] = self._in_place, True
        classes = classes_to_grid(labels, annotated, image, plan)
        return guess_between(classes, grid_spacing_mm(plan))

    def restore(self, labels: npt.NDArray[Any]) -> None:
        """Put the painted slices into a prediction (z, y, x), in place."""
        labels[self._where] = self._in_place

    @property
    def _where(self) -> tuple[slice | list[int], ...]:
        return (slice(None),) * self.card.axis + (list(self.card.slices),)

    @property
    def _in_place(self) -> npt.NDArray[Any]:
        return np.moveaxis(self.labels, 0, self.card.axis)

    def to_bytes(self) -> bytes:
        """The labels as they are in memory, the rows of the first slice first."""
        return np.ascontiguousarray(self.labels, self.card.little_endian).tobytes()

    @classmethod
    def from_bytes(cls, card: PaintedCard, content: bytes) -> PaintedImage:
        """Take what `to_bytes` gave.

        Raises
        ------
        MedunetError
            If it is not as long as the card says.
        """
        wanted = (len(card.slices), *card.plane)
        if len(content) != math.prod(wanted) * card.little_endian.itemsize:
            raise MedunetError(
                "The segmenter's painted slices are not as its card says: it is damaged. Copy it again."
            )
        return cls(card, np.frombuffer(content, card.little_endian).reshape(wanted))


def remember(
    examples: Iterable[Example], earlier: Iterable[PaintedImage] = ()
) -> tuple[PaintedImage, ...]:
    """Keep the painted slices of the examples that have some, and are not annotated throughout.

    Parameters
    ----------
    examples : iterable of Example
    earlier : iterable of PaintedImage
        Kept, too, where their image is none of the examples'.
    """
    painted = [kept for example in examples if (kept := _kept(example))]
    again = {image.card.sha256 for image in painted}
    painted += [image for image in earlier if image.card.sha256 not in again]
    small = sum(image.labels.nbytes for image in painted) <= _MOST_BYTES
    return tuple(painted) if small and len(painted) <= MOST_PAINTED else ()


def find_painted(painted: Iterable[PaintedImage], image: Volume) -> PaintedImage | None:
    """What was painted on an image, where it is one of those of the training."""
    alike = [one for one in painted if one.card.shape == image.shape]
    if not alike:
        return None
    found = fingerprint(image)
    return next((one for one in alike if one.card.sha256 == found), None)


def fingerprint(image: Volume) -> str:
    """SHA-256 of an image's voxels as float32, the same from a file and from a layer."""
    digest = hashlib.sha256()
    with np.errstate(over="ignore"):  # what float32 does not hold is infinite, and the same again
        for plane in image.voxels.reshape(-1, *image.voxels.shape[-2:]):
            digest.update(np.ascontiguousarray(plane, "<f4").tobytes())
    return digest.hexdigest()


def _kept(example: Example) -> PaintedImage | None:
    if example.annotated.all():
        return None
    axis = annotated_across(example.annotated)
    whole = np.moveaxis(example.annotated, axis, 0).all(axis=(1, 2))
    slices = np.flatnonzero(whole)
    if not slices.size:
        return None
    labels = np.moveaxis(example.labels, axis, 0)[slices]
    smallest = np.min_scalar_type(int(labels.max()))
    card = PaintedCard(
        sha256=fingerprint(example.image),
        shape=example.image.shape,
        kind=smallest.name,
        axis=axis,
        slices=tuple(slices.tolist()),
    )
    return PaintedImage(card, labels.astype(smallest))
