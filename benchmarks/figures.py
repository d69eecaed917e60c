"""From samples to figures: quantiles, medians of rounds and their spread. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median


@dataclass(frozen=True, slots=True)
class Spread:
    """The median of the rounds' values, with the lowest and the highest round."""

    median: float
    low: float
    high: float


def quantile(samples: Sequence[float], share: float) -> float:
    """Return the smallest sample that at least ``share`` of all samples do not exceed.

    Raises:
        ValueError: If there are no samples, or ``share`` is not above 0 and at most 1.
    """
    if not samples or not 0 < share <= 1:
        raise ValueError("a quantile needs samples, and a share above 0 and at most 1")
    ordered = sorted(samples)
    rank = -(-len(ordered) * share // 1)  # ceiling
    return ordered[max(0, int(rank) - 1)]


def spread(values: Iterable[float]) -> Spread:
    """Return the spread of the rounds' values.

    Raises:
        ValueError: If there are none.
    """
    found = list(values)
    if not found:
        raise ValueError("no rounds")
    return Spread(median(found), min(found), max(found))


def ratios(above: Sequence[float], below: Sequence[float]) -> list[float]:
    """Return ``above`` by ``below``, round by round: what slowed one round slowed both sides."""
    return [one / other for one, other in zip(above, below, strict=True)]
