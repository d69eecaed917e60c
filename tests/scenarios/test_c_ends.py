"""C17. Orders that end by themselves: expired from any open state, or as the venue words it."""

from collections.abc import Callable
from contextlib import ExitStack
from decimal import Decimal

import pytest

from router.enums import OrderSide, OrderStatus, OrderType, TimeInForce
from router.enums import WsOrderResultType as Result
from router.evidence import VenueState
from router.settings import OrderSettings
from simulator.server import RunningSimulator
from tests.scenarios.stack import ENDS, FAST, IN_VAIN, SYMBOL, Recorder, Stack, running_stack, until
from tests.scenarios.venues import BITGET, BITGET_SPOT, BYBIT, BYBIT_SPOT, SPOT, USDM
from workers.venues.okx import words

AMOUNT = Decimal("0.001")


def accepted(stack: Stack, strategy: Recorder) -> str:
    oid = strategy.buy(amount=2 * AMOUNT)
    strategy.wait_for(oid, "accepted")
    return oid


def partially_filled(stack: Stack, strategy: Recorder) -> str:
    oid = accepted(stack, strategy)
    stack.control.fill_order(oid, account=stack.account, amount=AMOUNT)
    strategy.wait_for(oid, "partially_filled")
    return oid


def canceling(stack: Stack, strategy: Recorder) -> str:
    """Return an order whose cancel the venue took, and whose end is not yet pushed."""
    oid = accepted(stack, strategy)
    stack.control.arm("delay_push", count=1, match=stack.here, delay_ms=300)
    strategy.cancel_order_ws(SYMBOL, oid)
    strategy.wait_for(oid, "canceling")
    return oid


def pending(stack: Stack, strategy: Recorder) -> str:
    """Return an order that was acknowledged and never seen on the book."""
    with stack.control.fault("lose_push", count=1, match=stack.here):
        oid = strategy.buy(amount=2 * AMOUNT)
        strategy.wait_for(oid, "pending")
    return oid


def unknown(stack: Stack, strategy: Recorder) -> str:
    rest = stack.here | {"transport": "rest"}
    with ExitStack() as faults:
        for fault, match in (
            ("lose_ack", stack.here | {"op": "place"}),
            ("lose_push", stack.here),
            ("rest_5xx", rest),
        ):
            faults.enter_context(stack.control.fault(fault, match=match))
        oid = strategy.buy(amount=2 * AMOUNT)
        assert strategy.wait_result(oid, Result.ACK_TIMEOUT)["exists"] == "unknown"
    return oid


@pytest.mark.parametrize(
    "prepare",
    [
        accepted,
        partially_filled,
        canceling,
        pending,
        pytest.param(unknown, marks=pytest.mark.rules(**IN_VAIN)),
    ],
)
def test_c17_expired_is_told_from_any_open_state(
    stack: Stack, monkeypatch: pytest.MonkeyPatch, prepare: Callable[[Stack, Recorder], str]
) -> None:
    """OKX has no such state; with its word for an end read as EXPIRED it is told like one."""
    monkeypatch.setitem(words.STATES, "canceled", VenueState.EXPIRED)
    strategy = stack.start_strategy()
    oid = prepare(stack, strategy)
    if prepare is not canceling:
        stack.control.cancel_order(oid, account=stack.account, source="system")
    expired = strategy.wait_for(oid, "expired")
    assert (expired.status, expired.is_closed) == (OrderStatus.EXPIRED, True)
    [row] = stack.ledger().orders_of(oid)
    assert row["state"] == "canceled"
    assert expired.filled == Decimal(row["filled"])
    assert [name for name in strategy.of(oid) if name in ENDS] == ["expired"]
    assert strategy.cache.get_open_orders(SYMBOL, include_canceling=True) == set()
    assert stack.redis.scard(stack.keys.open("alpha")) == 0
    assert [trade for trade, _, _ in strategy.fills(oid)] == [
        fill["trade_id"] for fill in stack.ledger().fills_of(oid)
    ]
    until(lambda: stack.redis.xlen(stack.keys.intents("alpha")) == 0, "every intent has an outcome")


