"""A resync after any outage, with pushes mixed in: the diff and the orders end in the truth."""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from types import SimpleNamespace
from typing import Any, cast

from hypothesis import given, settings
from hypothesis import strategies as st

from router import ids
from router.enums import OrderSide, OrderStatus, OrderType
from router.evidence import Fill, OrderReport, Source, VenueState
from router.orders import OrderRecord, Told, acked, fold
from router.outcomes import Rung
from router.settings import OrderSettings
from router.state import Event, State, advance
from workers.checks import Checks
from workers.clock import Clock
from workers.desk import Desk
from workers.holdings import Holdings
from workers.inquiry import Asking, Findings, Inquiry
from workers.registry import Registry
from workers.rest import RestClient
from workers.resync import Resync
from workers.statements import Statements
from workers.teller import Teller
from workers.venue import RestReply, RestRequest, Venue
from workers.wiring import Wiring, end_tasks

SYMBOL = "BTCUSDT-PERP.OKX"
TAG = ids.strategy_tag("alpha")
RULES = OrderSettings(reconcile_grace_ms=0, visibility_lag_ms=0)


@dataclass
class Fate:
    """What happens to one order while nobody watches."""

    fills: int
    end: VenueState
    hidden: bool  # the open-orders snapshot does not show it yet
    lost_pushes: bool


@dataclass
class TruthfulVenue:
    """Answers queries from the truth, as the venue would."""

    truth: dict[str, tuple[OrderReport, list[Fill], Fate]] = field(default_factory=dict)

    def is_ours(self, record: OrderRecord, what: object) -> bool:
        return True

    async def by_id(self, record: OrderRecord) -> Findings:
        return Findings(Rung.FOUND, self.truth[record.client_id][0])

    async def together(self, askings: Iterable[Asking]) -> list[Findings]:
        return [await self.by_id(one.record) for one in askings]

    async def fills(self, record: OrderRecord) -> list[Fill]:
        return list(self.truth[record.client_id][1])

    async def open_orders(self) -> list[OrderReport]:
        return [
            report
            for report, _, fate in self.truth.values()
            if report.state is VenueState.OPEN and not fate.hidden
        ]


class ToldTeller:
    """Notes what strategies would be told."""

    def __init__(self) -> None:
        self.strategies = {"alpha"}
        self.told: list[tuple[str, Told]] = []
        self.diffs: list[Any] = []
        self.events: list[str] = []

    def order(self, record: OrderRecord, told: Iterable[Told]) -> None:
        self.told += [(record.oid, one) for one in told]

    def diff(self, strategy: str, diff: Any) -> None:
        self.diffs.append(diff)

    def status_event(self, event: str) -> None:
        self.events.append(event)

    def request(self, *args: Any) -> None: ...
    def cut(self) -> None: ...
    def hash(self, key: str, fields: Any) -> None: ...
    def broadcast(self, fields: Any) -> None: ...


class NoHoldings(Resync):
    """A resync of an account without balances and positions."""

    async def _balances(self) -> tuple[()]:
        return ()

    async def _positions(self) -> tuple[()]:
        return ()


def report(oid: str, filled: int, state: VenueState, ts_ms: int, **more: Any) -> OrderReport:
    return OrderReport(
        symbol=SYMBOL,
        client_id=oid,
        venue_id=f"v{oid}",
        state=state,
        filled=Decimal(filled),
        source=more.pop("source", Source.QUERY),
        ts_ms=ts_ms,
        amount=Decimal(3),
        price=Decimal(100),
        **more,
    )


def history(oid: str, fate: Fate) -> tuple[OrderReport, list[Fill], list[OrderReport]]:
    """Return the order's truth, its trades, and the pushes that tell of them."""
    trades = [
        Fill(f"{oid}-{n}", Decimal(1), Decimal(100), n, client_id=oid, venue_id=f"v{oid}")
        for n in range(1, fate.fills + 1)
    ]
    pushes = [
        report(
            oid,
            n,
            VenueState.FILLED if n == 3 else VenueState.OPEN,
            10 + n,
            source=Source.PUSH,
            fill=trades[n - 1],
        )
        for n in range(1, fate.fills + 1)
    ]
    if fate.end is VenueState.CANCELED:
        pushes.append(report(oid, fate.fills, fate.end, 20, source=Source.PUSH))
    return report(oid, fate.fills, fate.end, 30), trades, pushes


