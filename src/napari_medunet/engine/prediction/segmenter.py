"""Segmenter: trained networks with their plan, their classes and their card; what `.medunet` files hold.

A `.medunet` file is a zip of `card.json`, for each network `network-1.weights.h5` and so on, and for each
image that was painted in part `painted-1.raw`, the labels of its slices. It holds no code: the networks
are rebuilt from the plan by `build_unet`, and every field of the card is checked before it is used.
"""

from __future__ import annotations

import hashlib
import warnings
import zipfile
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from napari_medunet.engine.errors import MedunetError
from napari_medunet.engine.examples.statistics import DataStatistics
from napari_medunet.engine.files.paths import AnyPath, expand_home
from napari_medunet.engine.files.saving import check_target, write_target
from napari_medunet.engine.files.scratch import NoRoom
from napari_medunet.engine.plan import Plan
from napari_medunet.engine.prediction.card import Card
from napari_medunet.engine.prediction.model_file import (
    CARD,
    SEGMENTER,
    painted_names,
    read_card,
    read_member,
    weights_names,
    with_suffix,
)
from napari_medunet.engine.prediction.painted import PaintedImage
from napari_medunet.engine.prediction.predict import predict
from napari_medunet.engine.prediction.weights import load_weights, weights_to_bytes
from napari_medunet.engine.progress import Progress, ProgressCallback, ignore
from napari_medunet.engine.settings import PredictSettings
from napari_medunet.engine.settings.tree import refusals_in_one_line
from napari_medunet.engine.volume import Volume


