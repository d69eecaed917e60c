"""C8, C12, C15. Truth that comes late, early or out of date: each fill once, each end for good."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from router.enums import OrderStatus
from router.enums import WsOrderResultType as Result
from router.errors import QueryFailed
from router.evidence import OrderReport, Source, VenueState
from router.settings import OrderSettings
from simulator.server import RunningSimulator
from strategy_sdk.schema import Order
from tests.scenarios.stack import (
    FAST,
    PATIENT_MS,
    SYMBOL,
    Recorder,
    Stack,
    running_stack,
    until,
)
from workers.venue import Answer, Instruments, Proof, VenueEvent
from workers.venues.okx.venue import Okx

AMOUNT = Decimal("0.001")
NEVER_MS = 60_000
#: Far longer than the proof of absence takes, on a slow machine too.
LAG_MS = 6_000
#: Far longer than a query takes, on a slow machine too.
ON_ITS_WAY_MS = 4_000


# --- C8 -----------------------------------------------------------------------------------------


def failed_but_alive(stack: Stack, strategy: Recorder, **terms: Any) -> str:
    """Return an order told as failed that the venue has: it showed it later than it promises."""
    with ExitStack() as faults:
        for fault, params in (
            ("lose_ack", {"match": stack.here | {"op": "place"}}),
            ("lose_push", {"match": stack.here}),
            ("visibility_lag", {"match": stack.here, "delay_ms": LAG_MS}),
        ):
            faults.enter_context(stack.control.fault(fault, count=1, **params))
        oid = strategy.buy(ws_fallback=False, **terms)
        assert strategy.wait_result(oid, Result.ACK_TIMEOUT)["exists"] == "false"
        strategy.wait_for(oid, "failed")
    assert oid not in strategy.cache.get_open_orders(SYMBOL)
    return oid


def fill(stack: Stack, client_id: str, *amounts: Decimal) -> None:
    for amount in amounts:
        stack.control.fill_order(client_id, account=stack.account, amount=amount)


def test_a_forced_fetch_says_none_only_of_what_is_proven_absent(stack: Stack) -> None:
    strategy = stack.start_strategy()
    with stack.control.fault("visibility_lag", delay_ms=60_000, match=stack.here):
        oid = strategy.buy()
        strategy.wait_for(oid, "accepted")
        seen = strategy.fetch_order(SYMBOL, oid, force_refresh=True)
        assert seen is not None, "the venue does not show it yet, and has pushed it"
        assert seen.is_opened
    refused = strategy.buy(amount=Decimal(1000))
    strategy.wait_for(refused, "failed")
    assert strategy.fetch_order(SYMBOL, refused, force_refresh=True) is None
    stack.check(strategy)


@pytest.mark.rules(ack_timeout_ms=PATIENT_MS, expiry_ms=30_000)
def test_a_forced_fetch_says_nothing_of_a_request_that_is_on_its_way(stack: Stack) -> None:
    strategy = stack.start_strategy()
    with stack.control.fault("delay_request", count=1, delay_ms=ON_ITS_WAY_MS, match=stack.here):
        oid = strategy.buy()
        with pytest.raises(QueryFailed, match="proves nothing"):
            strategy.fetch_order(SYMBOL, oid, force_refresh=True)
        strategy.wait_for(oid, "accepted")
    stack.check(strategy)


def test_c8_a_failed_order_that_fills_is_revived_with_its_fills(stack: Stack) -> None:
    strategy = stack.start_strategy()
    oid = failed_but_alive(stack, strategy, amount=3 * AMOUNT, idempotency_key="entry")
    fill(stack, oid, AMOUNT)
    part = strategy.wait_for(oid, "partially_filled")
    assert (part.filled, part.is_opened) == (AMOUNT, True)
    assert oid in strategy.cache.get_open_orders(SYMBOL)
    assert stack.redis.sismember(stack.keys.open("alpha"), oid)
    assert stack.redis.pttl(stack.keys.idem("alpha", "entry")) == -1, "a live order keeps its key"
    assert strategy.buy(idempotency_key="entry") == oid
    strategy.cancel_order_ws(SYMBOL, oid)
    canceled = strategy.wait_for(oid, "canceled")
    assert canceled.filled == AMOUNT
    assert len(stack.ledger().orders_of(oid)) == 1
    stack.check(strategy)


@pytest.mark.parametrize("client_oid", [None, "entrybtc001"])
def test_c8_an_owner_that_never_knew_it_revives_it_too(
    stack: Stack, client_oid: str | None
) -> None:
    """Ended orders are not in a new owner's memory; Redis says whose the client id is."""
    strategy = stack.start_strategy()
    oid = failed_but_alive(stack, strategy, amount=3 * AMOUNT, client_oid=client_oid)
    stack.workers[0].stop()
    client_id = stack.client_id(strategy, oid)
    [row] = stack.ledger().orders_of(client_id)
    shown_ms = row["created_ms"] + LAG_MS
    until(lambda: stack.control.health()["now_ms"] > shown_ms, "queries show it at last")
    fill(stack, client_id, AMOUNT)
    stack.start_worker()
    until(lambda: strategy.fills(oid), "the fill made while nobody owned the account")
    fill(stack, client_id, AMOUNT, AMOUNT)
    assert strategy.wait_for(oid, "filled").filled == 3 * AMOUNT
    assert strategy.cache.get_open_orders(SYMBOL) == set()
    assert stack.redis.scard(stack.keys.open("alpha")) == 0
    stack.check(strategy)


