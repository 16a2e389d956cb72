"""The record of a training: its files, and a checksum of its examples, for resuming."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from napari_medunet.engine.errors import MedunetError, printable
from napari_medunet.engine.examples.example import Example
from napari_medunet.engine.files.paths import PathInJson
from napari_medunet.engine.files.saving import atomic_write

RUN = "run.json"
"""Name of the file by which a run folder is known as ours."""


class RunFiles(BaseModel):
    """Where the files of a training are, absolute; None for what it has none of.

    Attributes
    ----------
    images, labels : folders or files of the training examples
    model : file of the segmenter
    out_of_fold : folder of the out-of-fold segmentations
    start_from : file of a segmenter that is fine-tuned
    replay_images, replay_labels : folders or files of its old examples
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    images: PathInJson | None = None
    labels: PathInJson | None = None
    model: PathInJson | None = None
    out_of_fold: PathInJson | None = None
    start_from: PathInJson | None = None
    replay_images: PathInJson | None = None
    replay_labels: PathInJson | None = None

    def needed(self, name: str) -> Path:
        """The path of a file that the training needs.

        Raises
        ------
        MedunetError
            If nobody has said: not every training is begun with files.
        """
        path: Path | None = getattr(self, name)
        if path is None:
            raise MedunetError(
                f"The training was not begun by this command: it does not say where its {name} are. Resume "
                "it from where it was begun."
            )
        return path


class RunRecord(BaseModel):
    """What a training is of. Its decisions are in its plan.

    Attributes
    ----------
    files : RunFiles
        Where a resumed command finds images, labels and the place of the segmenter.
    examples_sha256 : str
        Of all examples, voxel for voxel; empty until they are known.
    cases : tuple of str
        Names of the examples.
    overwrite : bool
        Whether somebody said that what is written may replace what an earlier training wrote.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal[2] = 2
    files: RunFiles = RunFiles()
    examples_sha256: Annotated[str, Field(pattern="^([0-9a-f]{64})?$")] = ""
    cases: tuple[str, ...] = ()
    overwrite: bool = False


def write_json(path: Path, model: BaseModel) -> None:
    """Write a file of a run folder; raises OSError where that is impossible."""
    with atomic_write(path) as stream:
        stream.write(model.model_dump_json(indent=1).encode())


def check_is_ours(folder: Path) -> None:
    """Refuse a folder in which anything lies and no training of ours."""
    if not folder.is_dir() or all(path.name.startswith(".") for path in folder.iterdir()):
        return
    try:
        record = json.loads((folder / RUN).read_bytes())
    except (OSError, ValueError):
        record = None
    if not isinstance(record, dict) or not {"files", "examples_sha256"} <= record.keys():
        raise MedunetError(
            f"'{folder}' holds other files than those of a training; wanted an empty or a new folder for "
            "the run. Name another one with --run, or move it away."
        )


def fingerprint(examples: Sequence[Example]) -> str:
    """SHA-256 of all examples, in their order."""
    digest = hashlib.sha256()
    for example in examples:
        digest.update(example.name.encode(errors="surrogatepass"))
        digest.update(np.asarray(example.image.affine, np.float64).tobytes())
        for array in (example.image.voxels, example.labels, np.packbits(example.annotated)):
            digest.update(f"{array.shape} {array.dtype.str}".encode())
            digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def difference(cases: Sequence[str], examples: Sequence[Example]) -> str:
    """Say how examples differ from those that a training began with."""
    now = [printable(example.name) for example in examples]
    if gone := [name for name in cases if name not in now]:
        return f"'{gone[0]}' is missing"
    if new := [name for name in now if name not in cases]:
        return f"'{new[0]}' is new"
    return "voxels, labels or their order differ"
