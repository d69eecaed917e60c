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
#: Between queries that are not answered: the venue may have asked for a minute of quiet.
_FIRST_PAUSE_S = 0.1
_MOST_PAUSE_S = 5.0
#: Over a minute in all: limits count by the minute, so a venue asks for no longer quiet.
_MOST_FILL_FAILURES = 18


@dataclass(order=True, slots=True)
class _Check:
    due_s: float
    number: int
    record: OrderRecord = field(compare=False)
    tries: int = field(compare=False)
    for_fills: bool = field(compare=False)
    failures: int = field(compare=False, default=0)
    """How many queries in a row were not answered."""


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
        """Look at the order again, until it has ended or the venue has answered three times."""
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

    def _plan(
        self,
        record: OrderRecord,
        delay_s: float,
        *,
        tries: int,
        for_fills: bool,
        failures: int = 0,
    ) -> None:
        due_s, number = self._on.clock.monotonic_s() + delay_s, next(self._numbers)
        heapq.heappush(self._heap, _Check(due_s, number, record, tries, for_fills, failures))
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
        findings = await self.refresh(check.record)
        answered = findings.rung is not Rung.NO_ANSWER
        if not check.record.ended and (not answered or check.tries + 1 < MOST_TRIES):
            self._again(check, self._on.orders.terminal_check_ms / 1000, answered=answered)

    async def _fill_check(self, check: _Check) -> None:
        record, answered = check.record, True
        if record.lacks_fills:
            answered = await self.fetch_fills(record)
        if not record.lacks_fills:
            self._filling.discard((record.strategy, record.oid))
            return
        tried = answered and check.tries + 1 >= _MOST_FILL_TRIES
        if tried or check.failures >= _MOST_FILL_FAILURES:
            self._tell_remainder(record)
            self._filling.discard((record.strategy, record.oid))
            return
        self._again(check, min(5.0, _FILL_PAUSE_S * 2**check.tries), answered=answered)

    def _again(self, check: _Check, delay_s: float, *, answered: bool) -> None:
        """Plan the next look; a query that failed was none, and is asked for until one works."""
        if answered:
            tries, failures = check.tries + 1, 0
        else:
            tries, failures = check.tries, check.failures + 1
            delay_s = min(_MOST_PAUSE_S, max(delay_s, _FIRST_PAUSE_S * 2 ** min(failures, 10)))
        self._plan(check.record, delay_s, tries=tries, for_fills=check.for_fills, failures=failures)

    async def refresh(self, record: OrderRecord) -> Findings:
        """Ask the venue about the order by id, tell what is new, and return what it said."""
        findings = await self._on.inquiry.by_id(record)
        if findings.rung is Rung.FOUND and findings.report is not None:
            await self.take(record, findings.report)
        return findings

    async def take(self, record: OrderRecord, report: OrderReport) -> None:
        """Take the venue's statement, with the fills that it counts."""
        # Its terms first: whether the trades fill the order depends on the amount that it has by
        # now. An end waits for the trades.
        self._statements.take(record, report)
        if record.lacks_fills:
            await self.fetch_fills(record)

    async def fetch_fills(self, record: OrderRecord) -> bool:
        """Ask for the order's trades and tell those not told; return whether that was answered."""
        try:
            fills = await self._on.inquiry.fills(record)
        except UnexpectedReply as error:
            log.warning("%s: no fills of %s: %s", self._on.account, record.oid, error)
            return False
        self._statements.take_fills(record, fills)
        return True

    def _tell_remainder(self, record: OrderRecord) -> None:
        log.error(
            "%s: the venue counts %s filled of %s but lists %s; telling the rest as one fill",
            self._on.account,
            record.venue_filled,
            record.oid,
            record.filled,
        )
        self._statements.take_fills(record, [rest_fill(record, self._on.clock.now_ms())])
