"""C18. A modify ends in what the venue made of it; the order lives on whatever becomes of it."""

from contextlib import ExitStack
from decimal import Decimal
from typing import Any

import pytest

from router.enums import OrderType
from router.enums import WsOrderResultType as Result
from strategy_sdk.errors import Denied
from tests.scenarios.stack import FAR_PRICE, SYMBOL, Recorder, Stack, until

AMOUNT = Decimal("0.001")
FIRST, NEW, NEWER = FAR_PRICE, FAR_PRICE - 100, FAR_PRICE - 200


def resting(stack: Stack, strategy: Recorder, **terms: Any) -> str:
    oid = strategy.buy(**{"amount": 2 * AMOUNT} | terms)
    strategy.wait_for(oid, "accepted")
    return oid


def at_venue(stack: Stack, client_id: str) -> tuple[Decimal, Decimal]:
    """Return price and amount as the ledger has them."""
    [row] = stack.ledger().orders_of(client_id)
    return Decimal(row["price"] or 0), Decimal(row["amount"])


def ways(stack: Stack, client_id: str) -> list[tuple[str, str]]:
    """Return transport and code of each modify of the order."""
    [order] = stack.ledger().orders_of(client_id)
    return [
        (row["transport"], row["code"])
        for row in stack.ledger().requests
        if "amend" in row["op"] and row["venue_id"] == order["venue_id"]
    ]


def settled(stack: Stack) -> None:
    until(lambda: stack.redis.xlen(stack.keys.intents("alpha")) == 0, "every intent has an outcome")


def refused(strategy: Recorder, oid: str, kind: Result) -> str:
    """Return the reason of a modify's only result; check that it speaks of a living order."""
    result = strategy.wait_result(oid, kind)
    assert (result["request"], result["exists"]) == ("modify", "true")
    assert len(strategy.results(oid)) == 1
    return str(result["reason"])


def drop_trade_socket(stack: Stack, faults: ExitStack) -> None:
    faults.enter_context(
        stack.control.fault("refuse_connections", match={"path": "/ws/v5/private"})
    )
    stack.control.close_sockets("trade", account=stack.account)
    until(lambda: stack.redis.hget(stack.keys.status, "trade") == "disconnected")


# --- taken --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "price", "amount"),
    [
        ({"price": NEW}, NEW, 2 * AMOUNT),
        ({"amount": 3 * AMOUNT}, FIRST, 3 * AMOUNT),
        ({"price": NEW, "amount": AMOUNT}, NEW, AMOUNT),
    ],
)
@pytest.mark.parametrize("by", ["ws", "rest"])
def test_c18_what_a_modify_names_changes_and_nothing_else(
    stack: Stack, by: str, change: dict[str, Any], price: Decimal, amount: Decimal
) -> None:
    strategy = stack.start_strategy()
    oid = resting(stack, strategy)
    send = strategy.modify_order_ws if by == "ws" else strategy.modify_order
    assert send(SYMBOL, oid, **change) == oid
    until(lambda: strategy.of(oid).count("accepted") == 2, "told with its new terms")
    settled(stack)
    last = strategy.orders(oid)[-1]
    assert (last.price, last.amount) == at_venue(stack, oid) == (price, amount)
    assert (ways(stack, oid), strategy.results(oid)) == ([(by, "0")], [])
    stack.check(strategy)


def test_c18_an_amount_already_filled_ends_the_order_as_filled(stack: Stack) -> None:
    strategy = stack.start_strategy()
    oid = resting(stack, strategy)
    stack.control.fill_order(oid, account=stack.account, amount=AMOUNT)
    strategy.wait_for(oid, "partially_filled")
    strategy.modify_order_ws(SYMBOL, oid, amount=AMOUNT)
    filled = strategy.wait_for(oid, "filled")
    assert (filled.filled, filled.amount, filled.remaining) == (AMOUNT, AMOUNT, Decimal(0))
    with pytest.raises(Denied, match="ENDED"):
        strategy.modify_order_ws(SYMBOL, oid, price=NEW)
    stack.check(strategy)


def test_c18_a_modify_before_the_creates_ack_is_held_and_both_resolve(stack: Stack) -> None:
    strategy = stack.start_strategy()
    match = stack.here | {"op": "place"}
    with stack.control.fault("delay_request", count=1, match=match, delay_ms=200):
        oid = strategy.buy()
        strategy.modify_order_ws(SYMBOL, oid, price=NEW)
        until(lambda: stack.ledger().orders_of(oid) and at_venue(stack, oid)[0] == NEW)
    settled(stack)
    assert (ways(stack, oid), strategy.results(oid)) == ([("ws", "0")], [])
    until(lambda: strategy.orders(oid)[-1].price == NEW)
    stack.check(strategy)


