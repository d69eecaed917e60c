"""After a reconnect: refetch, wait out the grace, confirm what is missing, tell the diff.

Then audits: the same once more soon after, and now and then, for what no push told.
"""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import Any

from router.enums import Exists, OrderSide, OrderStatus, OrderType, TimeInForce
from router.evidence import BalanceReport, OrderReport, PositionReport
from router.ids import tag_of
from router.orders import OrderRecord, Told, step
from router.outcomes import MISSES_FOR_PROOF, Rung, backoff_s
from router.state import UNSEEN, Event
from workers import reconcile
from workers.checks import Checks
from workers.desk import Desk
from workers.holdings import Holdings
from workers.statements import Statements
from workers.venue import UnexpectedReply
from workers.wiring import Wiring

log = logging.getLogger(__name__)

_AT_ONCE = 4
#: The first audit after a resync, in visibility lags: an order that ended while nobody listened may
#: still have been listed as open.
_FIRST_AUDIT = 2
Before = tuple[dict[str, PositionReport], dict[str, BalanceReport]]
VANISHED = "the venue no longer lists it anywhere"


def _pauses() -> Iterator[float]:
    """Return the seconds between questions that the venue does not answer."""
    return backoff_s(0.25, 5.0, lambda: random.uniform(0.7, 1.3))


async def _nobody(client_id: str) -> OrderRecord | None:
    return None


