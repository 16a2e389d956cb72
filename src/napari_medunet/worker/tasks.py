"""What each kind of job sends to the child, and what comes back: the viewer's side of `jobs`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from napari_medunet.engine.examples import Example
from napari_medunet.engine.settings import PredictSettings, TrainSettings
from napari_medunet.engine.volume import Volume
from napari_medunet.worker.handover import save_example, save_volume, take_array
from napari_medunet.worker.messages import Message


@dataclass(frozen=True)
class Task:
    """One piece of work for the child.

    Attributes
    ----------
    name : str
        Key in the table of `jobs`.
    title : str
        What errors call it: "Training".
    pack : callable
        Given the job's folder, writes the arrays there and returns the request that goes with them.
    unpack : callable
        Given the job's folder and a result's message, returns the result. Files that are to outlive
        the job must leave the folder: it is removed when the job ends.
    """

    name: str
    title: str
    pack: Callable[[Path], Message]
    unpack: Callable[[Path, Message], object]


def training(
    examples: list[Example], settings: TrainSettings, names: dict[int, str] | None = None
) -> Task:
    """Train on examples; the result is the path of a ``.medunet`` file in the worker's folder.

    `names` says what labels are called, for the segmenter's card.
    """
    # The user paints on while the job waits: labels are copied now. Nobody paints on images.
    frozen = [replace(e, labels=e.labels.copy(), annotated=e.annotated.copy()) for e in examples]

    def pack(folder: Path) -> Message:
        return {
            "examples": [save_example(folder, str(i), e) for i, e in enumerate(frozen)],
            "settings": settings.model_dump(mode="json"),
            "names": [[label, name] for label, name in (names or {}).items()],
        }

    def unpack(folder: Path, result: Message) -> Path:
        kept = folder.with_suffix(".medunet")
        (folder / result["segmenter"]).replace(kept)
        return kept

    return Task("train", "Training", pack, unpack)


def prediction(segmenter: Path, volumes: list[Volume], settings: PredictSettings) -> Task:
    """Segment volumes; a result is (position in `volumes`, (z, y, x) labels array)."""

    def pack(folder: Path) -> Message:
        return {
            "segmenter": str(segmenter.absolute()),
            "volumes": [save_volume(folder, str(i), volume) for i, volume in enumerate(volumes)],
            "settings": settings.model_dump(mode="json"),
        }

    def unpack(folder: Path, result: Message) -> object:
        return result["index"], take_array(folder / result["labels"])

    return Task("predict", "Segmentation", pack, unpack)
