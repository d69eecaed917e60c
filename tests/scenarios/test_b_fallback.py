"""B. Fallback: a lost socket means REST or a known outcome, never a second order."""

import itertools
from contextlib import ExitStack
from decimal import Decimal
from functools import partial
from typing import Any

import pytest

from router.enums import OrderSide, OrderType
from router.enums import WsOrderResultType as Result
from simulator.server import RunningSimulator
from tests.scenarios.stack import (
    PATIENT_MS,
    Recorder,
    Stack,
    rules,
    running_stack,
    until,
)
from tests.scenarios.venues import OKX, VENUES, VenueUnderTest, every_venue


def drop_trade_socket(stack: Stack, faults: ExitStack) -> None:
    """Close the trading socket and refuse new ones; a private socket of its own stays."""
    path = {"path": stack.venue.trade_path}
    faults.enter_context(stack.control.fault("refuse_connections", match=path))
    stack.cut("trade")
    stack.wait_socket("trade", "disconnected")


def told_any(strategy: Recorder, oid: str, names: set[str]) -> bool:
    return bool(names & set(strategy.of(oid)))


def transports(stack: Stack, client_id: str) -> list[tuple[str, str]]:
    rows = stack.ledger().requests_of(client_id)
    return [(row["transport"], row["op"]) for row in rows]


@every_venue
def test_b1_socket_down_goes_by_rest_with_the_same_id_and_no_result(stack: Stack) -> None:
    strategy = stack.start_strategy()
    with ExitStack() as faults:
        drop_trade_socket(stack, faults)
        oid = strategy.buy()
        strategy.wait_for(oid, "accepted")
        assert strategy.of(oid)[-1] == "accepted"
        strategy.cancel_order_ws(stack.symbol, oid)
        strategy.wait_for(oid, "canceled")
    assert strategy.results(oid) == []
    assert {transport for transport, _ in transports(stack, oid)} == {"rest"}
    assert len(stack.ledger().orders_of(oid)) == 1
    stack.check(strategy)


@every_venue
def test_b2_socket_down_without_fallback_is_told_and_nothing_is_sent(stack: Stack) -> None:
    strategy = stack.start_strategy()
    living = strategy.buy()
    strategy.wait_for(living, "accepted")
    with ExitStack() as faults:
        drop_trade_socket(stack, faults)
        oid = strategy.buy(ws_fallback=False)
        failed = strategy.wait_for(oid, "failed")
        assert (failed.reason or "").startswith("WS_REQUEST_NOT_SENT: ")
        result = strategy.wait_result(oid, Result.REQUEST_NOT_SENT)
        assert (result["exists"], result["request"]) == ("false", "create")
        strategy.cancel_order_ws(stack.symbol, living, ws_fallback=False)
        refused = strategy.wait_for(living, "cancel_failed")
        assert (refused.reason or "").startswith("WS_REQUEST_NOT_SENT: ")
        assert strategy.wait_result(living, Result.REQUEST_NOT_SENT)["request"] == "cancel"
    assert stack.ledger().requests_of(oid) == []
    [row] = stack.ledger().orders_of(living)
    assert row["state"] == "live"
    kept = strategy.cache.get_order(living)
    assert kept is not None
    assert kept.is_opened
    stack.check(strategy)


@every_venue
@pytest.mark.rules(ack_timeout_ms=PATIENT_MS)
def test_b3_lost_after_the_write_and_processed_is_found_at_once(stack: Stack) -> None:
    strategy = stack.start_strategy()
    with stack.control.fault("hangup_after", count=1, match=stack.here | {"op": "place"}):
        oid = strategy.buy()
        result = strategy.wait_result(oid, Result.ACK_TIMEOUT_CONFIRMED)
    assert result["exists"] == "true"
    sent = next(one.at_s for one in strategy.told)
    told = next(one.at_s for one in strategy.told if one.name == "result")
    # The loss starts the ladder, not the timeout. A quiet machine takes milliseconds; how many a
    # busy one takes shows nothing.
    assert told - sent < PATIENT_MS / 2_000
    until(lambda: "accepted" in strategy.of(oid))
    assert len(stack.ledger().orders_of(oid)) == 1
    stack.check(strategy)


@every_venue
@pytest.mark.rules(ack_timeout_ms=PATIENT_MS)
def test_b4_lost_after_the_write_and_never_seen_goes_by_rest_once(stack: Stack) -> None:
    strategy = stack.start_strategy()
    with stack.control.fault("hangup_before", count=1, match=stack.here | {"op": "place"}):
        oid = strategy.buy()
        strategy.wait_for(oid, "accepted")
    assert transports(stack, oid) == [("ws", "order"), ("rest", "order")]
    assert len(stack.ledger().orders_of(oid)) == 1
    stack.check(strategy)