@dataclass(frozen=True, eq=False)
class Segmenter:
    """Trained networks, ready to predict: one, or several whose probabilities are averaged.

    Parameters
    ----------
    networks : non-empty tuple of keras.Model
        Each from (batch, *size, channels) to logits (batch, *size, classes), built from the same plan.
    card : Card
        With as many networks, and painted images.
    painted : tuple of PaintedImage
        Slices that were painted on images of the training.
    """

    networks: tuple[Any, ...]
    card: Card
    painted: tuple[PaintedImage, ...] = ()

    def __post_init__(self) -> None:
        predictors = tuple(_with_softmax(network) for network in self.networks)
        object.__setattr__(self, "_predictors", predictors)

    @property
    def plan(self) -> Plan:
        """The plan that the networks were built and trained from."""
        return self.card.plan

    @property
    def statistics(self) -> DataStatistics | None:
        """Of what the networks were trained on, where they were kept."""
        return self.card.data

    @property
    def recall(self) -> tuple[float, ...]:
        """Share of each class's voxels that the networks found in training, background first."""
        return self.card.recall

    def probabilities(self, images: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Class probabilities of a batch: the mean over the networks.

        Parameters
        ----------
        images : (batch, *size, channels) float32 array
            On the network's grid; each size a multiple of the plan's `multiples`.

        Returns
        -------
        (batch, *size, classes) float32 array

        Raises
        ------
        MedunetError
            If they are no numbers.
        """
        first, *others = self._predictors  # type: ignore[attr-defined]
        total = np.asarray(first.predict_on_batch(images), dtype=np.float32)
        for predictor in others:
            total = total + np.asarray(predictor.predict_on_batch(images), dtype=np.float32)
        if not np.isfinite(total).all():
            raise MedunetError(
                "The segmenter's answer is not a number in some voxels; wanted probabilities. Its weights "
                "are damaged, or too large for half precision: copy it again, or train anew."
            )
        return total / np.float32(len(self.networks))

    def predict(self, image: Volume, report: ProgressCallback = ignore, **options: Any) -> Volume:
        """Label every voxel of an image.

        Parameters
        ----------
        image : Volume
            (z, y, x) voxels, or (c, z, y, x) with as many channels as in training.
        report : callable
            Called after each batch; raise `Cancelled` in it to stop.
        options
            Those of `PredictSettings`: ``tta=False``, ``largest_component=True``.

        Returns
        -------
        Volume
            Labels (z, y, x) on the image's own grid, with their names and the image's source, so that they
            are written back onto the file's grid; 0 is background.

        Raises
        ------
        MedunetError
            If the image has other channels, voxels that are no numbers, or a scale that cannot be meant, or
            an option is refused.

        Warns
        -----
        UserWarning
            If the image is odd beside those of training, or the result is empty or one label everywhere.
        """

        def warn_and_report(progress: Progress) -> None:
            if progress.warning:
                warnings.warn(progress.warning, stacklevel=4)
            report(progress)

        with refusals_in_one_line(PredictSettings):
            settings = PredictSettings.of(**options)
        labels = predict(self, image, settings, warn_and_report)
        names = {one.value: one.name for one in self.card.classes}
        return Volume(labels, image.affine, image.name, source=image.source, names=names)

    def __str__(self) -> str:
        """Say what the segmenter is and how good it was."""
        return self.card.describe()

    def _repr_html_(self) -> str:
        """The same, as a notebook shows it."""
        return f"<pre>{escape(self.card.describe())}</pre>"

    def save(self, path: AnyPath, overwrite: bool = False) -> Path:
        """Write a `.medunet` file, first under a temporary name, then renamed.

        Parameters
        ----------
        path : path
            `.medunet` is added where it is missing.
        overwrite : bool
            Replace a segmenter that is there: the old one is kept beside, as ``name.bak.medunet``.

        Raises
        ------
        OSError, MedunetError
            If the file cannot be written or must not be replaced.
        """
        target = with_suffix(expand_home(path))
        check_target(target, SEGMENTER, overwrite)
        contents = [weights_to_bytes(network, target.parent) for network in self.networks]
        described = tuple(
            about.model_copy(update={"weights_sha256": hashlib.sha256(content).hexdigest()})
            for about, content in zip(self.card.networks, contents, strict=True)
        )
        card = self.card.model_copy(update={"networks": described})
        with (
            write_target(target, SEGMENTER, overwrite) as stream,
            zipfile.ZipFile(stream, "w") as archive,
        ):
            archive.writestr(CARD, card.model_dump_json(indent=1))
            for name, content in zip(weights_names(len(contents)), contents, strict=True):
                archive.writestr(name, content)
            for name, image in zip(painted_names(len(self.painted)), self.painted, strict=True):
                archive.writestr(name, image.to_bytes(), zipfile.ZIP_DEFLATED)
        return target

    @classmethod
    def load(cls, path: AnyPath) -> Segmenter:
        """Read a `.medunet` file and rebuild its networks.

        Raises
        ------
        OSError
            If the file cannot be read.
        MedunetError
            If it is no `.medunet` file, or a damaged one.
        """
        path = expand_home(path)
        card = read_card(path)
        from napari_medunet.engine.hardware import devices

        devices.set_up_backend()
        with zipfile.ZipFile(path) as archive:
            names = weights_names(len(card.networks))
            networks = tuple(
                _rebuilt(card.plan, read_member(archive, name), about.weights_sha256, path)
                for name, about in zip(names, card.networks, strict=True)
            )
            painted = tuple(
                PaintedImage.from_bytes(about, read_member(archive, name))
                for name, about in zip(painted_names(len(card.painted)), card.painted, strict=True)
            )
        return cls(networks, card, painted)


def _with_softmax(network: Any) -> Any:
    """From batch to probabilities in one call: the softmax runs inside the compiled graph."""
    from keras import Model, layers

    probabilities = layers.Softmax(dtype="float32", name="probabilities")(network.output)
    return Model(network.input, probabilities)


def _rebuilt(plan: Plan, content: bytes, sha256: str, path: AnyPath) -> Any:
    """Build a network and give it the weights of a file's content."""
    from napari_medunet.engine.hardware import devices
    from napari_medunet.engine.network.unet import build_unet

    if hashlib.sha256(content).hexdigest() != sha256:
        raise MedunetError(
            f"'{path}' is damaged: the checksum of its weights does not hold. Copy it again."
        )
    network = build_unet(plan, devices.precision())
    try:
        # Keras warns, and goes on with random weights, where a layer finds none in the file.
        with warnings.catch_warnings(action="error", category=UserWarning):
            load_weights(network, content)
    except (NoRoom, MemoryError):
        raise
    except Exception as error:  # HDF5 has many for damage
        raise MedunetError(
            f"'{path}' is damaged: its weights do not fit the network that its card describes. "
            "Copy it again, or train anew."
        ) from error
    if not all(np.isfinite(weights).all() for weights in network.get_weights()):
        raise MedunetError(
            f"'{path}' cannot segment: some of its weights are not finite numbers. Take an earlier copy, "
            "or train anew."
        )
    return network
