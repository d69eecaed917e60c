"""Clocks: ours, the venue's and Redis's, as offsets to the machine's wall clock.

The wall clock is looked at once, when a process begins, and kept on by the monotonic one. A wall
clock that is set later (NTP, an operator) would carry the offsets measured before with it: what a
request may live at the venue would no longer be what its absence is proven by, and one order could
become two.
"""

import math
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
    _venue_within_ms: float = field(default=math.inf, init=False, repr=False)
    _redis_within_ms: float = field(default=math.inf, init=False, repr=False)

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

    def learn_venue(self, told_ms: int, took_ms: int) -> None:
        """Learn from the venue's answer just received, ``took_ms`` after it was asked for."""
        learned = _learned(
            self.venue_offset_ms, self._venue_within_ms, told_ms - self.now_ms(), took_ms
        )
        self.venue_offset_ms, self._venue_within_ms = learned

    def learn_redis(self, told_ms: int, took_ms: int) -> None:
        """Learn from Redis's answer just received, ``took_ms`` after it was asked for."""
        learned = _learned(
            self.redis_offset_ms, self._redis_within_ms, told_ms - self.now_ms(), took_ms
        )
        self.redis_offset_ms, self._redis_within_ms = learned

    def doubt_venue(self) -> None:
        """Believe the venue's next answer, however slow it is."""
        self._venue_within_ms = math.inf

    def doubt_redis(self) -> None:
        """Believe Redis's next answer, however slow it is: it may be another server."""
        self._redis_within_ms = math.inf

    def redis_ms(self) -> int:
        """Return the Redis server's time as far as we know it."""
        return self.now_ms() + self.redis_offset_ms


def _learned(offset_ms: int, within_ms: float, least_ms: int, took_ms: int) -> tuple[int, float]:
    """Return a clock's offset to ours, and how long the answer took that it was learned from.

    ``least_ms``: the offset if the other looked at its clock as its answer arrived; up to
    ``took_ms`` more if as soon as it was asked. An answer that took longer than the one before
    knows less, and changes nothing unless what that one said is impossible now: a clock was set.
    """
    if took_ms > within_ms and least_ms <= offset_ms <= least_ms + took_ms:
        return offset_ms, within_ms
    return least_ms + (took_ms + 1) // 2, took_ms
