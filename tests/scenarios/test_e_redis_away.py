"""E. Redis restarted, stopped, cut off: all come back, nothing is lost, nothing done twice."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from decimal import Decimal
from itertools import pairwise
from pathlib import Path

import pytest

from demo.redis_server import RedisServer, die_with_parent, temporary_server
from router.contracts import ControlKind
from router.enums import OrderSide, OrderType
from router.enums import WsOrderResultType as Result
from router.errors import RedisUnavailable
from simulator.server import RunningSimulator
from strategy_sdk.schema import BatchOrder
from tests.scenarios.stack import (
    DEADLINE_S,
    FAR_PRICE,
    PATIENT_MS,
    SYMBOL,
    Recorder,
    Stack,
    WorkerThread,
    rules,
    running_stack,
    until,
)
from tests.scenarios.test_unknown import deaf_venue, unknown_order
from tests.workers.cut_proxy import cut_proxy
from tests.workers.killable import epoch_of, lease_of, standby, write_config

LEASE_MS = 3_000
AWAY_S = 10.0  # longer than a lease, and than any call to Redis may take


@pytest.fixture
def server() -> Iterator[RedisServer]:
    """A server of the test's own, which loses nothing that it has acknowledged."""
    with temporary_server("always") as one:
        yield one


@contextmanager
def running_jobs(stack: Stack, folder: Path) -> Iterator[None]:
    """Run ``order-router jobs`` as a process."""
    write_config(stack, folder)
    command = [sys.executable, "-m", "commands.main", "jobs", "--config-dir", str(folder)]
    command += ["--redis-url", stack.settings.redis_url]
    log = folder / "jobs.log"
    environment = os.environ | {"ORDER_ROUTER_CONFIG_DIR": str(folder)}
    environment |= {"REDIS_URL": stack.settings.redis_url, "ORDER_ROUTER_JOBS__SWEEP_EVERY_S": "1"}
    with (
        log.open("wb") as out,
        subprocess.Popen(
            command, stderr=out, stdout=out, env=environment, preexec_fn=die_with_parent
        ) as process,
    ):
        try:
            # One that finds no Redis at its start ends by design.
            until(lambda: process.poll() is not None or stack.redis.scard("rq:workers"), "jobs")
            yield
        finally:
            ended = process.poll()
            process.kill()
            assert ended is None, log.read_text()


def numbers(stack: Stack, strategy: str = "alpha") -> list[int]:
    return [int(row["seq"]) for _, row in stack.redis.xrange(stack.keys.results(strategy))]


def gap_free(stack: Stack, strategy: str = "alpha") -> bool:
    return all(after == before + 1 for before, after in pairwise(numbers(stack, strategy)))


def insist(strategy: Recorder, key: str) -> str:
    """Return the oid of an order, called for with one key until Redis has answered."""
    end = time.monotonic() + DEADLINE_S
    while True:
        try:
            return strategy.buy(idempotency_key=key)
        except RedisUnavailable:
            assert time.monotonic() < end


# --- E4 -----------------------------------------------------------------------------------------


def test_e4_a_restart_in_mid_stream_loses_and_doubles_nothing(
    server: RedisServer, simulator: RunningSimulator
) -> None:
    with running_stack(server.url, simulator) as stack:
        worker, strategy = stack.start_worker(), stack.start_strategy()
        epoch = epoch_of(stack)
        oids: list[str] = []
        submitting = threading.Thread(
            target=lambda: oids.extend(insist(strategy, f"k{number}") for number in range(60))
        )
        submitting.start()
        for times in range(1, 4):
            until(lambda at=times: len(stack.ledger().requests) > 12 * at, "orders flow")  # type: ignore[misc]
            server.kill()
            for oid in [row["client_id"] for row in stack.ledger().orders[: 4 * times]][-4:-2]:
                stack.control.fill_order(oid, account=stack.account)
            server.start()
        submitting.join(DEADLINE_S)
        assert len(set(oids)) == 60
        for oid in oids:
            strategy.wait_for(oid, "accepted")
        strategy.cancel_order_ws(SYMBOL, oids[-1])
        strategy.wait_for(oids[-1], "canceled")
        stack.check(strategy)
        assert {row["client_id"] for row in stack.ledger().requests} == set(oids)
        assert len(stack.ledger().orders) == 60
        for oid in oids:
            assert all(strategy.of(oid).count(name) == 1 for name in set(strategy.of(oid))), oid
        assert gap_free(stack)
        assert stack.redis.hget(stack.keys.lease, "epoch") == str(epoch), (
            "the owner stayed the owner"
        )
        assert worker.serving


