"""A metric in words: heading, unit, direction, definition, and how to write a value."""

from __future__ import annotations

from dataclasses import dataclass
from math import isinf, isnan
from typing import Literal

Unit = Literal["0..1", "-1..1", "-1..inf", "mm", "ml", "count"]


@dataclass(frozen=True)
class Metric:
    """One metric in words.

    Attributes
    ----------
    heading : str
        For a column or an axis, without the unit. What stands in braces comes from the settings.
    unit : str
        A range where the metric has no unit.
    better : "higher", "lower", "zero" or ""
        Which values are better.
    text : str
        The definition in one sentence.
    short : str
        A heading for narrow columns.
    decimals : int
        How many to write.
    needs : "voxels", "surfaces" or "shape"
        What it is computed from: counts of voxels, distances between surface points, or whole
        shapes. Whole shapes take longer, and are not known where some voxels do not count.
    in_tables : bool
        False for what stands in files only, since another metric says the same.
    name : str
        The field of `LabelScores`.
    """

    heading: str
    unit: Unit
    better: Literal["higher", "lower", "zero", ""]
    text: str
    short: str = ""
    decimals: int = 3
    needs: Literal["voxels", "surfaces", "shape"] = "voxels"
    in_tables: bool = True
    name: str = ""

    @property
    def has_unit(self) -> bool:
        """Whether the unit belongs beside the heading."""
        return self.unit in ("mm", "ml")

    @property
    def title(self) -> str:
        """Heading with its unit, in one line."""
        return f"{self.heading} ({self.unit})" if self.has_unit else self.heading

    @property
    def narrow_heading(self) -> str:
        """Short heading with the unit below it."""
        short = self.short or self.heading
        return f"{short}\n{self.unit}" if self.has_unit else short

    @property
    def tip(self) -> str:
        """The definition, as a tooltip."""
        if self.unit != "mm":
            return self.text
        return f"{self.text} In mm; infinite where only one of the two has the label."

    @property
    def is_slow(self) -> bool:
        """Whether it takes much longer than counts and distances."""
        return self.needs == "shape"

    def number(self, value: float) -> str:
        """Write a value: "-" where it is not defined; counts without decimals where they are whole."""
        if isnan(value):
            return "-"
        if isinf(value):
            return "inf" if value > 0 else "-inf"
        text = f"{value:.{self.decimals}f}"
        return f"{value:.0f}" if self.unit == "count" and float(text).is_integer() else text

    def span(self, low: float, high: float) -> str:
        """Write an interval; nothing where it is not defined."""
        return "" if isnan(low) else f"{self.number(low)} .. {self.number(high)}"
