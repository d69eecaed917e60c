"""A Redis server's time, followed by this process's monotonic clock, which nobody sets."""

import time


class ServerTime:
    """Bounds of one server's time, from its answers; safe from any thread."""

    def __init__(self) -> None:
        # Server's time less our monotonic clock's, ms; in one tuple, so that it changes as one.
        self._ahead_ms: tuple[float, float] | None = None

    def __repr__(self) -> str:
        return f"ServerTime(ahead_ms={self._ahead_ms})"

    def learn(self, server_ms: int, asked_s: float, answered_s: float) -> None:
        """Take an answer: the server's time lay between question and answer (``monotonic``).

        An answer that does not fit what was known means that a clock was set, or that another
        server answers now: then it alone counts.
        """
        least, most = server_ms - answered_s * 1_000, server_ms - asked_s * 1_000
        if self._ahead_ms is not None:
            was_least, was_most = self._ahead_ms
            if was_least <= most + 1 and least <= was_most + 1:  # it tells whole milliseconds
                least, most = max(least, was_least), min(most, was_most)
        self._ahead_ms = least, max(least, most)

    def latest_ms(self) -> int | None:
        """Return a time that the server's is not past yet, ms; None before the first answer."""
        if self._ahead_ms is None:
            return None
        return int(time.monotonic() * 1_000 + self._ahead_ms[1]) + 1
