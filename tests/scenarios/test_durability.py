"""``durability``: what "replicated" waits for, what it says if in vain, and the doctor."""

import logging
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from commands.checkup_redis import check_servers
from commands.findings import Grade
from demo.redis_groups import ask, wait_for
from demo.redis_server import RedisServer, temporary_server
from router.errors import RedisUnavailable
from router.servers import Servers
from router.settings import Durability, Settings
from simulator.server import RunningSimulator
from tests.scenarios.stack import Stack, running_stack, until
from tests.scenarios.test_e_redis_away import gap_free

REPLICATED = {"durability": "replicated"}
NO_REPLICA = "no replica of Redis has the last call"


@contextmanager
def replica_of(master: RedisServer) -> Iterator[RedisServer]:
    """Yield a server that has all that the master has, and goes on following it."""
    with temporary_server("always", "--replicaof", f"127.0.0.1 {master.port}") as one:
        wait_for(lambda: ask(one, "INFO", "replication")["master_link_status"] == "up", "in sync")
        yield one


@pytest.fixture
def master() -> Iterator[RedisServer]:
    with temporary_server("always", "--repl-diskless-sync-delay", "0") as one:
        yield one


def unreplicated(stack: Stack) -> int:
    process = stack.workers[-1].process
    assert process is not None
    return sum(process.metrics[stack.account].unreplicated.numbers.values())


def test_what_no_replica_has_is_said_and_goes_on(
    master: RedisServer, simulator: RunningSimulator, caplog: pytest.LogCaptureFixture
) -> None:
    """The order is admitted, perhaps at the venue already: an error would deny what is true."""
    with (
        replica_of(master) as replica,
        running_stack(master.url, simulator, others=REPLICATED) as stack,
    ):
        stack.start_worker()
        strategy = stack.start_strategy()
        safe = strategy.buy()
        strategy.wait_for(safe, "accepted")
        assert replica.process is not None
        replica.process.send_signal(signal.SIGSTOP)
        caplog.set_level(logging.ERROR)
        try:
            alone = strategy.buy(idempotency_key="k")
            assert NO_REPLICA in caplog.text
            strategy.wait_for(alone, "accepted")
            until(lambda: unreplicated(stack), "the worker counts what no replica has")
        finally:
            replica.process.send_signal(signal.SIGCONT)
        assert strategy.buy(idempotency_key="k") == alone
        stack.check(strategy)
        assert len(stack.ledger().orders) == 2


def test_a_master_without_replicas_takes_nothing_and_loses_nothing(
    master: RedisServer, simulator: RunningSimulator
) -> None:
    with running_stack(master.url, simulator, others=REPLICATED, lease_ttl_ms=60_000) as stack:
        with replica_of(master):
            worker, strategy = stack.start_worker(), stack.start_strategy()
            resting = strategy.buy()
            strategy.wait_for(resting, "accepted")
            stack.redis.config_set("min-replicas-to-write", 1)
        wait_for(lambda: ask(master, "INFO", "replication")["connected_slaves"] == 0, "it is gone")
        stack.control.fill_order(resting, account=stack.account)
        with pytest.raises(RedisUnavailable, match=r"NOREPLICAS.*Nothing was sent"):
            strategy.buy(idempotency_key="k")
        assert strategy.of(resting)[-1] == "accepted"
        with replica_of(master):
            strategy.wait_for(resting, "filled")
            oid = strategy.buy(idempotency_key="k")
            strategy.wait_for(oid, "accepted")
            stack.check(strategy)
            assert len(stack.ledger().orders) == 2
            assert gap_free(stack)
            assert worker.serving


def grades(server: RedisServer, durability: Durability) -> dict[str, Grade]:
    found: list[Any] = list(check_servers(Servers(server.url), Settings(durability=durability)))
    return {one.check: one.grade for one in found}


def test_the_doctor_compares_the_servers_with_the_setting(
    master: RedisServer, redis_server: RedisServer
) -> None:
    assert grades(redis_server, Durability.FAST)["appendfsync"] is Grade.WARN
    assert grades(redis_server, Durability.FSYNC)["appendfsync"] is Grade.FAIL
    assert grades(master, Durability.FSYNC)["appendfsync"] is Grade.OK
    found = grades(master, Durability.REPLICATED)
    assert (found["replicas"], found["min-replicas-to-write"]) == (Grade.FAIL, Grade.FAIL)
    with replica_of(master):
        ask(master, "CONFIG", "SET", "min-replicas-to-write", "1")
        wait_for(
            lambda: grades(master, Durability.REPLICATED)["replicas"] is Grade.WARN, "one is online"
        )
        assert grades(master, Durability.REPLICATED)["min-replicas-to-write"] is Grade.OK
        with replica_of(master):
            wait_for(
                lambda: grades(master, Durability.REPLICATED)["replicas"] is Grade.OK, "two are"
            )
