"""What Bitget does alone: ten messages a second, expiry by two fields, codes that prove nothing."""

from contextlib import ExitStack
from decimal import Decimal

import pytest

from router.enums import OrderSide, OrderType
from router.enums import WsOrderResultType as Result
from simulator.config import LimitsConfig, MarketConfig, SimulatorConfig
from simulator.server import run_in_thread
from tests.scenarios.stack import FAR_PRICE, FAST, Stack, running_stack
from tests.scenarios.venues import BITGET, BITGET_SPOT

contracts = pytest.mark.venues(BITGET.key)
pairs = pytest.mark.venues(BITGET_SPOT.key)
LONG = pytest.mark.long


def test_no_connection_is_cut_for_its_messages(redis_url: str) -> None:
    """Creates and cancels of one second come together to more than a connection may send."""
    config = SimulatorConfig(
        market=MarketConfig(tick_ms=0),
        limits=LimitsConfig(enabled=True, connections_per_s=1_000),
        venues=("bitget",),
    )
    with (
        run_in_thread(config) as simulator,
        running_stack(redis_url, simulator, venue=BITGET) as stack,
    ):
        stack.start_worker()
        stack.wait_connected()
        connections = stack.sockets("trade")
        strategy = stack.start_strategy()
        oids = [strategy.buy() for _ in range(9)]
        for oid in oids:
            strategy.wait_for(oid, "accepted")
            strategy.cancel_order_ws(stack.symbol, oid)
        for oid in oids:
            strategy.wait_for(oid, "canceled")
            assert strategy.results(oid) == []
        assert stack.sockets("trade") == connections
        assert {row["code"] for row in stack.ledger().requests} == {"0"}
        stack.check(strategy)


@contracts
@pytest.mark.parametrize("way", ["ws", "rest"])
def test_a_create_that_is_late_makes_no_order(stack: Stack, way: str) -> None:
    """By WebSocket its window is over; by REST, which has none, its signature."""
    strategy = stack.start_strategy()
    late = stack.here | {"op": "place", "transport": way}
    delay_ms = FAST.expiry_ms + 200
    with stack.control.fault("delay_request", count=1, delay_ms=delay_ms, match=late):
        if way == "ws":
            oid = strategy.buy()
        else:
            terms = (OrderSide.BUY, OrderType.LIMIT, Decimal("0.001"), FAR_PRICE)
            oid = strategy.create_order(stack.symbol, *terms)
        failed = strategy.wait_for(oid, "failed")
    assert str(failed.reason).startswith("40008")
    assert strategy.wait_result(oid, Result.ACK_REJECTED)["exists"] == "false"
    assert {row["transport"] for row in stack.ledger().requests_of(oid)} == {way}
    assert stack.ledger().orders_of(oid) == []
    stack.check(strategy)


@contracts
@pytest.mark.parametrize(
    "code", ["429", *(pytest.param(one, marks=LONG) for one in ("25212", "40725"))]
)
def test_an_order_made_in_spite_of_the_answer_is_found(stack: Stack, code: str) -> None:
    """The sheet: after these, ask. A second copy would be refused only while the first is open."""
    strategy = stack.start_strategy()
    match = stack.here | {"op": "place"}
    with ExitStack() as faults:
        faults.enter_context(stack.control.fault("lose_push", match=stack.here))
        faults.enter_context(
            stack.control.fault("ws_unknown", count=1, match=match, code=code, processed=True)
        )
        oid = strategy.buy()
        strategy.wait_for(oid, "accepted")
    assert len(stack.ledger().orders_of(oid)) == 1
    stack.check(strategy)


@pairs
def test_a_market_buy_of_a_pair_is_told_and_not_sent(stack: Stack) -> None:
    strategy = stack.start_strategy()
    strategy.market_buys = True
    oid = strategy.buy(type="MARKET")
    failed = strategy.wait_for(oid, "failed")
    assert "use LIMIT with IOC" in str(failed.reason)
    assert strategy.wait_result(oid, Result.REQUEST_NOT_SENT)["exists"] == "false"
    assert stack.ledger().requests_of(oid) == []
    sold = strategy.buy(type="MARKET", side="SELL")
    assert strategy.wait_for(sold, "filled").filled == Decimal("0.001")
    stack.check(strategy)


@contracts
@pytest.mark.parametrize("lost", ["fills", pytest.param("orders", marks=LONG)])
def test_one_of_two_channels_lost_is_made_up_for(stack: Stack, lost: str) -> None:
    strategy = stack.start_strategy()
    oid = strategy.buy()
    strategy.wait_for(oid, "accepted")
    with stack.control.fault("lose_push", match=stack.here | {"op": lost}):
        stack.control.fill_order(oid, account=stack.account)
        filled = strategy.wait_for(oid, "filled")
    [fill] = stack.ledger().fills
    assert (filled.filled, filled.trade_id) == (Decimal(fill["amount"]), fill["trade_id"])
    assert filled.fee > 0, "what was paid is positive, whichever way it was told"
    stack.check(strategy)


@contracts
def test_a_pair_and_a_contract_of_one_name_are_traded_by_one_account(stack: Stack) -> None:
    strategy = stack.start_strategy()
    oids = {symbol: strategy.buy(symbol=symbol) for symbol in (stack.symbol, BITGET_SPOT.symbol)}
    for oid in oids.values():
        strategy.wait_for(oid, "accepted")
        stack.control.fill_order(oid, account=stack.account)
        strategy.wait_for(oid, "filled")
    rows = {row["client_id"]: row["symbol"] for row in stack.ledger().orders}
    names = [BITGET.venue_symbol, BITGET_SPOT.venue_symbol]
    assert [rows[oid] for oid in oids.values()] == names
    stack.check(strategy)
