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

#: Two clocks may part by this share of the time that passes: twice what a cheap quartz does.
_DRIFT = 100e-6


def _began_ms() -> int:
    return time.time_ns() // 1_000_000 - time.monotonic_ns() // 1_000_000 + _OFFSET_MS


@dataclass(slots=True)
class Clock:
    """Wall time in ms with the measured offsets of the other two clocks."""

    venue_offset_ms: int = 0
    redis_offset_ms: int = 0
    _began_ms: int = field(default_factory=_began_ms, init=False, repr=False)
    _venue_known: "_Known" = field(default_factory=lambda: _Known(), init=False, repr=False)
    _redis_known: "_Known" = field(default_factory=lambda: _Known(), init=False, repr=False)

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
        offset_ms, now_ms = self.venue_offset_ms, self.now_ms()
        self.venue_offset_ms = self._venue_known.learn(offset_ms, told_ms, now_ms, took_ms)

    def learn_redis(self, told_ms: int, took_ms: int) -> None:
        """Learn from Redis's answer just received, ``took_ms`` after it was asked for."""
        offset_ms, now_ms = self.redis_offset_ms, self.now_ms()
        self.redis_offset_ms = self._redis_known.learn(offset_ms, told_ms, now_ms, took_ms)

    def doubt_venue(self) -> None:
        """Believe the venue's next answer, however slow it is."""
        self._venue_known = _Known()

    def doubt_redis(self) -> None:
        """Believe Redis's next answer, however slow it is: it may be another server."""
        self._redis_known = _Known()

    def redis_ms(self) -> int:
        """Return the Redis server's time as far as we know it."""
        return self.now_ms() + self.redis_offset_ms


@dataclass(slots=True)
class _Known:
    """How well another clock's offset is known: to half of what the answer took, when it came."""

    took_ms: float = math.inf
    at_ms: int = 0

    def learn(self, offset_ms: int, told_ms: int, now_ms: int, took_ms: int) -> int:
        """Return the offset after an answer that was received now.

        The offset lies between what it was if the other looked at its clock as its answer arrived,
        and ``took_ms`` more, if it did as soon as it was asked. An answer that took longer than the
        one before knows less, and changes nothing unless what that one said is impossible now (a
        clock was set) or has grown old: the clocks may have drifted apart since.
        """
        least_ms, drifted_ms = told_ms - now_ms, _DRIFT * (now_ms - self.at_ms)
        within = least_ms - drifted_ms <= offset_ms <= least_ms + took_ms + drifted_ms
        if within and took_ms > self.took_ms + 2 * drifted_ms:
            return offset_ms
        self.took_ms, self.at_ms = took_ms, now_ms
        return least_ms + (took_ms + 1) // 2
