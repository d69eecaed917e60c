"""E. Hosts whose clocks differ: what one worker stamped, the next owner and the jobs still read."""

import signal
from contextlib import closing
from pathlib import Path

import pytest

from router.ids import new_oid, strategy_tag
from router.outcomes import Rung, absent_from
from router.state import State
from simulator.server import RunningSimulator
from tests.scenarios.stack import running_stack
from tests.workers.killable import killable_worker, redis_ms
from workers import clock as clocks
from workers.jobs import text_clients
from workers.resolver import resolve

#: Minutes, so that no pause of the machine makes up for it.
WRONG_MS = 300_000


def test_the_next_owner_sees_what_filled_under_a_worker_with_another_clock(
    redis_url: str,
    simulator: RunningSimulator,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(clocks.OFFSET_VARIABLE, str(WRONG_MS))
    with (
        running_stack(redis_url, simulator, lease_ttl_ms=3_000) as stack,
        killable_worker(stack, tmp_path) as first,
    ):
        strategy = stack.start_strategy()
        before_ms = redis_ms(stack)
        oid = strategy.buy()
        strategy.wait_for(oid, "accepted")
        sent_ms = int(stack.redis.hget(stack.keys.order("alpha", oid), "sent_ms"))
        assert abs(sent_ms - before_ms) < WRONG_MS / 2, "what lies in Redis is in Redis's time"
        first.signal(signal.SIGKILL)
        first.process.wait()
        stack.control.fill_order(oid, account=stack.account)
        stack.start_worker()
        strategy.wait_for(oid, "filled")
        stack.check(strategy)


def test_a_resolver_with_another_clock_proves_no_absence_too_early(
    redis_url: str, simulator: RunningSimulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    with running_stack(redis_url, simulator) as stack:
        stack.start_worker()
        strategy = stack.start_strategy()
        known = strategy.buy()
        strategy.wait_for(known, "accepted")
        oid, sent_ms = new_oid(strategy_tag("alpha")), redis_ms(stack)
        lost = {
            "oid": oid,
            "client_id": oid,
            "eid": "",
            "state": State.UNKNOWN,
            "created_ms": str(sent_ms),
            "sent_ms": str(sent_ms),
        }
        like = stack.redis.hgetall(stack.keys.order("alpha", known))
        stack.redis.hset(stack.keys.order("alpha", oid), mapping={**like, **lost})
        monkeypatch.setattr(clocks, "_OFFSET_MS", WRONG_MS)
        with closing(text_clients(stack.settings)) as clients:
            rung = resolve(clients, stack.settings, stack.account, "alpha", oid)
        rules = stack.settings.orders
        from_ms = absent_from(
            sent_ms,
            expiry_ms=rules.expiry_ms,
            clock_skew_ms=rules.clock_skew_ms,
            visibility_lag_ms=rules.visibility_lag_ms,
        )
        assert rung is Rung.NOT_FOUND
        assert redis_ms(stack) >= from_ms