def looking_up(stack: Stack) -> bool:
    """Whether the jobs are asking the venue about an order right now."""
    started = stack.redis.zrange(f"rq:wip:{stack.settings.jobs.queue}", 0, -1)
    return any("-resolve-" in one for one in started)


def test_e4_jobs_go_on_after_a_restart_in_the_midst_of_one(
    server: RedisServer, simulator: RunningSimulator, tmp_path: Path
) -> None:
    with (
        running_stack(server.url, simulator, orders=rules(ack_timeout_ms=1_000)) as stack,
        running_jobs(stack, tmp_path),
    ):
        worker, strategy = stack.start_worker(), stack.start_strategy()
        with deaf_venue(stack, arrives=True):
            oid = unknown_order(stack, strategy)
            worker.stop()
            match = stack.here | {"transport": "rest"}
            with stack.control.fault("rest_timeout", match=match, hold_ms=3_000):
                until(lambda: looking_up(stack), "a job asks")
                server.kill()
            server.start()
        until(
            lambda: any(
                row["kind"] == ControlKind.EVIDENCE and row["oid"] == oid
                for _, row in stack.redis.xrange(stack.keys.control)
            ),
            "a job found the order",
        )
        stack.start_worker()
        strategy.wait_result(oid, Result.ACK_TIMEOUT_CONFIRMED)
        strategy.wait_for(oid, "accepted")
        stack.check(strategy)


# --- E5 -----------------------------------------------------------------------------------------


def test_e5_while_redis_is_away_nothing_is_sent_and_what_comes_is_kept(
    server: RedisServer, simulator: RunningSimulator
) -> None:
    patient = rules(ack_timeout_ms=PATIENT_MS)
    with (
        ThreadPoolExecutor(1) as other_thread,
        running_stack(server.url, simulator, orders=patient, lease_ttl_ms=LEASE_MS) as stack,
    ):
        worker, strategy = stack.start_worker(), stack.start_strategy()
        assert server.process is not None
        epoch = epoch_of(stack)
        resting = strategy.buy()
        strategy.wait_for(resting, "accepted")
        late = {"match": stack.here | {"op": "order"}, "count": 1}
        stack.control.arm("delay_ack", **late, delay_ms=LEASE_MS)  # type: ignore[arg-type]
        stack.control.arm("delay_push", match=stack.here, delay_ms=LEASE_MS)
        acked_late = strategy.buy()
        until(lambda: stack.ledger().requests_of(acked_late), "it was sent")
        # More than the venue takes in 2 s (300 in batches), so that some wait in the worker.
        one = BatchOrder(SYMBOL, OrderSide.BUY, OrderType.LIMIT, Decimal("0.001"), FAR_PRICE)
        waiting = [oid for _ in range(8) for oid in strategy.create_batch_orders([one] * 50)]
        server.process.send_signal(signal.SIGSTOP)
        stopped_s = time.monotonic()
        # At once: its connection is as it was, so what it writes may arrive.
        calling = other_thread.submit(strategy.buy, idempotency_key="away")
        try:
            stack.control.fill_order(resting, account=stack.account, amount="0.0004")
            until(lambda: not lease_of(worker, stack).may_send(), "the lease may have ended")
            sent = len(stack.ledger().requests)
            with pytest.raises(RedisUnavailable, match="MAY have been admitted") as told:
                calling.result()
            assert "same idempotency_key is safe" in str(told.value)
            until(lambda: time.monotonic() - stopped_s > AWAY_S, "it was away long enough")
            assert len(stack.ledger().requests) <= sent + 1, "nothing leaves without the lease"
            assert sent < len(waiting)
        finally:
            server.process.send_signal(signal.SIGCONT)
        away = insist(strategy, "away")
        for oid in (acked_late, away, *waiting):
            strategy.wait_for(oid, "accepted")
        strategy.wait_for(resting, "partially_filled")
        stack.check(strategy)
        assert strategy.result_types(acked_late) == [], "its ACK was kept and written"
        assert len(stack.ledger().orders) == len(waiting) + 3
        for oid in (resting, acked_late, away, *waiting):
            assert all(strategy.of(oid).count(name) == 1 for name in set(strategy.of(oid))), oid
        assert gap_free(stack)
        assert stack.redis.hget(stack.keys.lease, "epoch") == str(epoch), (
            "an unclaimed lease is ours still"
        )


