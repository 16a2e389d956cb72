"""Pieces of HTML: sections, tables and numbers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from math import isnan


def section(title: str, content: str, text: str = "") -> str:
    """Put HTML under a heading, with a line of HTML before it."""
    words = f"<p class='small'>{text}</p>" if text else ""
    return f"<section><h2>{escape(title)}</h2>{words}{content}</section>"


def table(heads: Sequence[str], rows: Iterable[Sequence[str]], kind: str = "") -> str:
    """Lay out a table; cells are HTML already, headings are not."""
    head = "".join(f'<th scope="col">{escape(text)}</th>' for text in heads)
    body = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows)
    return (
        f'<div class="wide"><table class="{kind}"><thead><tr>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )


def called(row: int | str, names: Mapping[int, str]) -> str:
    """Give the name of a label, its number where it has none, or that of a group."""
    return escape(names.get(row, str(row)) if isinstance(row, int) else row)


def unit(unit: str) -> str:
    """Write a unit behind a heading, where it is one of length or volume."""
    return f" ({unit})" if unit in ("mm", "ml") else ""


def number(value: float) -> str:
    """Write a number with three decimals; "-" where it is not defined."""
    if isnan(value):
        return "-"
    return f"{value:.3f}" if abs(value) < 1000 else f"{value:.4g}"
