"""Results that were cut unread: told first, once, with the cache as Redis has it now."""

from decimal import Decimal
from typing import Any

import pytest

from router import functions
from router.enums import WsOrderResultType
from router.errors import Denied
from router.keyspace import AccountKeys
from router.settings import OrderSettings, Settings
from strategy_sdk.scripted_worker import ScriptedWorker
from tests.strategy_sdk.conftest import Start
from tests.strategy_sdk.recorder import SYMBOL, Recorder
from tests.strategy_sdk.waiting import wait_for

KEYS = AccountKeys("okx-main")
MOST = 5


def cut(client: Any, most: int = MOST) -> None:
    """Cut all but the newest results, whoever has read them, as the job does."""
    one = functions.trim(KEYS, "alpha", handled_ms=1, unhandled_ms=10**9, most=most)
    while client.fcall(*one.fcall())[1]:
        pass


def end(strategy: Recorder) -> None:
    strategy.runner.stop()
    strategy.runner.join(5)


class Looks(Recorder):
    """Looks into the cache when it is told of a gap."""

    def on_results_lost(self, gap: dict[str, Any]) -> None:
        super().on_results_lost(gap)
        self.note("open", self.cache.get_open_orders())


@pytest.mark.scenario("E13")
def test_an_absent_strategy_is_told_what_it_missed_before_anything_else(
    start: Start, worker: ScriptedWorker, redis_client: Any, caplog: pytest.LogCaptureFixture
) -> None:
    first = start()
    canceled, alive = first.buy(), first.buy()
    worker.accept(canceled)
    wait_for(lambda: "accepted" in first.names())
    end(first)
    [*_, (_, last)] = redis_client.xrange(KEYS.results("alpha"))
    handled = int(last["seq"])
    worker.cancel(canceled)
    worker.accept(alive)
    for number in range(20):
        worker.status(str(number))
    cut(redis_client)
    kept = [int(fields["seq"]) for _, fields in redis_client.xrange(KEYS.results("alpha"))]
    second = start(Looks())
    wait_for(lambda: len(second.of("status")) == len(kept) - 1)
    assert second.names()[:3] == ["start", "lost", "open"]
    [gap] = second.of("lost")
    assert (gap["first_seq"], gap["last_seq"]) == (handled + 1, kept[0])
    assert set(gap) == {
        "exchange", "account", "first_seq", "last_seq", "reason", "timestamp"
    }  # fmt: skip
    assert second.of("open") == [{alive}]
    assert f"results {handled + 1} to {kept[0]} of okx-main are lost" in caplog.text
    assert not redis_client.exists(KEYS.gaps("alpha"))
    end(second)
    caplog.clear()
    third = start()
    worker.status("last")
    wait_for(lambda: third.of("status"))
    assert third.names() == ["start", "status"]
    assert "lost" not in caplog.text
    assert "no longer kept" not in caplog.text


@pytest.mark.scenario("E13")
def test_a_slow_reader_is_told_at_the_place_where_results_are_missing(
    start: Start, worker: ScriptedWorker, redis_client: Any
) -> None:
    alpha = start()
    worker.status("before")
    wait_for(lambda: alpha.of("status"))
    with alpha.runner.callbacks.lock:  # it hangs in a callback
        worker.status("handed over already")
        wait_for(lambda: alpha.runner.reader.telling)
        for number in range(20):
            worker.status(str(number))
        cut(redis_client)
    wait_for(lambda: alpha.of("status") and alpha.of("status")[-1]["event"] == "19")
    assert alpha.names()[:4] == ["start", "status", "status", "lost"]
    [gap] = alpha.of("lost")
    assert gap["first_seq"] == 3
    assert "more than 5 results waited" in gap["reason"]
    told = len(alpha.of("status"))
    assert told - 2 == 22 - gap["last_seq"], "nothing else is missing, nothing came twice"
    wait_for(lambda: not redis_client.exists(KEYS.gaps("alpha")))


@pytest.mark.scenario("E13")
def test_a_strategy_that_reads_nothing_gets_no_new_orders_in(
    start: Start, worker: ScriptedWorker, settings: Settings
) -> None:
    few = settings.model_copy(update={"orders": OrderSettings(max_unread_results_per_strategy=3)})
    alpha = start(settings=few)
    resting = alpha.buy()
    with alpha.runner.callbacks.lock:
        worker.accept(resting)
        for number in range(4):
            worker.status(str(number))
        with pytest.raises(Denied, match=r"RESULTS_FULL: \d results of alpha wait.*callbacks"):
            alpha.buy(idempotency_key="k")
        assert alpha.cancel_order_ws(SYMBOL, resting) == resting, "a cancel always passes"
        assert alpha.runner.cache.get_idempotent_create_order_oid("k") is None
    wait_for(lambda: len(alpha.of("status")) == 4)
    wait_for(lambda: worker.client.hget(KEYS.cursor("alpha"), "main") != "0-0")
    assert alpha.buy(idempotency_key="k")


@pytest.mark.scenario("E9")
def test_with_no_worker_a_strict_request_is_told_at_once(
    alpha: Recorder, worker: ScriptedWorker, redis_client: Any
) -> None:
    resting = alpha.buy()
    worker.accept(resting)
    redis_client.delete(KEYS.lease)
    oid = alpha.buy(ws_fallback=False, idempotency_key="k")
    wait_for(lambda: alpha.of("failed"))
    assert alpha.cancel_order_ws(SYMBOL, resting, ws_fallback=False) == resting
    assert (
        alpha.modify_order_ws(SYMBOL, resting, price=Decimal("89000"), ws_fallback=False) == resting
    )
    wait_for(lambda: len(alpha.of("request_result")) == 3)
    assert [(one["request"], one["oid"], one["exists"]) for one in alpha.of("request_result")] == [
        ("create", oid, "false"),
        ("cancel", resting, "true"),
        ("modify", resting, "true"),
    ]
    for result in alpha.of("request_result"):
        assert result["result_type"] is WsOrderResultType.REQUEST_NOT_SENT
        assert result["reason"].startswith("NO_WORKER: ")
        assert (result["exchange"], result["symbol"]) == ("okx", SYMBOL)
    [failed] = alpha.of("cancel_failed")
    assert (failed.oid, failed.is_opened, failed.remaining) == (resting, True, failed.amount)
    assert alpha.cache.get_open_orders() == {resting}, "nothing is being canceled"
    assert alpha.cache.get_inflight_orders(SYMBOL) == set()
    assert alpha.buy(ws_fallback=False, idempotency_key="k") == oid
    assert alpha.release_idempotency_key("k")
    assert alpha.buy(ws_fallback=False, idempotency_key="k") != oid
