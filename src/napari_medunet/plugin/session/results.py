"""The results of a training in this session: its segmenter, and its out-of-fold segmentations."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from napari.layers import Image

from napari_medunet.plugin.session.segmenters import names_in_segmenters
from napari_medunet.plugin.session.session import Session
from napari_medunet.plugin.widgets.pairing import OUT_OF_FOLD
from napari_medunet.worker.tasks import CrossValidated

if TYPE_CHECKING:
    from napari.viewer import Viewer


def keep_result(
    session: Session, viewer: Viewer, images: Sequence[Image], result: Path | CrossValidated
) -> None:
    """Offer the results of a training, which may have ended after its widget was closed.

    Parameters
    ----------
    session : Session
    viewer : napari Viewer
    images : sequence of Image
        That were learned from, in the order in which a cross-validation knows them.
    result : Path or CrossValidated
    """
    session.add_trained(path_of(result))
    if isinstance(result, CrossValidated):
        names = names_in_segmenters([session.segmenters[-1]])
        for index, labels in result.labels.items():
            session.predictions.write(
                viewer, images[index], labels, names, f"{OUT_OF_FOLD} segmentation"
            )


def path_of(result: Path | CrossValidated) -> Path:
    """Where the segmenter of a training lies."""
    return result.segmenter if isinstance(result, CrossValidated) else Path(result)
