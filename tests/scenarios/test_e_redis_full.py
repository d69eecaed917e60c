"""E12. Redis at maxmemory: new orders are refused, live ones lose nothing and can be cancelled."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal

import pytest

from commands import halt
from demo.redis_server import RedisServer, temporary_server
from router.errors import Denied
from simulator.server import RunningSimulator
from tests.scenarios.stack import SYMBOL, VENUE_SYMBOL, Recorder, Stack, running_stack, until
from tests.scenarios.test_e_partial_loss import Hearer
from tests.workers.killable import epoch_of, lease_of

LEASE_MS = 3_000


@pytest.fixture
def server() -> Iterator[RedisServer]:
    """A server of the test's own; its policy is noeviction, as everybody's must be."""
    with temporary_server() as one:
        yield one


@contextmanager
def full(stack: Stack) -> Iterator[None]:
    """Let the server stand far beyond its limit while the block lasts."""
    assert stack.redis.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}
    stack.redis.config_set("maxmemory", 1)
    try:
        yield
    finally:
        stack.redis.config_set("maxmemory", 0)


def accepted(strategy: Recorder, count: int) -> list[str]:
    oids = [strategy.buy() for _ in range(count)]
    for oid in oids:
        strategy.wait_for(oid, "accepted")
    return oids


def test_e12_live_orders_lose_nothing_and_new_ones_are_refused(
    server: RedisServer, simulator: RunningSimulator
) -> None:
    with running_stack(server.url, simulator, lease_ttl_ms=LEASE_MS) as stack:
        worker, strategy = stack.start_worker(), stack.start_strategy()
        strategy.subscribe_bookl1(SYMBOL)  # a book that cannot be written must not end the worker
        filled, partly, canceled, changed = accepted(strategy, 4)
        stack.control.arm("delay_ack", match=stack.here | {"op": "order"}, count=1, delay_ms=500)
        under_way = strategy.buy()
        until(lambda: stack.ledger().requests_of(under_way), "it was sent")
        epoch = epoch_of(stack)
        with full(stack):
            with pytest.raises(Denied, match=r"REDIS_FULL: .*nothing was admitted"):
                strategy.buy(idempotency_key="full")
            strategy.wait_for(under_way, "accepted")
            bid, ask = stack.market_price()
            stack.control.move(VENUE_SYMBOL, bid - 1, ask - 1)
            stack.control.fill_order(filled, account=stack.account, amount="0.0004")
            strategy.wait_for(filled, "partially_filled")
            full_s = time.monotonic()
            until(lambda: time.monotonic() - full_s > LEASE_MS / 1000, "a lease's time")
            until(lambda: lease_of(worker, stack).may_send(), "it is renewed all the same")
            strategy.cancel_order_ws(SYMBOL, canceled)
            strategy.modify_order_ws(SYMBOL, changed, price=Decimal("85400"))
            strategy.wait_for(canceled, "canceled")
            until(lambda: strategy.of(changed).count("accepted") == 2, "the new terms are told")
            stack.control.fill_order(filled, account=stack.account)
            strategy.wait_for(filled, "filled")
            assert worker.serving
            assert stack.redis.hget(stack.keys.lease, "epoch") == str(epoch)
        after = strategy.buy(idempotency_key="full")
        strategy.wait_for(after, "accepted")
        stack.control.fill_order(partly, account=stack.account, amount="0.0001")
        strategy.wait_for(partly, "partially_filled")
        stack.check(strategy)
        assert len(stack.ledger().orders) == 6


def test_e12_a_new_owner_and_a_restarted_strategy_serve_live_orders_in_full_memory(
    server: RedisServer, simulator: RunningSimulator
) -> None:
    with running_stack(server.url, simulator, lease_ttl_ms=LEASE_MS) as stack:
        first, strategy = stack.start_worker(), stack.start_strategy()
        filled, canceled = accepted(strategy, 2)
        with full(stack):
            first.stop()
            runner = stack.runners.pop()
            runner.stop()
            runner.join()
            stack.control.fill_order(filled, account=stack.account)
            stack.start_worker()
            stack.start_strategy(strategy=strategy)
            strategy.wait_for(filled, "filled")
            strategy.cancel_order_ws(SYMBOL, canceled)
            strategy.wait_for(canceled, "canceled")
            with pytest.raises(Denied, match="REDIS_FULL"):
                strategy.buy()
        stack.check(strategy)
        assert len(stack.ledger().orders) == 2


def test_e12_what_a_full_server_lost_is_written_back_and_the_strategy_told_of_the_gap(
    server: RedisServer, simulator: RunningSimulator
) -> None:
    with running_stack(server.url, simulator, lease_ttl_ms=LEASE_MS) as stack:
        worker, strategy = stack.start_worker(), Hearer()
        stack.wait_connected()
        stack.start_strategy(strategy=strategy)
        filled, live = accepted(strategy, 2)
        halt.write(stack.redis, stack.keys, "look into it")
        until(lambda: stack.redis.xlen(stack.keys.control) == 0, "the owner knows")
        stack.all_told()
        epoch = epoch_of(stack)
        lost = stack.redis.pipeline(transaction=True)
        lost.delete(stack.keys.epoch, stack.keys.halt, stack.keys.order("alpha", live))
        with full(stack):
            lost.execute()
            until(lambda: epoch_of(stack) > epoch, "it was taken again")
            until(lambda: lease_of(worker, stack).may_send(), "all came back")
            stack.control.fill_order(filled, account=stack.account)
            strategy.wait_for(filled, "filled")
            until(lambda: strategy.gaps, "the strategy is told that results are missing")
            assert stack.redis.get(stack.keys.halt) == "look into it"
            strategy.cancel_order_ws(SYMBOL, live)
            strategy.wait_for(live, "canceled")
            assert worker.serving
        stack.check(strategy)
