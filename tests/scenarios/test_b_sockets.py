"""B5, B10. A socket that is open and dead; requests about one order by two ways."""

from contextlib import ExitStack
from decimal import Decimal

import pytest

from router.enums import OrderSide, OrderType
from router.enums import WsOrderResultType as Result
from router.settings import OrderSettings
from simulator.server import RunningSimulator
from tests.scenarios.stack import FAR_PRICE, FAST, SYMBOL, Recorder, Stack, running_stack, until

#: Nothing that this long is waited for can be what ends a test in time.
NEVER_MS = 60_000
AMOUNT = Decimal("0.001")
#: Silence is noticed long before an ACK is missed, so it is what puts requests in doubt.
PATIENT = OrderSettings(**FAST.model_dump() | {"ack_timeout_ms": 12_000})
HEARTBEAT = {"ping_after_s": 0.4, "dead_after_s": 3.0}


def requests(stack: Stack, client_id: str) -> list[tuple[str, str, bool]]:
    """Return transport, operation and whether the venue acted, for each request of an order.

    An item of a batch counts as the operation that it is.
    """
    return [
        (row["transport"], row["op"].removeprefix("batch-").removesuffix("s"), row["processed"])
        for row in stack.ledger().requests_of(client_id)
    ]


def trade_socket(stack: Stack) -> str:
    return str(stack.redis.hget(stack.keys.status, "trade"))


def test_b5_a_half_open_socket_is_noticed_and_what_vanished_in_it_is_done_by_rest(
    redis_url: str, simulator: RunningSimulator
) -> None:
    with running_stack(redis_url, simulator, orders=PATIENT, options=HEARTBEAT) as stack:
        stack.start_worker()
        strategy = stack.start_strategy()
        living = strategy.buy()
        strategy.wait_for(living, "accepted")
        with ExitStack() as faults:
            match = stack.here | {"op": "place"}
            faults.enter_context(stack.control.fault("half_open", count=1, match=match))
            private = {"path": "/ws/v5/private"}
            faults.enter_context(stack.control.fault("refuse_connections", match=private))
            vanished = strategy.buy()
            only_by_socket = strategy.buy(ws_fallback=False)
            strategy.cancel_order_ws(SYMBOL, living)
            until(lambda: len(stack.ledger().requests) >= 4, "all of it was written")
            until(lambda: trade_socket(stack) == "disconnected", "the silence was noticed")
            refused = strategy.buy(ws_fallback=False)
            assert "socket is down" in str(strategy.wait_for(refused, "failed").reason)
            assert strategy.wait_result(refused, Result.REQUEST_NOT_SENT)["exists"] == "false"
            at_once = strategy.buy()
            strategy.wait_for(at_once, "accepted")
            strategy.wait_for(vanished, "accepted")
            strategy.wait_for(living, "canceled")
            lost = strategy.wait_result(only_by_socket, Result.ACK_TIMEOUT)
            assert lost["exists"] == "false"
            assert "no byte for" in str(lost["reason"]), "silence was noticed, not a missing ACK"
        until(lambda: trade_socket(stack) == "connected", "a new socket was opened")
        after = strategy.buy()
        strategy.wait_for(after, "accepted")
        assert requests(stack, vanished) == [("ws", "order", False), ("rest", "order", True)]
        assert requests(stack, only_by_socket) == [("ws", "order", False)]
        assert requests(stack, refused) == []
        assert requests(stack, at_once) == [("rest", "order", True)]
        assert requests(stack, after)[0][0] == "ws"
        for oid in (living, vanished, at_once, after):
            assert len(stack.ledger().orders_of(oid)) == 1
        stack.check(strategy)


def test_b5_a_half_open_socket_whose_ack_was_lost_makes_no_second_order(
    redis_url: str, simulator: RunningSimulator
) -> None:
    """The venue acted on the last frame that it read; only then did the socket go deaf."""
    with running_stack(redis_url, simulator, orders=PATIENT, options=HEARTBEAT) as stack:
        stack.start_worker()
        strategy = stack.start_strategy()
        with (
            stack.control.fault("lose_ack", count=1, match=stack.here | {"op": "place"}),
            stack.control.fault("lose_push", count=1, match=stack.here),
        ):
            oid = strategy.buy()
            until(lambda: stack.ledger().orders_of(oid), "the venue has it")
            stack.control.half_open("trade", account=stack.account)
            strategy.wait_result(oid, Result.ACK_TIMEOUT_CONFIRMED)
        strategy.wait_for(oid, "accepted")
        assert requests(stack, oid) == [("ws", "order", True)]
        assert len(stack.ledger().orders_of(oid)) == 1
        stack.check(strategy)


# --- B10 ----------------------------------------------------------------------------------------


def by_rest(strategy: Recorder) -> str:
    return strategy.create_order(
        SYMBOL, OrderSide.BUY, OrderType.LIMIT, amount=AMOUNT, price=FAR_PRICE
    )


@pytest.mark.parametrize("created_by", ["rest", "ws"])
def test_b10_a_cancel_by_the_other_way_resolves_at_once(
    redis_url: str, simulator: RunningSimulator, created_by: str
) -> None:
    """No timeout and no planned look can have ended it: they are all far away."""
    slow = FAST.model_dump() | {"ack_timeout_ms": NEVER_MS, "terminal_check_ms": NEVER_MS}
    with running_stack(redis_url, simulator, orders=OrderSettings(**slow)) as stack:
        stack.start_worker()
        strategy = stack.start_strategy()
        if created_by == "rest":
            oid = by_rest(strategy)
            strategy.wait_for(oid, "accepted")
            strategy.cancel_order_ws(SYMBOL, oid)
        else:
            oid = strategy.buy()
            strategy.wait_for(oid, "accepted")
            strategy.cancel_order(SYMBOL, oid)
        strategy.wait_for(oid, "canceled")
        until(lambda: stack.redis.xlen(stack.keys.intents("alpha")) == 0, "both are settled")
        canceled_by = "ws" if created_by == "rest" else "rest"
        assert [row[:2] for row in requests(stack, oid)] == [
            (created_by, "order"),
            (canceled_by, "cancel-order"),
        ]
        assert strategy.results(oid) == [], "a plain success has no result event"
        assert len(stack.ledger().orders_of(oid)) == 1
        stack.check(strategy)


@pytest.mark.parametrize("created_by", ["rest", "ws"])
def test_b10_a_cancel_right_behind_a_create_by_the_other_way_waits_for_it(
    stack: Stack, created_by: str
) -> None:
    strategy = stack.start_strategy()
    match = stack.here | {"op": "place"}
    with stack.control.fault("delay_request", count=1, delay_ms=200, match=match):
        oid = by_rest(strategy) if created_by == "rest" else strategy.buy()
        if created_by == "rest":
            strategy.cancel_order_ws(SYMBOL, oid)
        else:
            strategy.cancel_order(SYMBOL, oid)
        strategy.wait_for(oid, "canceled")
    assert strategy.results(oid) == []
    assert [row[1] for row in requests(stack, oid)] == ["order", "cancel-order"]
    assert len(stack.ledger().orders_of(oid)) == 1
    stack.check(strategy)
