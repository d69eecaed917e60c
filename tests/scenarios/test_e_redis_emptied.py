"""E6. Redis emptied under open orders: what is known comes back, nothing is ordered twice."""

import shutil
from collections.abc import Iterator
from decimal import Decimal

import pytest

from commands import halt
from demo.redis_server import RedisServer, temporary_server
from router.enums import WsOrderResultType as Result
from router.errors import Denied
from simulator.server import RunningSimulator
from tests.scenarios.stack import SYMBOL, Recorder, Stack, running_stack, until
from tests.workers.killable import epoch_of, lease_of, standby

LEASE_MS = 3_000
PATIENT_LEASE_MS = 60_000  # a standby leaves the account to its last owner for this long


@pytest.fixture
def server() -> Iterator[RedisServer]:
    """A server of the test's own."""
    with temporary_server() as one:
        yield one


def empty(server: RedisServer, stack: Stack, how: str) -> None:
    """Lose all data; a server that begins with an empty folder loses its functions, too."""
    if how == "flushed":
        stack.redis.flushall()
        return
    server.kill()
    shutil.rmtree(server.folder / "appendonlydir")
    server.start()


def recovered(stack: Stack, name: str = "alpha") -> bool:
    """Whether the owner and the strategy both have come back."""
    return bool(
        stack.workers[-1].serving
        and lease_of(stack.workers[-1], stack).may_send()
        and stack.redis.exists(stack.keys.lease)
        and stack.redis.hexists(stack.keys.strategies, name)
    )


def once_each(strategy: Recorder, oids: list[str]) -> list[str]:
    """Return the orders of which something was told twice."""
    return [
        oid for oid in oids if any(strategy.of(oid).count(name) > 1 for name in strategy.of(oid))
    ]


@pytest.mark.parametrize("how", ["flushed", "restarted empty"])
def test_e6_a_living_owner_writes_back_what_it_knows(
    server: RedisServer, simulator: RunningSimulator, how: str
) -> None:
    with running_stack(server.url, simulator, lease_ttl_ms=LEASE_MS) as stack:
        stack.start_worker()
        stack.wait_connected()
        strategy = stack.start_strategy()
        buy = strategy.buy
        live, partly, filled, canceled = (
            buy(idempotency_key=key, amount=Decimal("0.002")) for key in ("l", "p", "f", "c")
        )
        named = buy(client_oid="mine1")
        for oid in (live, partly, filled, canceled, named):
            strategy.wait_for(oid, "accepted")
        stack.control.fill_order(partly, account=stack.account, amount="0.001")
        stack.control.fill_order(filled, account=stack.account)
        strategy.cancel_order_ws(SYMBOL, canceled)
        for oid, name in ((partly, "partially_filled"), (filled, "filled"), (canceled, "canceled")):
            strategy.wait_for(oid, name)
        stack.all_told()
        # Told before the server is emptied, it would be among what the gap stands for.
        stack.control.arm("delay_ack", match=stack.here | {"op": "order"}, count=1, delay_ms=500)
        stack.control.arm("delay_push", match=stack.here, count=1, delay_ms=500)
        under_way = buy(idempotency_key="u")
        until(lambda: stack.ledger().requests_of(under_way), "it was sent")
        epoch = epoch_of(stack)
        empty(server, stack, how)
        in_between = buy(idempotency_key="l")  # perhaps before its key is there again
        until(lambda: recovered(stack), "all came back")
        assert int(stack.redis.hget(stack.keys.lease, "epoch")) > epoch
        known = {"l": live, "p": partly, "f": filled, "c": canceled, "u": under_way}
        assert {key: buy(idempotency_key=key) for key in known} == known
        if in_between != live:
            told = strategy.wait_result(in_between, Result.REQUEST_NOT_SENT)
            assert told["reason"].startswith("REPEATED: ")
            strategy.wait_for(in_between, "failed")
        strategy.wait_for(under_way, "accepted")
        stack.control.fill_order(partly, account=stack.account)
        strategy.wait_for(partly, "filled")
        for oid in (live, named):
            strategy.cancel_order_ws(SYMBOL, oid)
            strategy.wait_for(oid, "canceled")
        after = buy()
        strategy.wait_for(after, "accepted")
        stack.check(strategy)
        assert len(stack.ledger().orders) == 7
        assert once_each(strategy, [live, filled, canceled, named, under_way, after]) == []
        assert stack.redis.smembers(stack.keys.open("alpha")) == {under_way, after}
        until(lambda: stack.redis.hget(stack.keys.positions, SYMBOL), "the position is published")
        assert stack.redis.hget(stack.keys.status, "worker") == "serving"


