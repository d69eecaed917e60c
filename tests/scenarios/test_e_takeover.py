"""E1. The owner is killed while orders stream in: a standby goes on, and each has one outcome."""

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from simulator.server import RunningSimulator
from tests.crashes.nursery import Forked, Nursery
from tests.scenarios.stack import (
    DEADLINE_S,
    PATIENT_MS,
    Recorder,
    Stack,
    rules,
    running_stack,
    until,
)
from tests.workers.killable import redis_ms

LEASE_MS = 3_000
#: What the design allows a standby beyond the lease; and what a machine may need that stands still
#: now and then. tests/workers/test_lease.py has the exact rule.
BEYOND_MS, BUSY_MS = 1_000, 20_000


class Stream:
    """Orders placed at a steady rate, in a thread of its own, until ``stop``."""

    def __init__(self, strategy: Recorder, per_s: int) -> None:
        self._strategy = strategy
        self._every_s = 1 / per_s
        self._stopped = threading.Event()
        self.oids: list[str] = []
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        begun_s = time.monotonic()
        while not self._stopped.wait(
            max(0.0, begun_s + len(self.oids) * self._every_s - time.monotonic())
        ):
            self.oids.append(self._strategy.buy())

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopped.set()
        self._thread.join(DEADLINE_S)

    def more(self, count: int) -> None:
        """Return when so many more orders were placed."""
        enough = len(self.oids) + count
        until(lambda: len(self.oids) >= enough, "orders stream in")


@contextmanager
def streaming(strategy: Recorder, per_s: int) -> Iterator[Stream]:
    stream = Stream(strategy, per_s)
    stream.start()
    try:
        yield stream
    finally:
        stream.stop()


def stands_by(stack: Stack, worker: Forked) -> bool:
    return "standing by" in worker.text()


def kill_the_owner(stack: Stack, workers: dict[int, Forked]) -> tuple[int, Forked]:
    """Kill whoever owns the account; return when, by Redis's clock, and who is left."""
    pid = int(stack.redis.hget(stack.keys.lease, "pid"))
    killed_ms = redis_ms(stack)
    os.kill(pid, signal.SIGKILL)
    [left] = [one for at, one in workers.items() if at != pid]
    return killed_ms, left


def unanswered(strategy: Recorder, oids: list[str]) -> set[str]:
    """Return the orders that were told neither as accepted nor as failed."""
    told = [one for one in list(strategy.told) if one.name in ("accepted", "failed")]
    return set(oids) - {one.what.oid for one in told}


@pytest.mark.parametrize(
    ("per_s", "beyond_ms"),
    [
        pytest.param(50, BUSY_MS, id="50 a second"),
        pytest.param(500, BEYOND_MS, id="500 a second", marks=pytest.mark.long),
    ],
)
def test_e1_an_owner_killed_under_load_is_followed_within_lease_and_a_second(
    redis_url: str, simulator: RunningSimulator, forks: Nursery, per_s: int, beyond_ms: int
) -> None:
    with running_stack(
        redis_url,
        simulator,
        orders=rules(ack_timeout_ms=PATIENT_MS),
        lease_ttl_ms=LEASE_MS,
        pacing=False,
    ) as stack:
        strategy = stack.start_strategy()
        workers = {
            one.pid: one
            for one in (
                forks.start("worker", stack.settings, account=stack.account) for _ in range(2)
            )
        }
        until(lambda: any(stands_by(stack, one) for one in workers.values()), "one stands by")
        stack.wait_connected()
        with streaming(strategy, per_s) as stream:
            stream.more(per_s)
            killed_ms, left = kill_the_owner(stack, workers)
            until(lambda: f"{stack.account}: serving" in left.text(), left.text)
            stream.more(per_s)
        since_ms = int(stack.redis.hget(stack.keys.lease, "since_ms"))
        until(lambda: not unanswered(strategy, stream.oids), "each has an outcome")
        until(lambda: not stack.redis.xlen(stack.keys.intents("alpha")), "all are settled")
        assert "failed" not in {one.name for one in strategy.told}
        sent = [row["client_id"] for row in stack.ledger().orders]
        assert sorted(sent) == sorted(stream.oids), "one order each at the venue, and no other"
        stack.check(strategy)
        assert since_ms - killed_ms <= LEASE_MS + beyond_ms
        left.stop()
