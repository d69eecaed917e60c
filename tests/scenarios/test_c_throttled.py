"""Throttle replies that come at once, late, or after a doubt has begun: one order, or none."""

from contextlib import ExitStack
from typing import Any

import pytest

from router import settings as settings_module
from router.enums import WsOrderResultType as Result
from router.settings import OrderSettings
from simulator.server import RunningSimulator
from tests.scenarios.stack import FAST, PATIENT_MS, SYMBOL, Recorder, Stack, running_stack, until
from tests.scenarios.venues import SPOT, USDM
from workers import jobs

SHAPES = ["item", "top"]
SOON_MS = 1_000
#: After the timeout, and after the ladder that follows it.
LATE_MS = 5 * SOON_MS
#: It lasts longer than a throttled window stays closed, so that a queued copy would leave.
LONG_LADDER = OrderSettings(
    **FAST.model_dump() | {"ack_timeout_ms": 700, "ladder_budget_ms": 4_000}
)


def throttled(stack: Stack, faults: ExitStack, op: str, shape: str, **late: Any) -> str:
    """Let the venue answer the next request of ``op`` that it did not act; return the fault."""
    match = stack.here | {"op": op, "transport": "ws"}
    if late:
        faults.enter_context(stack.control.fault("delay_ack", count=1, match=match, **late))
    return faults.enter_context(stack.control.fault("throttle", count=1, match=match, shape=shape))


def codes(stack: Stack, client_id: str) -> list[tuple[str, str]]:
    """Return transport and the venue's code for each request of an order."""
    return [(row["transport"], row["code"]) for row in stack.ledger().requests_of(client_id)]


@pytest.mark.parametrize("shape", SHAPES)
def test_a_throttled_create_goes_again_and_is_one_order(stack: Stack, shape: str) -> None:
    strategy = stack.start_strategy()
    with ExitStack() as faults:
        throttled(stack, faults, "place", shape)
        oid = strategy.buy()
        strategy.wait_for(oid, "accepted")
    assert codes(stack, oid) == [("ws", "50011"), ("ws", "0")]
    assert strategy.results(oid) == []
    assert len(stack.ledger().orders_of(oid)) == 1
    stack.check(strategy)


def test_a_throttled_cancel_goes_again(stack: Stack) -> None:
    strategy = stack.start_strategy()
    oid = strategy.buy()
    strategy.wait_for(oid, "accepted")
    with ExitStack() as faults:
        throttled(stack, faults, "cancel", "item")
        strategy.cancel_order_ws(SYMBOL, oid)
        strategy.wait_for(oid, "canceled")
    assert "cancel_failed" not in strategy.of(oid)
    assert strategy.results(oid) == []
    stack.check(strategy)


@pytest.mark.rules(ack_timeout_ms=SOON_MS)
@pytest.mark.parametrize("shape", SHAPES)
def test_a_throttle_reply_after_the_proof_of_absence_makes_no_order(
    stack: Stack, shape: str
) -> None:
    strategy = stack.start_strategy()
    with ExitStack() as faults:
        throttled(stack, faults, "place", shape, delay_ms=LATE_MS)
        oid = strategy.buy(idempotency_key="entry")
        result = strategy.wait_result(oid, Result.ACK_TIMEOUT)
        assert result["exists"] == "false"
        until(lambda: stack.ledger().requests_of(oid)[0]["replied"], "the late reply has left")
    settled_behind(stack, strategy)
    assert strategy.of(oid) == ["failed"]
    assert len(strategy.results(oid)) == 1
    assert codes(stack, oid) == [("ws", "50011")]
    assert stack.ledger().orders_of(oid) == []
    assert strategy.release_idempotency_key("entry"), "it provably never existed"
    stack.check(strategy)


