"""The time as a strategy reads it."""

import time
from datetime import UTC, datetime


class Clock:
    """The machine's wall clock."""

    def timestamp(self) -> float:
        """Return seconds since the epoch."""
        return time.time()

    def timestamp_ms(self) -> int:
        """Return whole milliseconds since the epoch."""
        return time.time_ns() // 1_000_000

    def timestamp_us(self) -> int:
        """Return whole microseconds since the epoch."""
        return time.time_ns() // 1_000

    def timestamp_ns(self) -> int:
        """Return nanoseconds since the epoch."""
        return time.time_ns()

    def utc_now(self) -> datetime:
        """Return the time with the UTC zone set."""
        return datetime.now(UTC)
