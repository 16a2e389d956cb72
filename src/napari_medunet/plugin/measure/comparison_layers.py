"""Layers that show where a prediction and its truth differ: agreement, and distance on the surface."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from weakref import WeakKeyDictionary, WeakValueDictionary

import numpy as np
import numpy.typing as npt
from napari.layers import Image, Labels, Layer, Surface
from napari.utils.colormaps import DirectLabelColormap

from napari_medunet.engine.evaluation.metrics.agreement import (
    BOTH,
    ONLY_PREDICTION,
    ONLY_TRUTH,
    OTHER_LABEL,
    DistanceMesh,
)
from napari_medunet.plugin.measure.cases import Case
from napari_medunet.plugin.opening.layer_geometry import source_layer
from napari_medunet.plugin.session.made_layers import MADE_HERE, add_layer, placed_like

# Of Okabe and Ito, told apart by colour-blind eyes; what is right is fainter than what is wrong.
AGREEMENT = {
    BOTH: ("both", "#009e73", 0.45),
    ONLY_PREDICTION: ("only prediction", "#e69f00", 0.9),
    ONLY_TRUTH: ("only truth", "#56b4e9", 0.9),
    OTHER_LABEL: ("another label", "#cc79a7", 0.9),
}
_COLORMAP = "viridis"


class ComparisonLayers:
    """Adds layers that compare, one of each kind for a case, and uses them again.

    A layer is known by itself and not by its name: nothing of the user's is ever written to.

    Parameters
    ----------
    viewer : napari Viewer
    """

    def __init__(self, viewer: Any) -> None:
        self._viewer = viewer
        self._made: WeakKeyDictionary[Labels, WeakValueDictionary[str, Layer]] = WeakKeyDictionary()

    def show_agreement(
        self, case: Case, agreement: npt.NDArray[np.uint8], title: str = ""
    ) -> Labels:
        """Show which of truth and prediction has the label, as a Labels layer on the truth's grid.

        Parameters
        ----------
        case : Case
        agreement : uint8 array of the truth layer's shape
            From `metrics.agreement.agreement`.
        title : str
            What was compared, for the layer's name.
        """
        name = " ".join(filter(None, [case.name, title, "agreement"]))
        layer = self.of(case, "agreement")
        if layer is None:
            layer = Labels(
                agreement,
                name=name,
                colormap=_agreement_colours(),
                opacity=0.7,
                features=_agreement_names(),
                metadata={MADE_HERE: "agreement"},
                **placed_like(case.truth, case.truth.ndim),
            )
            layer.editable = False
            self._add("agreement", case, layer)
        else:
            layer.data = agreement
            layer.name = name
        return layer

    def show_distance(self, case: Case, mesh: DistanceMesh, title: str = "") -> Surface:
        """Show the prediction's surface coloured by its distance to the truth's, with a scale in mm."""
        data = (mesh.vertices, mesh.faces, mesh.distance_mm)
        name = " ".join(filter(None, [case.name, title, "distance (mm)"]))
        limits = (0.0, max(float(np.percentile(mesh.distance_mm, 95)), 1e-3))
        layer = self.of(case, "distance")
        if layer is None:
            layer = Surface(
                data,
                name=name,
                colormap=_COLORMAP,
                shading="smooth",
                metadata={MADE_HERE: "distance"},
                **placed_like(case.truth, case.truth.ndim),
            )
            self._add("distance", case, layer)
            layer.colorbar.visible = True
        else:
            layer.data = data
            layer.name = name
        layer.contrast_limits_range = (0.0, max(float(mesh.distance_mm.max()), limits[1]))
        layer.contrast_limits = limits
        return layer

    def of(self, case: Case, kind: str) -> Layer | None:
        """The layer of a kind ("agreement" or "distance") that shows a case, while it is open."""
        made = self._made.get(case.truth)
        layer = None if made is None else made.get(kind)
        if layer is None or layer not in self._viewer.layers:
            return None
        fits = kind != "agreement" or layer.data.shape == case.truth.data.shape
        return layer if fits else None

    def show_case(self, case: Case, others: Iterable[Case]) -> None:
        """Make the layers of a case visible, and hide those of the other cases.

        Where agreement is on show it stands for prediction and truth.
        """
        own = self.layers_of(case)
        for other in others:
            for layer in self.layers_of(other):
                if not any(layer is mine for mine in own):
                    layer.visible = False
        agreement = self.of(case, "agreement")
        if agreement is not None and agreement.visible:
            own = [agreement, *(layer for layer in own if isinstance(layer, Image))]
        for layer in own:
            layer.visible = not isinstance(layer, Surface)
        distance = self.of(case, "distance")
        if distance is not None:
            distance.visible = False

    def layers_of(self, case: Case) -> list[Layer]:
        """Image, prediction, truth, and what compares them."""
        image = self.image_of(case)
        compared = (self.of(case, kind) for kind in ("agreement", "distance"))
        return [*case.layers, *(layer for layer in (image, *compared) if layer is not None)]

    def image_of(self, case: Case) -> Image | None:
        """The image that prediction and truth lie on; None where there is none."""
        images = [layer for layer in self._viewer.layers if isinstance(layer, Image)]
        named = [layer for layer in images if layer.name == case.name]
        return named[0] if named else source_layer(case.truth, images)

    def _add(self, kind: str, case: Case, layer: Layer) -> None:
        add_layer(self._viewer, layer)
        self._made.setdefault(case.truth, WeakValueDictionary())[kind] = layer


def show_only_agreement(case: Case) -> None:
    """Hide the labels below agreement, which would mix with its colours; not what is being painted."""
    for layer in case.layers:
        if layer.mode in ("pan_zoom", "transform", "pick"):
            layer.visible = False


def legend(all_labels: bool) -> str:
    """The colours of agreement and what they mean, as rich text."""
    return "&nbsp; ".join(
        f'<span style="color:{colour}">&#9632;</span>&nbsp;{name.replace(" ", "&nbsp;")}'
        for code, (name, colour, _) in AGREEMENT.items()
        if all_labels or code != OTHER_LABEL
    )


def _agreement_colours() -> DirectLabelColormap:
    colours: dict[int | None, Any] = {None: "transparent", 0: "transparent"}
    for code, (_, colour, alpha) in AGREEMENT.items():
        rgb = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
        colours[code] = np.array([*rgb, alpha])
    return DirectLabelColormap(color_dict=colours)


def _agreement_names() -> dict[str, list[Any]]:
    names = {0: "neither", **{code: name for code, (name, _, _) in AGREEMENT.items()}}
    return {"index": list(names), "who": list(names.values())}
