"""A table of scores as text: for a terminal, for a notebook, for whatever prints it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from io import StringIO
from typing import TYPE_CHECKING

from napari_medunet.engine.errors import printable
from napari_medunet.engine.evaluation.metrics.metric import Metric
from napari_medunet.engine.evaluation.metrics.table import LabelScores, metric_table
from napari_medunet.engine.evaluation.templates import render
from napari_medunet.engine.labels import label_name
from napari_medunet.engine.settings import EvaluateSettings

if TYPE_CHECKING:
    from rich.table import Table

# What fits 80 columns; files and reports have all metrics.
AT_A_GLANCE = ("dice", "iou", "precision", "recall", "hd", "hd95", "assd", "nsd")
_COLUMNS = 80
_CAPTION = "-: not defined; inf: only one of the two has the label"


@dataclass(frozen=True)
class ScoreTable:
    """Rows of text under headings.

    Attributes
    ----------
    title, caption : str
        What stands above and below it.
    headings : tuple of str
    rows : tuple of tuples of str
        A cell may have several lines.
    means : tuple of tuples of str
        Rows below a line.
    names : int
        How many of the columns hold words: they stand to the left, numbers to the right.
    """

    title: str
    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    caption: str = ""
    means: tuple[tuple[str, ...], ...] = ()
    names: int = 1

    def __rich__(self) -> Table:
        """Lay it out for a terminal."""
        from rich import box
        from rich.table import Table
        from rich.text import Text

        table = Table(
            title=Text(printable(self.title)),
            caption=Text(printable(self.caption)) if self.caption else None,
            box=box.SIMPLE_HEAD,
            padding=(0, 0, 0, 1),  # fits 80 columns
        )
        for place, heading in enumerate(self.headings):
            least = None if place < self.names else len(heading)
            justify = "left" if place < self.names else "right"
            table.add_column(Text(printable(heading)), justify=justify, min_width=least)  # type: ignore[arg-type]
        for row in self.rows:
            table.add_row(*(Text(printable(cell)) for cell in row))
        if self.means:
            table.add_section()
        for row in self.means:
            table.add_row(*(Text(printable(cell)) for cell in row))
        return table

    def __str__(self) -> str:
        """Write it as plain text, 80 columns wide."""
        from rich.console import Console

        console = Console(file=StringIO(), width=_COLUMNS, record=True, color_system=None)
        console.print(self)
        lines = (line.rstrip() for line in console.export_text().splitlines())
        return "\n".join(lines).strip("\n")

    def _repr_html_(self) -> str:
        """Lay it out for a notebook."""
        return render("score_table.html", table=self)


def label_table(
    title: str,
    rows: Mapping[int | str, LabelScores],
    settings: EvaluateSettings | None = None,
    names: Mapping[int, str] | None = None,
) -> ScoreTable:
    """Lay out the scores of some labels and groups."""
    known = metric_table(settings)
    shown = [known[name] for name in AT_A_GLANCE]
    return ScoreTable(
        f"{title}\n{how_measured(settings)}",
        ("Label", *(metric.heading for metric in shown)),
        tuple((label_name(row, names), *_numbers(shown, scores)) for row, scores in rows.items()),
        _CAPTION,
    )


def how_measured(settings: EvaluateSettings | None = None) -> str:
    """Say the unit of distances, and the tolerance of the NSD."""
    return f"distances in mm, NSD at {(settings or EvaluateSettings()).tolerance_mm:g} mm"


def _numbers(shown: Sequence[Metric], scores: LabelScores) -> list[str]:
    return [metric.number(getattr(scores, metric.name)) for metric in shown]
