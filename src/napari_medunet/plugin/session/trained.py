"""What a training has made, for this session: its segmenter, and what networks say of unseen cases."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from napari.layers import Image

from napari_medunet.plugin.session.label_names import names_in_segmenters
from napari_medunet.plugin.session.session import Session
from napari_medunet.worker.tasks import CrossValidated

if TYPE_CHECKING:
    from napari.viewer import Viewer

_UNSEEN = "unseen segmentation"  # of cross-validation: by a network that never saw the case


def keep_trained(
    session: Session, viewer: Viewer, images: Sequence[Image], result: Path | CrossValidated
) -> None:
    """Offer what a training has made; it may have outlived its widget.

    Parameters
    ----------
    session : Session
    viewer : napari Viewer
    images : sequence of Image
        That were learned from, in the order in which a cross-validation knows them.
    result : Path or CrossValidated
    """
    session.keep(path_of(result))
    if isinstance(result, CrossValidated):
        names = names_in_segmenters([session.segmenters[-1]])
        for index, labels in result.labels.items():
            session.predictions.write(viewer, images[index], labels, names, _UNSEEN)


def path_of(result: Path | CrossValidated) -> Path:
    """Where the segmenter of a training lies."""
    return result.segmenter if isinstance(result, CrossValidated) else Path(result)
