"""Open NIfTI files in napari, as images or as labels."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_medunet.engine.errors import MedunetError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from napari_medunet.engine.settings import OpenSettings
    from napari_medunet.engine.volume import Volume

_Paths = str | list[str]
_LayerData = tuple[Any, ...]
_PLUGIN = "napari-medunet"


def get_reader(path: _Paths) -> Callable[[_Paths], list[_LayerData]] | None:
    """Answer napari with a reader, if all are named as NIfTI files are, or are folders that hold some.

    Parameters
    ----------
    path : str or list of str
    """
    paths = [path] if isinstance(path, str) else path
    return read_layers if all(_is_ours(_expanded(p)) for p in paths) else None


def read_layers(path: _Paths) -> list[_LayerData]:
    """Read files, and folders of one subject; a bad file gives a message of one line and stops no other.

    Parameters
    ----------
    path : str or list of str
        napari gives a list where the user asks for a stack: images of one grid become one layer whose
        first axis runs through the files. Labels, and images that do not stack, stay layers.

    Returns
    -------
    layers : list of LayerData
        ``[(None,)]``, napari's word for "nothing to add", where no file could be read.
    """
    settings = open_settings()
    images: list[Volume] = []
    labels: list[_LayerData] = []
    for file in _files([path] if isinstance(path, str) else path):
        with _told_in_one_line():
            volume, is_labels = _read(file, settings)
            if is_labels:
                labels.append(_label_layer(volume))
            else:
                images.append(volume)
    layers = [] if isinstance(path, str) else _stacked(images)
    for volume in () if layers else images:
        with _told_in_one_line():
            layers += _image_layers(volume, settings)
    return [*layers, *labels] or [(None,)]


def open_settings() -> OpenSettings:
    """Take what is chosen in napari's Preferences; the defaults where napari knows of none."""
    from napari.settings import get_plugin_settings

    from napari_medunet.engine.settings import OpenSettings

    try:
        chosen = get_plugin_settings(_PLUGIN)
    except KeyError:  # the plugin is used without being installed
        return OpenSettings()
    return OpenSettings(
        **{name: getattr(chosen.opening, name) for name in OpenSettings.model_fields}
    )


def _expanded(path: str) -> Path:
    return Path(path).expanduser() if path.startswith("~/") else Path(path)


def _is_ours(path: Path) -> bool:
    from napari_medunet.engine.files.nifti import is_nifti
    from napari_medunet.plugin.opening.subject_folder import subject_files

    if not path.is_dir():
        return is_nifti(path)
    try:
        return bool(subject_files(path))
    except OSError:  # too many: `read_layers` says so
        return True


def _files(paths: list[str]) -> list[Path]:
    """Files, and those of folders; both halves of a pair are one."""
    from napari_medunet.engine.files.nifti.files import find_parts
    from napari_medunet.plugin.opening.subject_folder import subject_files

    files: dict[Path, Path] = {}
    for path in map(_expanded, paths):
        found: list[Path] = []
        with _told_in_one_line():
            found = subject_files(path) if path.is_dir() else [path]
        for file in found:
            with _told_in_one_line():  # a link that leads nowhere stops no other file
                files.setdefault(find_parts(file).header, file)
    return list(files.values())


def _read(path: Path, settings: OpenSettings) -> tuple[Volume, bool]:
    """Volume of a file, and whether it holds labels; shows its notes to the user."""
    from napari.utils.notifications import show_info

    from napari_medunet.engine.files.nifti import open_volume
    from napari_medunet.engine.volume import is_oblique
    from napari_medunet.plugin.opening.label_rule import looks_like_labels

    volume = open_volume(path)
    notes = list(volume.source.notes) if volume.source else []
    if is_oblique(volume.affine, volume.shape):
        notes.append(
            f"'{path.name}' is oblique: it is shown in its own scanner frame. Scans with another "
            "tilt do not overlay exactly."
        )
    if volume.voxels.dtype.kind == "c":
        notes.append(f"'{path.name}' holds complex numbers: their magnitude is shown.")
    if notes:
        show_info("\n".join(notes))
    return volume, looks_like_labels(volume, settings)


def _label_layer(volume: Volume) -> _LayerData:
    import numpy as np

    from napari_medunet.engine.files.label_names import find_label_names
    from napari_medunet.plugin.opening.label_features import KEY, named_attributes
    from napari_medunet.plugin.opening.layers import layer_data_from_volume

    whole = replace(volume, voxels=np.asarray(volume.voxels))
    data, attributes, kind = layer_data_from_volume(whole, "labels")
    found = find_label_names(volume.source.path) if volume.source else None
    if found:
        names, _ = found
        attributes |= named_attributes(names)
        attributes["metadata"][KEY] = names
    return data, attributes, kind


def _image_layers(volume: Volume, settings: OpenSettings) -> list[_LayerData]:
    from napari_medunet.plugin.opening.channels import split_volume
    from napari_medunet.plugin.opening.layers import layer_data_from_volume
    from napari_medunet.plugin.opening.unpacking import finish_in_background

    layers: list[_LayerData] = [
        layer_data_from_volume(shown, "image") for shown in split_volume(volume, settings.channels)
    ]
    for data, attributes, _ in layers:
        finish_in_background(data, attributes.get("contrast_limits", (0.0, 1.0)))
    return layers


def _stacked(volumes: list[Volume]) -> list[_LayerData]:
    """One layer of several images; none, with a message, if they do not stack."""
    from napari.utils.notifications import show_warning

    from napari_medunet.plugin.opening.channels import stack_volumes
    from napari_medunet.plugin.opening.layers import layer_data_from_volume

    if len(volumes) < 2:
        return []
    try:
        return [layer_data_from_volume(stack_volumes(volumes), "image")]
    except MedunetError as error:
        show_warning(f"{error} Opened as layers.")
        return []


@contextmanager
def _told_in_one_line() -> Iterator[None]:
    from napari.utils.notifications import show_error

    try:
        yield
    except (OSError, MedunetError) as error:
        show_error(str(error))