def test_a_throttle_reply_during_the_ladder_queues_no_second_copy(
    redis_url: str, simulator: RunningSimulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Queries fail meanwhile, so nothing is proven: unknown, then the job proves the absence."""
    with running_stack(redis_url, simulator, orders=LONG_LADDER) as stack:
        monkeypatch.setattr(settings_module, "load", lambda: stack.settings)
        stack.start_worker()
        strategy = stack.start_strategy()
        with ExitStack() as faults:
            rest = stack.here | {"transport": "rest"}
            faults.enter_context(stack.control.fault("rest_5xx", match=rest, status=503))
            late_ms = LONG_LADDER.ack_timeout_ms + 300
            throttled(stack, faults, "place", "item", delay_ms=late_ms)
            oid = strategy.buy()
            assert strategy.wait_result(oid, Result.ACK_TIMEOUT)["exists"] == "unknown"
            until(lambda: stack.ledger().requests_of(oid)[0]["replied"], "the late reply has left")
        settled_behind(stack, strategy)
        assert codes(stack, oid) == [("ws", "50011")], "nobody sent it again"
        assert oid in strategy.cache.get_open_orders(SYMBOL)
        assert jobs.resolve_unknown(stack.account, "alpha", oid) == "NOT_FOUND"
        strategy.wait_for(oid, "failed")
        assert [one["exists"] for one in strategy.results(oid)] == ["unknown", "false"]
        assert stack.ledger().orders_of(oid) == []
        stack.check(strategy)


@pytest.mark.rules(ack_timeout_ms=SOON_MS)
def test_throttled_then_answered_late_is_one_order(stack: Stack) -> None:
    """The first copy was not acted on; the second was, and its ACK comes after the timeout."""
    strategy = stack.start_strategy()
    first = stack.here | {"op": "place"}
    with ExitStack() as faults:
        throttled(stack, faults, "place", "item")
        faults.enter_context(stack.control.fault("lose_push", count=1, match=stack.here))
        oid = strategy.buy()
        until(lambda: len(stack.ledger().requests_of(oid)) == 1, "the first copy was refused")
        faults.enter_context(
            stack.control.fault("delay_ack", count=1, match=first, delay_ms=LATE_MS)
        )
        assert strategy.wait_result(oid, Result.ACK_TIMEOUT_CONFIRMED)["exists"] == "true"
        strategy.wait_for(oid, "accepted")
        until(lambda: stack.ledger().requests_of(oid)[-1]["replied"], "the late ACK has left")
    settled_behind(stack, strategy)
    assert codes(stack, oid) == [("ws", "50011"), ("ws", "0")]
    assert [one["result_type"] for one in strategy.results(oid)] == [Result.ACK_TIMEOUT_CONFIRMED]
    assert len(stack.ledger().orders_of(oid)) == 1
    stack.check(strategy)


def settled_behind(stack: Stack, strategy: Recorder) -> None:
    """Return once whatever the late reply has caused would have been done and told."""
    for _ in range(2):  # the second waits for whatever pause the first shared with a queued copy
        after = strategy.buy()
        strategy.wait_for(after, "accepted")
    until(lambda: stack.redis.xlen(stack.keys.intents("alpha")) == 0, "every intent has an outcome")


@pytest.mark.venues(USDM.name, SPOT.name)
@pytest.mark.rules(ack_timeout_ms=1_000, ladder_budget_ms=300)
def test_a_venue_that_says_how_long_to_wait_is_not_asked_meanwhile(stack: Stack) -> None:
    """Who goes on asking is banned, at Binance with all who share the address."""
    strategy = stack.start_strategy()
    stack.wait_audited()
    with ExitStack() as faults:
        query = stack.here | {"op": "query", "transport": "rest"}
        wait = faults.enter_context(
            stack.control.fault("throttle", match=query, retry_after_s=PATIENT_MS // 1_000)
        )
        for fault, match in (
            ("lose_ack", stack.here | {"op": "place"}),
            ("lose_push", stack.here),
        ):
            faults.enter_context(stack.control.fault(fault, count=1, match=match))
        oid = strategy.buy()
        result = strategy.wait_result(oid, Result.ACK_TIMEOUT)
        assert result["exists"] == "unknown"
        assert stack.control.hits(wait) == 1
    stack.control.cancel_order(oid, account=stack.account)
    strategy.wait_for(oid, "canceled")  # its push is evidence, whatever may be asked
    stack.check(strategy)


@pytest.mark.venues(USDM.name, SPOT.name)
@pytest.mark.rules(ack_timeout_ms=1_000, expiry_ms=300)
def test_a_ladder_asks_for_open_orders_of_its_symbol_only(
    stack: Stack,
) -> None:
    """Of all symbols they cost 40 times as much, and a minute holds 60 such questions."""
    strategy = stack.start_strategy()
    stack.wait_audited()
    before = len(stack.ledger().queries)
    match = stack.here | {"op": "place"}
    with stack.control.fault("swallow_request", count=1, match=match):
        oid = strategy.buy(ws_fallback=False)
        assert strategy.wait_result(oid, Result.ACK_TIMEOUT)["exists"] == "false"
    rows = [row for row in stack.ledger().queries[before:] if row["op"] == "orders-pending"]
    assert rows
    assert {row["symbol"] for row in rows} == {stack.venue.venue_symbol}
    stack.check(strategy)
