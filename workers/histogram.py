"""A histogram of fixed buckets: cheap to observe, readable at any time. Pure.

One thread observes; others may read meanwhile and see each number as it was a moment ago.
"""

from bisect import bisect_left
from collections.abc import Iterator


class Histogram:
    """How often a value fell into each bucket, their sum and the largest."""

    __slots__ = ("_counts", "bounds", "most", "total")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self.bounds = bounds
        """Upper bounds, growing; a value equal to a bound is within it."""
        self.total = 0.0
        self.most = 0.0
        self._counts = [0] * (len(bounds) + 1)

    def __repr__(self) -> str:
        return f"Histogram(count={self.count}, p50={self.quantile(0.5)}, most={self.most})"

    def observe(self, value: float) -> None:
        """Count one value; a negative one (a clock was set) counts as 0."""
        if value < 0:
            value = 0.0
        self._counts[bisect_left(self.bounds, value)] += 1
        self.total += value
        if value > self.most:
            self.most = value

    @property
    def count(self) -> int:
        """How many values were observed."""
        return sum(self._counts)

    def cumulative(self) -> Iterator[tuple[float, int]]:
        """Yield each bound and how many values were at most that; the last bound is infinite."""
        below = 0
        for bound, count in zip((*self.bounds, float("inf")), self._counts.copy(), strict=True):
            below += count
            yield bound, below

    def quantile(self, q: float) -> float:
        """Return the value that the share ``q`` of all did not exceed; 0.0 if there is none.

        Exact to its bucket; inside one, values are taken as evenly spread.
        """
        wanted, lower, before = q * self.count, 0.0, 0
        for bound, below in self.cumulative():
            upper = min(bound, self.most)
            if below >= wanted and below > before:
                return upper - (upper - lower) * (below - wanted) / (below - before)
            lower, before = upper, below
        return self.most
