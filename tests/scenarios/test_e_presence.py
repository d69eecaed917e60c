"""E. Whether the account has a worker: told to all strategies, once when it goes and comes."""

import signal
from pathlib import Path
from typing import Any

import pytest

from simulator.server import RunningSimulator
from tests.scenarios.stack import Recorder, running_stack, until
from tests.workers.killable import killable_worker, redis_ms, standby

LEASE_MS = 3_000
LONG_LEASE_MS = 600_000  # longer than any test waits: only what was given up can be taken


def comings(strategy: Recorder) -> list[str]:
    """Return the events of the worker alone."""
    return [one["event"] for one in statuses(strategy) if one["event"].startswith("worker_")]


def statuses(strategy: Recorder) -> list[dict[str, Any]]:
    return [one.what for one in list(strategy.told) if one.name == "status"]


def wait_resynced(strategy: Recorder) -> None:
    until(lambda: "resynced" in strategy.events(), "what was hidden is known")


def test_a_leaving_owner_says_so_and_its_standby_owns_at_once(
    redis_url: str, simulator: RunningSimulator
) -> None:
    with running_stack(redis_url, simulator, lease_ttl_ms=LONG_LEASE_MS) as stack:
        first = stack.start_worker()
        strategies = [stack.start_strategy(name) for name in ("alpha", "beta")]
        oid = strategies[0].buy()
        strategies[0].wait_for(oid, "accepted")
        second = standby(stack)
        first.stop()
        second.wait_serving()
        for strategy in strategies:
            wait_resynced(strategy)
        after = strategies[1].buy()
        strategies[1].wait_for(after, "accepted")
        for name, strategy in zip(("alpha", "beta"), strategies, strict=True):
            stack.all_told(name)
            assert comings(strategy)[-2:] == ["worker_down", "worker_up"]
            assert comings(strategy).count("worker_down") == 1
            assert strategy.events().count("resynced") == 1
        stack.check(*strategies)


@pytest.mark.parametrize("stands_by", [True, False])
def test_a_killed_owner_is_told_by_the_next_with_the_end_of_its_lease(
    redis_url: str, simulator: RunningSimulator, tmp_path: Path, stands_by: bool
) -> None:
    with (
        running_stack(redis_url, simulator, lease_ttl_ms=LEASE_MS) as stack,
        killable_worker(stack, tmp_path) as first,
    ):
        strategy = stack.start_strategy()
        oid = strategy.buy()
        strategy.wait_for(oid, "accepted")
        second = standby(stack) if stands_by else None
        until_ms = int(stack.redis.hget(stack.keys.status, "lease_until_ms"))
        first.signal(signal.SIGKILL)
        killed_ms = redis_ms(stack)
        until(lambda: not stack.redis.exists(stack.keys.lease) or (second and second.serving))
        ended_by_ms = redis_ms(stack)
        second = second.wait_serving() if second else stack.start_worker()
        wait_resynced(strategy)
        [down] = [one for one in statuses(strategy) if one["event"] == "worker_down"]
        assert until_ms <= int(down["timestamp"]) <= min(killed_ms + LEASE_MS, ended_by_ms)
        second.stop()
        stack.start_worker()
        until(lambda: comings(strategy)[-1] == "worker_up" and len(comings(strategy)) >= 4)
        stack.all_told()
        pair = ["worker_down", "worker_up"]
        assert comings(strategy)[-4:] == [*pair, *pair], "each outage once"
        assert comings(strategy).count("worker_down") == 2
        stack.check(strategy)
