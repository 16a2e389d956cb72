"""Inspection: from a row of the table to the voxels behind it, worked out in a thread."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any
from weakref import WeakKeyDictionary

from napari.layers import Labels
from napari.utils.notifications import show_error
from qtpy.QtCore import QObject, Signal
from qtpy.QtWidgets import QMainWindow

from napari_medunet.engine.errors import MedunetError, one_line
from napari_medunet.engine.evaluation.metrics.agreement import (
    agreement,
    comparable,
    distance_mesh,
    worst_place,
)
from napari_medunet.engine.settings import EvaluateSettings
from napari_medunet.engine.volume import Volume
from napari_medunet.plugin.measure.cases import Case
from napari_medunet.plugin.measure.comparison_layers import (
    ComparisonLayers,
    legend,
    show_only_agreement,
)
from napari_medunet.plugin.widgets.latest_only import LatestOnly

Members = tuple[int, ...] | None  # labels that are taken as one; None for all, each its own


class Inspection(QObject):  # type: ignore[misc]
    """Shows where a case's labels are wrong: the slice, the voxels, the surface.

    Parameters
    ----------
    viewer : napari Viewer
    parent : QObject
        The widget that asks; what it asked for last wins.
    """

    shown = Signal(str, str)  # what was shown ("place", "agreement", "distance"), and a note on it

    def __init__(self, viewer: Any, parent: QObject) -> None:
        super().__init__(parent)
        self.viewer = viewer
        self.layers = ComparisonLayers(viewer)
        # Apart, since a click on a row may ask for both.
        self._view = self._make_latest_only()
        self._agreement = self._make_latest_only()
        self._compared: WeakKeyDictionary[Labels, tuple[Members, str]] = WeakKeyDictionary()

    def go(
        self, case: Case, members: Members, settings: EvaluateSettings, others: Sequence[Case]
    ) -> None:
        """Show the slice in which labels are most wrong, with the layers of their case."""
        axis = self._slicing_axis(case)

        def find(truth: Volume, prediction: Volume) -> Any:
            pair = comparable(truth, prediction, settings, members)
            return worst_place(*pair, None, axis)

        def show(place: tuple[int, ...] | None) -> None:
            self.layers.show_case(case, others)
            if place is not None:
                self._move_to(case, place)
            self.shown.emit("place", "")

        self._work(self._view, case, find, show)

    def show_agreement(
        self, case: Case, members: Members, settings: EvaluateSettings, title: str = ""
    ) -> None:
        """Add or renew the layer of agreement on a label; on all labels for None."""

        def compare(truth: Volume, prediction: Volume) -> Any:
            return agreement(*comparable(truth, prediction, settings, members))

        def show(found: Any) -> None:
            shape = case.truth.data.shape
            layer = self.layers.show_agreement(case, found.reshape(shape), title)
            if not layer.visible or case.truth not in self._compared:
                layer.visible = True
                show_only_agreement(case)
            self._compared[case.truth] = members, title
            self.shown.emit("agreement", legend(members is None))

        self._work(self._agreement, case, compare, show)

    def follow_row(
        self, case: Case, members: Members, settings: EvaluateSettings, title: str
    ) -> None:
        """Let agreement follow to another label, if it is on show."""
        layer = self.layers.of(case, "agreement")
        if (
            layer is not None
            and layer.visible
            and self._compared.get(case.truth) != (members, title)
        ):
            self.show_agreement(case, members, settings, title)

    def renew(self, case: Case, settings: EvaluateSettings) -> None:
        """Let a case's agreement layer follow its labels, if there is one to be seen."""
        layer = self.layers.of(case, "agreement")
        if layer is not None and layer.visible and case.truth in self._compared:
            members, title = self._compared[case.truth]
            self.show_agreement(case, members, settings, title)

    def show_distance(
        self,
        case: Case,
        members: Members,
        labels: Sequence[int],
        settings: EvaluateSettings,
        title: str = "",
    ) -> None:
        """Add or renew the prediction's surface, coloured by its distance to the truth's, in 3D.

        Parameters
        ----------
        case : Case
        members : tuple of int or None
            Labels to take as one; None for a surface of each label.
        labels : sequence of int
            All labels of the case.
        settings : EvaluateSettings
        title : str
            What was compared, for the layer's name.
        """
        if case.truth.ndim != 3:
            show_error(f"'{case.truth.name}' has {case.truth.ndim} axes; a surface takes 3.")
            return
        if settings.annotated != "all" or settings.ignore_label is not None:
            show_error(
                "Where some voxels do not count not all of a surface is known: measure all voxels."
            )
            return

        def measure(truth: Volume, prediction: Volume) -> Any:
            pair = comparable(truth, prediction, settings, members)
            return distance_mesh(*pair, truth.spacing_mm, labels if members is None else [1])

        def show(mesh: Any) -> None:
            layer = self.layers.show_distance(case, mesh, title)
            for other in self.layers.layers_of(case):
                other.visible = other is layer  # labels would be drawn over the same surface
            self.viewer.dims.ndisplay = 3
            high, most = layer.contrast_limits[1], mesh.distance_mm.max()
            beyond = f" or more; the largest is {most:.2f} mm" if most > high else ""
            self.shown.emit("distance", f"Colours: 0 to {high:.2f} mm{beyond}.")

        self._work(self._view, case, measure, show)

    def _work(
        self,
        latest_only: LatestOnly,
        case: Case,
        compute: Callable[[Volume, Volume], Any],
        show: Callable[[Any], None],
    ) -> None:
        """Compute in a thread and show the result, unless something else was asked for meanwhile."""
        try:
            volumes = case.volumes(self.viewer.layers)
        except MedunetError as error:
            show_error(one_line(error))
            return

        def show_if_open(result: Any) -> None:
            if all(layer in self.viewer.layers for layer in case.layers):
                show(result)

        latest_only.ask(lambda: partial(show_if_open, compute(*volumes)))

    def _make_latest_only(self) -> LatestOnly:
        """One whose work returns how to show what was worked out."""
        made = LatestOnly(self)
        made.done.connect(lambda show: show())
        made.failed.connect(show_error)
        return made

    def _slicing_axis(self, case: Case) -> int:
        """Axis of (z, y, x) along which the viewer shows slices of a case."""
        order = self.viewer.dims.order
        spatial = [axis - (len(order) - 3) for axis in order if axis >= len(order) - 3]
        return max(spatial[0], 0) if len(spatial) == 3 and case.truth.ndim >= 3 else 0

    def _move_to(self, case: Case, place: tuple[int, ...]) -> None:
        """Show the slice of a voxel, and the voxel if it lies outside of what can be seen."""
        dims = self.viewer.dims
        dims.ndisplay = 2
        world = case.truth.data_to_world(place[-case.truth.ndim :])
        first = dims.ndim - len(world)
        for axis, value in enumerate(world):
            dims.set_point(first + axis, value)
        shown = [axis - first for axis in dims.displayed]
        if min(shown) >= 0:
            self._bring_into_view([float(world[axis]) for axis in shown])

    def _bring_into_view(self, point: Sequence[float]) -> None:
        """Centre a point that lies outside of what the canvas shows; the zoom stays."""
        window = self.parent().window()
        canvas = window.centralWidget() if isinstance(window, QMainWindow) else None
        if canvas is None:
            return
        camera = self.viewer.scene.camera
        reach = [0.45 * length / camera.zoom for length in (canvas.height(), canvas.width())]
        apart = [abs(p - c) for p, c in zip(point, camera.center[-2:], strict=True)]
        if any(a > r for a, r in zip(apart, reach, strict=True)):
            camera.center = (*camera.center[:-2], *point)
