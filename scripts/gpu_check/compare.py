"""Numbers against numbers."""

import math
from array import array
from collections.abc import Iterable

from .run import Failed

HALF_BITS = 11  # of float16, the hidden one included


def relative(found: array, expected: array, stored_bits: int | None = None) -> float:
    """The largest difference, as a share of the largest expected value. What rounding to `stored_bits` significant bits can
    have done to an expected value does not count.
    """
    if len(found) != len(expected):
        raise Failed(f'expected {len(expected)} numbers, found {len(found)}')
    allowed = (0.0 if stored_bits is None else math.ldexp(1, math.frexp(b)[1] - stored_bits - 1) for b in expected)
    differences = (abs(a - b) - rounding for a, b, rounding in zip(found, expected, allowed, strict=True))
    return largest_of(differences) / max(map(abs, expected))


def absolute(found: Iterable[float], expected: Iterable[float]) -> float:
    return largest_of(abs(a - b) for a, b in zip(found, expected, strict=True))


def largest_of(differences: Iterable[float]) -> float:
    """0 at least. A NaN would lose every comparison, so it counts as infinitely far away."""
    return max(0.0, max(d if d == d else math.inf for d in differences))


def expect_below(what: str, difference: float, most: float) -> float:
    if not difference <= most:
        raise Failed(f'{what}: expected a difference of at most {most:g}, found {difference:g}')
    return difference


def order_of_pairs(good: list[float], defective: list[float]) -> list[int]:
    """For each pair of a good and a defective picture: 1 if the defective one's score is higher, -1 if lower, or 0."""
    return [(d > g) - (d < g) for g in good for d in defective]


def swapped_pairs(a: list[float], b: list[float], labels: list[int]) -> int:
    """How many pairs two lists of scores order differently."""

    def pairs(scores: list[float]) -> list[int]:
        by_label = [[s for s, label in zip(scores, labels, strict=True) if label == which] for which in (0, 1)]
        return order_of_pairs(*by_label)

    return sum(x != y for x, y in zip(pairs(a), pairs(b), strict=True))


def auroc(scores: list[float], labels: list[int]) -> float:
    good = [s for s, label in zip(scores, labels, strict=True) if label == 0]
    defective = [s for s, label in zip(scores, labels, strict=True) if label == 1]
    pairs = order_of_pairs(good, defective)
    return sum((order + 1) / 2 for order in pairs) / len(pairs)
