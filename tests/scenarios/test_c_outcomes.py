"""C. ACK outcomes: each request ends in what the venue's word proves."""

import asyncio
from decimal import Decimal
from typing import Any

import pytest

from router import settings as settings_module
from router.enums import OrderStatus
from router.enums import WsOrderResultType as Result
from simulator.server import RunningSimulator
from tests.scenarios.stack import (
    FAR_PRICE,
    IN_VAIN,
    PATIENT_MS,
    Recorder,
    Stack,
    rules,
    running_stack,
    until,
)
from tests.scenarios.venues import VenueUnderTest, every_derivative, every_venue
from tests.workers.poison import cancel
from workers import jobs

AMOUNT = Decimal("0.001")
SOON_MS = 1_000


def resting(stack: Stack, strategy: Recorder) -> str:
    """Return an order that stands on the book."""
    oid = strategy.buy()
    strategy.wait_for(oid, "accepted")
    return oid


@every_venue
def test_c1_a_refusal_carries_the_venues_code_and_text(stack: Stack) -> None:
    strategy = stack.start_strategy()
    oid = strategy.buy(amount=Decimal(1000))
    failed = strategy.wait_for(oid, "failed")
    result = strategy.wait_result(oid, Result.ACK_REJECTED)
    assert failed.reason == result["reason"]
    code, _, text = str(result["reason"]).partition(" ")
    assert code.lstrip("-").isdigit()
    assert text
    assert (result["exists"], result["request"]) == ("false", "create")
    assert result["exchange"] == stack.venue.exchange
    assert stack.ledger().orders == []
    stack.check(strategy)


@every_venue
@pytest.mark.rules(ack_timeout_ms=SOON_MS)
def test_c2_no_ack_and_the_order_lives_is_confirmed(stack: Stack) -> None:
    strategy = stack.start_strategy()
    with stack.control.fault("lose_ack", count=1, match=stack.here | {"op": "place"}):
        oid = strategy.buy()
        result = strategy.wait_result(oid, Result.ACK_TIMEOUT_CONFIRMED)
    assert result["exists"] == "true"
    assert strategy.of(oid) == ["pending", "accepted"]
    assert len(stack.ledger().orders_of(oid)) == 1
    stack.check(strategy)


@every_venue
@pytest.mark.rules(ack_timeout_ms=SOON_MS)
def test_c2_no_ack_and_no_push_is_found_by_the_ladder(stack: Stack) -> None:
    strategy = stack.start_strategy()
    with (
        stack.control.fault("lose_ack", count=1, match=stack.here | {"op": "place"}),
        stack.control.fault("lose_push", count=1, match=stack.here),
    ):
        oid = strategy.buy()
        strategy.wait_result(oid, Result.ACK_TIMEOUT_CONFIRMED)
    assert strategy.of(oid) == ["pending", "accepted"]
    stack.check(strategy)


