"""What both versions of Muon share: the constants of the Newton-Schulz iteration."""

from __future__ import annotations

MOMENTUM = 0.95
_ROOT_MEAN_SQUARE = 0.2  # of a step of Adam, in parts of the learning rate
# Of the polynomial a x + b x^3 + c x^5, which brings singular values from 0 to 1 near 1 (Jordan et al.).
POLYNOMIAL = (3.4445, -4.7750, 2.0315)
ITERATIONS = 5


def length(rows: int) -> float:
    """By how much an orthogonal matrix of so many rows is lengthened to be a step as long as Adam's."""
    # Its root mean square is 1 over the root of its rows.
    return float(_ROOT_MEAN_SQUARE * rows**0.5)
