"""Clocks: ours, the venue's and Redis's, as offsets to the machine's wall clock.

The wall clock is looked at once, when a process begins, and kept on by the monotonic one. A wall
clock that is set later (NTP, an operator) would carry the offsets measured before with it: what a
request may live at the venue would no longer be what its absence is proven by, and one order could
become two.
"""

import os
import time
from dataclasses import dataclass, field

OFFSET_VARIABLE = "ORDER_ROUTER_CLOCK_OFFSET_MS"
"""The storm starts workers on hosts whose clock is wrong by so much; nobody else sets it."""
_OFFSET_MS = int(os.environ.get(OFFSET_VARIABLE) or 0)


def _began_ms() -> int:
    return time.time_ns() // 1_000_000 - time.monotonic_ns() // 1_000_000 + _OFFSET_MS


@dataclass(slots=True)
class Clock:
    """Wall time in ms with the measured offsets of the other two clocks."""

    venue_offset_ms: int = 0
    redis_offset_ms: int = 0
    _began_ms: int = field(default_factory=_began_ms, init=False, repr=False)

    def now_ms(self) -> int:
        """Return the machine's wall time, as it was when this clock was made and went on."""
        return self._began_ms + time.monotonic_ns() // 1_000_000

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