@every_venue
@pytest.mark.rules(expiry_ms=300)
def test_b4_without_fallback_the_absence_is_told(stack: Stack) -> None:
    strategy = stack.start_strategy()
    with stack.control.fault("hangup_before", count=1, match=stack.here | {"op": "place"}):
        oid = strategy.buy(ws_fallback=False)
        result = strategy.wait_result(oid, Result.ACK_TIMEOUT)
    assert result["exists"] == "false"
    assert "failed" in strategy.of(oid)
    assert stack.ledger().orders_of(oid) == []
    stack.check(strategy)


def test_b6_a_socket_that_is_not_logged_in_takes_no_order(
    redis_url: str, simulator: RunningSimulator
) -> None:
    with running_stack(redis_url, simulator) as stack:
        stack.start_worker()
        strategy = stack.start_strategy()
        with stack.control.fault("refuse_login", match=stack.here):
            stack.cut("trade")
            stack.wait_socket("trade", "disconnected")
            oid = strategy.buy()
            strategy.wait_for(oid, "accepted")
        assert transports(stack, oid) == [("rest", "order")]
        stack.check(strategy)


@every_venue
def test_b7_frames_of_a_lost_session_never_replay_on_a_new_one(stack: Stack) -> None:
    strategy = stack.start_strategy()
    with stack.control.fault("hangup_before", count=1, match=stack.here | {"op": "place"}):
        oids = [strategy.buy(ws_fallback=False) for _ in range(20)]
        for oid in oids:
            until(partial(told_any, strategy, oid, {"failed", "accepted"}))
    stack.wait_socket("trade", "connected")
    after = strategy.buy()
    strategy.wait_for(after, "accepted")
    for oid in oids:
        assert len(stack.ledger().requests_of(oid)) <= 1
    stack.check(strategy)


#: All that REST can do without an answer; of other venues what differs there, their codes.
NO_ANSWERS = [
    *itertools.product(
        [OKX.key], ["rest_timeout", "rest_5xx", "rest_html", "rest_unknown"], [True, False]
    ),
    *itertools.product(sorted(VENUES.keys() - {OKX.key}), ["rest_unknown"], [True, False]),
]


@pytest.mark.parametrize(("venue", "fault", "processed"), NO_ANSWERS, indirect=["venue"])
def test_b8_rest_without_an_answer_is_in_doubt_never_failed_by_itself(
    redis_url: str,
    simulator: RunningSimulator,
    venue: VenueUnderTest,
    fault: str,
    processed: bool,
) -> None:
    params: dict[str, Any] = {"processed": processed}
    worker: dict[str, Any] = {}
    if fault == "rest_timeout":
        params["hold_ms"] = PATIENT_MS
        worker["rest_read_timeout_s"] = 1.0
    orders = rules(ack_timeout_ms=PATIENT_MS)
    with running_stack(redis_url, simulator, venue=venue, orders=orders, **worker) as stack:
        stack.start_worker()
        strategy = stack.start_strategy()
        match = stack.here | {"op": "place", "transport": "rest"}
        with stack.control.fault(fault, count=1, match=match, **params):
            oid = strategy.create_order(
                stack.symbol,
                OrderSide.BUY,
                OrderType.LIMIT,
                amount=Decimal("0.001"),
                price=venue.far_price,
            )
            strategy.wait_for(oid, "accepted")
        assert "failed" not in strategy.of(oid)
        assert len(stack.ledger().orders_of(oid)) == 1
        stack.check(strategy)


@every_venue
def test_b9_a_refusal_by_rest_is_told_with_the_venues_reason(stack: Stack) -> None:
    strategy = stack.start_strategy()
    with ExitStack() as faults:
        drop_trade_socket(stack, faults)
        code, why = stack.venue.refusal, "Insufficient USDT balance"
        faults.enter_context(
            stack.control.fault(
                "reject", count=1, match=stack.here | {"op": "place"}, code=code, msg=why
            )
        )
        oid = strategy.buy()
        failed = strategy.wait_for(oid, "failed")
        result = strategy.wait_result(oid, Result.ACK_REJECTED)
    for reason in (failed.reason, result["reason"]):
        assert f"{code} {why}" in str(reason)
    assert stack.ledger().orders_of(oid) == []
    stack.check(strategy)


@pytest.mark.rules(valid_for_ms=1_500, expiry_ms=3_000, ack_timeout_ms=PATIENT_MS)
def test_b4_an_intent_past_its_life_is_not_sent_by_rest(stack: Stack) -> None:
    """Absence counts from the expiry on, when the intent is no longer valid."""
    strategy = stack.start_strategy()
    with stack.control.fault("hangup_before", count=1, match=stack.here | {"op": "place"}):
        oid = strategy.buy()
        assert strategy.wait_result(oid, Result.ACK_TIMEOUT)["exists"] == "false"
    assert transports(stack, oid) == [("ws", "order")]
    assert stack.ledger().orders_of(oid) == []
    stack.check(strategy)
