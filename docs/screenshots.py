"""Drive the real viewer through all steps and save what it shows to docs/images.

    python docs/screenshots.py

Opens three phantoms, or three volumes of the folder that MEDUNET_DATA names (with ``images`` and
``labels``), annotates five axial slices in each from the truth, trains for MEDUNET_MINUTES (2),
segments all three, measures them and looks at where they are worst.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import napari
import numpy as np
from napari.layers import Image
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QApplication

from napari_medunet.engine.examples.phantoms import make_phantom
from napari_medunet.engine.files.files import read
from napari_medunet.engine.files.nifti import write_labels, write_volume
from napari_medunet.engine.volume import Volume

IMAGES = Path(__file__).parent / "images"
MINUTES = float(os.environ.get("MEDUNET_MINUTES", "2"))
SIZE = (1280, 800)


def main() -> None:
    """Take all screenshots."""
    IMAGES.mkdir(exist_ok=True)
    viewer = napari.Viewer(show=True)
    viewer.window.resize(*SIZE)
    with tempfile.TemporaryDirectory() as folder:
        cases = list(find_cases(Path(folder)))
        open_volumes(viewer, cases)
        annotate(viewer, cases)
        train(viewer)
        segment(viewer)
        measure(viewer, cases)
    viewer.close()


def find_cases(folder: Path) -> Iterator[tuple[Path, Path]]:
    """Paths of three images and their truths; phantoms are written to `folder`."""
    data = os.environ.get("MEDUNET_DATA")
    if data:
        for image in sorted(Path(data, "images").glob("*.nii*"))[:3]:
            yield image, Path(data, "labels", image.name)
        return
    (folder / "images").mkdir()
    (folder / "labels").mkdir()
    for seed in range(3):
        image, truth = make_phantom(seed)
        paths = [folder / kind / f"{image.name}.nii.gz" for kind in ("images", "labels")]
        write_volume(paths[0], image)
        write_labels(paths[1], truth.voxels, like=truth)
        yield paths[0], paths[1]


def open_volumes(viewer: napari.Viewer, cases: list[tuple[Path, Path]]) -> None:
    """Open the images as a user does who drops them on the window."""
    for image, _ in cases:
        viewer.open(image, plugin="napari-medunet")
    show_only(viewer, viewer.layers[0].name)
    viewer.reset_view()
    save(viewer, "1-open")


def annotate(viewer: napari.Viewer, cases: list[tuple[Path, Path]]) -> None:
    """Paint five axial slices of each volume as the truth has them."""
    images = images_of(viewer)
    for layer, (_, path) in zip(images, cases, strict=True):
        truth = read(path)
        part = np.zeros(truth.shape, np.uint8)
        slices = five_slices(truth)
        part[slices] = truth.voxels[slices]
        viewer.add_labels(
            part,
            name=f"{layer.name} labels",
            scale=layer.scale,
            translate=layer.translate,
            units=layer.units,
            axis_labels=layer.axis_labels,
            metadata=layer.metadata,
            opacity=0.5,
        )
    go_to(viewer, read(cases[0][1]))
    show_only(viewer, images[0].name, f"{images[0].name} labels")
    viewer.layers.selection.active = viewer.layers[f"{images[0].name} labels"]
    viewer.layers.selection.active.mode = "paint"
    viewer.layers.selection.active.brush_size = 2
    save(viewer, "2-annotate")
    viewer.layers.selection.active.mode = "pan_zoom"


def train(viewer: napari.Viewer) -> None:
    """Press Train, and watch."""
    dock, widget = viewer.window.add_plugin_dock_widget("napari-medunet", "Train")
    widget.form.fields.minutes.value = MINUTES
    wait_for(lambda: "starting" not in widget.device.text())
    save(viewer, "3-train")
    widget.form.plan.button.setChecked(True)
    wait_for(lambda: not widget.form.plan.why.isHidden())
    save(viewer, "3-plan")
    widget.form.plan.button.setChecked(False)
    widget.open_preview()
    wait_for(lambda: widget.preview.figure.axes)
    wait(1.5)
    widget.preview.grab().save(str(IMAGES / "3-preview.png"))
    widget.preview.close()
    widget.train_button.click()
    wait_for(lambda: widget.session.job.last and widget.session.job.last.fraction > 0.4)
    save(viewer, "4-training")
    wait_for(lambda: not widget.session.busy)
    save(viewer, "5-trained")
    print("validation:", widget.view.result.text())  # noqa: T201
    viewer.window.remove_dock_widget(dock)


def segment(viewer: napari.Viewer) -> None:
    """Segment all opened images."""
    dock, widget = viewer.window.add_plugin_dock_widget("napari-medunet", "Segment")
    widget.scope.setCurrentText("all")
    wait(0.5)
    widget.segment_button.click()
    wait_for(lambda: not widget.session.busy)
    first = viewer.layers[0].name
    show_only(viewer, first, f"{first} segmentation")
    save(viewer, "6-segment")
    viewer.window.remove_dock_widget(dock)


def measure(viewer: napari.Viewer, cases: list[tuple[Path, Path]]) -> None:
    """Measure all predictions against their truths, and look at where they are worst."""
    for image, (_, path) in zip(images_of(viewer), cases, strict=True):
        (truth,) = viewer.open(path, plugin="napari-medunet", layer_type="labels")
        truth.name = f"{image.name} truth"
        truth.contour = 1
        viewer.layers.remove(f"{image.name} labels")
    first = viewer.layers[0].name
    show_only(viewer, first, f"{first} segmentation", f"{first} truth")
    _, widget = viewer.window.add_plugin_dock_widget("napari-medunet", "Metrics")
    wait(0.5)
    widget.compute_button.click()
    wait_for(lambda: len(widget.scores) == len(cases) and not widget.measure_queue.busy)
    table = widget.view.table
    table.sortByColumn(2, Qt.SortOrder.AscendingOrder)
    table.selectRow(0)
    widget.go_to(*table.place())
    save(viewer, "7-measure")
    print(table.text())  # noqa: T201
    widget.agreement_button.click()
    save(viewer, "8-agreement")
    widget.view.setCurrentIndex(1)
    save(viewer, "9-confusion")
    widget.view.setCurrentIndex(2)
    widget.distance_button.click()
    wait_for(lambda: viewer.dims.ndisplay == 3)
    viewer.scene.camera.angles = (0, 20, 60)
    save(viewer, "10-distance")


def images_of(viewer: napari.Viewer) -> list[Image]:
    """Image layers, in the order in which they were opened."""
    return [layer for layer in viewer.layers if isinstance(layer, Image)]


def five_slices(truth: Volume) -> list[int]:
    """Five axial slices, evenly over those that hold a label."""
    held = np.flatnonzero((truth.voxels > 0).any(axis=(1, 2)))
    return [int(held[round(share * (held.size - 1))]) for share in (0.1, 0.3, 0.5, 0.7, 0.9)]


def go_to(viewer: napari.Viewer, truth: Volume) -> None:
    """Show the middle one of the annotated slices."""
    layer = viewer.layers[0]
    index = five_slices(truth)[2]
    viewer.dims.set_point(0, layer.data_to_world((index, 0, 0))[0])


def show_only(viewer: napari.Viewer, *names: str) -> None:
    """Show these layers and hide the others."""
    for layer in viewer.layers:
        layer.visible = layer.name in names


def save(viewer: napari.Viewer, name: str) -> None:
    """Save what the window shows."""
    wait(1.5)
    viewer.screenshot(str(IMAGES / f"{name}.png"), canvas_only=False, flash=False)


def wait(seconds: float) -> None:
    """Let the viewer live."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        QApplication.processEvents()
        time.sleep(0.01)


def wait_for(holds: Callable[[], Any], seconds: float = 3600) -> None:
    """Let the viewer live until something holds."""
    end = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > end:
            raise TimeoutError("The viewer does not get on.")
        wait(0.1)


if __name__ == "__main__":
    main()
