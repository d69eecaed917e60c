"""The exchange's clock: handed in everywhere, so that tests can turn it and faults can skew it."""

from __future__ import annotations

import time
from collections.abc import Callable


def wall_us() -> int:
    """Return the machine's time in microseconds since 1970."""
    return time.time_ns() // 1000


class Clock:
    """Tells the venue's time (which a fault may skew) and the true time (for the ledger)."""

    __slots__ = ("_true_us", "reads_skewed", "skew_us")

    def __init__(self, true_us: Callable[[], int] = wall_us) -> None:
        self._true_us = true_us
        self.skew_us = 0
        self.reads_skewed = 0

    def __repr__(self) -> str:
        return f"Clock(now_ms={self.now_ms()}, skew_us={self.skew_us})"

    def now_us(self) -> int:
        """Return the venue's time in microseconds."""
        if self.skew_us:
            self.reads_skewed += 1
        return self._true_us() + self.skew_us

    def now_ms(self) -> int:
        """Return the venue's time in milliseconds."""
        if self.skew_us:
            self.reads_skewed += 1
        return (self._true_us() + self.skew_us) // 1000

    def true_ms(self) -> int:
        """Return the true time in milliseconds, whatever the skew."""
        return self._true_us() // 1000
