"""Asks about many orders in rounds: a symbol's lists once for all of a round, as venues bear it.

Each unknown order costs a query of its own and its share of four lists. A hundred asked one by one
take minutes, or use up what the venue lets an address ask, and with it the way of cancels.
"""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

from router.orders import OrderRecord
from router.outcomes import Rung
from workers.clock import Clock
from workers.inquiry import Asking, Findings, Inquiry

#: Two, so that one query that hangs does not keep all others waiting.
_ROUNDS_AT_ONCE = 2
_ORDERS_A_ROUND = 10
#: What a round that asked for lists takes at least (OKX: 20 queries of the archive in two seconds;
#: "Get order history (last 3 months)", read 2026-11).
_LISTS_S = 0.2
#: A query by id costs 1, the lists of a round so much: their weights on Binance's futures.
_LISTS_COST = 11.0


@dataclass(slots=True)
class _Credit:
    """What may be asked at once, and what comes back a second."""

    most: float
    a_second: float
    at_s: float
    left: float = field(init=False)

    def __post_init__(self) -> None:
        self.left = self.most

    def wait_s(self, now_s: float) -> float:
        """Return the seconds until what was overdrawn is there again."""
        self.left = min(self.most, self.left + (now_s - self.at_s) * self.a_second)
        self.at_s = now_s
        return max(0.0, -self.left / self.a_second)


@dataclass(eq=False, slots=True)
class _Waiting:
    asking: Asking
    answer: "asyncio.Future[Findings]"


class Rounds:
    """The questions of one account that may wait for one another."""

    def __init__(
        self,
        inquiry: Inquiry,
        clock: Clock,
        spawn: Callable[[Coroutine[Any, Any, None], str], object],
    ) -> None:
        self._inquiry = inquiry
        self._clock = clock
        self._spawn = spawn
        self._waiting: list[_Waiting] = []
        self._running = 0
        now_s = clock.monotonic_s()
        # OKX answers 60 queries by id in two seconds ("Get order details", read 2026-11).
        self._by_id = _Credit(50, 28, now_s)
        # Binance counts 2,400 a minute on futures, and on spot 6,000, of which each query costs up
        # to four times as much ("Limits", read 2026-11).
        self._weight = _Credit(300, 20, now_s)

    def __repr__(self) -> str:
        return f"Rounds({len(self._waiting)} waiting, {self._running} running)"

    async def ask(self, record: OrderRecord, *, whole: bool) -> Findings:
        """Return what the venue says of the order, as ``Inquiry.whole`` or ``quick`` does."""
        one = _Waiting(Asking(record, whole), asyncio.get_running_loop().create_future())
        self._waiting.append(one)
        if self._running < _ROUNDS_AT_ONCE:
            self._running += 1
            self._spawn(self._run(), "ladder rounds")
        return await one.answer

    async def _run(self) -> None:
        """Ask in rounds until nobody waits."""
        try:
            while self._waiting:
                now_s = self._clock.monotonic_s()
                await asyncio.sleep(max(self._by_id.wait_s(now_s), self._weight.wait_s(now_s)))
                if chosen := self._choose():
                    await self._round(chosen)
        finally:
            self._running -= 1

    def _choose(self) -> list[_Waiting]:
        """Take those who wait longest, as far as they share lists; nobody who has given up."""
        self._waiting = [one for one in self._waiting if not one.answer.done()]
        if not self._waiting:
            return []
        symbol = self._waiting[0].asking.record.symbol
        same = [one for one in self._waiting if one.asking.record.symbol == symbol]
        chosen = same[:_ORDERS_A_ROUND]
        self._waiting = [one for one in self._waiting if one not in chosen]
        return chosen

    async def _round(self, chosen: list[_Waiting]) -> None:
        self._by_id.left -= len(chosen)
        self._weight.left -= len(chosen)
        begun_s = self._clock.monotonic_s()
        try:
            found = await self._inquiry.together([one.asking for one in chosen])
        except Exception as error:  # noqa: BLE001  # raised to each of those who asked
            for one in chosen:
                if not one.answer.done():
                    one.answer.set_exception(error)
            return
        listed = False
        for one, findings in zip(chosen, found, strict=True):
            listed |= one.asking.whole and findings.rung is not Rung.FOUND
            if not one.answer.done():
                one.answer.set_result(findings)
        if listed:
            self._weight.left -= _LISTS_COST
            await asyncio.sleep(max(0.0, begun_s + _LISTS_S - self._clock.monotonic_s()))
