"""Open NIfTI files in napari, as images or as labels."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from napari_medunet.engine.nifti import NiftiSource
    from napari_medunet.engine.volume import Volume

_Paths = str | list[str]
_LABEL_INTENT = 1002
_MOST_LABELS = 500  # an atlas has some hundreds; a masked image has thousands of values
_SAMPLE = 2**20
_LABEL_NAME = re.compile(r"label|mask|dseg|(^|[_\-.])(seg|segmentation|truth|gt)([_\-.]|$)", re.I)
_LABEL_FOLDER = re.compile(r"^(labels|masks|segmentations?|truth|predictions?)", re.I)


def get_reader(path: _Paths) -> Callable[[_Paths], list[tuple[Any, ...]]] | None:
    """Answer napari with a reader, if all files are named as NIfTI files are.

    Parameters
    ----------
    path : str or list of str
    """
    from napari_medunet.engine.nifti import is_nifti

    paths = [path] if isinstance(path, str) else path
    return read_layers if all(is_nifti(Path(p)) for p in paths) else None


def read_layers(path: _Paths) -> list[tuple[Any, ...]]:
    """Read NIfTI files, a layer for each; a bad one is told in one line and does not stop the rest.

    Parameters
    ----------
    path : str or list of str

    Returns
    -------
    layers : list of LayerData
        ``[(None,)]``, napari's word for "nothing to add", where no file could be read.
    """
    from napari.utils.notifications import show_error, show_info

    layers: list[tuple[Any, ...]] = []
    for file in [path] if isinstance(path, str) else path:
        try:
            layer, notes = _read_layer(Path(file))
        except (OSError, ValueError) as error:
            show_error(str(error))
            continue
        layers.append(layer)
        if notes:
            show_info("\n".join(notes))
    return layers or [(None,)]


def looks_like_labels(volume: Volume, path: Path) -> bool:
    """Whether a file opens as labels.

    The rule: it says so itself (intent code "label"), or its name or its folder's says so (label,
    mask, seg, dseg, truth, gt; folders labels..., masks..., predictions...); and it holds nothing
    but whole numbers from 0 on, few of them.
    """
    if volume.leading_axes or volume.voxels.dtype.kind not in "uif":
        return False
    stated = volume.source is not None and _intent(volume.source) == _LABEL_INTENT
    named = _LABEL_NAME.search(volume.name) or _LABEL_FOLDER.search(path.absolute().parent.name)
    return (stated or bool(named)) and _few_whole_numbers(volume.voxels)


def _read_layer(path: Path) -> tuple[tuple[Any, ...], list[str]]:
    from napari_medunet.engine.nifti import read_volume
    from napari_medunet.engine.volume import is_oblique
    from napari_medunet.plugin.layers import layer_data_from_volume

    volume = read_volume(path)
    notes = list(volume.source.notes) if volume.source else []
    if is_oblique(volume.affine, volume.shape):
        notes.append(
            f"'{path.name}' is oblique: it is shown in its own scanner frame. Scans with another "
            "tilt do not overlay exactly."
        )
    if looks_like_labels(volume, path):
        return layer_data_from_volume(volume, "labels"), notes
    return layer_data_from_volume(volume, "image"), notes


def _intent(source: NiftiSource) -> int:
    from napari_medunet.engine.nifti_header import parse_header

    return int(parse_header(source.header, source.path)["intent_code"])


def _few_whole_numbers(voxels: np.ndarray[Any, Any]) -> bool:
    stride = max(1, round((voxels.size / _SAMPLE) ** (1 / 3)))
    sample = voxels[::stride, ::stride, ::stride]
    if len(np.unique(sample)) > _MOST_LABELS:  # a glance first: most images end here
        return False
    whole = voxels.dtype.kind != "f" or (np.isfinite(voxels) & (voxels == np.floor(voxels))).all()
    return bool(whole and voxels.min() >= 0)
