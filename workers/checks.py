"""Looks again at orders whose next push may be lost: missing fills, missing ends (C14)."""

import asyncio
import heapq
import itertools
import logging
from dataclasses import dataclass, field

from router.evidence import OrderReport
from router.orders import OrderRecord, rest_fill
from router.outcomes import Rung
from workers.inquiry import Findings
from workers.statements import Statements
from workers.venue import UnexpectedReply
from workers.wiring import Wiring

log = logging.getLogger(__name__)

MOST_TRIES = 3
_MOST_FILL_TRIES = 8
#: A push with the missing fill is usually a moment away; asking at once would only cost a query.
_FILL_PAUSE_S = 0.15


@dataclass(order=True, slots=True)
class _Check:
    due_s: float
    number: int
    record: OrderRecord = field(compare=False)
    tries: int = field(compare=False)
    for_fills: bool = field(compare=False)


class Checks:
    """Planned looks at orders of one account."""

    def __init__(self, wiring: Wiring, statements: Statements) -> None:
        self._on = wiring
        self._statements = statements
        self._heap: list[_Check] = []
        self._numbers = itertools.count()
        self._wake = asyncio.Event()
        self._filling: set[tuple[str, str]] = set()

    def __repr__(self) -> str:
        return f"Checks({len(self._heap)} planned)"

    def later(self, record: OrderRecord) -> None:
        """Look at the order again, at most three times, until it has ended."""
        self._plan(record, self._on.orders.terminal_check_ms / 1000, tries=0, for_fills=False)

    def after_doubt(self, record: OrderRecord) -> None:
        """Plan what an order found by the ladder still needs."""
        if record.type.is_market or record.tif in ("IOC", "FOK"):
            self.later(record)
        if record.lacks_fills:
            self.fills_missing(record)

    def fills_missing(self, record: OrderRecord) -> None:
        """Fetch the trades that the venue counted and we were not told of, unless they come."""
        if (record.strategy, record.oid) not in self._filling:
            self._filling.add((record.strategy, record.oid))
            self._plan(record, _FILL_PAUSE_S, tries=0, for_fills=True)

    def _plan(self, record: OrderRecord, delay_s: float, *, tries: int, for_fills: bool) -> None:
        due_s = self._on.clock.monotonic_s() + delay_s
        heapq.heappush(self._heap, _Check(due_s, next(self._numbers), record, tries, for_fills))
        self._wake.set()

    async def run(self) -> None:
        """Run the checks as they fall due, until cancelled."""
        while True:
            self._wake.clear()
            now_s = self._on.clock.monotonic_s()
            while self._heap and self._heap[0].due_s <= now_s:
                check = heapq.heappop(self._heap)
                work = self._fill_check(check) if check.for_fills else self._end_check(check)
                self._on.spawn(work, f"check {check.record.oid}")
            try:
                async with asyncio.timeout(self._heap[0].due_s - now_s if self._heap else None):
                    await self._wake.wait()
            except TimeoutError:
                continue

    async def _end_check(self, check: _Check) -> None:
        if check.record.ended:
            return
        await self.refresh(check.record)
        if not check.record.ended and check.tries + 1 < MOST_TRIES:
            delay_s = self._on.orders.terminal_check_ms / 1000
            self._plan(check.record, delay_s, tries=check.tries + 1, for_fills=False)

    async def _fill_check(self, check: _Check) -> None:
        record = check.record
        if record.lacks_fills:
            await self.fetch_fills(record)
        if not record.lacks_fills:
            self._filling.discard((record.strategy, record.oid))
            return
        if check.tries + 1 >= _MOST_FILL_TRIES:
            self._tell_remainder(record)
            self._filling.discard((record.strategy, record.oid))
            return
        delay_s = min(5.0, _FILL_PAUSE_S * 2**check.tries)
        self._plan(record, delay_s, tries=check.tries + 1, for_fills=True)

    async def refresh(self, record: OrderRecord) -> Findings:
        """Ask the venue about the order by id, tell what is new, and return what it said."""
        findings = await self._on.inquiry.by_id(record)
        if findings.rung is Rung.FOUND and findings.report is not None:
            await self.take(record, findings.report)
        return findings

    async def take(self, record: OrderRecord, report: OrderReport) -> None:
        """Take the venue's statement, with the fills that it counts."""
        if report.filled > record.filled:
            # The trades first, so that each is told before an end that follows them.
            record.venue_filled = max(record.venue_filled, report.filled)
            await self.fetch_fills(record)
        self._statements.take(record, report)

    async def fetch_fills(self, record: OrderRecord) -> None:
        """Ask for the order's trades and tell those not told; a failed query changes nothing."""
        try:
            fills = await self._on.inquiry.fills(record)
        except UnexpectedReply as error:
            log.warning("%s: no fills of %s: %s", self._on.account, record.oid, error)
            return
        self._statements.take_fills(record, fills)

    def _tell_remainder(self, record: OrderRecord) -> None:
        log.error(
            "%s: the venue counts %s filled of %s but lists %s; telling the rest as one fill",
            self._on.account,
            record.venue_filled,
            record.oid,
            record.filled,
        )
        self._statements.take_fills(record, [rest_fill(record, self._on.clock.now_ms())])
