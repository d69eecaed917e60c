"""The verdict: the venue's ledger, line by line, against what the strategies were told. Pure.

Rules (P1 to P3 of the design):
1. Every venue order of ours is exactly one order that was told, and the reverse.
2. One venue order for one idempotency key, and for one oid.
3. Final status and filled amount are equal.
4. Every fill is told once, with the venue's trade id, amount and price; no other is told.
5. Every admitted order and every cancel has an outcome.
6. REQUEST_NOT_SENT: the venue never had the order. ACK_REJECTED: it has none alive.
7. exists=false: the venue never had it. exists=unknown: the truth was told later.
8. The results' ``seq`` has no gap after those that the jobs have cut, and each strategy's
   recording is sound.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise

from demo.told import OrderTold, RequestTold, Told
from router.enums import Exists, OrderStatus, RequestKind, WsOrderResultType
from simulator.client import FillRow, Ledger, OrderRow

_STANDINGS = {
    "live": {OrderStatus.ACCEPTED},
    "partially_filled": {OrderStatus.PARTIALLY_FILLED},
    "filled": {OrderStatus.FILLED},
    "canceled": {OrderStatus.CANCELED},
}
#: What ended by its own terms is canceled at some venues (OKX), expired at others (Binance).
_BY_ITS_TERMS = ("fok", "ioc", "self_trade", "expired", "reduce_only", "system")
_LIVE = ("live", "partially_filled")


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that is not as it should be."""

    rule: int
    strategy: str
    oid: str
    venue: str
    told: str


@dataclass(frozen=True, slots=True)
class Case:
    """One of our orders: what its strategy was told and what the venue has."""

    strategy: str
    oid: str
    events: tuple[OrderTold, ...]
    requests: tuple[RequestTold, ...]
    orders: tuple[OrderRow, ...]
    fills: tuple[FillRow, ...]

    def differs(self, rule: int, venue: str, told: str) -> Difference:
        """Return a difference about this order."""
        return Difference(rule, self.strategy, self.oid, venue, told)


def compare(ledger: Ledger, told: Sequence[Told]) -> list[Difference]:
    """Return every difference; none means that all was told truly."""
    cases = list(_cases(ledger, told))
    found = [*_strangers(ledger, cases), *_keys(told, cases), *_soundness(told)]
    for case in cases:
        for rule in (_one_order, _status, _fills, _outcome, _refusals):
            found += rule(case)
    found += _cancels(told, {case.oid: case for case in cases})
    return sorted(found, key=lambda one: (one.rule, one.strategy, one.oid))


def _cases(ledger: Ledger, told: Sequence[Told]) -> Iterator[Case]:
    orders: dict[str, list[OrderRow]] = defaultdict(list)
    fills: dict[str, list[FillRow]] = defaultdict(list)
    for order in ledger.orders:
        orders[order["client_id"]].append(order)
    for fill in ledger.fills:
        fills[fill["client_id"]].append(fill)
    for one in told:
        for oid, (events, requests) in _by_oid(one, told).items():
            client_id = next((event.client_id for event in events if event.client_id), oid)
            yield Case(
                one.strategy,
                oid,
                tuple(events),
                tuple(requests),
                tuple(orders[client_id]),
                tuple(fills[client_id]),
            )


def _by_oid(
    one: Told, everybody: Sequence[Told]
) -> dict[str, tuple[list[OrderTold], list[RequestTold]]]:
    """Return what one strategy was told, by order; an order shared by key is its owner's."""
    owned: dict[str, tuple[list[OrderTold], list[RequestTold]]] = {}
    for event in one.orders:
        owned.setdefault(event.oid, ([], []))[0].append(event)
    for request in one.requests:
        if request.oid:  # an unreadable intent may have named no order
            owned.setdefault(request.oid, ([], []))[1].append(request)
    others = {event.oid for other in everybody if other is not one for event in other.orders}
    for call in one.submitted:
        if call.oid not in others:
            owned.setdefault(call.oid, ([], []))
    return owned


def _strangers(ledger: Ledger, cases: Sequence[Case]) -> Iterator[Difference]:
    """Rule 1: nothing at the venue that nobody was told of, nothing told to two."""
    told_ids = Counter(order["venue_id"] for case in cases for order in case.orders)
    for order in ledger.orders:
        times = told_ids[order["venue_id"]]
        venue = f"{order['client_id']} {order['state']} {order['symbol']}"
        if order["external"]:
            if times:
                yield Difference(1, "", order["client_id"], f"{venue}, by hand", "told as ours")
        elif times != 1:
            yield Difference(1, "", order["client_id"], venue, f"told to {times} strategies")


def _keys(told: Sequence[Told], cases: Sequence[Case]) -> Iterator[Difference]:
    """Rule 2: one order for one key."""
    oids: dict[tuple[str, str], set[str]] = defaultdict(set)
    for one in told:
        for call in one.submitted:
            owner = "@account" if call.scope == "account" else one.strategy
            oids[owner, call.key].add(call.oid)
    at_venue = {case.oid: len(case.orders) for case in cases}
    for (owner, key), found in oids.items():
        count = sum(at_venue.get(oid, 0) for oid in found)
        if len(found) != 1 or count > 1:
            text = ", ".join(sorted(found))
            yield Difference(2, owner, text, f"{count} orders for key {key}", f"oids {text}")


