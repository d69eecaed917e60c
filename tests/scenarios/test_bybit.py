"""What Bybit does alone: two topics for one order, refusals after the ack, categories, restarts."""

from dataclasses import replace
from decimal import Decimal
from functools import partial
from typing import Literal

import pytest

from router.enums import WsOrderResultType as Result
from simulator.config import BybitConfig, MarketConfig, SimulatorConfig
from simulator.server import RunningSimulator, run_in_thread
from tests.scenarios.stack import Stack, running_stack, until
from tests.scenarios.venues import BYBIT, BYBIT_SPOT

both = pytest.mark.venues(BYBIT.key, BYBIT_SPOT.key)
contracts = pytest.mark.venues(BYBIT.key)


@both
def test_a_create_refused_after_its_ack_has_failed(stack: Stack) -> None:
    """C7: retCode 0 says that it was taken; the order stream, that the engine would not have it."""
    strategy = stack.start_strategy()
    match = stack.here | {"op": "place"}
    with stack.control.fault("reject", count=1, match=match, late=True, reason="EC_Others"):
        oid = strategy.buy()
        assert strategy.wait_for(oid, "failed").reason == "EC_Others"
    assert strategy.of(oid) == ["pending", "failed"]
    stack.check(strategy)


@contracts
def test_a_cancel_that_lost_the_race_is_told_filled_once(stack: Stack) -> None:
    """C10: it is acknowledged, and the end is pushed twice."""
    strategy = stack.start_strategy()
    oid = strategy.buy()
    strategy.wait_for(oid, "accepted")
    with stack.control.fault("reject", count=1, match=stack.here | {"op": "cancel"}, late=True):
        strategy.cancel_order_ws(stack.symbol, oid)
        strategy.wait_for(oid, "filled")
    after = strategy.buy()
    strategy.wait_for(after, "accepted")
    assert strategy.of(oid).count("filled") == 1
    assert "canceled" not in strategy.of(oid)
    stack.check(strategy)


@both
@pytest.mark.parametrize("lost", ["orders", "fills"])
def test_one_of_two_topics_lost_is_made_up_for(stack: Stack, lost: str) -> None:
    strategy = stack.start_strategy()
    oid = strategy.buy()
    strategy.wait_for(oid, "accepted")
    with stack.control.fault("lose_push", match=stack.here | {"op": lost}):
        stack.control.fill_order(oid, account=stack.account)
        filled = strategy.wait_for(oid, "filled")
    [fill] = stack.ledger().fills
    assert (filled.filled, filled.trade_id) == (Decimal(fill["amount"]), fill["trade_id"])
    stack.check(strategy)


@contracts
def test_requests_refused_for_a_restart_go_on_a_new_connection(stack: Stack) -> None:
    """10019: new requests are refused while those in process go on (D11)."""
    strategy = stack.start_strategy()
    [before] = stack.sockets("trade")
    stack.control.notice("trade", account=stack.account, after_ms=3_000)
    oids = [strategy.buy() for _ in range(3)]
    for oid in oids:
        strategy.wait_for(oid, "accepted")
        assert strategy.results(oid) == []
        *refused, taken = stack.ledger().requests_of(oid)
        assert {(row["code"], row["processed"]) for row in refused} <= {("10019", False)}
        assert taken["transport"] == "ws"
    assert stack.ledger().requests_of(oids[0])[0]["code"] == "10019"
    until(lambda: before not in stack.sockets("trade"), "the old connection is gone")
    stack.check(strategy)


@contracts
@pytest.mark.parametrize(
    "code", ["110072", *(pytest.param(one, marks=pytest.mark.long) for one in ("20006", "10016"))]
)
def test_an_order_made_in_spite_of_the_answer_is_found(stack: Stack, code: str) -> None:
    """A duplicate id, of the order or of the request, says that an earlier copy came in."""
    strategy = stack.start_strategy()
    match = stack.here | {"op": "place"}
    with (
        stack.control.fault("lose_push", match=stack.here),
        stack.control.fault("ws_unknown", count=1, match=match, code=code, processed=True),
    ):
        oid = strategy.buy()
        strategy.wait_for(oid, "accepted")
    assert len(stack.ledger().orders_of(oid)) == 1
    stack.check(strategy)


@pytest.mark.parametrize("first", ["order_first", "execution_first"])
def test_either_topic_may_come_first(
    redis_url: str, first: Literal["order_first", "execution_first"]
) -> None:
    config = SimulatorConfig(
        market=MarketConfig(tick_ms=0), venues=("bybit",), bybit=BybitConfig(event_order=first)
    )
    with (
        run_in_thread(config) as simulator,
        running_stack(redis_url, simulator, venue=BYBIT) as stack,
    ):
        stack.start_worker()
        stack.wait_connected()
        strategy = stack.start_strategy()
        oid = strategy.buy(amount=Decimal("0.003"))
        strategy.wait_for(oid, "accepted")
        stack.control.fill_order(oid, account=stack.account, amount=Decimal("0.001"))
        strategy.wait_for(oid, "partially_filled")
        strategy.cancel_order_ws(stack.symbol, oid)
        assert strategy.wait_for(oid, "canceled").filled == Decimal("0.001")
        whole = strategy.buy()
        strategy.wait_for(whole, "accepted")
        stack.control.fill_order(whole, account=stack.account)
        strategy.wait_for(whole, "filled")
        stack.check(strategy)


