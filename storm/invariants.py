"""The ten promises of a storm, each a function from the record to what breaks it. Pure.

I1   at most one order at the venue for one intent, one idempotency key
I2   every intent ended, or is unknown with a live resolver; and what was said of it is true
I3   ``seq`` is gap-free for each strategy, and all results reached its callbacks in order
I4   the fills that were told are the fills that were made
I5   nothing was sent under an older epoch, nothing by who never owned the account
I6   nothing was sent after a halt or after the intent's expiry
I7   the venue's limits were kept
I8   updates went to their owners only
I9   restarts added nothing
I10  the caps were kept
"""

from collections.abc import Callable, Iterator, Mapping

import orjson

from demo.settle import UNDER_WAY
from demo.verdict import Difference, compare
from router.contracts import ResultType
from router.ids import strategy_tag, tag_of
from router.state import State
from simulator.client import RequestRow
from storm.deliveries import undelivered
from storm.record import Halted, Record, Tenure

_PLACES = ("order", "batch-orders")
_AMENDS = ("amend-order", "batch-amend-orders")
#: A busy machine may take so long from a socket's one end to its other.
_ON_ITS_WAY_MS = 1_000
#: What each rule of the demo's verdict says of the promises.
_RULES = {1: 1, 2: 1, 3: 4, 4: 4, 5: 2, 6: 2, 7: 2, 8: 3}
_SHOWN = 20
#: Codes of both venues for too many requests or orders.
_TOO_MANY = ("50011", "50061", "-1003", "-1015")


def check(record: Record) -> list[Difference]:
    """Return what breaks a promise, ``rule`` being its number; [] if all were kept."""
    found = [one for promise in PROMISES.values() for one in promise(record)]
    return sorted(found, key=lambda one: (one.rule, one.strategy, one.oid))


def one_order_per_intent(record: Record) -> Iterator[Difference]:
    """I1."""
    yield from _of_verdict(record, 1)


def every_intent_ended(record: Record) -> Iterator[Difference]:
    """I2."""
    yield from _of_verdict(record, 2)
    known = {oid for book in record.books for oid in book.orders}
    for one in record.told:
        for call in one.submitted:
            if call.oid not in known:
                yield Difference(2, one.strategy, call.oid, "", "Redis has no such order")
    for book in record.books:
        if book.waiting:
            text = f"{book.account}: {book.waiting} intents are not settled"
            yield Difference(2, book.strategy, "", "", text)
        for oid, order in book.open.items():
            state = order.get("state", "")
            resolved = state == State.UNKNOWN and oid in book.resolving
            if state in UNDER_WAY and not resolved:
                yield Difference(2, book.strategy, oid, "", f"still {state}")


def results_without_gap(record: Record) -> Iterator[Difference]:
    """I3."""
    yield from _of_verdict(record, 3)
    for one in record.heard:
        for problem in undelivered(one, record.books_of(one.strategy)):
            yield Difference(3, one.strategy, "", "", problem)


def fills_told_are_fills_made(record: Record) -> Iterator[Difference]:
    """I4."""
    yield from _of_verdict(record, 4)


def nothing_under_an_older_epoch(record: Record) -> Iterator[Difference]:
    """I5."""
    for row in record.ledger.requests:
        # A request that the venue could not authenticate has no account.
        account = row["account"]
        tenures = [one for one in record.tenures if account in ("", one.account)]
        own = _newest(one for one in tenures if one.address == row["address"])
        if own is None:
            yield _about(5, row, f"sent by {row['address']}, which never owned the account")
            continue
        begun = [one for one in tenures if one.since_ms < row["ts_ms"] - _ON_ITS_WAY_MS]
        newest = _newest(begun) if account else own
        if newest is not None and own.epoch < newest.epoch and not _came_to_nothing(row):
            late_ms = row["ts_ms"] - newest.since_ms
            yield _about(5, row, f"by epoch {own.epoch}, {late_ms} ms after {newest.epoch} began")


def nothing_after_halt_or_expiry(record: Record) -> Iterator[Difference]:
    """I6."""
    intents = {
        order.get("client_id", oid): (book, order)
        for book in record.books
        for oid, order in book.orders.items()
    }
    for halt in record.halts:
        yield from _despite(halt, record)
    rules = record.rules
    late_ms = rules.expiry_ms + rules.most_delay_ms + _ON_ITS_WAY_MS
    made = {row["client_id"] for row in record.ledger.orders}
    for row in record.ledger.requests:
        if row["op"] not in _PLACES or row["client_id"] not in intents:
            continue
        book, order = intents[row["client_id"]]
        after_ms = row["ts_ms"] - int(order["expires_ms"])
        if after_ms > late_ms and row["client_id"] in made:
            yield Difference(
                6, book.strategy, order["oid"], f"received {after_ms} ms after it expired", ""
            )


