"""Segmenter: a trained network with its plan, its classes and its card; what `.medunet` files hold.

A `.medunet` file is a zip of `card.json` and `network.weights.h5`. It holds no code: the network is
rebuilt from the plan by `build_unet`, and every field of the card is checked before it is used.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
import warnings
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from napari_medunet.engine.plan import Plan
from napari_medunet.engine.saving import saved_whole
from napari_medunet.engine.settings import TrainSettings

SUFFIX = ".medunet"
_CARD = "card.json"
_WEIGHTS = "network.weights.h5"
_MOST_CARD_BYTES = 16 * 2**20
_MOST_WEIGHTS_BYTES = 2 * 2**30

ShortText = Annotated[str, Field(max_length=500)]


class SegmentClass(BaseModel):
    """One label that a segmenter knows: its value in label volumes, and its name."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    value: Annotated[int, Field(ge=1, le=2**63 - 1)]
    name: ShortText


class Card(BaseModel):
    """All that is known about a segmenter beside its weights.

    Attributes
    ----------
    plan : Plan
    classes : tuple of SegmentClass
        Without background, in the order of `plan.labels`.
    settings : TrainSettings
        What the user had chosen.
    training_cases, validation_cases : tuples of str
        Names of the images. With few cases slices are held out instead, and both tuples are equal.
    validation_dice : dict of str to float or None
        Of the kept weights, by class name; None where the class was in no validation case.
    history : tuple of dict
        Scores of each epoch, as training reported them.
    best_epoch : int
        Whose weights were kept.
    minutes : float
        That training took.
    trained_with : dict of str to str
        Backend, device, precision and versions.
    weights_sha256 : str
        Of the weights' file; empty until the segmenter is saved.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal[1] = 1
    plan: Plan
    classes: Annotated[tuple[SegmentClass, ...], Field(min_length=1, max_length=1023)]
    settings: TrainSettings
    training_cases: tuple[ShortText, ...]
    validation_cases: tuple[ShortText, ...]
    validation_dice: dict[ShortText, float | None]
    history: tuple[dict[ShortText, float], ...]
    best_epoch: Annotated[int, Field(ge=0)]
    minutes: Annotated[float, Field(ge=0)]
    created: ShortText
    trained_with: dict[ShortText, ShortText]
    licence: ShortText = "not stated"
    weights_sha256: Annotated[str, Field(pattern="^([0-9a-f]{64})?$")] = ""

    @model_validator(mode="after")
    def _classes_follow_the_plan(self) -> Card:
        if tuple(c.value for c in self.classes) != self.plan.labels[1:]:
            raise ValueError("the classes are not those of the plan")
        return self

    def describe(self) -> str:
        """Say in a few lines what the segmenter is and how good it was."""
        dice = ", ".join(
            f"{name} {score:.3f}" if score is not None else f"{name} not measured"
            for name, score in self.validation_dice.items()
        )
        return (
            f"{self.plan.describe()}\n"
            f"trained on {len(self.training_cases)} cases in {self.minutes:.1f} min, {self.created}, "
            f"{self.trained_with.get('device', '')}\n"
            f"validation Dice: {dice}"
        )


@dataclass(frozen=True, eq=False)
class Segmenter:
    """A trained network, ready to predict.

    Parameters
    ----------
    network : keras.Model
        From (batch, *size, channels) to logits (batch, *size, classes).
    card : Card
    """

    network: Any
    card: Card

    def __post_init__(self) -> None:
        from keras import Model, layers

        # The softmax runs inside the compiled graph: one call from batch to probabilities.
        logits = self.network.output
        probabilities = layers.Softmax(dtype="float32", name="probabilities")(logits)
        predictor = Model(self.network.input, probabilities)
        object.__setattr__(self, "_predictor", predictor)

    @property
    def plan(self) -> Plan:
        """The plan that the network was built and trained from."""
        return self.card.plan

    def probabilities(self, images: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Class probabilities of a batch.

        Parameters
        ----------
        images : (batch, *size, channels) float32 array
            On the network's grid; each size a multiple of 2**(depth - 1).

        Returns
        -------
        (batch, *size, classes) float32 array
        """
        predictor = self._predictor  # type: ignore[attr-defined]
        return np.asarray(predictor.predict_on_batch(images), dtype=np.float32)

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write a `.medunet` file, first under a temporary name, then renamed.

        Raises
        ------
        OSError
            If the file cannot be written.
        """
        target = with_suffix(Path(path))
        with saved_whole(target) as stream, tempfile.TemporaryDirectory() as folder:
            weights = Path(folder, _WEIGHTS)
            self.network.save_weights(weights)
            digest = hashlib.sha256(weights.read_bytes()).hexdigest()
            card = self.card.model_copy(update={"weights_sha256": digest})
            with zipfile.ZipFile(stream, "w") as archive:
                archive.writestr(_CARD, card.model_dump_json(indent=1))
                archive.write(weights, _WEIGHTS)
        return target

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Segmenter:
        """Read a `.medunet` file and rebuild its network.

        Raises
        ------
        OSError
            If the file cannot be read.
        ValueError
            If it is no `.medunet` file, or a damaged one.
        """
        card = read_card(path)
        with zipfile.ZipFile(path) as archive:
            content = archive.read(_WEIGHTS)
        if hashlib.sha256(content).hexdigest() != card.weights_sha256:
            raise ValueError(
                f"'{path}' is damaged: the checksum of its weights does not hold. Copy it again."
            )
        from napari_medunet.engine import devices

        devices.set_up_backend()
        from napari_medunet.engine.unet import build_unet

        network = build_unet(card.plan, devices.precision())
        with tempfile.TemporaryDirectory() as folder:
            weights = Path(folder, _WEIGHTS)
            weights.write_bytes(content)
            try:
                # Keras warns, and goes on with random weights, where a layer finds none in the file.
                with warnings.catch_warnings(action="error", category=UserWarning):
                    network.load_weights(weights)
            except (ValueError, OSError, KeyError, UserWarning) as error:
                raise ValueError(
                    f"'{path}' is damaged: its weights do not fit the network that its card describes. "
                    "Copy it again, or train anew."
                ) from error
        return cls(network, card)


def with_suffix(path: Path) -> Path:
    """The path with `.medunet` at its end."""
    return path if path.suffix == SUFFIX else path.with_name(path.name + SUFFIX)


def read_card(path: str | os.PathLike[str]) -> Card:
    """Read the card of a `.medunet` file, without Keras.

    Raises
    ------
    OSError
        If the file cannot be read.
    ValueError
        If it is no `.medunet` file, or its card says what cannot be.
    """
    wanted = f"'{path}' is no segmenter; wanted a {SUFFIX} file as saved after training"
    try:
        with zipfile.ZipFile(path) as archive:
            if sorted(archive.namelist()) != sorted((_CARD, _WEIGHTS)):
                raise ValueError(f"{wanted}. It is a zip of something else: choose another file.")
            too_big = (
                archive.getinfo(_CARD).file_size > _MOST_CARD_BYTES
                or archive.getinfo(_WEIGHTS).file_size > _MOST_WEIGHTS_BYTES
            )
            if too_big:
                raise ValueError(
                    f"{wanted}. Its parts are too large to be one: choose another file."
                )
            return Card.model_validate_json(archive.read(_CARD))
    except zipfile.BadZipFile as error:
        raise ValueError(f"{wanted}. It is no zip file: choose another file.") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise ValueError(
            f"{wanted}. Its card is not valid ({where}: {first['msg']}): it is damaged, or of a newer "
            "version; update napari-medunet or choose another file."
        ) from error
    except OSError as error:
        raise OSError(
            f"Cannot read the segmenter '{path}': {error.strerror or error}. Check the path."
        ) from error
