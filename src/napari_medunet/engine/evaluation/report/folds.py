"""The scores of a cross-validation, fold by fold, for a terminal."""

from __future__ import annotations

from math import isnan
from typing import TYPE_CHECKING

from napari_medunet.engine.evaluation.report.definitions import definitions
from napari_medunet.engine.prediction.card import Card, LabelMeans

if TYPE_CHECKING:
    from rich.table import Table


def fold_rows(card: Card) -> dict[str, dict[str, LabelMeans]]:
    """Means over the cases of each fold, and over the folds, by class name and by what they are of.

    Empty where the segmenter was not cross-validated.
    """
    found = card.cross_validation
    if found is None:
        return {}
    return {
        one.name: {
            **{
                f"fold {number} ({len(fold.cases)})": fold.scores[one.value]
                for number, fold in enumerate(found.folds, 1)
            },
            "mean": found.mean[one.value],
            "sd": found.sd[one.value],
        }
        for one in card.classes
    }


def fold_table(card: Card) -> Table:
    """Lay out the scores of each fold, with their mean and standard deviation."""
    from rich import box
    from rich.table import Table

    known = definitions()
    table = Table(
        title=f"{len(card.networks)} folds, each measured on the cases left out",
        caption="in brackets: cases; mean and sd are of the folds; distances in mm; -: not defined",
        box=box.SIMPLE_HEAD,
        padding=(0, 0, 0, 1),  # fits 80 columns
    )
    table.add_column("")
    for metric in LabelMeans.model_fields:
        table.add_column(known[metric].heading, justify="right")
    for name, rows in fold_rows(card).items():
        table.add_row(name)
        for what, means in rows.items():
            values = (value for _, value in means)
            table.add_row(f" {what}", *("-" if isnan(v) else f"{v:.3f}" for v in values))
    return table