def test_an_inverse_contract_is_traded_in_base_units(
    redis_url: str, simulator: RunningSimulator
) -> None:
    options = {**BYBIT.options, "categories": "linear,inverse"}
    inverse = replace(BYBIT, symbol="BTCUSD-PERP.BYBIT", venue_symbol="BTCUSD", options=options)
    with running_stack(redis_url, simulator, venue=inverse) as stack:
        stack.start_worker()
        stack.wait_connected()
        strategy = stack.start_strategy()
        # 171 contracts of a dollar: at any other price the amount would not be whole ones.
        terms = {"amount": Decimal("0.002"), "price": Decimal("85500")}
        canceled, filled = (strategy.buy(**terms) for _ in range(2))
        for oid in (canceled, filled):
            strategy.wait_for(oid, "accepted")
            [row] = stack.ledger().orders_of(oid)
            assert (row["symbol"], Decimal(row["amount"])) == ("BTCUSD", terms["amount"])
        strategy.cancel_order_ws(stack.symbol, canceled)
        strategy.wait_for(canceled, "canceled")
        stack.control.fill_order(filled, account=stack.account)
        assert strategy.wait_for(filled, "filled").filled == terms["amount"]
        stack.check(strategy)


def test_where_there_is_no_trade_socket_all_goes_by_rest(
    redis_url: str, simulator: RunningSimulator
) -> None:
    demo = replace(BYBIT, environment="demo")
    with running_stack(redis_url, simulator, venue=demo) as stack:
        stack.start_worker()
        stack.wait_socket("private", "connected")
        strategy = stack.start_strategy()
        oid = strategy.buy()
        strategy.wait_for(oid, "accepted")
        strategy.cancel_order_ws(stack.symbol, oid)
        strategy.wait_for(oid, "canceled")
        assert {row["transport"] for row in stack.ledger().requests_of(oid)} == {"rest"}
        refused = strategy.buy(ws_fallback=False)
        told = strategy.wait_result(refused, Result.REQUEST_NOT_SENT)
        assert "none in this environment" in told["reason"]
        assert stack.redis.hget(stack.keys.status, "trade") is None
        stack.check(strategy)


@contracts
def test_a_pair_and_a_contract_of_one_name_are_traded_by_one_account(stack: Stack) -> None:
    strategy = stack.start_strategy()
    pair = BYBIT_SPOT
    oids = {symbol: strategy.buy(symbol=symbol) for symbol in (stack.symbol, pair.symbol)}
    for oid in oids.values():
        strategy.wait_for(oid, "accepted")
        stack.control.fill_order(oid, account=stack.account)
        strategy.wait_for(oid, "filled")
    rows = {row["client_id"]: row["symbol"] for row in stack.ledger().orders}
    assert [rows[oid] for oid in oids.values()] == [stack.venue.venue_symbol, pair.venue_symbol]
    stack.check(strategy)


@contracts
def test_their_books_come_by_sockets_of_their_own(stack: Stack) -> None:
    strategy = stack.start_strategy()
    bids = [(BYBIT, Decimal("89100.1")), (BYBIT_SPOT, Decimal("88100.07"))]
    for venue, _ in bids:
        strategy.subscribe_bookl1(venue.symbol)
        until(partial(strategy.cache.bookl1, venue.symbol), f"a book of {venue.symbol}")

    def seen() -> list[Decimal]:
        books = [strategy.cache.bookl1(venue.symbol) for venue, _ in bids]
        return [Decimal(str(book.bid)) for book in books if book is not None]

    for venue, bid in bids:
        stack.control.move(venue.venue_symbol, bid, venue=venue.name)
    try:
        until(lambda: seen() == [bid for _, bid in bids], "both books moved")
    finally:
        for venue, _ in bids:
            stack.control.move(venue.venue_symbol, Decimal("89500"), venue=venue.name)
    status = stack.redis.hgetall(stack.keys.status)
    assert (status["public_linear"], status["public_spot"]) == ("connected", "connected")


def test_an_order_that_is_in_no_list_for_a_while_is_not_taken_for_lost(redis_url: str) -> None:
    """Between its end and history an order was seen nowhere for 2.5 s (D5)."""
    config = SimulatorConfig(
        market=MarketConfig(tick_ms=0), venues=("bybit",), bybit=BybitConfig(hole_ms=1_000)
    )
    venue = replace(BYBIT, options={"visibility_lag_ms": 1_200})
    with (
        run_in_thread(config) as simulator,
        running_stack(redis_url, simulator, venue=venue) as stack,
    ):
        stack.start_worker()
        stack.wait_connected()
        strategy = stack.start_strategy()
        oid = strategy.buy()
        strategy.wait_for(oid, "accepted")
        with stack.control.fault("lose_push", match=stack.here):
            stack.control.cancel_order(oid, account=stack.account)
            stack.cut("private")
            canceled = strategy.wait_for(oid, "canceled")
        assert "EC_" in str(canceled.reason), "by the venue's word, not for want of one"
        stack.check(strategy)