def _soundness(told: Sequence[Told]) -> Iterator[Difference]:
    """Rule 8."""
    for one in told:
        for problem in one.gaps:
            yield Difference(8, one.strategy, "", "", problem)
        for account, seqs in one.seqs.items():
            breaks = [
                f"{before} -> {after}" for before, after in pairwise(seqs) if after != before + 1
            ]
            if breaks:
                text = f"{account}: seq has gaps: {', '.join(breaks[:5])}"
                yield Difference(8, one.strategy, "", "", text)
        if not one.done:
            yield Difference(8, one.strategy, "", "", "the strategy did not finish trading")
        elif one.placed < one.planned / 2:
            # A comparison of nothing would be true, too.
            text = f"the strategy placed {one.placed} of {one.planned} orders"
            yield Difference(8, one.strategy, "", "", text)


def _one_order(case: Case) -> Iterator[Difference]:
    """Rule 2: one order for one oid."""
    if len(case.orders) > 1:
        states = ", ".join(f"{row['venue_id']} {row['state']}" for row in case.orders)
        yield case.differs(2, f"{len(case.orders)} orders: {states}", "one order")


def _status(case: Case) -> Iterator[Difference]:
    """Rule 3."""
    if not case.events:
        return
    last = case.events[-1]
    if not case.orders:
        if last.standing is not OrderStatus.FAILED:
            yield case.differs(3, "no such order", f"{last.standing} {last.reason}")
        return
    row = case.orders[-1]
    standings = _STANDINGS[row["state"]]
    if row["cancel_source"] in _BY_ITS_TERMS:
        standings = standings | {OrderStatus.EXPIRED}
    if last.standing not in standings:
        venue = f"{row['state']} {row['cancel_source']}".strip()
        yield case.differs(3, venue, f"{last.standing} {last.reason}")
    if last.filled != Decimal(row["filled"]):
        yield case.differs(3, f"filled {row['filled']}", f"filled {last.filled}")


def _fills(case: Case) -> Iterator[Difference]:
    """Rule 4."""
    wanted = {
        fill["trade_id"]: (Decimal(fill["amount"]), Decimal(fill["price"])) for fill in case.fills
    }
    times = Counter(event.trade_id for event in case.events if event.trade_id)
    for trade_id, (amount, price) in wanted.items():
        if times[trade_id] != 1:
            yield case.differs(
                4, f"trade {trade_id}: {amount} at {price}", f"told {times[trade_id]} times"
            )
    for event in case.events:
        if not event.trade_id:
            continue
        text = f"trade {event.trade_id}: {event.fill_amount} at {event.fill_price}"
        if event.trade_id not in wanted:
            yield case.differs(4, "no such trade", text)
        elif wanted[event.trade_id] != (event.fill_amount, event.fill_price):
            amount, price = wanted[event.trade_id]
            yield case.differs(4, f"trade {event.trade_id}: {amount} at {price}", text)


def _outcome(case: Case) -> Iterator[Difference]:
    """Rules 5 and 7: an outcome, and an end to every doubt."""
    venue = case.orders[-1]["state"] if case.orders else "no such order"
    if not case.events and not case.requests:
        yield case.differs(5, venue, "nothing at all")
        return
    doubts = [
        one
        for one in case.requests
        if one.exists is Exists.UNKNOWN and one.request is RequestKind.CREATE
    ]
    if doubts and not any(event.at_ms >= doubts[-1].at_ms for event in case.events):
        yield case.differs(7, venue, f"unknown ({doubts[-1].reason}), and never the truth")


def _refusals(case: Case) -> Iterator[Difference]:
    """Rules 6 and 7."""
    for one in case.requests:
        if one.request is not RequestKind.CREATE:
            continue
        text = f"{one.result_type} exists={one.exists} {one.reason}"
        if one.result_type is WsOrderResultType.REQUEST_NOT_SENT and case.orders:
            yield case.differs(6, f"order {case.orders[-1]['state']}", text)
        elif one.result_type is WsOrderResultType.ACK_REJECTED:
            if any(row["state"] in _LIVE for row in case.orders):
                yield case.differs(6, "a live order", text)
        elif one.exists is Exists.FALSE and case.orders:
            yield case.differs(7, f"order {case.orders[-1]['state']}", text)


def _cancels(told: Sequence[Told], cases: Mapping[str, Case]) -> Iterator[Difference]:
    """Rule 5: a cancel ends in the order's end, or in a failure that was told."""
    for one in told:
        for oid in sorted(set(one.cancels)):
            case = cases.get(oid)
            if case is None or not case.events:
                continue  # rule 5 speaks of it already
            ended = case.events[-1].standing.is_closed
            failed = any(event.status is OrderStatus.CANCEL_FAILED for event in case.events)
            answered = any(request.request is RequestKind.CANCEL for request in case.requests)
            if not (ended or failed or answered):
                state = case.orders[-1]["state"] if case.orders else "no such order"
                yield case.differs(5, state, "a cancel without an outcome")