def limits_kept(record: Record) -> Iterator[Difference]:
    """I7, of what changes orders.

    Queries keep quiet for as long as a refusal says, and connects arrive when the network likes.
    """
    # One refusal meets all that a frame holds; by REST each request is one.
    frames = {
        (row["connection"], row["request_id"]) if row["request_id"] else ("", str(row["n"]))
        for row in record.ledger.requests
        if row["code"] in _TOO_MANY
    }
    if len(frames) > record.throttles:
        excess = len(frames) - record.throttles
        yield Difference(7, "", "", f"throttled {excess} requests unasked", "")


def updates_to_owners_only(record: Record) -> Iterator[Difference]:
    """I8."""
    for book in record.books:
        mine, tag = book.orders, strategy_tag(book.strategy)
        for oid in mine:
            if tag_of(oid) != tag:
                yield Difference(8, book.strategy, oid, "", "the order bears another's tag")
        for fields in book.results:
            for oid in _named_in(fields):
                if oid not in mine:
                    text = f"told {fields['type']} at seq {fields['seq']} of another's order"
                    yield Difference(8, book.strategy, oid, "", text)


def restarts_add_nothing(record: Record) -> Iterator[Difference]:
    """I9."""
    for text in record.restarted.requests[:_SHOWN]:
        yield Difference(9, "", "", text, "after all was quiet, by a restart")
    for text in record.restarted.results[:_SHOWN]:
        yield Difference(9, "", "", "", f"{text}, after all was quiet, by a restart")


def caps_kept(record: Record) -> Iterator[Difference]:
    """I10."""
    for what, cap in record.rules.caps.items():
        if record.most.get(what, 0) > cap:
            yield Difference(10, "", "", "", f"{what}: {record.most[what]}, the cap is {cap}")


PROMISES: Mapping[str, Callable[[Record], Iterator[Difference]]] = {
    "I1": one_order_per_intent,
    "I2": every_intent_ended,
    "I3": results_without_gap,
    "I4": fills_told_are_fills_made,
    "I5": nothing_under_an_older_epoch,
    "I6": nothing_after_halt_or_expiry,
    "I7": limits_kept,
    "I8": updates_to_owners_only,
    "I9": restarts_add_nothing,
    "I10": caps_kept,
}


def _of_verdict(record: Record, promise: int) -> Iterator[Difference]:
    for one in compare(record.ledger, record.told):
        if _RULES[one.rule] == promise:
            yield Difference(promise, one.strategy, one.oid, one.venue, one.told)


def _newest(tenures: Iterator[Tenure] | list[Tenure]) -> Tenure | None:
    return max(tenures, key=lambda one: one.epoch, default=None)


def _came_to_nothing(row: RequestRow) -> bool:
    """Whether the venue refused it for its age.

    No process can look at its lease and write to a socket in one step. One that is paused in
    between sends when it goes on; the request's own expiry is what stops that.
    """
    return not row["processed"] and 0 < (row["expires_ms"] or 0) < row["ts_ms"]


def _about(promise: int, row: RequestRow, what: str) -> Difference:
    return Difference(promise, "", row["client_id"], f"{row['op']} by {row['transport']}", what)


def _despite(halt: Halted, record: Record) -> Iterator[Difference]:
    """Yield what was admitted, or reached the venue, in spite of a halt.

    An owner that cannot hear of it may go on for as long as its lease lives, with what it has.
    """
    for book in (one for one in record.books if one.account == halt.books):
        for oid, order in book.orders.items():
            if halt.from_ms < int(order["created_ms"]) < halt.to_ms:
                yield Difference(6, book.strategy, oid, "", "admitted while halted")
    from_ms = halt.from_ms + record.rules.lease_ms + _ON_ITS_WAY_MS
    for row in record.ledger.requests:
        new = row["op"] in (*_PLACES, *_AMENDS) and row["account"] == halt.account
        if new and from_ms < row["ts_ms"] < halt.to_ms:
            yield _about(6, row, f"received {row['ts_ms'] - halt.from_ms} ms after the halt")


def _named_in(fields: Mapping[str, str]) -> list[str]:
    """Return the orders that a result tells about as the strategy's own."""
    if fields["type"] != ResultType.DIFF:
        return [fields["oid"]] if fields.get("oid") else []
    diff = orjson.loads(fields["diff"])
    return [*diff.get("open_orders_added", ()), *diff.get("open_orders_removed", ())]