@pytest.mark.parametrize(
    ("terms", "reason"),
    [
        ({"time_in_force": TimeInForce.IOC}, "14 IOC remainder"),
        ({"time_in_force": TimeInForce.FOK}, "13 FOK could not fill whole"),
        ({"type": OrderType.POST_ONLY, "price": Decimal("89900")}, "31 post-only would take"),
    ],
)
def test_c17_okx_calls_an_end_by_time_in_force_a_cancel_and_says_why(
    stack: Stack, terms: dict[str, object], reason: str
) -> None:
    strategy = stack.start_strategy()
    oid = strategy.buy(**terms)
    assert strategy.wait_for(oid, "canceled").reason == reason
    assert strategy.results(oid) == []
    [row] = stack.ledger().orders_of(oid)
    assert (row["state"], Decimal(row["filled"])) == ("canceled", Decimal(0))
    stack.check(strategy)


@pytest.mark.venues(USDM.name, SPOT.name)
@pytest.mark.parametrize("way", ["ws", "rest"])
def test_c17_binance_calls_an_end_by_time_in_force_expired_and_says_why(
    stack: Stack, way: str
) -> None:
    strategy = stack.start_strategy()
    create = strategy.create_order if way == "rest" else strategy.create_order_ws
    price, rule = stack.venue.far_price, TimeInForce.IOC
    oid = create(stack.symbol, OrderSide.BUY, OrderType.LIMIT, AMOUNT, price, rule)
    expired = strategy.wait_for(oid, "expired")
    if way == "ws":  # spot's reply by REST may be first to tell the end, and does not say why
        assert "IOC" in str(expired.reason)
    assert strategy.results(oid) == []
    [row] = stack.ledger().orders_of(oid)
    assert (row["state"], Decimal(row["filled"])) == ("canceled", Decimal(0))
    stack.check(strategy)


@pytest.mark.venues(BYBIT.key, BYBIT_SPOT.key, BITGET.key, BITGET_SPOT.key)
def test_c17_bybit_and_bitget_call_an_end_by_time_in_force_a_cancel_and_say_why(
    stack: Stack,
) -> None:
    """Bybit: the sheet's row "post-only crossed" and those beside it; Bitget: cancelReason."""
    why = {"bybit": "EC_NoImmediateQtyToFill", "bitget": "ioc_not_full_cancel"}
    strategy = stack.start_strategy()
    oid = strategy.buy(time_in_force=TimeInForce.IOC)
    assert why[stack.venue.name] in str(strategy.wait_for(oid, "canceled").reason)
    assert strategy.results(oid) == []
    [row] = stack.ledger().orders_of(oid)
    assert (row["state"], Decimal(row["filled"])) == ("canceled", Decimal(0))
    stack.check(strategy)


def test_c17_a_request_past_its_own_expiry_makes_no_order_and_says_so(
    redis_url: str, simulator: RunningSimulator
) -> None:
    patient = OrderSettings(**FAST.model_dump() | {"ack_timeout_ms": 12_000})
    with running_stack(redis_url, simulator, orders=patient) as stack:
        stack.start_worker()
        strategy = stack.start_strategy()
        late_ms, match = 2 * FAST.expiry_ms, stack.here | {"op": "place"}
        with stack.control.fault("delay_request", count=1, match=match, delay_ms=late_ms):
            oid = strategy.buy(ws_fallback=False)
            assert "50037" in str(strategy.wait_for(oid, "failed").reason)
        assert strategy.wait_result(oid, Result.ACK_REJECTED)["exists"] == "false"
        [request] = stack.ledger().requests_of(oid)
        assert (request["code"], request["processed"]) == ("50037", False)
        assert stack.ledger().orders_of(oid) == []
        stack.check(strategy)
