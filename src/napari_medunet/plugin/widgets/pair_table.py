"""PairTable: which labels layer belongs to which other layer."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any
from weakref import WeakKeyDictionary

from napari.layers import Labels, Layer
from qtpy.QtCore import QSize, Qt, Signal
from qtpy.QtGui import QShowEvent
from qtpy.QtWidgets import QHeaderView, QTreeWidget, QTreeWidgetItem
from superqt.utils import signals_blocked

from napari_medunet.plugin.widgets.combo import LayerCombo
from napari_medunet.plugin.widgets.pairing import suggest_pairs

_ROWS_SHOWN = 5
_ROW_PX = 26

Suggest = Callable[[Sequence[Layer], Sequence[Labels]], Mapping[str, Labels]]


class PairTable(QTreeWidget):  # type: ignore[misc]
    """A row per layer: a tick to use it, and the labels layer that belongs to it.

    What the user chose stays; the rest is suggested.

    Parameters
    ----------
    headings : (str, str)
        Of the layers and of the labels that belong to them.
    suggest : callable, optional
        From layers and labels layers to the labels of each layer, by its name; `suggest_pairs` of names
        and grids where it is not given.
    first_px : int
        Width of the first column.
    """

    changed = Signal()

    def __init__(
        self,
        headings: tuple[str, str] = ("Image", "Labels"),
        suggest: Suggest | None = None,
        first_px: int = 130,
    ) -> None:
        super().__init__()
        self._suggest = suggest or _suggest
        self.setHeaderLabels(list(headings))
        self.setRootIsDecorated(False)
        self.setUniformRowHeights(True)
        self.setSelectionMode(QTreeWidget.SelectionMode.NoSelection)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setTextElideMode(Qt.TextElideMode.ElideLeft)
        self.header().setStretchLastSection(True)
        self.header().setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
        self.header().resizeSection(0, first_px)
        self.header().setSectionsMovable(False)
        self._chosen: WeakKeyDictionary[Layer, Labels | None] = WeakKeyDictionary()
        self._left_out: WeakKeyDictionary[Layer, bool] = WeakKeyDictionary()
        self._rows: list[tuple[Layer, QTreeWidgetItem, LayerCombo]] = []
        self.itemChanged.connect(self._ticked)
        self._fit_height()

    def refresh(
        self,
        images: Sequence[Layer],
        labels: Sequence[Labels],
        predictions: Collection[Labels] = (),
    ) -> None:
        """Show the layers that there are now.

        Parameters
        ----------
        images, labels : sequences of layers
            The rows, and what can belong to them.
        predictions : collection of Labels
            Layers that can be chosen but are not suggested: a network must not learn from its own
            mistakes unless somebody wants it to.
        """
        suggested = self._suggest(images, [layer for layer in labels if layer not in predictions])
        wanted = [self._wanted(image, labels, suggested) for image in images]
        if self._shows(images, labels, wanted):
            return
        with signals_blocked(self):
            self.clear()
            self._rows = [
                self._add_row(image, labels, choice)
                for image, choice in zip(images, wanted, strict=True)
            ]
        self._fit_height()
        self.changed.emit()

    def pairs(self) -> list[tuple[Layer, Labels]]:
        """The ticked rows for which labels are chosen."""
        return [
            (image, combo.layer)
            for image, item, combo in self._rows
            if item.checkState(0) == Qt.CheckState.Checked and combo.layer is not None
        ]

    def choose(self, image: Layer, labels: Labels | None) -> None:
        """Choose labels for an image, as the user does with the box."""
        for row, _, combo in self._rows:
            if row is image:
                combo.layer = labels
                self._picked(image, combo)

    def tick(self, image: Layer, use: bool) -> None:
        """Tick or untick an image's row, as the user does."""
        for row, item, _ in self._rows:
            if row is image:
                item.setCheckState(0, Qt.CheckState.Checked if use else Qt.CheckState.Unchecked)

    def showEvent(self, event: QShowEvent) -> None:  # noqa: N802  (Qt's name)
        """Measure again: only now the viewer's style is known."""
        super().showEvent(event)
        self._fit_height()

    def _fit_height(self) -> None:
        rows = min(max(len(self._rows), 1), _ROWS_SHOWN)
        self.setFixedHeight(self.header().sizeHint().height() + rows * _ROW_PX + 4)

    def _wanted(
        self, image: Layer, labels: Sequence[Labels], suggested: Mapping[str, Labels]
    ) -> Labels | None:
        if image in self._chosen:
            chosen = self._chosen[image]
            if chosen is None or chosen in labels:
                return chosen
            del self._chosen[image]  # the layer was removed
        return suggested.get(image.name)

    def _shows(
        self, images: Sequence[Layer], labels: Sequence[Labels], wanted: Sequence[Labels | None]
    ) -> bool:
        """Whether a rebuild would change nothing: it would close a box that the user has open."""
        offered = ["none", *(layer.name for layer in labels)]
        return len(self._rows) == len(images) and all(
            row is image
            and item.text(0) == image.name
            and combo.layer is choice
            and [combo.itemText(i) for i in range(combo.count())] == offered
            for (row, item, combo), image, choice in zip(self._rows, images, wanted, strict=True)
        )

    def _add_row(
        self, image: Layer, labels: Sequence[Labels], choice: Labels | None
    ) -> tuple[Layer, QTreeWidgetItem, LayerCombo]:
        item = QTreeWidgetItem(self, [image.name, ""])
        item.setToolTip(0, image.name)
        use = not self._left_out.get(image, False)
        item.setCheckState(0, Qt.CheckState.Checked if use else Qt.CheckState.Unchecked)
        combo = LayerCombo(none="none")
        combo.offer(labels)
        combo.layer = choice
        combo.setFixedHeight(_ROW_PX - 2)
        item.setSizeHint(1, QSize(0, _ROW_PX))
        combo.activated.connect(lambda _: self._picked(image, combo))
        self.setItemWidget(item, 1, combo)
        return image, item, combo

    def _picked(self, image: Layer, combo: LayerCombo) -> None:
        self._chosen[image] = combo.layer
        self.changed.emit()

    def _ticked(self, item: QTreeWidgetItem, column: int) -> None:
        for image, row, _ in self._rows:
            if row is item:
                self._left_out[image] = item.checkState(0) != Qt.CheckState.Checked
        self.changed.emit()


def _suggest(images: Sequence[Layer], labels: Sequence[Labels]) -> dict[str, Labels]:
    by_name = {layer.name: layer for layer in labels}
    grids = {f"image:{layer.name}": _grid(layer) for layer in images}
    grids.update({f"labels:{layer.name}": _grid(layer) for layer in labels})
    pairs = suggest_pairs([layer.name for layer in images], list(by_name), grids)
    return {image: by_name[name] for image, name in pairs.items()}


def _grid(layer: Layer) -> Any:
    """Extent, scale and place of a layer's spatial axes, as napari knows them."""
    ndim = min(layer.ndim, 3)
    return (
        tuple(int(n) for n in layer.level_shapes[0][-layer.ndim :][-ndim:])
        if layer.multiscale
        else tuple(int(n) for n in layer.data.shape[: layer.ndim][-ndim:]),
        tuple(round(float(v), 6) for v in layer.scale[-ndim:]),
        tuple(round(float(v), 6) for v in layer.translate[-ndim:]),
    )
