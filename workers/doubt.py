"""Resolves requests in doubt by the ladder (design §7): found, proven absent, or unknown.

Invariants:
1. Nothing here sends a create except after ``Finding.ABSENT``.
2. A climb ends early when other evidence (a push, a late ack) has settled the order.
3. Unknown keeps the order open. We go on asking, and so does a durable job, should we not live.
"""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Iterable, Iterator
from typing import assert_never

from router.enums import Exists, RequestKind, WsOrderResultType
from router.orders import OrderRecord, failed
from router.outcomes import Climb, Finding, Rung, backoff_s
from router.state import UNSEEN, Event, State, advance
from workers.checks import Checks
from workers.desk import Desk
from workers.flights import Flight
from workers.inquiry import Findings
from workers.statements import Statements
from workers.wiring import Wiring

log = logging.getLogger(__name__)

_FIRST_PAUSE_S = 0.05
_MOST_PAUSE_S = 0.4
_MOST_LATE_PAUSE_S = 2.0
#: Each request in doubt makes the pauses of all longer, so that a hundred of them together do not
#: ask more than venues bear (OKX: 30 a second by id; "Get order details", read 2026-11).
_PAUSE_EACH_S = 0.03
_CONFIRMED = WsOrderResultType.ACK_TIMEOUT_CONFIRMED
_REJECTED = WsOrderResultType.ACK_REJECTED
_TIMEOUT = WsOrderResultType.ACK_TIMEOUT
PROVEN_ABSENT = "proven absent at the venue"
_NOT_SHOWN = "the venue did not show the order"


