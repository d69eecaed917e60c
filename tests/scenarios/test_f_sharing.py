"""F. Sharing: several strategies on one account, each to its own (P5); a halt stops them all."""

import random
from collections.abc import Callable
from decimal import Decimal

import pytest

from commands.halt import write as write_halt
from router.enums import WsOrderResultType as Result
from router.errors import Denied, NotYours
from router.keyspace import GROUP
from strategy_sdk.schema import Order
from tests.scenarios.stack import FAR_PRICE, PATIENT_MS, SYMBOL, Recorder, Stack, until
from tests.scenarios.venues import every_venue
from tests.workers.killable import epoch_of

AMOUNT = Decimal("0.001")
WHOLE = 3 * AMOUNT


def resting(strategy: Recorder, amount: Decimal = AMOUNT) -> str:
    """Return an order of the strategy that stands on the book."""
    oid = strategy.buy(amount=amount)
    strategy.wait_for(oid, "accepted")
    return oid


def told_oids(strategy: Recorder) -> set[str]:
    """Return every oid that the strategy was ever told anything about."""
    found = set()
    for one in list(strategy.told):
        if isinstance(one.what, Order):
            found.add(one.what.oid)
        elif one.name == "result":
            found.add(one.what["oid"])
    return found


# --- F1 -----------------------------------------------------------------------------------------


@every_venue
def test_f1_a_strategy_cannot_reach_anothers_order(stack: Stack) -> None:
    alpha, beta = stack.start_strategy("alpha"), stack.start_strategy("beta")
    oid = resting(alpha)
    attempts: list[Callable[[], object]] = [
        lambda: beta.cancel_order_ws(stack.symbol, oid),
        lambda: beta.cancel_order(stack.symbol, oid),
        lambda: beta.modify_order(stack.symbol, oid, price=FAR_PRICE + 10),
        lambda: beta.modify_order_ws(stack.symbol, oid, price=FAR_PRICE + 10),
        lambda: beta.fetch_order(stack.symbol, oid),
        lambda: beta.fetch_order(stack.symbol, oid, force_refresh=True),
    ]
    for attempt in attempts:
        with pytest.raises(NotYours, match=oid):
            attempt()
    assert beta.fetch_open_orders(stack.symbol) == []
    assert beta.cache.get_order(oid) is None
    assert beta.cache.get_open_orders() == set()
    assert beta.cancel_all_orders(stack.symbol) == []
    own = resting(beta)  # whatever was wrongly queued before it would have been done by now
    assert told_oids(beta) == {own}
    assert [row["op"] for row in stack.ledger().requests_of(oid)] == ["order"]
    [row] = stack.ledger().orders_of(oid)
    assert (row["state"], Decimal(row["price"] or 0)) == ("live", FAR_PRICE)
    assert alpha.of(oid) == ["pending", "accepted"]
    stack.check(alpha, beta)


@every_venue
def test_f1_cancel_all_takes_its_own_orders_of_that_symbol_only(stack: Stack) -> None:
    alpha, beta = stack.start_strategy("alpha"), stack.start_strategy("beta")
    kept = resting(alpha)
    other_symbol = beta.buy(
        symbol=stack.venue.other_symbol, amount=Decimal("0.1"), price=Decimal("2900")
    )
    beta.wait_for(other_symbol, "accepted")
    gone = [resting(beta) for _ in range(3)]
    assert sorted(beta.cancel_all_orders(stack.symbol)) == sorted(gone)
    for oid in gone:
        beta.wait_for(oid, "canceled")
    states = {row["client_id"]: row["state"] for row in stack.ledger().orders}
    assert states == dict.fromkeys(gone, "canceled") | {kept: "live", other_symbol: "live"}
    assert told_oids(alpha) == {kept}
    stack.check(alpha, beta)


@every_venue
def test_f1_the_same_key_of_two_strategies_is_two_orders(stack: Stack) -> None:
    alpha, beta = stack.start_strategy("alpha"), stack.start_strategy("beta")
    mine = alpha.buy(idempotency_key="entry")
    theirs = beta.buy(idempotency_key="entry")
    assert mine != theirs
    alpha.wait_for(mine, "accepted")
    beta.wait_for(theirs, "accepted")
    beta.cancel_order_ws(stack.symbol, theirs)
    beta.wait_for(theirs, "canceled")
    assert beta.release_idempotency_key("entry")
    with pytest.raises(Denied, match="KEY_HELD"):
        alpha.release_idempotency_key("entry")
    assert alpha.buy(idempotency_key="entry") == mine
    stack.check(alpha, beta)


# --- F2 -----------------------------------------------------------------------------------------


@every_venue
def test_f2_interleaved_fills_go_to_their_owners_and_sum_up(stack: Stack) -> None:
    names = ("alpha", "beta", "gamma")
    strategies = {name: stack.start_strategy(name) for name in names}
    owner = {
        resting(strategy, WHOLE): name for name, strategy in strategies.items() for _ in range(3)
    }
    steps = [oid for oid in owner for _ in range(3)]
    random.Random(7).shuffle(steps)
    for oid in steps:  # each order: twice a third, then the rest
        filled = Decimal(stack.ledger().orders_of(oid)[0]["filled"])
        stack.control.fill_order(oid, account=stack.account, amount=min(AMOUNT, WHOLE - filled))
    for oid, name in owner.items():
        strategies[name].wait_for(oid, "filled")
    ledger = stack.ledger()
    for name, strategy in strategies.items():
        mine = {oid for oid, its in owner.items() if its == name}
        assert told_oids(strategy) == mine
        told = sum((amount for oid in mine for _, amount, _ in strategy.fills(oid)), Decimal(0))
        true = sum(
            (Decimal(row["amount"]) for oid in mine for row in ledger.fills_of(oid)), Decimal(0)
        )
        assert told == true == 3 * WHOLE
    trades = [
        trade for one in strategies.values() for oid in owner for trade, _, _ in one.fills(oid)
    ]
    assert len(trades) == len(set(trades)) == len(ledger.fills) == len(steps)
    stack.check(*strategies.values())


