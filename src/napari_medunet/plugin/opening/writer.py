"""Save napari's image and labels layers as NIfTI files, on the grid that they came from."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_medunet.engine.errors import MedunetError
from napari_medunet.engine.files import nifti
from napari_medunet.engine.files.label_names import LabelName, LabelNames, write_label_names
from napari_medunet.engine.files.marks import IMAGE, LABELS
from napari_medunet.engine.files.nifti.files import SINGLE_SUFFIXES
from napari_medunet.engine.files.paths import expand_home
from napari_medunet.engine.files.saving import Kind, check_target
from napari_medunet.engine.labels import smallest_dtype
from napari_medunet.plugin.opening.label_features import KEY, names_in_features
from napari_medunet.plugin.opening.label_rule import looks_like_labels

if TYPE_CHECKING:
    from napari.layers import Layer

    from napari_medunet.engine.volume import Volume

FullLayerData = tuple[Any, dict[str, Any], str]
_SUFFIX = ".nii.gz"
_NOT_IN_NAMES = re.compile(r'[\\/:*?"<>|\s]+')  # on some system or other


def write_layers(path: str, layers: Sequence[FullLayerData]) -> list[str]:
    """Save Image and Labels layers.

    One layer is written to `path`. Several are written beside each other, to ``<path>_<layer>``:
    "out.nii.gz" with the layers "scan" and "truth" makes out_scan.nii.gz and out_truth.nii.gz. Labels
    are written in the smallest unsigned type that holds them, with a table of their names beside them
    where they have names; images in their own type. Labels may replace labels, and an image the file
    that it was opened from; nothing else is written over.

    Parameters
    ----------
    path : str
        ".nii.gz" is added where it ends in neither .nii nor .nii.gz.
    layers : sequence of (data, attributes, kind)
        As napari describes layers.

    Returns
    -------
    paths : list of str
        The image files that were written.

    Raises
    ------
    OSError
        One line, whatever the reason: napari takes a writer's ValueError for "not my kind of file".
        Layers before the one that cannot be saved have been written.
    """
    with _as_os_error():
        from napari.layers import Layer

        from napari_medunet.plugin.opening.layers import volume_from_layer

        saved = [_shown(layer[0]) or Layer.create(*layer) for layer in layers]
        candidates = [*_viewer_layers(), *saved]
        targets = _targets(path, [layer.name for layer in saved])
        # Each is looked at before the first is written: what cannot be saved stops all.
        volumes = [volume_from_layer(layer, candidates) for layer in saved]
        kinds = [_kind(layer, one[2]) for layer, one in zip(saved, layers, strict=True)]
        for target, layer, kind in zip(targets, saved, kinds, strict=True):
            others = [path for one in candidates if one is not layer for path in _scan_of(one)]
            check_target(target, kind, overwrite=True, read=others)
        for target, layer, volume, kind in zip(targets, saved, volumes, kinds, strict=True):
            if kind is _LABELS:
                _write_labels(target, layer, volume)
            else:
                nifti.write_volume(target, volume, overwrite=True, kind=kind)
    return [str(target) for target in targets]


def _kind(layer: Layer, kind: str) -> Kind:
    """What a layer is written as, and which files it may replace, for which a dialog has asked.

    Labels replace labels, of whatever origin: an annotation is saved again and again. An image replaces
    the file that it was opened from. Labels have no mark: no command replaces what a person has painted.
    """
    if kind == "labels":
        return _LABELS
    own = _opened_from(layer)

    def is_own(path: Path) -> bool:
        return any(one.exists() and path.samefile(one) for one in own) or IMAGE.is_ours(path)

    return Kind("image", is_own, is_marked=True)


def _opens_as_labels(path: Path) -> bool:
    return LABELS.is_ours(path) or looks_like_labels(nifti.read_volume(path))


_LABELS = Kind("label file", _opens_as_labels)


def _scan_of(layer: Layer) -> list[Path]:
    """The file of an image layer: it is not lost by saving another layer."""
    return _opened_from(layer) if layer._type_string == "image" else []


def _opened_from(layer: Layer) -> list[Path]:
    read = layer.metadata.get("nifti")
    paths = [read.path if read is not None else None, layer.source.path]
    return [Path(path) for path in paths if path]


def _write_labels(target: Path, layer: Layer, volume: Volume) -> None:
    if layer.metadata.get("nifti") is not None and _is_scaled_as_before(volume):
        nifti.write_volume(target, volume, overwrite=True, kind=_LABELS)
    elif volume.leading_axes:  # labels of a series: one set for each time point
        dtype = smallest_dtype(volume.voxels, volume.name)
        volume = replace(volume, voxels=volume.voxels.astype(dtype))
        nifti.write_volume(target, volume, overwrite=True, kind=_LABELS)
    else:
        nifti.write_labels(target, volume.voxels, volume, overwrite=True, kind=_LABELS)
    if names := _names_of(layer):
        write_label_names(target, names, overwrite=True)


def _is_scaled_as_before(volume: Volume) -> bool:
    """Whether labels are those of their file still, which scales its numbers."""
    return nifti.is_scaled(volume) and nifti.numbers_in_file(volume) is not None


def _names_of(layer: Layer) -> LabelNames:
    """Names as the layer's table of features has them now, colours as they were opened."""
    opened: LabelNames = layer.metadata.get(KEY, {})
    return {
        label: LabelName(name, opened[label].color if label in opened else None)
        for label, name in names_in_features(layer).items()
    }


def _targets(path: str, names: list[str]) -> list[Path]:
    """Where each layer is written; only a name that is taken as it is was confirmed in a dialog."""
    whole = expand_home(path)
    suffix = next((s for s in SINGLE_SUFFIXES if whole.name.lower().endswith(s)), "")
    stem = whole.name[: len(whole.name) - len(suffix)]
    if len(names) == 1 and suffix:
        return [whole]
    targets: list[Path] = []
    for name in names:
        ours = re.sub(_NOT_IN_NAMES, "_", name).strip("_") or "layer"
        first = stem if len(names) == 1 else f"{stem}_{ours}"
        numbered = (first if n == 1 else f"{first}_{n}" for n in itertools.count(1))
        target = next(
            t for n in numbered if (t := whole.with_name(f"{n}{suffix or _SUFFIX}")) not in targets
        )
        if target.exists():
            raise OSError(f"'{target}' is there already. Choose another name, or move it away.")
        targets.append(target)
    return targets


def _shown(data: Any) -> Layer | None:
    """Layer of the viewer that shows this array: it knows which images lie below it."""
    return next((layer for layer in _viewer_layers() if layer.data is data), None)


def _viewer_layers() -> list[Layer]:
    from napari.viewer import current_viewer

    viewer = current_viewer()
    return [] if viewer is None else list(viewer.layers)


@contextmanager
def _as_os_error() -> Iterator[None]:
    try:
        yield
    except MedunetError as error:
        raise OSError(str(error)) from error