class Doubts:
    """The ladder's runner for one account."""

    def __init__(
        self,
        wiring: Wiring,
        desk: Desk,
        checks: Checks,
        statements: Statements,
        on_unknown: Callable[[OrderRecord], None],
    ) -> None:
        self._on = wiring
        self._desk = desk
        self._checks = checks
        self._statements = statements
        self._on_unknown = on_unknown
        self._climbing = 0

    def begin(self, flight: Flight, why: str) -> None:
        """Start resolving a request in doubt."""
        log.warning(
            "%s: %s of %s in doubt: %s", self._on.account, flight.kind, flight.record.oid, why
        )
        create = flight.kind is RequestKind.CREATE
        climb = self._counted(self._create if create else self._change, flight, why)
        self._on.spawn(climb, f"ladder {flight.kind} {flight.record.oid}")

    def ask_truth(self, flight: Flight, why: str) -> None:
        """Start asking what an order really is after its cancel or modify was refused."""
        work = self._counted(self._refused_change, flight, why)
        self._on.spawn(work, f"truth {flight.record.oid}")

    def go_on(self, orders: Iterable[OrderRecord]) -> None:
        """Go on asking for those of the orders that an earlier owner has told as unknown."""
        for record in orders:
            if record.state is State.UNKNOWN and not self._desk.creating(record):
                # It may have been sent as late as now, for all that we know.
                absent_ms = self._on.absent_from(self._on.clock.monotonic_ms())
                self._go_on(record, Climb(absent_ms, absent_ms))

    def _go_on(self, record: OrderRecord, climb: Climb) -> None:
        self._on.spawn(self._late_truth(record, climb), f"late truth {record.oid}")

    async def _counted(
        self, work: Callable[[Flight, str], Awaitable[None]], flight: Flight, why: str
    ) -> None:
        self._climbing += 1
        try:
            await work(flight, why)
        finally:
            self._climbing -= 1

    def _pause_s(self, pauses: Iterator[float], until_ms: int) -> float:
        """Return the seconds to the next question: more with others in doubt, till then at most."""
        left_s = (until_ms - self._on.clock.monotonic_ms()) / 1000
        return max(0.005, min(left_s, max(next(pauses), _PAUSE_EACH_S * self._climbing)))

    # --- creates --------------------------------------------------------------------------------

    async def _create(self, flight: Flight, why: str) -> None:
        climb = self._climb(flight)
        finding, findings = await self._up(flight, climb)
        if flight.done:
            return
        match finding:
            case None:
                # Other evidence showed the order meanwhile.
                self._confirmed(flight, why)
                if not flight.transport:
                    # An earlier worker's: the resync left it to us, and it was shown long ago.
                    self._checks.later(flight.record)
            case Finding.FOUND:
                await self._take(flight.record, findings)
                if flight.done:
                    self._checks.after_doubt(flight.record)  # acknowledged while we asked for fills
                else:
                    self._confirmed(flight, why)
            case Finding.ABSENT:
                await self._absent(flight, why)
            case Finding.UNKNOWN:
                self._unknown(flight, f"{why}; {findings.problem or _NOT_SHOWN}")
                self._go_on(flight.record, climb)
            case _:
                assert_never(finding)

    def _climb(self, flight: Flight) -> Climb:
        rules, clock = self._on.orders, self._on.clock
        now_ms = clock.monotonic_ms()
        flight.sent_ms = flight.sent_ms or now_ms
        flight.first_sent_ms = flight.first_sent_ms or flight.sent_ms
        # What an earlier worker sent may have left it as late as now; the resolver counts from it.
        flight.record.sent_ms = flight.record.sent_ms or clock.redis_ms()
        absent_ms = self._on.absent_from(flight.sent_ms)
        unknown_ms = max(
            flight.first_sent_ms + rules.ack_timeout_ms, now_ms + rules.ladder_budget_ms
        )
        return Climb(absent_ms, unknown_ms)

    async def _up(self, flight: Flight, climb: Climb) -> tuple[Finding | None, Findings]:
        """Return how the climb ended; None when the venue showed the order by another way."""
        record, clock = flight.record, self._on.clock
        pauses = backoff_s(_FIRST_PAUSE_S, _MOST_PAUSE_S, lambda: random.uniform(0.8, 1.2))
        if _is_seen(record):
            return None, Findings(Rung.FOUND)
        while True:
            begun_ms = clock.monotonic_ms()
            findings = await self._ask(record, climb)
            if _is_seen(record) or flight.done:
                return None, findings
            finding = climb.observe(findings.rung, begun_ms, clock.monotonic_ms())
            if finding is not None:
                return finding, findings
            until_ms = climb.unknown_at_ms
            if not climb.whole(begun_ms):
                # Be there when absence begins to count, not a whole pause later.
                until_ms = min(until_ms, climb.absent_from_ms)
            await asyncio.sleep(self._pause_s(pauses, until_ms))

    async def _take(self, record: OrderRecord, findings: Findings) -> None:
        """Take what shows the order, and plan what it leaves open."""
        if findings.report is not None:
            await self._checks.take(record, findings.report)
        if findings.fills:
            self._checks.later(record)  # trades do not say whether it has ended

    async def _ask(self, record: OrderRecord, climb: Climb) -> Findings:
        whole = climb.whole(self._on.clock.monotonic_ms())
        return await (self._on.inquiry.whole if whole else self._on.inquiry.quick)(record)

    async def _late_truth(self, record: OrderRecord, climb: Climb) -> None:
        """Go on asking for an order told as unknown until its truth is known, from wherever.

        The durable job counts in seconds and asks for one order after the other; a strategy that
        waits for an exposure of unknown size should not have to.
        """
        pauses = backoff_s(_FIRST_PAUSE_S, _MOST_LATE_PAUSE_S, lambda: random.uniform(0.8, 1.2))
        while record.state is State.UNKNOWN:
            await asyncio.sleep(next(pauses))
            # What a round asks it begins to ask later than this, never earlier.
            begun_ms = self._on.clock.monotonic_ms()
            findings = await self._on.rounds.ask(record, whole=climb.whole(begun_ms))
            if findings.rung is Rung.FOUND:
                await self._take(record, findings)
                self._checks.after_doubt(record)
                return
            if climb.observe(findings.rung, begun_ms, begun_ms) is Finding.ABSENT:
                self._statements.absent(record, PROVEN_ABSENT)

    def _confirmed(self, flight: Flight, why: str) -> None:
        record = flight.record
        if record.state is State.FAILED:  # what the venue showed is that it refused the order
            said = record.reason
            self._on.teller.request(record, flight.kind, _REJECTED, said, Exists.FALSE)
            self._desk.finish(flight, _REJECTED)
            return
        self._on.teller.request(record, flight.kind, _CONFIRMED, why, Exists.TRUE)
        self._desk.finish(flight, _CONFIRMED)
        self._checks.after_doubt(record)

    async def _absent(self, flight: Flight, why: str) -> None:
        clock = self._on.clock
        now_ms = clock.monotonic_ms()
        in_time = now_ms < min(
            flight.valid_until_ms, flight.first_sent_ms + self._on.orders.ack_timeout_ms
        )
        if flight.refusal is not None:
            self._desk.refused(flight, flight.refusal)
        elif flight.ws_fallback and in_time and self._desk.halted:
            halted = f"not sent again, HALTED: {self._desk.halted}"
            self._proven_absent(flight, f"{why}; proven absent at the venue; {halted}")
        elif flight.ws_fallback and in_time:
            log.info("%s: %s proven absent; by REST now", self._on.account, flight.record.oid)
            self._desk.again_by_rest(flight)
        else:
            self._proven_absent(flight, f"{why}; {PROVEN_ABSENT}")

    def _proven_absent(self, flight: Flight, reason: str) -> None:
        record = flight.record
        told = failed(record, Event.ABSENT, reason, self._on.clock.now_ms())
        self._on.teller.order(record, told)
        self._on.teller.request(record, flight.kind, _TIMEOUT, reason, record.exists)
        self._desk.finish(flight, _TIMEOUT)

    def _unknown(self, flight: Flight, reason: str) -> None:
        record = flight.record
        record.state = advance(record.state, Event.OUTCOME_LOST)
        record.exists = Exists.UNKNOWN
        record.reason = reason
        flight.told_timeout = True
        self._on.teller.order(record, [])
        self._on.teller.request(record, flight.kind, _TIMEOUT, reason, Exists.UNKNOWN)
        self._desk.finish(flight, _TIMEOUT)
        self._on_unknown(record)

    # --- cancels and modifies -------------------------------------------------------------------

    async def _change(self, flight: Flight, why: str) -> None:
        """Resolve a cancel or modify without an answer: the order's own state tells."""
        rules, clock = self._on.orders, self._on.clock
        deadline_ms = max(
            flight.sent_ms + rules.ack_timeout_ms, clock.monotonic_ms() + rules.ladder_budget_ms
        )
        pauses = backoff_s(_FIRST_PAUSE_S, _MOST_PAUSE_S, lambda: random.uniform(0.8, 1.2))
        while True:
            findings = await self._checks.refresh(flight.record)
            if flight.done:
                return
            if self._change_is_settled(flight, why):
                return
            if findings.rung is Rung.FOUND and flight.superseded:
                self._desk.cancel_failed(flight, _TIMEOUT, f"{why}; a newer modify followed it")
                return
            if findings.rung is Rung.FOUND and flight.ws_fallback and flight.sends < 2:
                # A second cancel, or the newest modify again, can do no harm.
                self._desk.again_by_rest(flight)
                return
            if clock.monotonic_ms() >= deadline_ms:
                shown = findings.rung is Rung.FOUND
                said = "the order is still open at the venue" if shown else _NOT_SHOWN
                reason = f"{why}; {findings.problem or said}"
                self._desk.cancel_failed(flight, _TIMEOUT, reason)
                return
            await asyncio.sleep(self._pause_s(pauses, deadline_ms))

    def _change_is_settled(self, flight: Flight, why: str) -> bool:
        record = flight.record
        if flight.kind is RequestKind.CANCEL:
            settled = record.ended
        else:
            settled = record.ended or _has_terms(flight)
        if settled:
            self._change_confirmed(flight, why)
        return settled

    def _change_confirmed(self, flight: Flight, why: str) -> None:
        self._on.teller.request(flight.record, flight.kind, _CONFIRMED, why)
        self._desk.finish(flight, _CONFIRMED)

    async def _refused_change(self, flight: Flight, why: str) -> None:
        """Tell the truth after "already filled, canceled or unknown" (C10)."""
        record = flight.record
        pauses = backoff_s(_FIRST_PAUSE_S, _MOST_PAUSE_S, lambda: random.uniform(0.8, 1.2))
        deadline_ms = self._on.clock.monotonic_ms() + self._on.orders.ladder_budget_ms
        findings = await self._checks.refresh(record)
        while (
            findings.rung is not Rung.FOUND
            and not record.ended
            and self._on.clock.monotonic_ms() < deadline_ms
        ):
            await asyncio.sleep(self._pause_s(pauses, deadline_ms))
            findings = await self._checks.refresh(record)
        if flight.done:
            return
        if record.state is State.CANCELED and flight.kind is RequestKind.CANCEL:
            self._desk.finish(flight)  # what was wished for has happened, and was told
            return
        if flight.sends > 1 and not record.ended and _is_modified(flight):
            # A copy whose answer was lost was done; the refused one had nothing left to change.
            self._change_confirmed(flight, f"an earlier copy was done; of the last: {why}")
            return
        if record.ended:
            self._on.teller.request(
                record,
                flight.kind,
                _REJECTED,
                f"{why} (the order is {record.status})",
            )
            self._desk.finish(flight, _REJECTED)
            return
        self._desk.cancel_failed(flight, _REJECTED, why)
        self._checks.later(record)


def _is_seen(record: OrderRecord) -> bool:
    """Whether the venue has acknowledged or shown the order."""
    return record.state not in UNSEEN or bool(record.acked_ms)


def _is_modified(flight: Flight) -> bool:
    """Whether this is a modify, and the order has the terms that it asked for."""
    return flight.kind is RequestKind.MODIFY and _has_terms(flight)


def _has_terms(flight: Flight) -> bool:
    """Whether the order already has the price and amount that a modify asked for."""
    wish = flight.command
    price, amount = getattr(wish, "price", None), getattr(wish, "amount", None)
    record = flight.record
    return (price is None or price == record.price) and (amount is None or amount == record.amount)
