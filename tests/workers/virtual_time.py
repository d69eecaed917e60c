"""An event loop whose time jumps to the next deadline instead of waiting for it."""

import asyncio
import selectors
from dataclasses import dataclass
from typing import Any

from workers.clock import Clock

BEGIN_MS = 1_700_000_000_000


class _JumpingSelector(selectors.DefaultSelector):
    """Never waits: what a wait would have taken is added to ``now_s``."""

    now_s = 0.0

    def select(self, timeout: float | None = None) -> Any:
        if timeout is None:
            raise AssertionError("nothing would ever wake this loop")
        self.now_s += max(0.0, timeout)
        return super().select(0)


class VirtualLoop(asyncio.SelectorEventLoop):
    """Time stands still while code runs; sleeping takes none of ours."""

    def __init__(self) -> None:
        self.jumping = _JumpingSelector()
        super().__init__(self.jumping)

    def time(self) -> float:
        return self.jumping.now_s


@dataclass(slots=True)
class VirtualClock(Clock):
    """The worker's clock on the running loop's time."""

    def now_ms(self) -> int:
        return BEGIN_MS + self.monotonic_ms()

    def monotonic_ms(self) -> int:
        return round(self.monotonic_s() * 1000)

    def monotonic_s(self) -> float:
        return asyncio.get_running_loop().time()