class Resync:
    """Reconciles one account with its venue."""

    def __init__(
        self,
        wiring: Wiring,
        desk: Desk,
        checks: Checks,
        statements: Statements,
        holdings: Holdings,
        audit_every_s: float = 0.0,
    ) -> None:
        self._on = wiring
        self._audit_every_s = audit_every_s
        self._statements = statements
        self._desk = desk
        self._checks = checks
        self._holdings = holdings
        self._gate = asyncio.Semaphore(_AT_ONCE)
        self.grace_ms = wiring.orders.reconcile_grace_ms
        self.tags: Mapping[str, str] = {}
        self.on_audit: Callable[[], None] = lambda: None
        self.holder: Callable[[str], Awaitable[OrderRecord | None]] = _nobody
        self.unclaimed: set[str] = set()
        """Tags of open orders whose strategies nobody knows: one may yet register (E6)."""
        self._before: Before | None = None
        self._failure_told = False
        self._asking: set[tuple[str, str]] = set()
        self._auditing: asyncio.Task[None] | None = None

    def remember(self) -> None:
        """Note the holdings as they were when the private socket was lost.

        The socket's own snapshot after the reconnect would otherwise hide what changed meanwhile.
        """
        self.end_audits()
        if self._before is None:
            self._before = dict(self._holdings.positions), dict(self._holdings.balances)

    def end_audits(self) -> None:
        """Audit no more: what happens while nobody listens is for the next resync to tell."""
        if self._auditing is not None:
            self._auditing.cancel()

    async def run(self, *, tell: bool) -> None:
        """Reconcile until it succeeds; ``tell``: with diff and ``resynced`` to the strategies."""
        self.end_audits()
        pauses = _pauses()
        begun_s = self._on.clock.monotonic_s()
        while True:
            try:
                diffs = await self._once()
            except UnexpectedReply as error:
                log.error("%s: resync failed: %s", self._on.account, error)
                self._on.metrics.resync_failures.add()
                if not self._failure_told:
                    self._tell_failure(str(error))
                    self._failure_told = True
                await asyncio.sleep(next(pauses))
                continue
            if tell or self._failure_told:
                for strategy, diff in diffs.items():
                    self._on.teller.diff(strategy, diff)
                self._on.teller.status_event("resynced")
            self._before, self._failure_told = None, False
            self._on.metrics.resync.observe(self._on.clock.monotonic_s() - begun_s)
            log.info("%s: resynced", self._on.account)
            self._auditing = self._on.spawn(self._audit(), "audits")
            return

    async def _audit(self) -> None:
        """Take what no push told, now and then: the lists showed the past, or a push never came."""
        pauses = _pauses()
        pause_s = _FIRST_AUDIT * self._on.orders.visibility_lag_ms / 1000
        while True:
            await asyncio.sleep(pause_s)
            try:
                found = _ended(await self._once())
            except UnexpectedReply as error:
                log.warning("%s: the audit failed: %s", self._on.account, error)
                pause_s = next(pauses)
                continue
            if found:
                log.warning("%s: no push told that these ended: %s", self._on.account, found)
            self.on_audit()
            if not self._audit_every_s:
                return
            pauses = _pauses()
            pause_s = self._audit_every_s * random.uniform(0.9, 1.1)

    def _tell_failure(self, error: str) -> None:
        for strategy in sorted(self._on.teller.strategies):
            self._on.teller.diff(strategy, reconcile.failed_diff(error))
        self._on.teller.status_event("resync_failed")

    async def _once(self) -> dict[str, dict[str, Any]]:
        """Return each strategy's diff; the changes are told on the way.

        Raises:
            UnexpectedReply: If the venue could not be asked; nothing was changed.
        """
        asked_ms = self._asked_ms()
        due = reconcile.due(self._on.registry.live())
        balances, positions, reports = await asyncio.gather(
            self._balances(), self._positions(), self._on.inquiry.open_orders()
        )
        await self._recall(reports)
        snapshot = reconcile.sort_snapshot(
            reports,
            due,
            self._on.find,
            self.tags,
        )
        tags = (tag_of(report.client_id) for report in snapshot.external)
        self.unclaimed = {tag for tag in tags if tag}
        added = self._take_known(snapshot.known) + self._take_orphans(snapshot.orphans)
        shared, removed = await asyncio.gather(
            self._settle_holdings(balances, positions, asked_ms), self._settle_orders(snapshot)
        )
        shared["open_orders_external"] = [
            reconcile.external_order(report) for report in snapshot.external
        ]
        return {
            strategy: shared
            | {
                "open_orders_added": [one.oid for one in added if one.strategy == strategy],
                "open_orders_removed": [one.oid for one in removed if one.strategy == strategy],
            }
            for strategy in sorted(self._on.teller.strategies)
        }

    async def _recall(self, reports: list[OrderReport]) -> None:
        """Bring into memory what Redis alone knows: orders that ended before this owner began.

        One of them may live after all (C8); and one that a snapshot from before its end lists
        must not be taken for an order that Redis has lost (C15).
        """
        for report in reports:
            if self._on.find(report) is None and report.client_id:
                await self.holder(report.client_id)

    async def _balances(self) -> tuple[BalanceReport, ...]:
        reply = await self._on.rest.ask(self._on.venue.query_balances())
        return self._on.venue.read_balances(reply)

    async def _positions(self) -> tuple[PositionReport, ...]:
        venue, known = self._on.venue, self._on.instruments
        replies = await self._on.rest.ask_all(venue.query_positions())
        return tuple(one for reply in replies for one in venue.read_positions(reply, known))

    def _asked_ms(self) -> int:
        """Return the venue's time at which it is asked now, or before: clocks differ."""
        return self._on.clock.venue_ms() - self._on.orders.clock_skew_ms

    async def _settle_holdings(
        self,
        balances: tuple[BalanceReport, ...],
        positions: tuple[PositionReport, ...],
        asked_ms: int,
    ) -> dict[str, Any]:
        """Take balances and positions; ask again if the answer may be from before a position."""
        rules = self._on.orders
        young_ms = self._holdings.newest_missing_ms(positions) - asked_ms
        if young_ms + rules.visibility_lag_ms > 0:
            most_ms = rules.visibility_lag_ms + rules.clock_skew_ms  # whatever the clocks say
            await asyncio.sleep(min(young_ms + rules.visibility_lag_ms, most_ms) / 1000)
            later_ms = self._asked_ms()
            try:
                balances, positions = await asyncio.gather(self._balances(), self._positions())
                asked_ms = later_ms
            except UnexpectedReply as error:
                log.warning("%s: a position is left to the audit: %s", self._on.account, error)
        return self._take_holdings(balances, positions, asked_ms)

    async def _settle_orders(self, snapshot: reconcile.Sorted) -> list[OrderRecord]:
        """Return the orders missing from the snapshot that have ended, all of it told."""
        await self._fetch_missing_fills(snapshot.known)
        return await self._confirm_missing(snapshot.missing)

    def _take_holdings(
        self,
        balances: tuple[BalanceReport, ...],
        positions: tuple[PositionReport, ...],
        asked_ms: int,
    ) -> dict[str, Any]:
        holdings, now_ms = self._holdings, self._on.clock.now_ms()
        before = self._before or (dict(holdings.positions), dict(holdings.balances))
        lag_ms = self._on.orders.visibility_lag_ms
        holdings.take_balances(balances, complete=True, now_ms=now_ms, asked_ms=asked_ms)
        holdings.take_positions(
            positions, complete=True, now_ms=now_ms, asked_ms=asked_ms, lag_ms=lag_ms
        )
        holdings.flush()
        return (
            reconcile.empty_diff()
            | reconcile.positions_diff(before[0], holdings.positions)
            | {"balances_changed": reconcile.balances_diff(before[1], holdings.balances)}
        )

    def _take_known(self, known: list[tuple[OrderRecord, OrderReport]]) -> list[OrderRecord]:
        """Fold the snapshot of our own orders; return those seen on the book for the first time."""
        added: list[OrderRecord] = []
        for record, report in known:
            unseen = record.state in UNSEEN
            self._statements.take(record, report)
            if unseen and not record.ended:
                added.append(record)
        return added

    def _take_orphans(self, orphans: list[tuple[str, OrderReport]]) -> list[OrderRecord]:
        """Give open orders back to the strategies that their ids name (Redis lost them)."""
        added: list[OrderRecord] = []
        for strategy, report in orphans:
            if report.amount is None or not report.side:
                continue
            record = OrderRecord(
                strategy=strategy,
                oid=report.client_id,
                client_id=report.client_id,
                symbol=report.symbol,
                side=OrderSide(report.side),
                type=OrderType(report.order_type or OrderType.LIMIT),
                amount=report.amount,
                price=report.price,
                tif=TimeInForce(report.time_in_force or TimeInForce.GTC),
                reduce_only=report.reduce_only,
                created_ms=report.created_ms,
                sent_ms=report.created_ms,
            )
            self._on.registry.add(record)
            self._on.teller.adopted(record)
            self._statements.take(record, report)
            log.warning("%s: %s given back to %s", self._on.account, record.oid, strategy)
            added.append(record)
        return added

    async def _fetch_missing_fills(self, known: list[tuple[OrderRecord, OrderReport]]) -> None:
        """Tell the fills made during the outage before the diff is told."""
        await asyncio.gather(*(self._fill(record) for record, _ in known if record.lacks_fills))

    async def _fill(self, record: OrderRecord) -> None:
        async with self._gate:
            await self._checks.fetch_fills(record)

    async def _confirm_missing(self, missing: list[OrderRecord]) -> list[OrderRecord]:
        """Ask about each missing order once the grace has passed; return those that have ended."""
        if unshown := [record for record in missing if self._is_unshown(record)]:
            self._on.spawn(self._confirm_created(unshown), "confirm the created")
        asked = [record for record in missing if not self._is_unshown(record)]
        if not asked:
            return []
        await asyncio.sleep(self.grace_ms / 1000)
        await asyncio.gather(*(self._confirm(record) for record in asked))
        return [record for record in asked if record.ended]

    def _is_unshown(self, record: OrderRecord) -> bool:
        """Whether its create has no outcome yet, and nothing has shown the order."""
        return self._desk.creating(record) and _never_seen(record)

    async def _confirm_created(self, records: list[OrderRecord]) -> None:
        """Ask about orders once their creates have outcomes.

        These may say no more than that an order was taken; what came of it nobody may have heard.
        """
        while records:
            await asyncio.sleep(self._on.orders.terminal_check_ms / 1000)
            answered = [one for one in records if not self._desk.creating(one)]
            records = [one for one in records if self._desk.creating(one)]
            await asyncio.gather(*(self._confirm(one) for one in answered if not one.ended))

    async def _confirm(self, record: OrderRecord) -> None:
        """Ask about a missing order; if the venue does not answer, go on asking beside the rest."""
        name = record.strategy, record.oid
        if await self._answered(record) or name in self._asking:
            return
        self._asking.add(name)
        self._on.spawn(self._ask_on(record), f"confirm {record.oid}")

    async def _ask_on(self, record: OrderRecord) -> None:
        for pause_s in _pauses():
            await asyncio.sleep(pause_s)
            if await self._answered(record):
                break
        self._asking.discard((record.strategy, record.oid))

    async def _answered(self, record: OrderRecord) -> bool:
        """Return whether the venue has said what became of the order, which is taken then."""
        for asked in range(MISSES_FOR_PROOF):
            if asked:
                await asyncio.sleep(self._on.orders.visibility_lag_ms / 1000)
            if record.ended:
                return True
            # A "not found" counts once queries must show the order (``router.outcomes``, rule 3).
            counts = self._on.clock.redis_ms() >= self._on.absent_from(record.sent_ms)
            findings = await self._on.rounds.ask(record, whole=True)
            if findings.rung is Rung.FOUND and findings.report is not None:
                await self._checks.take(record, findings.report)
                return True
            if findings.rung is Rung.NOT_FOUND and _never_seen(record):
                return True  # nothing here could end it: the doubt that asks for it goes on
            if findings.rung is Rung.NO_ANSWER or not counts:
                return False
        if not record.ended:
            self._vanished(record)
        return True

    def _vanished(self, record: OrderRecord) -> None:
        """End an order that the venue forgot (OKX drops unfilled canceled ones after two hours)."""
        step(record, Event.VANISHED)
        record.reason = VANISHED
        record.ended_ms = self._on.clock.now_ms()
        self._on.teller.order(record, [Told(OrderStatus(record.state.value), reason=VANISHED)])


def _ended(diffs: Mapping[str, Mapping[str, Any]]) -> str:
    return ", ".join(oid for diff in diffs.values() for oid in diff["open_orders_removed"])


def _never_seen(record: OrderRecord) -> bool:
    """Whether it may not exist at all: a "not found" is no end then."""
    return record.exists is Exists.UNKNOWN and not record.acked_ms and not record.venue_id
