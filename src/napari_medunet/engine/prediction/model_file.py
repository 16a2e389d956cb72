"""The `.medunet` file: its parts, its limits, and its card, read without Keras."""

from __future__ import annotations

import json
import os
import struct
import zipfile
from pathlib import Path

from pydantic import ValidationError

from napari_medunet.engine.errors import MedunetError, one_line
from napari_medunet.engine.files.paths import leads_nowhere, missing
from napari_medunet.engine.files.saving import Kind
from napari_medunet.engine.prediction.card import Card

SUFFIX = ".medunet"
CARD = "card.json"
# What opening a file as a zip may raise where it is none, or a damaged one.
_NO_ZIP = (zipfile.BadZipFile, NotImplementedError, UnicodeError, struct.error, OverflowError)
_MOST_CARD_BYTES = 16 * 2**20
_MOST_PART_BYTES = 2 * 2**30  # the weights of a network, or the slices of an image


def with_suffix(path: Path) -> Path:
    """The path with `.medunet` at its end."""
    return path if is_segmenter(path) else path.with_name(path.name + SUFFIX)


def is_segmenter(path: Path) -> bool:
    """Whether a file's name ends as those of segmenters, in either case."""
    return path.suffix.lower() == SUFFIX


def _is_segmenter(path: Path) -> bool:
    """Whether a file is a segmenter, perhaps of another version: a zip with a card."""
    with zipfile.ZipFile(path) as archive:
        if archive.getinfo(CARD).file_size > _MOST_CARD_BYTES:
            return False
        card = json.loads(archive.read(CARD))
    return isinstance(card, dict) and {"format", "plan"} <= card.keys()


SEGMENTER = Kind("segmenter", _is_segmenter, keeps_old=True)


def read_card(path: str | os.PathLike[str]) -> Card:
    """Read the card of a `.medunet` file, without Keras.

    Raises
    ------
    OSError
        If the file cannot be read.
    MedunetError
        If it is no `.medunet` file, or its card says what cannot be.
    """
    wanted = f"'{path}' is no segmenter; wanted a {SUFFIX} file as saved after training"
    try:
        with zipfile.ZipFile(path) as archive:
            if archive.namelist().count(CARD) != 1:
                raise MedunetError(f"{wanted}. It is a zip of something else: choose another file.")
            if archive.getinfo(CARD).file_size > _MOST_CARD_BYTES:
                raise MedunetError(
                    f"{wanted}. Its card is too large to be one: choose another file."
                )
            card = Card.model_validate_json(read_member(archive, CARD))
            names = [*weights_names(len(card.networks)), *painted_names(len(card.painted))]
            if sorted((CARD, *names)) != sorted(archive.namelist()):
                raise MedunetError(
                    f"{wanted}. Its parts are not {', '.join((CARD, *names))}, as its card says: it is "
                    "damaged. Copy it again."
                )
            if any(archive.getinfo(name).file_size > _MOST_PART_BYTES for name in names):
                raise MedunetError(f"{wanted}. Its parts are too large: choose another file.")
            return card
    except _NO_ZIP as error:
        raise MedunetError(f"{wanted}. It is no zip file: choose another file.") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        if where == "format":
            raise MedunetError(
                f"'{path}' is a segmenter of another version of napari-medunet (format {first['input']}). "
                "Update napari-medunet, or train it anew."
            ) from error
        raise MedunetError(
            f"{wanted}. Its card is not valid ({where}: {first['msg']}): it is damaged, or of a newer "
            "version; update napari-medunet or choose another file."
        ) from error
    except OSError as error:
        if leads_nowhere(Path(path)):
            raise missing(Path(path), f"a {SUFFIX} file") from error
        raise OSError(
            f"Cannot read the segmenter '{path}': {error.strerror or error}. Check the path."
        ) from error


def read_member(archive: zipfile.ZipFile, name: str) -> bytes:
    """Read one part of a `.medunet` file.

    Raises
    ------
    MedunetError
        If it is damaged, in whatever way.
    """
    try:
        return archive.read(name)
    except (OSError, MemoryError):
        raise
    except (
        Exception
    ) as error:  # of zip, of each way to pack, of passwords: all of them are damage here
        raise MedunetError(
            f"'{archive.filename}' is damaged: its part {name} cannot be read ({one_line(error)}). Copy it "
            "again."
        ) from error


def weights_names(count: int) -> list[str]:
    """Names of the members that hold the weights of so many networks."""
    return [f"network-{number}.weights.h5" for number in range(1, count + 1)]


def painted_names(count: int) -> list[str]:
    """Names of the members that hold the painted slices of so many images."""
    return [f"painted-{number}.raw" for number in range(1, count + 1)]
