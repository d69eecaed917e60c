"""The ten promises: a true record breaks none, and each doctored one breaks the promise it should.

The record: one order of ``maker``, filled by two trades; it was told truly, and once again after
the strategy was killed and started.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import orjson
import pytest

from demo.told import Submitted, Told, order_told
from router.enums import OrderStatus
from router.ids import new_oid, strategy_tag
from simulator.client import Ledger, RequestRow
from storm.deliveries import told_once
from storm.invariants import PROMISES, check
from storm.record import Books, Halted, Record, Restarted, Rules, Tenure
from tests.demo.test_verdict import fill_row, order_row

OID = new_oid(strategy_tag("maker"))
OTHERS = new_oid(strategy_tag("taker"))
WORKER, STANDBY, JOBS = "127.1.0.2", "127.1.0.3", "127.1.0.4"
AT_MS = 100_000
Doctored = Callable[[Record], Record]


def request_row(op: str = "order", **changes: Any) -> RequestRow:
    row = {
        "n": 1,
        "ts_ms": AT_MS,
        "account": "okx-demo",
        "transport": "ws",
        "op": op,
        "client_id": OID,
        "venue_id": "",
        "symbol": "BTC-USDT",
        "connection": "c1",
        "request_id": "1",
        "processed": True,
        "code": "0",
        "replied": True,
        "expires_ms": AT_MS + 2_000,
        "address": WORKER,
    }
    return {**row, **changes}  # type: ignore[typeddict-item]


def result(seq: int, status: OrderStatus, oid: str = OID, **fields: str) -> dict[str, str]:
    return {
        "seq": str(seq),
        "type": "order",
        "ts_ms": str(AT_MS + seq),
        "oid": oid,
        "client_id": oid,
        "status": status,
        "filled": "0",
        **fields,
    }


def trade(seq: int, status: OrderStatus, filled: str, number: str, amount: str) -> dict[str, str]:
    fields = {"trade_id": number, "last_filled": amount, "last_filled_price": "89500"}
    return result(seq, status, filled=filled, **fields)


RESULTS = [
    result(1, OrderStatus.PENDING),
    trade(2, OrderStatus.PARTIALLY_FILLED, "0.0005", "1", "0.0005"),
    trade(3, OrderStatus.FILLED, "0.002", "2", "0.0015"),
]
ORDER = {
    "oid": OID,
    "client_id": OID,
    "state": "FILLED",
    "created_ms": str(AT_MS - 5),
    "expires_ms": str(AT_MS + 5_000),
}


def record_of(books: Books, heard: Told, **changes: Any) -> Record:
    return Record(
        told=[told_once(heard, [books])],
        heard=[heard],
        books=[books],
        ledger=changes.pop(
            "ledger",
            Ledger(
                [request_row()],
                [],
                [order_row(OID)],
                [fill_row("1", "0.0005", OID), fill_row("2", "0.0015", OID)],
                [],
                0,
            ),
        ),
        rules=Rules(expiry_ms=2_000, most_delay_ms=250, lease_ms=3_000, caps={"open": 250}),
        tenures=[Tenure("okx-demo", 1, AT_MS - 60_000, WORKER)],
        most={"open": 250},
        **changes,
    )


@pytest.fixture
def books() -> Books:
    return Books("okx-main", "maker", open={}, ended={OID: ORDER}, results=RESULTS)


@pytest.fixture
def heard() -> Told:
    """Killed after the second event and before its cursor was stored, then told it once more."""
    first, second, third = (order_told(fields, AT_MS) for fields in RESULTS)
    return Told(
        "maker",
        submitted=[Submitted(AT_MS, OID, "k1", "strategy")],
        orders=[first, second, second, third],
        starts=[(0, 0), (2, 0)],
        done=True,
    )


@pytest.fixture
def record(books: Books, heard: Told) -> Record:
    return record_of(books, heard)


def with_rows(record: Record, *rows: RequestRow, **changes: Any) -> Record:
    ledger = replace(record.ledger, requests=[*record.ledger.requests, *rows])
    return replace(record, ledger=ledger, **changes)


def with_books(record: Record, **changes: Any) -> Record:
    return record_of(replace(record.books[0], **changes), record.heard[0], ledger=record.ledger)


def with_heard(record: Record, **changes: Any) -> Record:
    return record_of(record.books[0], replace(record.heard[0], **changes), ledger=record.ledger)


def test_the_truth_breaks_no_promise(record: Record) -> None:
    assert check(record) == []


def test_an_order_that_its_strategy_could_not_write_down_counts_as_its_own(
    books: Books, heard: Told
) -> None:
    assert check(record_of(books, replace(heard, submitted=[]))) == []


def test_an_unknown_order_may_wait_for_its_resolver(record: Record) -> None:
    waiting = {"oid": OID, "client_id": OID, "state": "UNKNOWN", "created_ms": "1"}
    waiting["expires_ms"] = str(AT_MS + 5_000)
    order = record.ledger.orders[0]
    order |= {"state": "live", "filled": "0"}
    record.ledger.fills.clear()
    told = [result(1, OrderStatus.ACCEPTED)]
    heard = replace(record.heard[0], orders=[order_told(told[0], 0)], starts=[(0, 0)])
    books = replace(record.books[0], open={OID: waiting}, ended={}, results=told)
    assert check(record_of(books, heard, ledger=record.ledger))
    resolved = replace(books, resolving=frozenset({OID}))
    assert check(record_of(resolved, heard, ledger=record.ledger)) == []


# --- I1


def second_order(record: Record) -> Record:
    orders = [order_row(OID, "canceled", venue_id="v2"), *record.ledger.orders]
    return replace(record, ledger=replace(record.ledger, orders=orders))


def second_oid_for_the_key(record: Record) -> Record:
    again = Submitted(AT_MS, new_oid(strategy_tag("maker")), "k1", "strategy")
    return with_heard(record, submitted=[*record.heard[0].submitted, again])


# --- I2


def intent_not_settled(record: Record) -> Record:
    return with_books(record, waiting=1)


def order_still_pending(record: Record) -> Record:
    return with_books(record, open={OID: ORDER | {"state": "PENDING"}}, ended={})


def order_unknown_to_redis(record: Record) -> Record:
    return with_books(record, ended={})


def called_absent_but_there(record: Record) -> Record:
    said = {
        "seq": "4",
        "type": "ws_order_request_result",
        "oid": OID,
        "request": "create",
        "result_type": "ACK_TIMEOUT",
        "exists": "false",
        "reason": "proven absent",
    }
    return with_books(record, results=[*RESULTS, said])


# --- I3


def gap_in_seq(record: Record) -> Record:
    return with_books(record, results=[RESULTS[0], RESULTS[1], RESULTS[2] | {"seq": "4"}])


def result_never_heard(record: Record) -> Record:
    return with_heard(record, orders=record.heard[0].orders[:-1])


def result_left_out_by_a_start(record: Record) -> Record:
    first, _, _, third = record.heard[0].orders
    return with_heard(record, orders=[first, third], starts=[(0, 0), (1, 0)])


def heard_twice_in_one_run(record: Record) -> Record:
    return with_heard(record, starts=[(0, 0)])


# --- I4


def fill_not_told(record: Record) -> Record:
    fills = [*record.ledger.fills, fill_row("3", "0.0001", OID)]
    return replace(record, ledger=replace(record.ledger, fills=fills))


def fill_out_of_thin_air(record: Record) -> Record:
    return replace(record, ledger=replace(record.ledger, fills=record.ledger.fills[1:]))


# --- I5

SECOND = Tenure("okx-demo", 2, AT_MS + 10_000, STANDBY)


def sent_under_an_older_epoch(record: Record) -> Record:
    late = request_row("cancel-order", ts_ms=SECOND.since_ms + 2_000)
    return with_rows(record, late, tenures=[*record.tenures, SECOND])


def acted_on_though_it_had_expired(record: Record) -> Record:
    at_ms = SECOND.since_ms + 2_000
    late = request_row("amend-order", ts_ms=at_ms, expires_ms=at_ms - 1)
    return with_rows(record, late, tenures=[*record.tenures, SECOND])


def test_what_the_venue_refused_for_its_age_was_stopped_as_it_should_be(record: Record) -> None:
    at_ms = SECOND.since_ms + 2_000
    late = request_row("amend-order", ts_ms=at_ms, expires_ms=at_ms - 1, processed=False)
    assert check(with_rows(record, late, tenures=[*record.tenures, SECOND])) == []


def sent_by_the_jobs(record: Record) -> Record:
    return with_rows(record, request_row("cancel-order", address=JOBS))


def test_who_owns_again_may_send_again(record: Record) -> None:
    third = Tenure("okx-demo", 3, SECOND.since_ms + 10_000, WORKER)
    row = request_row("cancel-order", ts_ms=third.since_ms + 5_000)
    other = Tenure("binance-demo", 9, AT_MS, STANDBY)  # another account's epochs are its own
    tenures = [*record.tenures, SECOND, third, other]
    assert check(with_rows(record, row, tenures=tenures)) == []


# --- I6

HALT = Halted("okx-demo", "okx-main", AT_MS - 5_000, AT_MS + 5_000)


def admitted_while_halted(record: Record) -> Record:
    return replace(record, halts=[HALT])


def sent_after_the_halt(record: Record) -> Record:
    halt = replace(HALT, from_ms=AT_MS + 1, to_ms=AT_MS + 9_000)
    return with_rows(record, request_row("amend-order", ts_ms=AT_MS + 6_000), halts=[halt])


def sent_after_it_expired(record: Record) -> Record:
    late = request_row(ts_ms=int(ORDER["expires_ms"]) + 5_000)
    return replace(record, ledger=replace(record.ledger, requests=[late]))


def test_cancels_pass_a_halt(record: Record) -> None:
    halt = replace(HALT, from_ms=AT_MS + 1, to_ms=AT_MS + 9_000)
    row = request_row("cancel-order", ts_ms=AT_MS + 6_000)
    assert check(with_rows(record, row, halts=[halt])) == []


# --- I7 to I10


def throttled_unasked(record: Record) -> Record:
    rows = [request_row("cancel-order", request_id=name, code="50011") for name in "aab"]
    return with_rows(record, *rows, throttles=1)


def test_one_refusal_of_a_frame_is_one(record: Record) -> None:
    rows = [request_row("cancel-order", request_id="a", code="50011") for _ in range(3)]
    assert check(with_rows(record, *rows, throttles=1)) == []


def told_of_anothers_order(record: Record) -> Record:
    foreign = result(4, OrderStatus.ACCEPTED, OTHERS)
    return with_books(record, results=[*RESULTS, foreign])


def diff_names_anothers_order(record: Record) -> Record:
    diff = orjson.dumps({"open_orders_added": [OTHERS]}).decode()
    entry = {"seq": "4", "type": "private_ws_resync_diff", "diff": diff}
    return with_books(record, results=[*RESULTS, entry])


def anothers_tag(record: Record) -> Record:
    return with_books(record, ended={OID: ORDER, OTHERS: ORDER | {"oid": OTHERS}})


def request_by_a_restart(record: Record) -> Record:
    return replace(record, restarted=Restarted(requests=["order of x by rest"]))


def event_by_a_restart(record: Record) -> Record:
    return replace(record, restarted=Restarted(results=["ACCEPTED of x"]))


def more_open_than_allowed(record: Record) -> Record:
    return replace(record, most={"open": 251})


DOCTORED: list[tuple[str, Doctored]] = [
    ("I1", second_order),
    ("I1", second_oid_for_the_key),
    ("I2", intent_not_settled),
    ("I2", order_still_pending),
    ("I2", order_unknown_to_redis),
    ("I2", called_absent_but_there),
    ("I3", gap_in_seq),
    ("I3", result_never_heard),
    ("I3", result_left_out_by_a_start),
    ("I3", heard_twice_in_one_run),
    ("I4", fill_not_told),
    ("I4", fill_out_of_thin_air),
    ("I5", sent_under_an_older_epoch),
    ("I5", acted_on_though_it_had_expired),
    ("I5", sent_by_the_jobs),
    ("I6", admitted_while_halted),
    ("I6", sent_after_the_halt),
    ("I6", sent_after_it_expired),
    ("I7", throttled_unasked),
    ("I8", told_of_anothers_order),
    ("I8", diff_names_anothers_order),
    ("I8", anothers_tag),
    ("I9", request_by_a_restart),
    ("I9", event_by_a_restart),
    ("I10", more_open_than_allowed),
]


@pytest.mark.parametrize(
    ("promise", "doctored"), DOCTORED, ids=lambda one: getattr(one, "__name__", one)
)
def test_each_broken_promise_is_found(record: Record, promise: str, doctored: Doctored) -> None:
    found = {f"I{one.rule}" for one in check(doctored(record))}
    assert promise in found
    assert list(PROMISES[promise](record)) == []
    assert list(PROMISES[promise](doctored(record)))


def test_every_promise_has_a_record_that_breaks_it() -> None:
    assert {promise for promise, _ in DOCTORED} == set(PROMISES)
