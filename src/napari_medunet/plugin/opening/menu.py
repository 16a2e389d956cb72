"""Entries of napari's menus: save as NIfTI, and open NIfTI files with this plugin from now on."""

from __future__ import annotations

_PLUGIN = "napari-medunet"
_KINDS = ("image", "labels")


def save_selected() -> None:
    """Ask for a name and save the selected Image and Labels layers as NIfTI.

    napari's own dialog does it, too, but proposes TIFF for single layers, and fails where a name ends
    in .nii.gz while the list below it says TIFF.
    """
    from napari.utils.notifications import show_error, show_info
    from napari.viewer import current_viewer
    from qtpy.QtWidgets import QApplication, QFileDialog

    from napari_medunet.plugin.opening.writer import write_layers

    viewer = current_viewer()
    layers = [
        layer
        for layer in (viewer.layers if viewer else ())
        if layer in viewer.layers.selection and layer._type_string in _KINDS
    ]
    if not layers:
        show_error("Nothing to save: select image or labels layers.")
        return
    path, _ = QFileDialog.getSaveFileName(
        QApplication.activeWindow(),
        "Save as NIfTI",
        f"{layers[0].name}.nii.gz" if len(layers) == 1 else "",
        "NIfTI (*.nii.gz *.nii)",
    )
    if not path:
        return
    try:
        written = write_layers(path, [layer.as_layer_data_tuple() for layer in layers])
    except OSError as error:
        show_error(str(error))
        return
    show_info("\n".join(f"Saved {name}" for name in written))


def open_by_default() -> None:
    """Make napari open NIfTI files with this plugin, without asking.

    napari's own reader claims these files, too, and it is for the user to choose. The choice is kept
    in napari's Preferences under Plugins.
    """
    from napari.settings import get_settings
    from napari.utils.notifications import show_info

    plugins = get_settings().plugins
    chosen = dict.fromkeys(("*.nii", "*.nii.gz"), _PLUGIN)
    # "*.gz" is what napari remembers of .nii.gz. Its own reader opens no other files that end so.
    kept = {p: r for p, r in plugins.extension2reader.items() if (p, r) != ("*.gz", "napari")}
    plugins.extension2reader = kept | chosen
    show_info("NIfTI files open with MedU-Net from now on: see Preferences > Plugins.")