@every_venue
def test_c3_no_ack_and_failing_queries_is_unknown_until_the_venue_answers(
    redis_url: str,
    simulator: RunningSimulator,
    venue: VenueUnderTest,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with running_stack(redis_url, simulator, venue=venue, orders=rules(**IN_VAIN)) as stack:
        monkeypatch.setattr(settings_module, "load", lambda: stack.settings)
        stack.start_worker()
        strategy = stack.start_strategy()
        rest = stack.here | {"transport": "rest"}
        with (
            stack.control.fault("lose_ack", count=1, match=stack.here | {"op": "place"}),
            stack.control.fault("lose_push", match=stack.here),
            stack.control.fault("rest_5xx", match=rest, status=503, processed=False),
        ):
            oid = strategy.buy(idempotency_key="k")
            result = strategy.wait_result(oid, Result.ACK_TIMEOUT)
            assert result["exists"] == "unknown"
            assert strategy.of(oid) == []
            assert oid in strategy.cache.get_open_orders(stack.symbol)
            assert jobs.resolve_unknown(stack.account, "alpha", oid) == "NO_ANSWER"
            assert strategy.buy(idempotency_key="k") == oid
        late = strategy.wait_result(oid, Result.ACK_TIMEOUT_CONFIRMED)
        assert late["exists"] == "true"
        strategy.wait_for(oid, "accepted")
        assert jobs.resolve_unknown(stack.account, "alpha", oid) == "known"
        assert len(stack.ledger().orders_of(oid)) == 1
        stack.check(strategy)


@every_venue
@pytest.mark.rules(**IN_VAIN, expiry_ms=300)
def test_c3_an_unknown_order_that_never_arrived_is_proven_absent_later(stack: Stack) -> None:
    strategy = stack.start_strategy()
    rest = stack.here | {"transport": "rest"}
    with (
        stack.control.fault("swallow_request", count=1, match=stack.here | {"op": "place"}),
        stack.control.fault("rest_5xx", match=rest, status=503, processed=False),
    ):
        oid = strategy.buy()
        strategy.wait_result(oid, Result.ACK_TIMEOUT)
    strategy.wait_for(oid, "failed")
    until(lambda: [one["exists"] for one in strategy.results(oid)] == ["unknown", "false"])
    assert len(stack.ledger().requests_of(oid)) == 1
    assert stack.ledger().orders_of(oid) == []
    stack.check(strategy)


@every_venue
@pytest.mark.rules(ack_timeout_ms=SOON_MS, expiry_ms=300)
def test_c4_no_ack_and_proven_absent_is_failed_with_exists_false(stack: Stack) -> None:
    strategy = stack.start_strategy()
    with stack.control.fault("swallow_request", count=1, match=stack.here | {"op": "place"}):
        oid = strategy.buy()
        result = strategy.wait_result(oid, Result.ACK_TIMEOUT)
    assert result["exists"] == "false"
    assert strategy.of(oid) == ["failed"]
    assert len(stack.ledger().requests_of(oid)) == 1
    assert stack.ledger().orders_of(oid) == []
    stack.check(strategy)


@every_venue
@pytest.mark.rules(**IN_VAIN)
def test_c5_an_ack_after_the_timeout_is_taken_and_told(stack: Stack) -> None:
    strategy = stack.start_strategy()
    rest = stack.here | {"transport": "rest"}
    with (
        stack.control.fault("lose_push", count=1, match=stack.here),
        stack.control.fault(
            "delay_ack", count=1, delay_ms=5 * SOON_MS, match=stack.here | {"op": "place"}
        ),
    ):
        with stack.control.fault("rest_5xx", match=rest, status=503, processed=False):
            oid = strategy.buy()
            assert strategy.wait_result(oid, Result.ACK_TIMEOUT)["exists"] == "unknown"
        late = strategy.wait_result(oid, Result.ACK_TIMEOUT_CONFIRMED)
        assert late["exists"] == "true"
        strategy.wait_for(oid, "pending")
    stack.control.cancel_order(oid, account=stack.account)
    strategy.wait_for(oid, "canceled")
    stack.check(strategy)


@every_venue
def test_c6_a_fill_before_the_ack_is_told_and_makes_no_timeout(stack: Stack) -> None:
    strategy = stack.start_strategy()
    with stack.control.fault(
        "delay_ack", count=1, delay_ms=500, match=stack.here | {"op": "place"}
    ):
        oid = strategy.buy(type="MARKET")
        strategy.wait_for(oid, "filled")
        until(lambda: stack.redis.xlen(stack.keys.intents("alpha")) == 0, "the ack settles it")
    assert strategy.results(oid) == []
    assert strategy.of(oid)[0] == "pending"
    assert strategy.of(oid)[-1] == "filled"
    stack.check(strategy)


@every_venue
@pytest.mark.parametrize("truth", ["filled", "canceled", "open"])
def test_c10_a_cancel_refused_as_unknown_is_told_the_truth(stack: Stack, truth: str) -> None:
    strategy = stack.start_strategy()
    oid = resting(stack, strategy)
    match = stack.here | {"op": "cancel-order"}
    with stack.control.fault("lose_push", match=stack.here):
        if truth == "filled":
            stack.control.fill_order(oid, account=stack.account)
        elif truth == "canceled":
            stack.control.cancel_order(oid, account=stack.account)
        with stack.control.fault(
            "reject",
            count=1,
            match=match,
            code=stack.venue.cancel_refusal,
            msg="Order cancellation failed",
        ):
            strategy.cancel_order_ws(stack.symbol, oid)
            if truth == "open":
                assert stack.venue.cancel_refusal in str(
                    strategy.wait_for(oid, "cancel_failed").reason
                )
            else:
                strategy.wait_for(oid, truth)
    kept = strategy.cache.get_order(oid)
    assert kept is not None
    if truth == "open":
        assert kept.status is OrderStatus.ACCEPTED
        assert strategy.wait_result(oid, Result.ACK_REJECTED)["request"] == "cancel"
    else:
        assert "cancel_failed" not in strategy.of(oid)
    stack.check(strategy)


def test_c10_a_cancel_of_an_order_that_ended_meanwhile_tells_no_more_than_its_result(
    stack: Stack,
) -> None:
    """CANCEL_FAILED says that an order lives on; this cancel was on its way as the order ended."""
    strategy = stack.start_strategy()
    oid = resting(stack, strategy)
    stack.control.fill_order(oid, account=stack.account)
    strategy.wait_for(oid, "filled")
    stack.redis.xadd(stack.keys.intents("alpha"), cancel(oid))
    result = strategy.wait_result(oid, Result.ACK_REJECTED)
    assert (result["request"], result["reason"]) == ("cancel", "the order has ended: FILLED")
    until(lambda: stack.redis.xlen(stack.keys.intents("alpha")) == 0, "it is settled")
    assert strategy.of(oid)[-1] == "filled"
    assert [row["op"] for row in stack.ledger().requests_of(oid)] == ["order"]
    stack.check(strategy)


@pytest.mark.rules(ack_timeout_ms=500, ladder_budget_ms=300, expiry_ms=30_000)
def test_c10_a_cancel_of_an_order_that_was_not_shown_does_not_call_it_open(stack: Stack) -> None:
    strategy = stack.start_strategy()
    with stack.control.fault("swallow_request", match=stack.here | {"transport": "ws"}):
        oid = strategy.buy()
        assert strategy.wait_result(oid, Result.ACK_TIMEOUT)["exists"] == "unknown"
        strategy.cancel_order_ws(stack.symbol, oid)
        reason = str(strategy.wait_for(oid, "cancel_failed").reason)
    assert reason.endswith("the venue did not show the order")
    kept = strategy.cache.get_order(oid)
    assert kept is not None
    assert not kept.is_closed, "unknown is not ended"
    assert stack.ledger().orders_of(oid) == []
    assert {row["processed"] for row in stack.ledger().requests_of(oid)} == {False}


@every_venue
def test_c13_a_fill_after_cancel_failed_is_delivered(stack: Stack) -> None:
    strategy = stack.start_strategy()
    oid = resting(stack, strategy)
    match = stack.here | {"op": "cancel-order"}
    with stack.control.fault(
        "reject", count=1, match=match, code=stack.venue.cancel_refusal, msg="no"
    ):
        strategy.cancel_order_ws(stack.symbol, oid)
        strategy.wait_for(oid, "cancel_failed")
    stack.control.fill_order(oid, account=stack.account)
    assert strategy.wait_for(oid, "filled").filled == AMOUNT
    stack.check(strategy)


@every_venue
@pytest.mark.parametrize("fault", ["duplicate_push", "reorder_pushes"])
def test_c16_duplicate_and_reordered_pushes_tell_each_fill_once(stack: Stack, fault: str) -> None:
    strategy = stack.start_strategy()
    params: dict[str, Any] = {"utime_shift_ms": 7} if fault == "duplicate_push" else {}
    oid = strategy.buy(amount=Decimal("0.004"))
    strategy.wait_for(oid, "accepted")
    with stack.control.fault(fault, match=stack.here, **params):
        for _ in range(4):
            stack.control.fill_order(oid, account=stack.account, amount=AMOUNT)
        strategy.wait_for(oid, "filled")
    assert len({trade_id for trade_id, _, _ in strategy.fills(oid)}) == 4
    assert sum(amount for _, amount, _ in strategy.fills(oid)) == Decimal("0.004")
    stack.check(strategy)


@every_venue
def test_c14_a_market_order_whose_end_is_not_pushed_is_fetched(stack: Stack) -> None:
    strategy = stack.start_strategy()
    with stack.control.fault("lose_push", match=stack.here):
        oid = strategy.buy(type="MARKET")
        filled = strategy.wait_for(oid, "filled")
    assert filled.filled == AMOUNT
    stack.check(strategy)


@every_venue
def test_c9_a_cancel_before_the_creates_ack_is_held_and_both_resolve(stack: Stack) -> None:
    strategy = stack.start_strategy()
    with (
        stack.control.fault("delay_ack", count=1, delay_ms=400, match=stack.here | {"op": "place"}),
        stack.control.fault("delay_push", count=1, delay_ms=400, match=stack.here),
    ):
        oid = strategy.buy()
        strategy.cancel_order_ws(stack.symbol, oid)
        strategy.wait_for(oid, "canceled")
    assert strategy.results(oid) == []
    stack.check(strategy)


def test_c18_a_modify_keeps_fills_and_fields(stack: Stack) -> None:
    strategy = stack.start_strategy()
    oid = strategy.buy(amount=Decimal("0.002"))
    strategy.wait_for(oid, "accepted")
    stack.control.fill_order(oid, account=stack.account, amount=AMOUNT)
    strategy.wait_for(oid, "partially_filled")
    new_price = FAR_PRICE - 100
    strategy.modify_order_ws(stack.symbol, oid, price=new_price)
    until(lambda: strategy.orders(oid)[-1].price == new_price)
    last = strategy.orders(oid)[-1]
    assert (last.filled, last.amount) == (AMOUNT, Decimal("0.002"))
    [row] = stack.ledger().orders_of(oid)
    assert (Decimal(row["price"] or 0), Decimal(row["filled"])) == (new_price, AMOUNT)
    stack.check(strategy)


@every_derivative
def test_c18_an_enlarged_order_is_not_over_once_its_old_amount_is_filled(stack: Stack) -> None:
    """What is told of it afterwards is found by query: trades, and the amount it has by now."""
    strategy = stack.start_strategy()
    oid = resting(stack, strategy)
    [row] = stack.ledger().orders_of(oid)
    with stack.control.fault("lose_push", match=stack.here):
        strategy.modify_order_ws(stack.symbol, oid, amount=3 * AMOUNT)
        until(lambda: stack.ledger().orders_of(oid)[0]["size"] != row["size"], "it was enlarged")
        stack.control.fill_order(oid, account=stack.account, amount=AMOUNT)
        until(lambda: strategy.orders(oid)[-1].filled == AMOUNT, "its trade is told")
        until(lambda: strategy.orders(oid)[-1].amount == 3 * AMOUNT, "and its terms")
    assert "filled" not in strategy.of(oid)
    strategy.cancel_order_ws(stack.symbol, oid)
    strategy.wait_for(oid, "canceled")
    stack.check(strategy)


@every_derivative
def test_c18_two_modifies_that_name_different_terms_both_count(stack: Stack) -> None:
    """The second is asked for before the first is answered; some venues want all terms repeated."""
    strategy = stack.start_strategy()
    oid = resting(stack, strategy)
    price = FAR_PRICE - 100
    match = stack.here | {"op": "amend"}
    with stack.control.fault("delay_ack", count=1, delay_ms=200, match=match):
        strategy.modify_order_ws(stack.symbol, oid, amount=3 * AMOUNT)
        strategy.modify_order_ws(stack.symbol, oid, price=price)
        until(lambda: strategy.orders(oid)[-1].price == price, "the second is told")
    assert strategy.orders(oid)[-1].amount == 3 * AMOUNT
    [row] = stack.ledger().orders_of(oid)
    assert Decimal(row["price"] or 0) == price
    assert strategy.results(oid) == []
    stack.check(strategy)


@every_derivative
def test_c18_modifies_asked_for_before_the_creates_ack_all_count(stack: Stack) -> None:
    strategy = stack.start_strategy()
    price = FAR_PRICE - 100
    match = stack.here | {"op": "place"}
    with stack.control.fault("delay_request", count=1, match=match, delay_ms=200):
        oid = strategy.buy()
        strategy.modify_order_ws(stack.symbol, oid, price=price + 50)
        strategy.modify_order_ws(stack.symbol, oid, amount=3 * AMOUNT)
        strategy.modify_order_ws(stack.symbol, oid, price=price)
        until(lambda: stack.redis.xlen(stack.keys.intents("alpha")) == 0, "all have an outcome")
    until(lambda: strategy.orders(oid)[-1].price == price, "the last is told")
    assert strategy.orders(oid)[-1].amount == 3 * AMOUNT
    assert strategy.results(oid) == []
    stack.check(strategy)


def test_c20_frames_that_make_no_sense_stop_nothing(stack: Stack) -> None:
    strategy = stack.start_strategy()
    for text in ("{", "[]", '{"event":"error","code":"60012","msg":"what"}', '{"op":"order"}', "7"):
        stack.control.send_text(text, "trade", account=stack.account)
        stack.control.send_text(text, "private", account=stack.account)
    oid = resting(stack, strategy)
    assert strategy.results(oid) == []
    stack.check(strategy)


@every_venue
def test_c7_an_unacknowledged_market_order_that_filled_is_found(stack: Stack) -> None:
    strategy = stack.start_strategy()
    with (
        stack.control.fault("hangup_after", count=1, match=stack.here | {"op": "place"}),
        stack.control.fault("lose_push", match=stack.here),
    ):
        oid = strategy.buy(type="MARKET")
        assert strategy.wait_for(oid, "filled").filled == AMOUNT
        strategy.wait_result(oid, Result.ACK_TIMEOUT_CONFIRMED)
    stack.check(strategy)


@every_venue
@pytest.mark.rules(expiry_ms=5_000, visibility_lag_ms=500, ack_timeout_ms=PATIENT_MS)
def test_c7_a_fill_that_queries_do_not_show_yet_is_not_sent_again(stack: Stack) -> None:
    """The venue has freed the client id by then: a second copy would be a second order.

    The order reaches the venue late, within its expiry, and is shown later still, within the
    visibility lag; queries before that find nothing, and prove nothing.
    """
    strategy = stack.start_strategy()
    here = stack.here | {"op": "place"}
    with (
        stack.control.fault("delay_request", count=1, delay_ms=700, match=here),
        stack.control.fault("hangup_after", count=1, match=here),
        stack.control.fault("lose_push", match=stack.here),
        stack.control.fault("visibility_lag", delay_ms=450, match=stack.here),
    ):
        oid = strategy.buy(type="MARKET")
        assert strategy.wait_for(oid, "filled").filled == AMOUNT
        strategy.wait_result(oid, Result.ACK_TIMEOUT_CONFIRMED)
    assert len(stack.ledger().requests_of(oid)) == 1
    assert len(stack.ledger().orders_of(oid)) == 1
    stack.check(strategy)


@every_venue
def test_c11_a_fill_after_the_cancel_was_acknowledged_counts(stack: Stack) -> None:
    strategy = stack.start_strategy()
    oid = resting(stack, strategy)
    with stack.control.fault("lose_push", match=stack.here):
        stack.control.fill_order(oid, account=stack.account)
        # The cancel crosses the fill: the venue refuses it, and the fill's push never came.
        strategy.cancel_order_ws(stack.symbol, oid)
        strategy.wait_for(oid, "filled")
    assert "canceled" not in strategy.of(oid)
    stack.check(strategy)


def test_a_query_inside_a_callback_sees_the_venue(stack: Stack) -> None:
    seen: list[Any] = []

    class Asking(Recorder):
        def on_accepted_order(self, order: Any) -> None:
            super().on_accepted_order(order)
            seen.append(self.fetch_order(stack.symbol, order.oid, force_refresh=True))

    strategy = stack.start_strategy(strategy=Asking())
    oid = resting(stack, strategy)
    until(lambda: seen)
    assert (seen[0].oid, seen[0].status) == (oid, OrderStatus.ACCEPTED)
    assert stack.market_price()[0] > 0
    assert asyncio.iscoroutinefunction(strategy.fetch_order) is False
