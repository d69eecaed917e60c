"""Rate limits: sliding windows, one for each key."""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable
from dataclasses import dataclass, field


@dataclass(slots=True)
class Window:
    """Remembers when units were spent within the last ``span_ms``."""

    spent: deque[int] = field(default_factory=deque)

    def take(self, now_ms: int, cost: int, limit: int, span_ms: int) -> bool:
        """Spend ``cost`` units and return True; return False, spending none, above ``limit``."""
        spent = self.spent
        while spent and spent[0] <= now_ms - span_ms:
            spent.popleft()
        if len(spent) + cost > limit:
            return False
        spent.extend([now_ms] * cost)
        return True


class Buckets:
    """Sliding windows by key; ``throttled`` counts the refusals."""

    def __init__(self) -> None:
        self._windows: dict[Hashable, Window] = {}
        self.throttled = 0

    def take(self, key: Hashable, now_ms: int, *, cost: int, limit: int, span_ms: int) -> bool:
        """Return whether ``cost`` units of ``key`` are free now, and spend them if so."""
        window = self._windows.get(key)
        if window is None:
            window = self._windows[key] = Window()
        allowed = window.take(now_ms, cost, limit, span_ms)
        if not allowed:
            self.throttled += 1
        return allowed
