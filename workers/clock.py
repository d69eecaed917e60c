"""Clocks: ours, the venue's and Redis's, as offsets to the machine's wall clock."""

import os
import time
from dataclasses import dataclass

OFFSET_VARIABLE = "ORDER_ROUTER_CLOCK_OFFSET_MS"
"""The storm starts workers on hosts whose clock is wrong by so much; nobody else sets it."""
_OFFSET_MS = int(os.environ.get(OFFSET_VARIABLE) or 0)


@dataclass(slots=True)
class Clock:
    """Wall time in ms with the measured offsets of the other two clocks."""

    venue_offset_ms: int = 0
    redis_offset_ms: int = 0

    def now_ms(self) -> int:
        """Return the machine's wall time."""
        return time.time_ns() // 1_000_000 + _OFFSET_MS

    def monotonic_ms(self) -> int:
        """Return a time that never jumps; deadlines are measured on it."""
        return time.monotonic_ns() // 1_000_000

    def monotonic_s(self) -> float:
        return time.monotonic()

    def venue_ms(self) -> int:
        """Return the venue's time as far as we know it."""
        return self.now_ms() + self.venue_offset_ms

    def redis_ms(self) -> int:
        """Return the Redis server's time as far as we know it."""
        return self.now_ms() + self.redis_offset_ms
