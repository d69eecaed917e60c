"""E. Crash and failover: whoever dies, every intent gets one outcome and the venue one order."""

import json
import logging
import os
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from demo.redis_server import die_with_parent
from router.enums import WsOrderResultType as Result
from router.keyspace import GROUP
from simulator.server import RunningSimulator
from strategy_sdk.schema import Order
from tests.scenarios.stack import (
    FAR_PRICE,
    SYMBOL,
    Recorder,
    Stack,
    WorkerThread,
    running_stack,
    until,
)

LEASE_MS = 1_000


# --- a worker that can be killed ----------------------------------------------------------------


@dataclass
class Killable:
    """A worker in a process of its own."""

    process: "subprocess.Popen[bytes]"
    log: Path

    def signal(self, number: signal.Signals) -> None:
        os.kill(self.process.pid, number)

    def said(self, text: str) -> bool:
        return text in self.log.read_text(errors="replace")


def _toml(values: Mapping[str, Any]) -> str:
    return "".join(f"{name} = {json.dumps(value)}\n" for name, value in values.items())


def write_config(stack: Stack, folder: Path) -> None:
    """Write the stack's settings as a user would."""
    settings = stack.settings
    orders, worker = settings.orders.model_dump(), settings.worker.model_dump()
    router = f"[orders]\n{_toml(orders)}[worker]\n{_toml(worker)}"
    (folder / "router.toml").write_text(router)
    account = settings.accounts[stack.account].model_dump(mode="json", exclude={"options"})
    (folder / "accounts.toml").write_text(f"[accounts.{stack.account}]\n{_toml(account)}")


@contextmanager
def killable_worker(stack: Stack, folder: Path) -> Iterator[Killable]:
    """Run ``order-router worker`` as a process, serving; kill it at the end."""
    write_config(stack, folder)
    command = [sys.executable, "-m", "commands.main", "worker", "--account", stack.account]
    command += ["--config-dir", str(folder), "--redis-url", stack.settings.redis_url]
    log = folder / "worker.log"
    with (
        log.open("wb") as out,
        subprocess.Popen(command, stderr=out, stdout=out, preexec_fn=die_with_parent) as process,
    ):
        try:
            one = Killable(process, log)
            until(lambda: stack.redis.hget(stack.keys.status, "worker") == "serving", log.read_text)
            yield one
        finally:
            process.kill()


def standby(stack: Stack) -> WorkerThread:
    """Return a second worker that has seen that the account has an owner."""
    thread = stack.start_worker(wait=False)
    until(lambda: thread.process and thread.process.workers, "the worker began")
    until(lambda: lease_of(thread, stack).holder, "the standby found the owner")
    assert not thread.serving
    return thread


def lease_of(thread: WorkerThread, stack: Stack) -> Any:
    assert thread.process is not None
    return thread.process.workers[stack.account].lease


def claim(stack: Stack, strategy: str, epoch: int) -> int:
    """Take the strategy's waiting intents as a worker of this epoch would; return how many."""
    streams = {stack.keys.intents(strategy): ">"}
    reply = stack.redis.xreadgroup(GROUP, f"epoch-{epoch}", streams, count=100)
    return sum(len(entries) for _, entries in reply)


# --- E1, E2, E3 ---------------------------------------------------------------------------------

#: Where the worker dies, as faults: fault → operation that it meets.
DEATHS: dict[str, dict[str, str]] = {
    "sent and not processed": {"swallow_request": "order"},
    "processed, neither acked nor pushed": {"lose_ack": "order", "lose_push": "orders"},
    "pushed and not acked": {"lose_ack": "order"},
}


@pytest.mark.parametrize("death", DEATHS)
def test_e1_a_killed_worker_costs_no_order_and_no_outcome(
    redis_url: str, simulator: RunningSimulator, tmp_path: Path, death: str
) -> None:
    with (
        running_stack(redis_url, simulator, lease_ttl_ms=LEASE_MS) as stack,
        killable_worker(stack, tmp_path) as first,
    ):
        strategy, second = stack.start_strategy(), standby(stack)
        for fault, op in DEATHS[death].items():
            stack.control.arm(fault, count=1, match=stack.here | {"op": op})
        oid = strategy.buy(idempotency_key="entry")
        until(lambda: stack.ledger().requests_of(oid), "it was sent")
        if "pushed" in death.split():
            strategy.wait_for(oid, "accepted")
        killed_ms = int(stack.redis.time()[0] * 1_000)
        first.signal(signal.SIGKILL)
        second.wait_serving()
        owner = stack.redis.hgetall(stack.keys.lease)
        assert owner["owner"] == lease_of(second, stack).owner
        assert int(owner["since_ms"]) - killed_ms < LEASE_MS + 2_000
        strategy.wait_for(oid, "accepted")
        assert strategy.buy(idempotency_key="entry") == oid
        if "not processed" in death:
            transports = [row["transport"] for row in stack.ledger().requests_of(oid)]
            assert transports == ["ws", "rest"], "sent again only after its absence was proven"
        else:
            strategy.wait_result(oid, Result.ACK_TIMEOUT_CONFIRMED)
            assert len(stack.ledger().requests_of(oid)) == 1
        until(lambda: stack.redis.xlen(stack.keys.intents("alpha")) == 0, "it was settled")
        assert len(stack.ledger().orders_of(oid)) == 1
        after = strategy.buy()
        strategy.wait_for(after, "accepted")
        stack.check(strategy)


