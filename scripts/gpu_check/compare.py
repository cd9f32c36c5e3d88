"""Numbers against numbers."""

from array import array
from collections.abc import Iterable

from .run import Failed


def relative(found: array, expected: array) -> float:
    """The largest difference, as a share of the largest expected value."""
    if len(found) != len(expected):
        raise Failed(f'expected {len(expected)} numbers, found {len(found)}')
    return absolute(found, expected) / max(map(abs, expected))


def absolute(found: Iterable[float], expected: Iterable[float]) -> float:
    # A NaN would lose every comparison, so it counts as infinitely far away.
    differences = (abs(a - b) for a, b in zip(found, expected, strict=True))
    return max(d if d == d else float('inf') for d in differences)


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
