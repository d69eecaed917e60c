"""Redis restarted, emptied, full or damaged: nothing lost, nothing repeated, all of it said."""

import threading
from dataclasses import replace
from typing import Any

import pytest
import redis

from demo.redis_server import RedisServer, temporary_server
from router import functions
from router.keyspace import AccountKeys, VenueKeys
from router.settings import Settings
from strategy_sdk.scripted_worker import ScriptedWorker
from strategy_sdk.testing import linear_perpetual
from tests.strategy_sdk.conftest import QUICK, Start
from tests.strategy_sdk.recorder import SYMBOL, Recorder
from tests.strategy_sdk.waiting import DEADLINE_S, wait_for

KEYS = AccountKeys("okx-main")
VENUE = VenueKeys("okx")


def events(strategy: Recorder) -> list[str]:
    return [status["event"] for status in strategy.of("status")]


@pytest.mark.scenario("E4")
def test_a_redis_restart_loses_and_repeats_nothing(
    start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    with temporary_server("always") as server:
        client = redis.Redis.from_url(server.url, decode_responses=True)
        client.function_load(functions.source())
        worker = ScriptedWorker(client, KEYS, "alpha", "okx")
        worker.publish([linear_perpetual(SYMBOL)])
        alpha = start(settings=Settings(redis_url=server.url), redis_url=server.url)
        oid = alpha.buy()
        worker.acknowledge(oid)
        worker.accept(oid)
        wait_for(lambda: "accepted" in alpha.names())
        _restart(server)
        worker.fill(oid, "0.001", "89500")
        wait_for(lambda: "filled" in alpha.names())
        assert alpha.names() == ["start", "pending", "accepted", "filled"]
        wait_for(lambda: "Redis is back" in caplog.text)
        assert alpha.buy()
        alpha.runner.stop()
        alpha.runner.join(DEADLINE_S)
        client.close()


def _restart(server: RedisServer) -> None:
    server.kill()
    server.start()


@pytest.mark.scenario("E6")
def test_an_emptied_redis_is_registered_with_and_read_anew(
    alpha: Recorder, worker: ScriptedWorker, redis_client: Any, caplog: pytest.LogCaptureFixture
) -> None:
    worker.status("connected")
    oid = alpha.buy()
    wait_for(lambda: events(alpha) == ["connected"])
    redis_client.flushall()
    wait_for(lambda: redis_client.hexists(KEYS.strategies, "alpha"))
    fresh = ScriptedWorker(redis_client, KEYS, "alpha", "okx")
    fresh.publish([linear_perpetual(SYMBOL)])
    fresh.status("resynced")
    wait_for(lambda: events(alpha) == ["connected", "resynced"])
    assert alpha.cache.get_open_orders() == {oid}  # what Redis lost proves nothing
    # It registered before it stored its place again, or read on where it was: both are said.
    either = "reading from 0-0 again", "Redis lost writes and counts anew"
    wait_for(lambda: any(text in caplog.text for text in either))


def test_what_is_stored_unreadably_is_left_out(
    start: Start, worker: ScriptedWorker, redis_client: Any, caplog: pytest.LogCaptureFixture
) -> None:
    first = start()
    good, bad = first.buy(), first.buy()
    redis_client.hset(KEYS.order("alpha", bad), "amount", "much")
    redis_client.hset(KEYS.positions, "X", "[")
    redis_client.hset(KEYS.balances, "Y", "{}")
    second = start(instance="second")
    assert second.cache.get_open_orders() == {good}
    assert [order.oid for order in second.fetch_open_orders(SYMBOL)] == [good]
    for text in (f"{bad} of okx-main is unreadable", "stored of X", "stored of Y"):
        assert text in caplog.text


class Pauses(threading.Event):
    """A stop event that notes how long it was waited for."""

    def __init__(self) -> None:
        super().__init__()
        self.asked_s: list[float] = []

    def wait(self, timeout: float | None = None) -> bool:
        self.asked_s.append(timeout or 0.0)
        return super().wait(timeout)


def test_a_read_that_redis_refuses_is_tried_with_growing_pauses(
    start: Start, worker: ScriptedWorker, redis_client: Any, caplog: pytest.LogCaptureFixture
) -> None:
    pauses, stream = Pauses(), KEYS.results("alpha")
    timing = replace(QUICK, alive_every_s=600, reconnect_first_s=0.002, reconnect_most_s=0.064)
    alpha = start(stop_event=pauses, timing=timing)
    worker.status("connected")
    wait_for(lambda: events(alpha) == ["connected"])
    pauses.asked_s.clear()
    redis_client.rename(stream, "aside")
    redis_client.set(stream, "not a stream")
    wait_for(lambda: len(pauses.asked_s) >= 7)
    redis_client.rename("aside", stream)
    worker.status("resynced")
    wait_for(lambda: len(events(alpha)) == 2)
    assert events(alpha) == ["connected", "resynced"], "nothing was lost or told again"
    assert "WRONGTYPE" in caplog.text
    assert "Redis is back" in caplog.text
    for number, pause_s in enumerate(pauses.asked_s[:7]):
        most_s = min(0.064, 0.002 * 2**number)
        assert most_s / 2 <= pause_s <= most_s


def test_full_memory_does_not_keep_results_from_being_told(
    start: Start, worker: ScriptedWorker, redis_client: Any, caplog: pytest.LogCaptureFixture
) -> None:
    alpha = start()
    redis_client.config_set("maxmemory", 1)
    try:
        for event in ("disconnected", "resynced"):
            worker.status(event)
            wait_for(lambda: events(alpha)[-1:] == [event])  # noqa: B023  # awaited at once
        wait_for(lambda: "cannot be stored" in caplog.text)
    finally:
        redis_client.config_set("maxmemory", 0)
    last_id = redis_client.xrevrange(KEYS.results("alpha"), count=1)[0][0]
    wait_for(lambda: redis_client.hget(KEYS.cursor("alpha"), "main") == last_id)
    alpha.runner.stop()
    alpha.runner.join(DEADLINE_S)
    assert events(alpha) == ["disconnected", "resynced"]
    again = start()
    worker.status("connected")
    wait_for(lambda: events(again))
    assert events(again) == ["connected"], "the place was stored once there was room"


def test_results_that_a_failover_lost_hide_no_later_ones(
    alpha: Recorder, worker: ScriptedWorker, redis_client: Any, caplog: pytest.LogCaptureFixture
) -> None:
    stream = KEYS.results("alpha")
    worker.status("connected")
    wait_for(lambda: events(alpha) == ["connected"])
    kept = redis_client.xrange(stream)
    [(_, fields)] = kept
    ahead = f"{int(kept[0][0].partition('-')[0]) + 3_600_000}-0"  # by a clock an hour ahead
    redis_client.xadd(stream, fields | {"seq": "2", "event": "disconnected"}, id=ahead)
    wait_for(lambda: events(alpha)[-1] == "disconnected")
    redis_client.delete(stream)
    for entry_id, entry in kept:
        redis_client.xadd(stream, entry, id=entry_id)
    redis_client.client_kill_filter(_type="normal", skipme=True)
    worker.status("reconnected")
    wait_for(lambda: events(alpha) == ["connected", "disconnected", "reconnected"])
    assert f"going on behind {kept[0][0]}" in caplog.text