def test_c8_a_second_copy_refused_as_duplicate_finds_the_first(stack: Stack) -> None:
    """A hasty proof of absence, then REST: the venue refuses the id that it holds already."""
    strategy = stack.start_strategy()
    with (
        stack.control.fault("hangup_after", count=1, match=stack.here | {"op": "place"}),
        stack.control.fault("lose_push", count=1, match=stack.here),
        stack.control.fault("visibility_lag", count=1, match=stack.here, delay_ms=1_200),
    ):
        oid = strategy.buy()
        strategy.wait_for(oid, "accepted")
    assert "failed" not in strategy.of(oid)
    assert len(stack.ledger().orders_of(oid)) == 1
    stack.check(strategy)


# --- C12 ----------------------------------------------------------------------------------------


CREATES, CANCELS = ("order", "batch-orders"), ("cancel-order", "batch-cancel-orders")


@pytest.fixture
def told_by_acks_alone(redis_url: str, simulator: RunningSimulator) -> Iterator[Stack]:
    """A stack in which no push and no planned look can end an order in time."""
    rules = OrderSettings(**FAST.model_dump() | {"terminal_check_ms": NEVER_MS})
    with running_stack(redis_url, simulator, orders=rules) as one:
        one.start_worker()
        yield one


def ends_in_acks(
    monkeypatch: pytest.MonkeyPatch,
    ops: tuple[str, str],
    end: Callable[[Answer], OrderReport | None],
) -> None:
    """Let the venue's acks of ``ops`` carry ``end(answer)``; OKX's do not, other venues' do."""
    plain = Okx.decode

    def decode(self: Okx, text: str, instruments: Instruments) -> list[VenueEvent]:
        named = any(f'"op":"{op}"' in text for op in ops)
        return [
            replace(event, report=end(event))
            if named and isinstance(event, Answer) and event.verdict.proof is Proof.DONE
            else event
            for event in plain(self, text, instruments)
        ]

    monkeypatch.setattr(Okx, "decode", decode)


def report(answer: Answer, state: VenueState, filled: Decimal) -> OrderReport:
    return OrderReport(
        symbol=SYMBOL,
        client_id=answer.client_id,
        venue_id=answer.venue_id,
        state=state,
        filled=filled,
        source=Source.QUERY,
        ts_ms=time.time_ns() // 1_000_000,
    )


@pytest.mark.parametrize("filled", [Decimal(0), AMOUNT])
def test_c12_a_cancel_ack_that_carries_the_end_is_told_at_once(
    told_by_acks_alone: Stack, monkeypatch: pytest.MonkeyPatch, filled: Decimal
) -> None:
    stack = told_by_acks_alone
    strategy = stack.start_strategy()
    oid = strategy.buy(amount=2 * AMOUNT)
    strategy.wait_for(oid, "accepted")
    ends_in_acks(monkeypatch, CANCELS, lambda ack: report(ack, VenueState.CANCELED, filled))
    with stack.control.fault("lose_push", match=stack.here):
        if filled:
            fill(stack, oid, filled)
        strategy.cancel_order_ws(SYMBOL, oid)
        assert strategy.wait_for(oid, "canceled").filled == filled
    assert strategy.results(oid) == []
    assert [row["op"] for row in stack.ledger().queries if row["op"] == "query-order"] == []
    stack.check(strategy)