def test_e6_nothing_is_sent_before_the_venue_was_asked_though_the_private_socket_goes_meanwhile(
    server: RedisServer, simulator: RunningSimulator
) -> None:
    """The lost socket ends the resync that is under way; it has told nothing."""
    with running_stack(server.url, simulator, lease_ttl_ms=LEASE_MS) as stack:
        stack.start_worker()
        stack.wait_connected()
        strategy = stack.start_strategy()
        listing = stack.here | {"op": "orders-pending"}
        with (
            stack.control.fault("rest_timeout", match=listing, hold_ms=60_000) as silent,
            stack.control.fault("refuse_login", match=stack.here),
        ):
            stack.redis.flushall()
            until(lambda: stack.control.hits(silent), "the venue is asked what is open")
            stack.control.close_sockets("private", account=stack.account)
            until(
                lambda: stack.redis.hget(stack.keys.status, "private") == "disconnected",
                "the worker has noticed",
            )
            until(lambda: stack.redis.hexists(stack.keys.strategies, "alpha"), "alpha came back")
            early = strategy.buy()
            until(lambda: stack.control.hits(silent) > 1, "the venue is asked again")
        strategy.wait_for(early, "accepted")
        stack.check(strategy)
        ledger = stack.ledger()
        [sent] = ledger.requests_of(early)
        [answered, *_] = [
            row for row in ledger.queries if row["op"] == "orders-pending" and row["replied"]
        ][1:]  # the first was the worker's, when it began
        assert answered["n"] < sent["n"]


def test_e6_a_halt_outlives_the_loss(server: RedisServer, simulator: RunningSimulator) -> None:
    with running_stack(server.url, simulator, lease_ttl_ms=LEASE_MS) as stack:
        worker, strategy = stack.start_worker(), stack.start_strategy()
        halt.write(stack.redis, stack.keys, "look into it")
        until(lambda: stack.redis.xlen(stack.keys.control) == 0, "the owner knows")
        stack.redis.flushall()
        until(lambda: recovered(stack), "all came back")
        with pytest.raises(Denied, match=r"HALTED: .*look into it"):
            strategy.buy()
        assert stack.ledger().requests == []
        assert worker.serving


def test_e6_a_standby_leaves_the_account_to_the_owner_who_knows_it(
    server: RedisServer, simulator: RunningSimulator
) -> None:
    with running_stack(server.url, simulator, lease_ttl_ms=PATIENT_LEASE_MS) as stack:
        first, strategy = stack.start_worker(), stack.start_strategy()
        second = standby(stack)
        live = strategy.buy(idempotency_key="k")
        strategy.wait_for(live, "accepted")
        epoch = epoch_of(stack)
        stack.redis.flushall()
        until(lambda: epoch_of(stack) > epoch, "somebody took the account")
        assert stack.redis.hget(stack.keys.lease, "owner") == lease_of(first, stack).owner
        until(lambda: stack.redis.hexists(stack.keys.strategies, "alpha"), "alpha came back")
        until(lambda: stack.redis.hexists(stack.keys.order("alpha", live), "idem"), "all came back")
        assert strategy.buy(idempotency_key="k") == live
        first.stop()
        second.wait_serving()
        strategy.cancel_order_ws(SYMBOL, live)
        strategy.wait_for(live, "canceled")
        stack.check(strategy)


def test_e6_with_nobody_there_the_venue_and_the_tags_give_the_orders_back(
    server: RedisServer, simulator: RunningSimulator
) -> None:
    with running_stack(server.url, simulator, lease_ttl_ms=LEASE_MS) as stack:
        worker = stack.start_worker()
        strategy, other = stack.start_strategy(), stack.start_strategy("beta", Recorder())
        mine, theirs = strategy.buy(idempotency_key="k"), other.buy()
        strategy.wait_for(mine, "accepted")
        other.wait_for(theirs, "accepted")
        for runner in (stack.runners.pop(), stack.runners.pop()):
            runner.stop()
            runner.join()
        worker.stop()
        stack.control.fill_order(mine, account=stack.account, amount="0.0004")
        stack.redis.flushall()
        stack.start_worker()  # knows no strategy yet
        stack.start_strategy("alpha", strategy)
        stack.start_strategy("beta", other)
        strategy.wait_for(mine, "partially_filled")
        for one, oid in ((strategy, mine), (other, theirs)):
            one.cancel_order_ws(SYMBOL, oid)
            one.wait_for(oid, "canceled")
        stack.check(strategy, other)
        assert len(stack.ledger().orders) == 2
