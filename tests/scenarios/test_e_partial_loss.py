"""E. Redis loses what was written last (a failover, a power loss): found out, made good, told.

The loss is made by hand: the server is killed, and its append-only file is put back to what it was.
"""

import asyncio
import shutil
import threading
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import redis.exceptions

from demo.redis_server import RedisServer, temporary_server
from router.enums import WsOrderResultType as Result
from simulator.server import RunningSimulator
from tests.scenarios.stack import DEADLINE_S, SYMBOL, Recorder, Stack, running_stack, until
from tests.scenarios.test_e_redis_away import gap_free
from tests.scenarios.test_e_redis_emptied import once_each
from tests.workers.killable import epoch_of, killable_worker, lease_of, standby
from workers.line import Line

LEASE_MS = 3_000


@pytest.fixture
def server() -> Iterator[RedisServer]:
    """A server whose file holds, at each moment, all that it has acknowledged."""
    with temporary_server("always") as one:
        yield one


def kept(server: RedisServer) -> Path:
    """Return a copy of what the server has on its disk now."""
    return Path(shutil.copytree(server.folder / "appendonlydir", server.folder / "kept"))


def lose_all_since(server: RedisServer, copy: Path) -> None:
    """Restart the server with no more than ``copy``."""
    server.kill()
    shutil.rmtree(server.folder / "appendonlydir")
    copy.rename(server.folder / "appendonlydir")
    server.start()


class Hearer(Recorder):
    """Remembers the gaps it is told, too."""

    def __init__(self) -> None:
        super().__init__()
        self.gaps: list[dict[str, Any]] = []

    def on_results_lost(self, gap: dict[str, Any]) -> None:
        self.gaps.append(gap)


def noted(stack: Stack) -> bool:
    """Whether the owner has noted that this server has all that it knows."""
    info = stack.redis.info("everything")
    server = info["run_id"] + info["master_replid"]
    return bool(stack.redis.hget(stack.keys.status, "server") == server)


def lose_reply_of(text: bytes, told: threading.Event, monkeypatch: pytest.MonkeyPatch) -> None:
    """From here on the first reply is lost of a batch that has ``text``, once that was ``told``."""
    asked = Line.ask
    lost: list[Any] = []

    async def ask(line: Line, packed: bytes) -> Any:
        reply = await asked(line, packed)
        if text in packed and not lost:
            lost.append(reply)
            await asyncio.to_thread(told.wait, DEADLINE_S)
            raise redis.exceptions.ConnectionError("the reply is lost")
        return reply

    monkeypatch.setattr(Line, "ask", ask)


@pytest.mark.parametrize("reply_lost", [False, True])
def test_a_living_owner_finds_out_what_is_missing_and_writes_it_back(
    server: RedisServer,
    simulator: RunningSimulator,
    monkeypatch: pytest.MonkeyPatch,
    reply_lost: bool,
) -> None:
    """``reply_lost``: the last batch is written once more, and its results are told once."""
    told = threading.Event()
    if reply_lost:
        lose_reply_of(b"CANCELED", told, monkeypatch)
    with running_stack(server.url, simulator, lease_ttl_ms=LEASE_MS) as stack:
        worker, strategy = stack.start_worker(), Hearer()
        stack.wait_connected()
        stack.start_strategy("alpha", strategy)
        buy = strategy.buy
        filled, canceled = (buy(idempotency_key=key, amount=Decimal("0.002")) for key in "fc")
        for oid in (filled, canceled):
            strategy.wait_for(oid, "accepted")
        stack.all_told()
        until(lambda: noted(stack), "the server is noted")
        for fault in ("delay_ack", "delay_push"):
            stack.control.arm(fault, match=stack.here, count=1, delay_ms=1_000)
        under_way = buy()
        until(lambda: stack.ledger().requests_of(under_way), "it was sent, and is not settled")
        copy = kept(server)
        strategy.wait_for(under_way, "accepted")
        late = buy(idempotency_key="l")
        strategy.wait_for(late, "accepted")
        stack.control.fill_order(filled, account=stack.account)
        strategy.wait_for(filled, "filled")
        strategy.cancel_order_ws(SYMBOL, canceled)
        strategy.wait_for(canceled, "canceled")
        told.set()
        epoch = epoch_of(stack)
        lose_all_since(server, copy)
        until(lambda: noted(stack) and lease_of(worker, stack).may_send(), "all is whole again")
        assert int(stack.redis.hget(stack.keys.lease, "epoch")) > epoch
        assert {key: buy(idempotency_key=key) for key in "fcl"} == {
            "f": filled,
            "c": canceled,
            "l": late,
        }
        after = buy()
        strategy.wait_for(after, "accepted")
        strategy.cancel_order_ws(SYMBOL, late)
        strategy.wait_for(late, "canceled")
        stack.check(strategy)
        assert len(stack.ledger().orders) == 5
        assert once_each(strategy, [filled, canceled, under_way, late, after]) == []
        until(lambda: strategy.gaps, "the strategy is told that results are missing")
        assert len(strategy.gaps) == 1
        until(lambda: stack.redis.xlen(stack.keys.intents("alpha")) == 0, "all is settled again")
        assert worker.serving