def test_e2_a_worker_paused_past_its_lease_sends_and_writes_nothing_more(
    redis_url: str, simulator: RunningSimulator, tmp_path: Path
) -> None:
    with (
        running_stack(redis_url, simulator, lease_ttl_ms=LEASE_MS) as stack,
        killable_worker(stack, tmp_path) as first,
    ):
        strategy, second = stack.start_strategy(), standby(stack)
        resting = strategy.buy()
        strategy.wait_for(resting, "accepted")
        # More than the venue's limit lets out at once, so that some wait inside the worker.
        oids = [strategy.buy() for _ in range(66)]
        until(lambda: len(stack.ledger().requests) >= 50, "the first of them left")
        first.signal(signal.SIGSTOP)
        second.wait_serving()
        stack.control.fill_order(resting, account=stack.account, amount="0.0004")
        new = strategy.buy()
        strategy.wait_for(new, "accepted")
        keys = stack.keys
        until(lambda: stack.redis.xlen(keys.intents("alpha")) == 0, "all have an outcome")
        before = len(stack.ledger().requests)
        first.signal(signal.SIGCONT)
        until(lambda: first.said("superseded") and first.said("standing by"), first.log.read_text)
        assert len(stack.ledger().requests) == before
        assert stack.redis.hget(keys.applied, "epoch") == stack.redis.get(keys.epoch) == "2"
        assert stack.redis.hget(keys.lease, "owner") == lease_of(second, stack).owner
        assert len(strategy.fills(resting)) == 1
        for oid in (*oids, new):
            assert len(stack.ledger().orders_of(oid)) <= 1
        numbers = [int(row["seq"]) for _, row in stack.redis.xrange(keys.results("alpha"))]
        assert numbers == list(range(1, len(numbers) + 1))
        stack.check(strategy)


@pytest.mark.parametrize("at_venue", [True, False])
def test_e3_a_claimed_intent_is_asked_for_before_it_is_sent(stack: Stack, at_venue: bool) -> None:
    strategy = stack.start_strategy()
    stack.workers[0].stop()
    oid = strategy.buy()
    assert claim(stack, "alpha", epoch=1) == 1
    if at_venue:
        stack.control.place_order(
            stack.account, "BTC-USDT-SWAP", "buy", "0.001", price=FAR_PRICE, client_id=oid
        )
    stack.start_worker()
    strategy.wait_for(oid, "accepted")
    until(lambda: stack.redis.xlen(stack.keys.intents("alpha")) == 0, "it was settled")
    assert len(stack.ledger().orders_of(oid)) == 1
    sent = [row["transport"] for row in stack.ledger().requests_of(oid)]
    assert sent == ([] if at_venue else ["rest"])
    if not at_venue:  # else the snapshot of open orders may show it before any query by id
        asked = min(row["n"] for row in stack.ledger().queries if row["client_id"] == oid)
        assert all(row["n"] > asked for row in stack.ledger().requests_of(oid))
    assert strategy.result_types(oid) == ([Result.ACK_TIMEOUT_CONFIRMED] if at_venue else [])


# --- E7, E8 -------------------------------------------------------------------------------------


def stop_strategy(stack: Stack) -> None:
    runner = stack.runners.pop()
    runner.stop()
    runner.join(10)


def test_e7_what_happened_while_a_strategy_was_down_is_told_in_order(stack: Stack) -> None:
    strategy = stack.start_strategy()
    filled, canceled, partly = (strategy.buy() for _ in range(3))
    for oid in (filled, canceled, partly):
        strategy.wait_for(oid, "accepted")
    stop_strategy(stack)
    down_from = len(strategy.told)
    control, account = stack.control, stack.account
    control.fill_order(filled, account=account, amount="0.0004")
    control.cancel_order(canceled, account=account, source="system")
    control.fill_order(partly, account=account, amount="0.0001")
    control.fill_order(filled, account=account)
    control.fill_order(partly, account=account, amount="0.0002")
    until(lambda: stack.redis.scard(stack.keys.open("alpha")) == 1, "the worker knows it all")
    assert len(strategy.told) == down_from
    stack.start_strategy(strategy=strategy)
    until(lambda: len(strategy.fills(partly)) == 2)
    missed = [one for one in strategy.told[down_from:] if isinstance(one.what, Order)]
    assert [(one.what.oid, one.name) for one in missed] == [
        (filled, "partially_filled"),
        (canceled, "canceled"),
        (partly, "partially_filled"),
        (filled, "filled"),
        (partly, "partially_filled"),
    ]
    assert strategy.cache.get_open_orders() == {partly}
    stack.check(strategy)
    stop_strategy(stack)
    told = len(strategy.told)
    stack.start_strategy(strategy=strategy)
    strategy.cancel_order_ws(SYMBOL, partly)
    strategy.wait_for(partly, "canceled")
    assert [one.name for one in strategy.told[told:]] == ["canceling", "canceled"]
    stack.check(strategy)