def test_c18_a_modify_that_changes_nothing_is_told_as_done(stack: Stack) -> None:
    """No push tells it, and a strategy that waits for it would wait for good."""
    strategy = stack.start_strategy()
    oid = resting(stack, strategy)
    strategy.modify_order_ws(SYMBOL, oid, price=FIRST)
    until(lambda: strategy.of(oid) == ["pending", "accepted", "accepted"])
    assert strategy.results(oid) == []
    assert oid not in strategy.cache.get_inflight_orders(SYMBOL)
    stack.check(strategy)


# --- refused ------------------------------------------------------------------------------------


def test_c18_a_refusal_is_told_as_a_request_result_and_the_order_keeps_its_terms(
    stack: Stack,
) -> None:
    strategy = stack.start_strategy()
    oid = resting(stack, strategy)
    strategy.modify_order_ws(SYMBOL, oid, amount=Decimal(900))
    reason = refused(strategy, oid, Result.ACK_REJECTED)
    assert reason.startswith("51502 Insufficient margin")
    assert strategy.of(oid) == ["pending", "accepted"], "no order event: nothing has changed"
    assert at_venue(stack, oid) == (FIRST, 2 * AMOUNT)
    known = strategy.cache.get_order(oid)
    assert known is not None
    assert (known.price, known.amount, known.is_opened) == (FIRST, 2 * AMOUNT, True)
    strategy.modify_order_ws(SYMBOL, oid, price=NEW)
    until(lambda: strategy.orders(oid)[-1].price == NEW, "it can be modified again")
    stack.check(strategy)


def test_c18_a_modify_that_the_matching_refuses_is_told_too(stack: Stack) -> None:
    """OKX takes the request and says with a push that it came to nothing."""
    strategy = stack.start_strategy()
    oid = resting(stack, strategy, type=OrderType.POST_ONLY)
    _, ask = stack.market_price()
    strategy.modify_order_ws(SYMBOL, oid, price=ask)
    assert refused(strategy, oid, Result.ACK_REJECTED)
    settled(stack)
    assert ways(stack, oid) == [("ws", "0")]
    assert at_venue(stack, oid) == (FIRST, 2 * AMOUNT)
    stack.check(strategy)


@pytest.mark.parametrize("end", ["filled", "canceled"])
def test_c18_a_modify_of_an_order_that_has_ended_is_told_the_truth(stack: Stack, end: str) -> None:
    strategy = stack.start_strategy()
    oid = resting(stack, strategy)
    with stack.control.fault("lose_push", match=stack.here):
        act = stack.control.fill_order if end == "filled" else stack.control.cancel_order
        act(oid, account=stack.account)
        strategy.modify_order_ws(SYMBOL, oid, price=NEW)
        strategy.wait_for(oid, end)
        reason = refused(strategy, oid, Result.ACK_REJECTED)
    assert reason.startswith("51503 ")
    assert f"the order is {end.upper()}" in reason
    stack.check(strategy)


# --- in doubt -----------------------------------------------------------------------------------


@pytest.mark.parametrize("pushed", [True, False])
def test_c18_a_modify_without_an_ack_that_was_done_is_confirmed(stack: Stack, pushed: bool) -> None:
    strategy = stack.start_strategy()
    oid = resting(stack, strategy)
    with ExitStack() as faults:
        match = stack.here | {"op": "amend"}
        faults.enter_context(stack.control.fault("lose_ack", count=1, match=match))
        if not pushed:
            faults.enter_context(stack.control.fault("lose_push", count=1, match=stack.here))
        strategy.modify_order_ws(SYMBOL, oid, price=NEW)
        refused(strategy, oid, Result.ACK_TIMEOUT_CONFIRMED)
    assert strategy.of(oid) == ["pending", "accepted", "accepted"]
    assert strategy.orders(oid)[-1].price == NEW
    assert ways(stack, oid) == [("ws", "0")]
    stack.check(strategy)


def test_c18_a_modify_that_never_arrived_goes_by_rest(stack: Stack) -> None:
    strategy = stack.start_strategy()
    oid = resting(stack, strategy)
    match = stack.here | {"op": "amend"}
    with stack.control.fault("hangup_before", count=1, match=match):
        strategy.modify_order_ws(SYMBOL, oid, price=NEW)
        until(lambda: strategy.orders(oid)[-1].price == NEW)
    settled(stack)
    assert [way for way, _ in ways(stack, oid)] == ["ws", "rest"]
    assert strategy.results(oid) == []
    stack.check(strategy)