def test_a_restart_that_lost_nothing_changes_nothing(
    server: RedisServer, simulator: RunningSimulator
) -> None:
    with running_stack(server.url, simulator, lease_ttl_ms=LEASE_MS) as stack:
        worker, strategy = stack.start_worker(), Hearer()
        stack.start_strategy("alpha", strategy)
        oid = strategy.buy(idempotency_key="k")
        strategy.wait_for(oid, "accepted")
        asked, epoch = len(stack.ledger().requests), epoch_of(stack)
        server.kill()
        server.start()
        until(lambda: noted(stack) and lease_of(worker, stack).may_send(), "the server was seen")
        assert strategy.buy(idempotency_key="k") == oid
        after = strategy.buy()
        strategy.wait_for(after, "accepted")
        stack.check(strategy)
        assert stack.redis.hget(stack.keys.lease, "epoch") == str(epoch)
        assert len(stack.ledger().requests) == asked + 1
        assert (strategy.gaps, strategy.diffs()) == ([], [])
        assert gap_free(stack)


@pytest.mark.parametrize("filled", [False, True])
def test_a_new_owner_sends_nothing_that_a_lost_server_may_have_given_to_the_last(
    server: RedisServer, simulator: RunningSimulator, filled: bool
) -> None:
    """A filled order's client id is free again: the venue would take the order twice."""
    with running_stack(server.url, simulator, lease_ttl_ms=LEASE_MS) as stack:
        worker, strategy = stack.start_worker(), Hearer()
        stack.start_strategy("alpha", strategy)
        worker.stop()
        waiting = strategy.buy(idempotency_key="w")
        copy = kept(server)  # admitted, and nobody has read it
        stack.start_worker()
        strategy.wait_for(waiting, "accepted")
        if filled:
            stack.control.fill_order(waiting, account=stack.account)
            strategy.wait_for(waiting, "filled")
        stack.workers[-1].stop()
        lose_all_since(server, copy)
        stack.start_worker()
        strategy.wait_result(waiting, Result.ACK_TIMEOUT_CONFIRMED)
        fresh = strategy.buy()
        strategy.wait_for(fresh, "accepted")
        assert strategy.buy(idempotency_key="w") == waiting
        assert len(stack.ledger().requests_of(waiting)) == 1
        assert len(stack.ledger().orders) == 2
        until(lambda: noted(stack), "the new server is noted")
        state = stack.redis.hget(stack.keys.order("alpha", waiting), "state")
        assert state == ("FILLED" if filled else "ACCEPTED")


def test_a_standby_sends_nothing_that_a_lost_server_may_have_given_to_an_owner_whom_it_forgot(
    server: RedisServer, simulator: RunningSimulator, tmp_path: Path
) -> None:
    """The epoch is gone as well: the standby has it from the lease that it waited for."""
    with running_stack(server.url, simulator, lease_ttl_ms=LEASE_MS) as stack:
        worker, strategy = stack.start_worker(), Hearer()
        stack.start_strategy("alpha", strategy)
        worker.stop()
        waiting = strategy.buy(idempotency_key="w")
        copy = kept(server)  # admitted under the first epoch, and nobody has read it
        with killable_worker(stack, tmp_path) as owner:
            strategy.wait_for(waiting, "accepted")
            second, epoch = standby(stack), epoch_of(stack)
            server.kill()
            owner.process.kill()  # it writes nothing back
            shutil.rmtree(server.folder / "appendonlydir")
            copy.rename(server.folder / "appendonlydir")
            server.start()
            second.wait_serving()
        assert lease_of(second, stack).epoch > epoch
        strategy.wait_result(waiting, Result.ACK_TIMEOUT_CONFIRMED)
        fresh = strategy.buy()
        strategy.wait_for(fresh, "accepted")
        assert strategy.buy(idempotency_key="w") == waiting
        assert len(stack.ledger().requests_of(waiting)) == 1
        assert len(stack.ledger().orders) == 2
