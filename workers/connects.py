"""Lets new connections out no faster than the venue allows, for all accounts of this process.

Venues count connects by IP address. Another process on the same host has a count of its own; where
the two together are too fast the venue refuses one, and its backoff gives way.
"""

import asyncio
from collections.abc import Awaitable, Callable

from workers.pacing import PERIOD_SHARE, Window
from workers.venue import RateLimit


class Connects:
    """The connects of one process to one venue; ``passed`` returns when one more may begin."""

    def __init__(
        self,
        limit: RateLimit,
        monotonic_s: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        # The venue counts arrivals, we departures: a longer period leaves room for the network.
        self._window = Window(limit.count, limit.period_s * PERIOD_SHARE)
        self._monotonic_s = monotonic_s
        self._sleep = sleep
        self._turn = asyncio.Lock()

    def __repr__(self) -> str:
        return f"Connects({self._window.count} in {self._window.period_s:g} s)"

    async def passed(self) -> None:
        """Return when a connect may begin; it is counted as begun. First come, first served."""
        async with self._turn:
            while (wait_s := self._window.wait_s(self._monotonic_s())) > 0:
                await self._sleep(wait_s)
            self._window.take(self._monotonic_s())