class Raising(Recorder):
    """Raises in a callback, after noting it."""

    def on_accepted_order(self, order: Order) -> None:
        super().on_accepted_order(order)
        raise RuntimeError("a mistake in the strategy")


def test_e8_a_callback_that_raises_disturbs_nobody(
    stack: Stack, caplog: pytest.LogCaptureFixture
) -> None:
    raising, other = stack.start_strategy("alpha", Raising()), stack.start_strategy("beta")
    oid, theirs = raising.buy(), other.buy()
    for strategy, one in ((raising, oid), (other, theirs)):
        strategy.wait_for(one, "accepted")
        strategy.cancel_order_ws(SYMBOL, one)
        strategy.wait_for(one, "canceled")
        assert strategy.of(one) == ["pending", "accepted", "canceling", "canceled"]
    assert "a mistake in the strategy" in caplog.text
    stack.check(raising, other)


class Slow(Recorder):
    """Stays inside a callback until it is let go."""

    def __init__(self) -> None:
        super().__init__()
        self.inside, self.go_on = threading.Event(), threading.Event()

    def on_accepted_order(self, order: Order) -> None:
        super().on_accepted_order(order)
        self.inside.set()
        self.go_on.wait(20)


def test_e8_a_slow_callback_delays_nobody_and_no_ack(stack: Stack) -> None:
    slow, other = Slow(), stack.start_strategy("beta")
    stack.start_strategy("alpha", slow)
    try:
        first = slow.buy()
        assert slow.inside.wait(10)
        theirs, second = other.buy(), slow.buy()
        other.wait_for(theirs, "accepted")
        other.cancel_order_ws(SYMBOL, theirs)
        other.wait_for(theirs, "canceled")
        key = stack.keys.order("alpha", second)
        until(lambda: stack.redis.hget(key, "status") == "ACCEPTED", "acked meanwhile")
        assert slow.of(second) == [], "callbacks never run beside each other"
    finally:
        slow.go_on.set()
    slow.wait_for(second, "accepted")
    assert slow.results(first) == slow.results(second) == []
    stack.check(slow, other)


# --- E9, E10 ------------------------------------------------------------------------------------


def test_e9_without_a_worker_an_intent_waits_and_expires_unsent(stack: Stack) -> None:
    strategy = stack.start_strategy()
    stack.workers[0].stop()
    late, patient = strategy.buy(valid_for_ms=150), strategy.buy(valid_for_ms=60_000)
    expires_ms = int(stack.redis.hget(stack.keys.order("alpha", late), "expires_ms"))
    until(lambda: int(stack.redis.time()[0] * 1_000) > expires_ms + 1_000, "its time has passed")
    assert (strategy.of(late), strategy.of(patient)) == ([], [])
    stack.start_worker()
    failed = strategy.wait_for(late, "failed")
    assert (failed.reason or "").startswith("INTENT_EXPIRED")
    result = strategy.wait_result(late, Result.REQUEST_NOT_SENT)
    assert (result["exists"], result["reason"]) == ("false", failed.reason)
    strategy.wait_for(patient, "accepted")
    assert {row["client_id"] for row in stack.ledger().requests} == {patient}
    stack.check(strategy)


def test_e10_of_two_workers_one_owns_and_the_other_stands_by(
    stack: Stack, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "workers.lease")
    strategy, [first] = stack.start_strategy(), stack.workers
    second = standby(stack)
    owner = lease_of(first, stack).owner
    assert f"{stack.account}: owned by {owner}; standing by" in caplog.text
    assert stack.redis.hget(stack.keys.lease, "owner") == owner
    before = strategy.buy()
    strategy.wait_for(before, "accepted")
    first.stop()
    second.wait_serving()
    assert lease_of(second, stack).epoch == lease_of(first, stack).epoch + 1
    lease = stack.redis.hgetall(stack.keys.lease)
    assert (lease["owner"], lease["epoch"]) == (lease_of(second, stack).owner, "2")
    strategy.cancel_order_ws(SYMBOL, before)
    strategy.wait_for(before, "canceled")
    after = strategy.buy()
    strategy.wait_for(after, "accepted")
    private = [row for row in stack.ledger().connections if row["closed_ms"] is None]
    roles = Counter(row["role"] for row in private)
    assert roles == Counter({"trade": 1, "private": 1}), "a standby holds no sockets"
    stack.check(strategy)