def test_c12_the_end_told_by_the_ack_is_not_told_again_by_the_push(
    told_by_acks_alone: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    stack = told_by_acks_alone
    strategy = stack.start_strategy()
    oid = strategy.buy()
    strategy.wait_for(oid, "accepted")
    ends_in_acks(monkeypatch, CANCELS, lambda ack: report(ack, VenueState.CANCELED, Decimal(0)))
    with stack.control.fault("delay_push", match=stack.here, delay_ms=400):
        strategy.cancel_order_ws(SYMBOL, oid)
        strategy.wait_for(oid, "canceled")
        after = strategy.buy()
        strategy.wait_for(after, "accepted")  # its push comes behind the delayed one
    assert strategy.of(oid).count("canceled") == 1
    stack.check(strategy)


def test_c12_a_create_ack_that_carries_fills_has_them_fetched(
    told_by_acks_alone: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    stack = told_by_acks_alone
    strategy = stack.start_strategy()
    ends_in_acks(monkeypatch, CREATES, lambda ack: report(ack, VenueState.FILLED, AMOUNT))
    with stack.control.fault("lose_push", match=stack.here):
        oid = strategy.buy(type="MARKET")
        assert strategy.wait_for(oid, "filled").filled == AMOUNT
    assert strategy.results(oid) == []
    stack.check(strategy)


@pytest.mark.parametrize(("code", "end"), [("51401", "canceled"), ("51402", "filled")])
def test_c12_a_refusal_that_names_the_end_is_told_as_that_end(
    told_by_acks_alone: Stack, code: str, end: str
) -> None:
    """OKX's own way: "already canceled", "already completed"."""
    stack = told_by_acks_alone
    strategy = stack.start_strategy()
    oid = strategy.buy()
    strategy.wait_for(oid, "accepted")
    match = stack.here | {"op": "cancel"}
    with (
        stack.control.fault("lose_push", match=stack.here),
        stack.control.fault("reject", count=1, match=match, code=code),
    ):
        act = stack.control.cancel_order if end == "canceled" else stack.control.fill_order
        act(oid, account=stack.account)
        strategy.cancel_order_ws(SYMBOL, oid)
        strategy.wait_for(oid, end)
    assert "cancel_failed" not in strategy.of(oid)
    stack.check(strategy)


# --- C15 ----------------------------------------------------------------------------------------


@pytest.fixture
def patient_with_rest(redis_url: str, simulator: RunningSimulator) -> Iterator[Stack]:
    """A stack whose worker waits for a slow reply."""
    with running_stack(redis_url, simulator, rest_read_timeout_s=9.0) as one:
        one.start_worker()
        yield one


def newest_ms(stack: Stack) -> int:
    return max(row["updated_ms"] for row in stack.ledger().orders)


@pytest.mark.parametrize("end", ["filled", "canceled", None])
def test_c15_a_reply_overtaken_by_pushes_takes_nothing_back(
    patient_with_rest: Stack, end: str | None
) -> None:
    stack = patient_with_rest
    strategy = stack.start_strategy()
    oid = strategy.buy(amount=3 * AMOUNT)
    strategy.wait_for(oid, "accepted")
    fill(stack, oid, AMOUNT)
    strategy.wait_for(oid, "partially_filled")
    answers: list[Order | None] = []
    match = stack.here | {"op": "query-order"}
    with stack.control.fault("delay_ack", count=1, match=match, delay_ms=3_000):
        asking = threading.Thread(
            target=lambda: answers.append(strategy.fetch_order(SYMBOL, oid, force_refresh=True))
        )
        asking.start()
        until(lambda: [row for row in stack.ledger().queries if row["op"] == "query-order"])
        fill(stack, oid, AMOUNT if end != "filled" else 2 * AMOUNT)
        if end == "canceled":
            stack.control.cancel_order(oid, account=stack.account)
        until(lambda: len(strategy.fills(oid)) == 2)
        if end is not None:
            strategy.wait_for(oid, end)
        before = strategy.of(oid)
        assert not answers, "the reply came before the pushes; the test shows nothing"
        asking.join()
    [answered] = answers
    known = strategy.cache.get_order(oid)
    assert answered is not None
    assert known is not None
    for order in (answered, known):
        assert order.filled == (3 * AMOUNT if end == "filled" else 2 * AMOUNT)
        assert order.is_closed is (end is not None)
    assert strategy.of(oid) == before
    stack.check(strategy)


@pytest.mark.parametrize("new_owner", [False, True])
def test_c15_a_snapshot_from_before_takes_nothing_back(stack: Stack, new_owner: bool) -> None:
    strategy = stack.start_strategy()
    part, filled, canceled = (strategy.buy(amount=3 * AMOUNT) for _ in range(3))
    for oid in (part, filled, canceled):
        strategy.wait_for(oid, "accepted")
    then_ms = newest_ms(stack)
    until(lambda: stack.control.health()["now_ms"] > then_ms)
    fill(stack, part, AMOUNT)
    fill(stack, filled, AMOUNT, 2 * AMOUNT)
    stack.control.cancel_order(canceled, account=stack.account)
    strategy.wait_for(part, "partially_filled")
    strategy.wait_for(filled, "filled")
    strategy.wait_for(canceled, "canceled")
    before = {oid: strategy.of(oid) for oid in (part, filled, canceled)}
    resynced = stack.redis.hget(stack.keys.status, "resynced_ms")
    with stack.control.fault("stale_snapshot", as_of_ms=then_ms, match=stack.here) as stale:
        if new_owner:
            stack.workers[0].stop()
            stack.start_worker()
        else:
            stack.control.close_sockets("private", account=stack.account)
        until(lambda: stack.redis.hget(stack.keys.status, "resynced_ms") != resynced, "a resync")
        assert stack.control.hits(stale) >= 1
    assert {oid: strategy.of(oid) for oid in before} == before
    known = strategy.cache.get_order(part)
    assert known is not None
    assert (known.filled, known.status) == (AMOUNT, OrderStatus.PARTIALLY_FILLED)
    assert stack.redis.smembers(stack.keys.open("alpha")) == {part}
    fill(stack, part, AMOUNT)
    until(lambda: len(strategy.fills(part)) == 2)
    assert strategy.orders(part)[-1].filled == 2 * AMOUNT
    for diff in strategy.diffs():
        assert (diff["open_orders_added"], diff["open_orders_removed"]) == ([], [])
    stack.check(strategy)
