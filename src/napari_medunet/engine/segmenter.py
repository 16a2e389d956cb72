"""Segmenter: trained networks with their plan, their classes and their card; what `.medunet` files hold.

A `.medunet` file is a zip of `card.json` and, for each network, `network-1.weights.h5` and so on. It holds
no code: the networks are rebuilt from the plan by `build_unet`, and every field of the card is checked
before it is used. Files of format 1 hold one network, in `network.weights.h5`.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
import warnings
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import ValidationError

from napari_medunet.engine.card import Card
from napari_medunet.engine.plan import Plan
from napari_medunet.engine.saving import saved_whole

SUFFIX = ".medunet"
_CARD = "card.json"
_FORMAT_1_WEIGHTS = "network.weights.h5"
_MOST_CARD_BYTES = 16 * 2**20
_MOST_WEIGHTS_BYTES = 2 * 2**30  # of each network


@dataclass(frozen=True, eq=False)
class Segmenter:
    """Trained networks, ready to predict: one, or several whose probabilities are averaged.

    Parameters
    ----------
    networks : non-empty tuple of keras.Model
        Each from (batch, *size, channels) to logits (batch, *size, classes), built from the same plan.
    card : Card
        With as many networks.
    """

    networks: tuple[Any, ...]
    card: Card

    def __post_init__(self) -> None:
        predictors = tuple(_with_softmax(network) for network in self.networks)
        object.__setattr__(self, "_predictors", predictors)

    @property
    def plan(self) -> Plan:
        """The plan that the networks were built and trained from."""
        return self.card.plan

    def probabilities(self, images: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Class probabilities of a batch: the mean over the networks.

        Parameters
        ----------
        images : (batch, *size, channels) float32 array
            On the network's grid; each size a multiple of the plan's `steps`.

        Returns
        -------
        (batch, *size, classes) float32 array
        """
        first, *others = self._predictors  # type: ignore[attr-defined]
        total = np.asarray(first.predict_on_batch(images), dtype=np.float32)
        for predictor in others:
            total = total + np.asarray(predictor.predict_on_batch(images), dtype=np.float32)
        return total / np.float32(len(self.networks))

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write a `.medunet` file, first under a temporary name, then renamed.

        Raises
        ------
        OSError
            If the file cannot be written.
        """
        target = with_suffix(Path(path))
        with saved_whole(target) as stream, tempfile.TemporaryDirectory() as folder:
            files = [Path(folder, name) for name in _weights_names(len(self.networks))]
            described = []
            for network, about, file in zip(self.networks, self.card.networks, files, strict=True):
                network.save_weights(file)
                digest = hashlib.sha256(file.read_bytes()).hexdigest()
                described.append(about.model_copy(update={"weights_sha256": digest}))
            card = self.card.model_copy(update={"networks": tuple(described)})
            with zipfile.ZipFile(stream, "w") as archive:
                archive.writestr(_CARD, card.model_dump_json(indent=1))
                for file in files:
                    archive.write(file, file.name)
        return target

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Segmenter:
        """Read a `.medunet` file and rebuild its networks.

        Raises
        ------
        OSError
            If the file cannot be read.
        ValueError
            If it is no `.medunet` file, or a damaged one.
        """
        card = read_card(path)
        from napari_medunet.engine import devices

        devices.set_up_backend()
        with zipfile.ZipFile(path) as archive:
            names = _weights_in(archive, card)
            networks = tuple(
                _rebuilt(card.plan, archive.read(name), about.weights_sha256, path)
                for name, about in zip(names, card.networks, strict=True)
            )
        return cls(networks, card)


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
            if archive.namelist().count(_CARD) != 1:
                raise ValueError(f"{wanted}. It is a zip of something else: choose another file.")
            if archive.getinfo(_CARD).file_size > _MOST_CARD_BYTES:
                raise ValueError(f"{wanted}. Its card is too large to be one: choose another file.")
            card = Card.model_validate_json(archive.read(_CARD))
            names = _weights_in(archive, card)
            if sorted((_CARD, *names)) != sorted(archive.namelist()):
                raise ValueError(
                    f"{wanted}. Its parts are not {', '.join((_CARD, *names))}, as its card says: it is "
                    "damaged. Copy it again."
                )
            if any(archive.getinfo(name).file_size > _MOST_WEIGHTS_BYTES for name in names):
                raise ValueError(f"{wanted}. Its weights are too large: choose another file.")
            return card
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


def _weights_in(archive: zipfile.ZipFile, card: Card) -> list[str]:
    """Members that hold the weights, in the order of the card's networks."""
    if _FORMAT_1_WEIGHTS in archive.namelist() and len(card.networks) == 1:
        return [_FORMAT_1_WEIGHTS]
    return _weights_names(len(card.networks))


def _weights_names(count: int) -> list[str]:
    return [f"network-{number}.weights.h5" for number in range(1, count + 1)]


def _with_softmax(network: Any) -> Any:
    """From batch to probabilities in one call: the softmax runs inside the compiled graph."""
    from keras import Model, layers

    probabilities = layers.Softmax(dtype="float32", name="probabilities")(network.output)
    return Model(network.input, probabilities)


def _rebuilt(plan: Plan, content: bytes, sha256: str, path: str | os.PathLike[str]) -> Any:
    """Build a network and give it the weights of a file's content."""
    from napari_medunet.engine import devices
    from napari_medunet.engine.unet import build_unet

    if hashlib.sha256(content).hexdigest() != sha256:
        raise ValueError(
            f"'{path}' is damaged: the checksum of its weights does not hold. Copy it again."
        )
    network = build_unet(plan, devices.precision())
    with tempfile.TemporaryDirectory() as folder:
        weights = Path(folder, "network.weights.h5")
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
    return network