def open_order(registry: Registry) -> OrderRecord:
    oid = ids.new_oid(TAG)
    record = OrderRecord(
        strategy="alpha",
        oid=oid,
        client_id=oid,
        symbol=SYMBOL,
        side=OrderSide.BUY,
        type=OrderType.LIMIT,
        amount=Decimal(3),
        price=Decimal(100),
        sent_ms=1,
    )
    record.state = advance(record.state, Event.SENT)
    acked(record, f"v{oid}", 1)
    fold(record, report(oid, 0, VenueState.OPEN, 1, source=Source.PUSH))
    registry.add(record)
    return record


@st.composite
def fates(draw: st.DrawFn) -> Fate:
    fills = draw(st.integers(0, 3))
    end = VenueState.FILLED
    if fills < 3:
        end = draw(st.sampled_from([VenueState.OPEN, VenueState.CANCELED]))
    return Fate(fills, end, draw(st.booleans()), draw(st.booleans()))


@settings(max_examples=150, deadline=None)
@given(st.lists(fates(), min_size=1, max_size=4), st.randoms(use_true_random=False))
def test_any_outage_ends_in_the_truth(given_fates: list[Fate], dice: Any) -> None:
    asyncio.run(_outage(given_fates, dice))


async def _outage(given_fates: list[Fate], dice: Any) -> None:
    venue, teller, registry = TruthfulVenue(), ToldTeller(), Registry()
    wiring = Wiring(
        account="okx-main",
        venue=cast(Venue, None),
        orders=RULES,
        clock=Clock(),
        registry=registry,
        teller=cast(Teller, teller),
        inquiry=cast(Inquiry, venue),
        rest=cast(RestClient, None),
    )

    class NothingInFlight:
        def creating(self, record: OrderRecord) -> bool:
            return False

        def seen(self, record: OrderRecord) -> None: ...

    statements = Statements(wiring)
    checks = Checks(wiring, statements)
    desk = cast(Desk, NothingInFlight())
    holdings = Holdings(cast(Any, None), cast(Teller, teller), "okx")
    resync = NoHoldings(wiring, desk, checks, statements, holdings)
    resync.grace_ms = 0
    records = [open_order(registry) for _ in given_fates]
    pushes: list[tuple[OrderRecord, OrderReport]] = []
    for record, fate in zip(records, given_fates, strict=True):
        truth, trades, told = history(record.oid, fate)
        venue.truth[record.oid] = (truth, trades, fate)
        if not fate.lost_pushes:
            pushes += [(record, one) for one in told for _ in range(dice.randint(1, 2))]
    dice.shuffle(pushes)

    async def push() -> None:
        for record, one in pushes:
            statements.take(record, one)
            for _ in range(dice.randint(0, 2)):
                await asyncio.sleep(0)

    await asyncio.gather(push(), resync.run(tell=True))
    await end_tasks(wiring.tasks)
    _compare(records, given_fates, teller, pushed=bool(pushes))


def _compare(
    records: list[OrderRecord], given_fates: list[Fate], teller: ToldTeller, *, pushed: bool
) -> None:
    states = {"OPEN": State.ACCEPTED, "FILLED": State.FILLED, "CANCELED": State.CANCELED}
    for record, fate in zip(records, given_fates, strict=True):
        mine = [one for oid, one in teller.told if oid == record.oid]
        assert record.state is states[fate.end.value]
        assert record.filled == fate.fills
        trades = [one.fill.trade_id for one in mine if one.fill is not None]
        assert sorted(trades) == [f"{record.oid}-{n}" for n in range(1, fate.fills + 1)]
        ends = [one.status for one in mine if one.status.is_closed]
        assert ends == ([OrderStatus(fate.end.value)] if fate.end is not VenueState.OPEN else [])
        assert OrderStatus.ACCEPTED not in [one.status for one in mine], "nothing is told again"
    [diff] = teller.diffs
    ended = {one.oid for one in records if one.ended}
    assert set(diff["open_orders_removed"]) <= ended
    if not pushed:
        assert set(diff["open_orders_removed"]) == ended
    assert diff["open_orders_added"] == []
    assert teller.events == ["resynced"]


async def nothing_asked(queries: list[RestRequest]) -> list[RestReply]:
    assert queries == []
    return []


async def test_a_venue_without_positions_is_not_asked_for_them() -> None:
    nothing: Any = None
    venue = SimpleNamespace(query_positions=list)
    rest = SimpleNamespace(ask_all=nothing_asked)
    wiring: Any = SimpleNamespace(venue=venue, orders=RULES, rest=rest, instruments=nothing)
    resync = Resync(wiring, nothing, nothing, nothing, nothing)
    assert await resync._positions() == ()