@pytest.mark.parametrize("taken_over", [False, True])
def test_e5_a_worker_cut_off_keeps_what_it_learns_or_leaves_it_to_the_next(
    server: RedisServer, simulator: RunningSimulator, taken_over: bool
) -> None:
    """The venue still has all that the next owner cannot read in Redis, so no spool is needed."""
    with (
        cut_proxy(server.port) as proxy,
        running_stack(
            server.url, simulator, orders=rules(ack_timeout_ms=PATIENT_MS), lease_ttl_ms=LEASE_MS
        ) as stack,
    ):
        behind = stack.settings.model_copy(update={"redis_url": proxy.url})
        worker = WorkerThread(behind, stack.account).start().wait_serving()
        stack.workers.append(worker)
        stack.wait_connected()
        epoch = epoch_of(stack)
        strategy = stack.start_strategy()
        if taken_over:
            second = standby(stack)
        filled, canceled, partly, refused = (strategy.buy(idempotency_key=k) for k in "fcpr")
        for oid in (filled, canceled, partly, refused):
            strategy.wait_for(oid, "accepted")
        swallowed = stack.here | {"op": "cancel-order"}
        stack.control.arm("delay_ack", match=swallowed, count=1, delay_ms=1_000)
        stack.control.arm("delay_push", match=stack.here, count=1, delay_ms=1_000)
        strategy.cancel_order_ws(SYMBOL, canceled)
        until(lambda: len(stack.ledger().requests_of(canceled)) == 2, "the cancel was sent")
        proxy.cut()
        stack.control.fill_order(filled, account=stack.account, amount="0.0004")
        stack.control.fill_order(filled, account=stack.account)
        stack.control.fill_order(partly, account=stack.account, amount="0.0002")
        until(lambda: not lease_of(worker, stack).may_send(), "the lease may have ended")
        if taken_over:
            second.wait_serving()
        else:
            until(lambda: not stack.redis.exists(stack.keys.lease), "the lease has ended")
            cut_s = time.monotonic()
            until(lambda: time.monotonic() - cut_s > AWAY_S, "all calls under way gave up")
        proxy.heal()
        strategy.wait_for(filled, "filled")
        strategy.wait_for(canceled, "canceled")
        strategy.wait_for(partly, "partially_filled")
        after = strategy.buy()
        strategy.wait_for(after, "accepted")
        stack.check(strategy)
        for oid in (canceled, refused, after):
            assert all(strategy.of(oid).count(name) == 1 for name in set(strategy.of(oid))), oid
        assert len(strategy.fills(filled)) == 2
        assert len(strategy.fills(partly)) == 1
        assert gap_free(stack)
        assert (epoch_of(stack) > epoch) is taken_over
        assert stack.redis.hget(stack.keys.lease, "epoch") == str(epoch_of(stack))