@pytest.mark.rules(ack_timeout_ms=1_000)
def test_c18_a_modify_that_never_arrived_and_may_not_go_by_rest_is_told(stack: Stack) -> None:
    strategy = stack.start_strategy()
    oid = resting(stack, strategy)
    match = stack.here | {"op": "amend"}
    with stack.control.fault("swallow_request", count=1, match=match):
        strategy.modify_order_ws(SYMBOL, oid, price=NEW, ws_fallback=False)
        assert "still open" in refused(strategy, oid, Result.ACK_TIMEOUT)
    assert at_venue(stack, oid) == (FIRST, 2 * AMOUNT)
    assert strategy.of(oid) == ["pending", "accepted"]
    stack.check(strategy)


def test_c18_of_modifies_in_quick_succession_the_last_stands(stack: Stack) -> None:
    """However they leave: OKX refuses a batch that names one order twice (51512)."""
    strategy = stack.start_strategy()
    oid = resting(stack, strategy)
    prices = [FIRST - step for step in range(1, 21)]
    for price in prices:
        strategy.modify_order_ws(SYMBOL, oid, price=price)
    settled(stack)
    until(lambda: strategy.orders(oid)[-1].price == prices[-1])
    assert at_venue(stack, oid)[0] == prices[-1]
    assert strategy.results(oid) == []
    assert {code for _, code in ways(stack, oid)} == {"0"}
    stack.check(strategy)


@pytest.mark.parametrize("lost", ["swallow_request", "hangup_before"])
def test_c18_a_lost_modify_never_undoes_a_newer_one(stack: Stack, lost: str) -> None:
    strategy = stack.start_strategy()
    oid = resting(stack, strategy)
    with stack.control.fault(lost, count=1, match=stack.here | {"op": "amend"}):
        strategy.modify_order_ws(SYMBOL, oid, price=NEW)
        until(lambda: ways(stack, oid), "the first was sent")
        strategy.modify_order_ws(SYMBOL, oid, price=NEWER)
        settled(stack)
    until(lambda: strategy.orders(oid)[-1].price == NEWER)
    assert at_venue(stack, oid) == (NEWER, 2 * AMOUNT)
    stack.check(strategy)


def test_c18_a_modify_throttled_late_never_undoes_a_newer_one(stack: Stack) -> None:
    strategy = stack.start_strategy()
    oid = resting(stack, strategy)
    with ExitStack() as faults:
        for fault, params in (("delay_ack", {"delay_ms": 600}), ("throttle", {})):
            match = stack.here | {"op": "amend"}
            faults.enter_context(stack.control.fault(fault, count=1, match=match, **params))
        strategy.modify_order_ws(SYMBOL, oid, price=NEW)
        until(lambda: ways(stack, oid), "the first was sent")
        strategy.modify_order_ws(SYMBOL, oid, price=NEWER)
        reason = refused(strategy, oid, Result.ACK_REJECTED)
        assert reason.startswith("50011 ")
        assert "a newer modify followed it" in reason
        settled(stack)
    assert at_venue(stack, oid) == (NEWER, 2 * AMOUNT)
    assert [code for _, code in ways(stack, oid)] == ["50011", "0"]
    stack.check(strategy)


@pytest.mark.parametrize("newer_by", ["ws", "rest"])
def test_c18_a_modify_under_way_by_rest_is_not_overtaken(stack: Stack, newer_by: str) -> None:
    strategy = stack.start_strategy()
    oid = resting(stack, strategy)
    match = stack.here | {"op": "amend"}
    with stack.control.fault("delay_request", count=1, match=match, delay_ms=200):
        strategy.modify_order(SYMBOL, oid, price=NEW)
        until(lambda: ways(stack, oid), "the first was sent")
        send = strategy.modify_order_ws if newer_by == "ws" else strategy.modify_order
        send(SYMBOL, oid, price=NEWER)
        settled(stack)
    until(lambda: strategy.orders(oid)[-1].price == NEWER)
    assert at_venue(stack, oid) == (NEWER, 2 * AMOUNT)
    assert (ways(stack, oid), strategy.results(oid)) == ([("rest", "0"), (newer_by, "0")], [])
    stack.check(strategy)


# --- the socket is down -------------------------------------------------------------------------


def test_c18_a_modify_with_the_socket_down_goes_by_rest_or_is_told(stack: Stack) -> None:
    strategy = stack.start_strategy()
    oid = resting(stack, strategy)
    with ExitStack() as faults:
        drop_trade_socket(stack, faults)
        strategy.modify_order_ws(SYMBOL, oid, price=NEW, ws_fallback=False)
        reason = refused(strategy, oid, Result.REQUEST_NOT_SENT)
        assert reason.startswith("WS_REQUEST_NOT_SENT: ")
        assert (ways(stack, oid), at_venue(stack, oid)[0]) == ([], FIRST)
        strategy.modify_order_ws(SYMBOL, oid, price=NEWER)
        until(lambda: strategy.orders(oid)[-1].price == NEWER)
    settled(stack)
    assert ways(stack, oid) == [("rest", "0")]
    assert len(strategy.results(oid)) == 1
    stack.check(strategy)
