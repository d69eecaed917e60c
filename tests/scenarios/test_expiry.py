"""Every create and modify carries the request's own expiry, whatever way it takes to the venue."""

from contextlib import ExitStack
from decimal import Decimal
from functools import partial
from typing import Any

import pytest

from router.enums import OrderSide, OrderType
from router.enums import WsOrderResultType as Result
from simulator.client import RequestRow
from strategy_sdk.schema import BatchOrder
from tests.scenarios.stack import FAR_PRICE, FAST, SYMBOL, Recorder, Stack, until

AMOUNT = Decimal("0.001")
#: The worker notes the expiry before the frame is on its way; a busy machine is slow meanwhile.
_ON_ITS_WAY_MS = 1_000


def creates(stack: Stack, oid: str) -> list[RequestRow]:
    return [
        row for row in stack.ledger().requests_of(oid) if row["op"] in ("order", "batch-orders")
    ]


def assert_expires(row: RequestRow) -> None:
    assert row["expires_ms"] is not None, row
    left_ms = row["expires_ms"] - row["ts_ms"]
    assert FAST.expiry_ms - _ON_ITS_WAY_MS <= left_ms, row
    assert left_ms <= FAST.expiry_ms + FAST.clock_skew_ms, row


def by_socket(strategy: Recorder) -> list[str]:
    return [strategy.buy()]


def in_a_batch(strategy: Recorder) -> list[str]:
    one = BatchOrder(
        symbol=SYMBOL, side=OrderSide.BUY, type=OrderType.LIMIT, amount=AMOUNT, price=FAR_PRICE
    )
    return strategy.create_batch_orders([one] * 3)


def by_rest(strategy: Recorder) -> list[str]:
    terms: dict[str, Any] = {"side": "BUY", "type": "LIMIT", "amount": AMOUNT, "price": FAR_PRICE}
    return [strategy.create_order(SYMBOL, **terms)]


@pytest.mark.parametrize("create", [by_socket, in_a_batch, by_rest])
def test_a_create_carries_its_expiry(stack: Stack, create: Any) -> None:
    strategy = stack.start_strategy()
    for oid in create(strategy):
        strategy.wait_for(oid, "accepted")
        [row] = creates(stack, oid)
        assert row["transport"] == ("rest" if create is by_rest else "ws")
        assert_expires(row)
    stack.check(strategy)


def test_a_create_that_falls_back_carries_its_expiry(stack: Stack) -> None:
    strategy = stack.start_strategy()
    with ExitStack() as faults:
        no_socket = stack.control.fault("refuse_connections", match={"path": "/ws/v5/private"})
        faults.enter_context(no_socket)
        stack.control.close_sockets("trade", account=stack.account)
        until(lambda: stack.redis.hget(stack.keys.status, "trade") == "disconnected")
        oid = strategy.buy()
        strategy.wait_for(oid, "accepted")
    [row] = creates(stack, oid)
    assert row["transport"] == "rest"
    assert_expires(row)
    stack.check(strategy)


def test_both_copies_of_a_create_proven_absent_carry_their_own_expiry(stack: Stack) -> None:
    strategy = stack.start_strategy()
    with stack.control.fault("hangup_before", count=1, match=stack.here | {"op": "place"}):
        oid = strategy.buy()
        strategy.wait_for(oid, "accepted")
    first, second = creates(stack, oid)
    assert (first["transport"], second["transport"]) == ("ws", "rest")
    for row in (first, second):
        assert_expires(row)
    assert second["ts_ms"] > (first["expires_ms"] or 0), "sent again while the first could arrive"
    stack.check(strategy)


def has_price(strategy: Recorder, oid: str, price: Decimal) -> bool:
    return strategy.orders(oid)[-1].price == price


def test_a_modify_carries_its_expiry_by_socket_and_rest(stack: Stack) -> None:
    strategy = stack.start_strategy()
    oid = strategy.buy()
    strategy.wait_for(oid, "accepted")
    for number, modify in enumerate((strategy.modify_order_ws, strategy.modify_order), start=1):
        price = FAR_PRICE - 100 * number
        modify(SYMBOL, oid, price=price)
        until(partial(has_price, strategy, oid, price))
    rows = [row for row in stack.ledger().requests_of(oid) if row["op"] == "amend-order"]
    assert [row["transport"] for row in rows] == ["ws", "rest"]
    for row in rows:
        assert_expires(row)
    stack.check(strategy)


def test_a_create_that_arrives_after_its_expiry_makes_no_order(stack: Stack) -> None:
    """The venue keeps the expiry: what was on its way for too long is refused, and told so."""
    strategy = stack.start_strategy()
    delay_ms = FAST.expiry_ms + 200
    with stack.control.fault(
        "delay_request", count=1, delay_ms=delay_ms, match=stack.here | {"op": "place"}
    ):
        oid = strategy.buy()
        failed = strategy.wait_for(oid, "failed")
    assert str(failed.reason)[:5] in ("50036", "50037")
    assert strategy.wait_result(oid, Result.ACK_REJECTED)["exists"] == "false"
    assert stack.ledger().orders_of(oid) == []
    stack.check(strategy)