# --- F4 -----------------------------------------------------------------------------------------


def test_f4_a_halt_refuses_creates_of_all_while_cancels_and_fills_flow(stack: Stack) -> None:
    alpha, beta = stack.start_strategy("alpha"), stack.start_strategy("beta")
    canceled, filled = resting(alpha), resting(beta)
    write_halt(stack.redis, stack.keys, "margin call")
    for strategy in (alpha, beta):
        with pytest.raises(Denied, match="HALTED: trading is halted \\(margin call\\)"):
            strategy.buy()
    with pytest.raises(Denied, match="HALTED"):
        alpha.modify_order_ws(SYMBOL, canceled, price=FAR_PRICE + 10)
    alpha.cancel_order_ws(SYMBOL, canceled)
    stack.control.fill_order(filled, account=stack.account)
    alpha.wait_for(canceled, "canceled")
    beta.wait_for(filled, "filled")
    assert len(stack.ledger().orders) == 2
    write_halt(stack.redis, stack.keys, None)
    until(lambda: stack.redis.xlen(stack.keys.control) == 0, "the worker read the resume")
    resting(alpha)
    resting(beta)
    stack.check(alpha, beta)


def test_f4_queued_creates_are_refused_at_once(stack: Stack) -> None:
    """Orders that the venue's rate limit keeps back wait in the worker when the halt comes."""
    strategy = stack.start_strategy()
    live = strategy.buy()
    strategy.wait_for(live, "accepted")
    with stack.control.fault("throttle", match={**stack.here, "op": "place"}) as throttled:
        refused = [strategy.buy() for _ in range(30)]
        until(lambda: stack.control.hits(throttled), "the venue has turned one of them away")
        write_halt(stack.redis, stack.keys, "stop")
        until(lambda: stack.redis.xlen(stack.keys.intents("alpha")) == 0, "all have an outcome")
    for oid in refused:
        assert (strategy.wait_for(oid, "failed").reason or "").startswith("HALTED: stop")
        result = strategy.wait_result(oid, Result.REQUEST_NOT_SENT)
        assert (result["exists"], result["request"]) == ("false", "create")
    assert [row["client_id"] for row in stack.ledger().orders] == [live]
    assert strategy.cancel_all_orders(SYMBOL)
    until(lambda: {row["state"] for row in stack.ledger().orders} == {"canceled"})
    stack.check(strategy)


def test_f4_creates_that_waited_for_a_worker_are_refused(stack: Stack) -> None:
    strategy = stack.start_strategy()
    stack.workers[0].stop()
    oids = [strategy.buy() for _ in range(3)]
    write_halt(stack.redis, stack.keys, "no worker")
    stack.start_worker()
    for oid in oids:
        assert (strategy.wait_for(oid, "failed").reason or "").startswith("HALTED: no worker")
    assert stack.ledger().requests == []
    stack.check(strategy)


def test_f4_a_halt_outlives_the_worker_that_read_it(stack: Stack) -> None:
    """The next owner inherits an intent in doubt; proven absent, it must not be sent either."""
    strategy = stack.start_strategy()
    stack.workers[0].stop()
    oid = strategy.buy()
    reader, stream = f"epoch-{epoch_of(stack)}", stack.keys.intents("alpha")
    claimed = stack.redis.xreadgroup(GROUP, reader, {stream: ">"}, count=10)
    assert len(claimed) == 1
    stack.redis.set(stack.keys.halt, "read by a worker that is gone")
    stack.start_worker()
    failed = strategy.wait_for(oid, "failed")
    assert failed.reason
    assert stack.ledger().requests == []
    stack.all_told()
    assert strategy.results(oid)[-1]["exists"] == "false"
    stack.check(strategy)


@pytest.mark.rules(ack_timeout_ms=PATIENT_MS)
def test_f4_a_create_in_doubt_is_not_sent_again_while_halted(stack: Stack) -> None:
    strategy = stack.start_strategy()
    with stack.control.fault("hangup_before", count=1, match=stack.here | {"op": "place"}):
        oid = strategy.buy()
        until(lambda: stack.ledger().requests_of(oid), "it was sent")
        write_halt(stack.redis, stack.keys, "in doubt")
        strategy.wait_for(oid, "failed")
    assert [row["transport"] for row in stack.ledger().requests_of(oid)] == ["ws"]
    assert stack.ledger().orders == []
    # It was sent once, so REQUEST_NOT_SENT would be a lie; why it was not sent again is said.
    result = strategy.wait_result(oid, Result.ACK_TIMEOUT)
    assert result["exists"] == "false"
    assert result["reason"].endswith("not sent again, HALTED: in doubt")
    stack.check(strategy)


@pytest.mark.rules(ack_timeout_ms=1_000)
def test_f4_a_halt_stops_sending_not_finding_out(stack: Stack) -> None:
    strategy = stack.start_strategy()
    for fault, op in {"lose_ack": "order", "lose_push": "orders"}.items():
        stack.control.arm(fault, count=1, match=stack.here | {"op": op})
    oid = strategy.buy()
    until(lambda: stack.ledger().orders_of(oid), "the venue has it")
    write_halt(stack.redis, stack.keys, "in doubt")
    strategy.wait_result(oid, Result.ACK_TIMEOUT_CONFIRMED)
    strategy.wait_for(oid, "accepted")
    strategy.cancel_order_ws(SYMBOL, oid)
    strategy.wait_for(oid, "canceled")
    stack.check(strategy)
