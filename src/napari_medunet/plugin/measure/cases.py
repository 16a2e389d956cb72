"""The cases that are measured: a prediction and its truth, as layers of the viewer."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from napari.layers import Labels, Layer

from napari_medunet.engine.volume import Volume
from napari_medunet.plugin.opening.layers import volume_from_layer
from napari_medunet.plugin.widgets.pairing import case_of


@dataclass(frozen=True, eq=False)
class Case:
    """A prediction and its truth, as layers, and what to call them."""

    name: str
    prediction: Labels
    truth: Labels

    @property
    def layers(self) -> tuple[Labels, Labels]:
        """Prediction and truth."""
        return self.prediction, self.truth

    def same(self, other: Case) -> bool:
        """Whether the layers are the same, by identity."""
        return self.prediction is other.prediction and self.truth is other.truth

    def volumes(self, layers: Iterable[Layer]) -> tuple[Volume, Volume]:
        """Take truth and prediction as volumes.

        Parameters
        ----------
        layers : iterable of layers
            All of the viewer, see `volume_from_layer`.

        Raises
        ------
        MedunetError
            If one of them has no place in space that is known.
        """
        others = list(layers)
        return volume_from_layer(self.truth, others), volume_from_layer(self.prediction, others)


def name_cases(pairs: Iterable[tuple[Labels, Labels]]) -> list[Case]:
    """Call each pair of prediction and truth what the prediction's case is called, no two the same."""
    cases: dict[str, Case] = {}
    for prediction, truth in pairs:
        name = case_of(prediction.name)
        if name in cases:
            name = prediction.name
        while name in cases:
            name += " again"
        cases[name] = Case(name, prediction, truth)
    return list(cases.values())
