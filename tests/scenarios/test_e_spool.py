"""E1 with E5: a worker killed while Redis is away leaves what it learned to the next one."""

import signal
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import redis

from demo.redis_server import RedisServer, temporary_server
from router.enums import WsOrderResultType as Result
from simulator.server import RunningSimulator
from tests.scenarios.stack import PATIENT_MS, Stack, WorkerThread, rules, running_stack, until
from tests.scenarios.test_e_redis_away import gap_free
from tests.workers.cut_proxy import cut_proxy
from tests.workers.killable import Killable, killable_worker

LEASE_MS = 1_500


@pytest.fixture
def server() -> Iterator[RedisServer]:
    with temporary_server("always") as one:
        yield one


def spooled(folder: Path) -> str:
    """Return the text of all spool files."""
    return "".join(path.read_text() for path in folder.glob("*.spool"))


def kill(worker: Killable) -> None:
    worker.signal(signal.SIGKILL)
    worker.process.wait()


def standing_by(stack: Stack, redis_url: str) -> WorkerThread:
    """Return a second worker, on another host as it were: it has its own way and no spool."""
    worker = stack.settings.worker.model_copy(update={"spool_dir": ""})
    settings = stack.settings.model_copy(update={"redis_url": redis_url, "worker": worker})
    return WorkerThread(settings, stack.account).start()


@pytest.mark.parametrize("taken_over", [False, True], ids=["nobody", "another owner"])
def test_e1_what_was_learned_while_redis_was_away_outlives_the_worker(
    server: RedisServer, simulator: RunningSimulator, tmp_path: Path, taken_over: bool
) -> None:
    """That the venue refused an order, and why, no query tells: it was in the answer alone."""
    folder = tmp_path / "spool"
    with (
        cut_proxy(server.port) as proxy,
        running_stack(
            proxy.url,
            simulator,
            orders=rules(ack_timeout_ms=PATIENT_MS),
            lease_ttl_ms=LEASE_MS,
            spool_dir=str(folder),
        ) as stack,
        closing(redis.Redis.from_url(server.url, decode_responses=True)) as direct,
    ):
        refusal = stack.venue.refusal
        stack.redis = direct
        with killable_worker(stack, tmp_path) as first:
            stack.wait_connected()
            strategy = stack.start_strategy()
            if taken_over:
                second = standing_by(stack, server.url)
                stack.workers.append(second)
            match = stack.here | {"op": "place"}
            stack.control.arm("reject", match=match, count=1, code=refusal)
            stack.control.arm("delay_ack", match=match, count=1, delay_ms=500)
            oid = strategy.buy()
            until(lambda: stack.ledger().requests_of(oid), "it was sent")
            proxy.cut()
            until(lambda: refusal in spooled(folder), "the refusal is in the spool")
            kill(first)
        if taken_over:
            second.wait_serving()
        proxy.heal()
        if taken_over:
            # It proved that there is no such order, and sent it once more: this time it was taken.
            strategy.wait_for(oid, "accepted")
            second.stop()
        with killable_worker(stack, tmp_path) as third:
            if not taken_over:
                told = strategy.wait_result(oid, Result.ACK_REJECTED)
                assert refusal in told["reason"]
            after = strategy.buy()
            strategy.wait_for(after, "accepted")
            assert third.said("batches of outcomes that epoch") is not taken_over
        assert strategy.of(oid) == (["pending", "accepted"] if taken_over else ["failed"])
        assert strategy.result_types(oid) == ([] if taken_over else [Result.ACK_REJECTED])
        assert list(folder.iterdir()) == []
        made = [oid, after] if taken_over else [after]
        assert [row["client_id"] for row in stack.ledger().orders] == made
        assert gap_free(stack)
        stack.check(strategy)
