"""Results as they are told: in order, none lost, none twice, whatever a callback does."""

import json
import threading
from dataclasses import replace
from typing import Any

import pytest

from router.enums import OrderStatus, WsOrderResultType
from router.keyspace import AccountKeys, VenueKeys
from strategy_sdk.schema import Order
from strategy_sdk.scripted_worker import ScriptedWorker
from tests.strategy_sdk.conftest import QUICK, Start
from tests.strategy_sdk.recorder import SYMBOL, Recorder
from tests.strategy_sdk.waiting import DEADLINE_S, wait_for

KEYS = AccountKeys("okx-main")
VENUE = VenueKeys("okx")


def events(strategy: Recorder) -> list[str]:
    return [status["event"] for status in strategy.of("status")]


def test_an_orders_life_is_told_in_order_with_its_numbers(
    alpha: Recorder, worker: ScriptedWorker
) -> None:
    oid = alpha.buy(client_oid="mine")
    worker.acknowledge(oid)
    worker.accept(oid)
    worker.fill(oid, "0.0004", "89500", fee="0.01", fee_currency="USDT")
    worker.fill(oid, "0.0006", "89400", trade_id="t2")
    wait_for(lambda: "filled" in alpha.names())
    assert alpha.names() == ["start", "pending", "accepted", "partially_filled", "filled"]
    last: Order = alpha.of("filled")[0]
    assert (str(last.last_filled), str(last.last_filled_price), last.trade_id) == (
        "0.0006",
        "89400",
        "t2",
    )
    assert (str(last.avg_price), str(last.cost), str(last.cum_cost), str(last.fee)) == (
        "89440",
        "53.6400",
        "89.4400",
        "0.01",
    )
    assert (last.client_oid, last.strategy, last.account) == ("mine", "alpha", "okx-main")
    assert last.remaining == 0
    assert alpha.cache.get_open_orders() == set()


def test_every_ending_reaches_its_callback(alpha: Recorder, worker: ScriptedWorker) -> None:
    canceled, expired, refused = alpha.buy(), alpha.buy(), alpha.buy()
    for oid in (canceled, expired):
        worker.acknowledge(oid)
        worker.accept(oid)
    worker.take_cancel(canceled)
    worker.cancel(canceled, "by user")
    worker.expire(expired)
    worker.reject(refused, "51008 no margin")
    wait_for(lambda: "request_result" in alpha.names())
    told = [(name, one.oid) for name, one in alpha.told if isinstance(one, Order)]
    assert told[4:] == [
        ("canceling", canceled),
        ("canceled", canceled),
        ("expired", expired),
        ("failed", refused),
    ]
    assert alpha.of("failed")[0].reason == "51008 no margin"
    [result] = alpha.of("request_result")
    assert result == {
        "oid": refused,
        "symbol": SYMBOL,
        "exchange": "okx",
        "account": "okx-main",
        "request": "create",
        "result_type": WsOrderResultType.ACK_REJECTED,
        "reason": "51008 no margin",
        "exists": "false",
        "timestamp": result["timestamp"],
    }
    assert isinstance(result["timestamp"], int)


@pytest.mark.scenario("C13")
def test_a_failed_cancel_is_an_event_and_the_order_lives_on(
    alpha: Recorder, worker: ScriptedWorker
) -> None:
    oid = alpha.buy()
    worker.accept(oid)
    alpha.cancel_order_ws(SYMBOL, oid)
    worker.refuse_cancel(oid, "51410 busy")
    worker.fill(oid, "0.001", "89500")
    wait_for(lambda: "filled" in alpha.names())
    [failed] = alpha.of("cancel_failed")
    assert (failed.status, failed.standing) == (OrderStatus.CANCEL_FAILED, OrderStatus.ACCEPTED)
    assert failed.is_opened
    assert alpha.names()[-3:] == ["cancel_failed", "request_result", "filled"]


def test_account_news_fill_the_cache(alpha: Recorder, worker: ScriptedWorker) -> None:
    worker.balance("USDT", "100", "5")
    worker.balance("BTC", "1")
    worker.position(SYMBOL, "-0.5", "89500")
    worker.status("disconnected")
    worker.resync_diff({"success": True, "open_orders_removed": ["a"]})
    wait_for(lambda: "diff" in alpha.names())
    assert set(alpha.of("balance")[-1].balances) == {"USDT", "BTC"}
    assert alpha.cache.get_balance("okx").balance_total["USDT"] == 105
    position = alpha.cache.get_position(SYMBOL)
    assert position is not None
    assert position.is_short
    [status] = alpha.of("status")
    assert set(status) == {"exchange", "account", "account_type", "event", "timestamp"}
    [diff] = alpha.of("diff")
    assert diff["diff"]["open_orders_removed"] == ["a"]
    worker.position(SYMBOL, "0")
    wait_for(lambda: alpha.cache.get_position(SYMBOL) is None)
    assert alpha.of("position")[-1].is_closed


@pytest.mark.scenario("E7")
def test_a_restart_goes_on_with_what_was_not_handled(
    start: Start, worker: ScriptedWorker, redis_client: Any
) -> None:
    first = start()
    oid = first.buy(idempotency_key="k")
    worker.accept(oid)
    wait_for(lambda: "accepted" in first.names())
    first.runner.stop()
    first.runner.join(DEADLINE_S)
    worker.fill(oid, "0.0004", "89500")
    worker.fill(oid, "0.0006", "89500")
    worker.status("resynced")
    second = start()
    wait_for(lambda: "status" in second.names())
    assert second.names() == ["start", "partially_filled", "filled", "status"]
    assert second.cache.get_open_orders() == set()
    last_id = redis_client.xrevrange(KEYS.results("alpha"), count=1)[0][0]
    wait_for(lambda: redis_client.hget(KEYS.cursor("alpha"), "main") == last_id)


def test_a_place_that_a_lost_connection_puts_back_late_is_stored_again(
    start: Start, worker: ScriptedWorker, redis_client: Any
) -> None:
    # Found by the simulation (seed 200583): Redis stood still, its clients connected anew, and what
    # they had written before came after what they wrote then. At rest nothing would mend it.
    alpha = start(timing=replace(QUICK, alive_every_s=0.05))
    first_id = redis_client.hget(KEYS.cursor("alpha"), "main")
    worker.accept(alpha.buy())
    wait_for(lambda: "accepted" in alpha.names())
    last_id = redis_client.xrevrange(KEYS.results("alpha"), count=1)[0][0]
    wait_for(lambda: redis_client.hget(KEYS.cursor("alpha"), "main") == last_id)
    redis_client.hset(KEYS.cursor("alpha"), "main", first_id)
    wait_for(lambda: redis_client.hget(KEYS.cursor("alpha"), "main") == last_id)
    assert alpha.names().count("accepted") == 1


def test_a_restart_in_the_middle_shows_orders_as_they_are_not_as_they_were(
    start: Start, worker: ScriptedWorker
) -> None:
    class Looks(Recorder):
        def on_accepted_order(self, order: Order) -> None:
            self.note("seen", self.cache.get_order(order.oid))

    first = start()
    oid = first.buy()
    first.runner.stop()
    first.runner.join(DEADLINE_S)
    worker.accept(oid)
    worker.fill(oid, "0.0004", "89500")
    second = start(Looks())
    wait_for(lambda: "partially_filled" in second.names())
    [seen] = second.of("seen")
    assert seen.status is OrderStatus.PARTIALLY_FILLED


def test_open_orders_positions_and_balances_are_there_in_on_start(
    start: Start, worker: ScriptedWorker
) -> None:
    first = start()
    oid = first.buy()
    worker.balance("USDT", "7")
    worker.position(SYMBOL, "1")
    first.runner.stop()
    first.runner.join(DEADLINE_S)

    class Looks(Recorder):
        def on_start(self) -> None:
            position = self.cache.get_position(SYMBOL)
            self.note("open", self.cache.get_open_orders())
            self.note("long", position is not None and position.is_long)
            self.note("free", self.cache.get_balance("okx-main").balance_free["USDT"])

    second = start(Looks())
    assert second.of("open") == [{oid}]
    assert second.of("long") == [True]
    assert second.of("free") == [7]


@pytest.mark.scenario("E8")
def test_a_raising_callback_is_logged_and_harms_nothing(
    start: Start, worker: ScriptedWorker, caplog: pytest.LogCaptureFixture
) -> None:
    class Raises(Recorder):
        def on_private_ws_status(self, status: dict[str, Any]) -> None:
            super().on_private_ws_status(status)
            raise RuntimeError("mine")

    alpha = start(Raises())
    for event in ("connected", "disconnected"):
        worker.status(event)
    wait_for(lambda: len(events(alpha)) == 2)
    wait_for(lambda: alpha.runner.callbacks.raised == 2)
    assert "RuntimeError: mine" in caplog.text
    assert "Raises.on_private_ws_status raised; the strategy goes on" in caplog.text


def test_a_repeated_entry_is_dropped_and_a_gap_is_named(
    alpha: Recorder,
    worker: ScriptedWorker,
    redis_client: Any,
    caplog: pytest.LogCaptureFixture,
) -> None:
    worker.status("connected")
    wait_for(lambda: events(alpha) == ["connected"])
    [(_, fields)] = redis_client.xrange(KEYS.results("alpha"))
    redis_client.xadd(KEYS.results("alpha"), fields)
    redis_client.hset(KEYS.seq, "alpha", 9)
    numbers = ("signed_amount", "entry_price", "unrealized_pnl", "realized_pnl")
    position = {"symbol": SYMBOL} | dict.fromkeys(numbers, "3")
    redis_client.hset(KEYS.positions, SYMBOL, json.dumps(position))
    worker.status("resynced")
    wait_for(lambda: events(alpha) == ["connected", "resynced"])
    assert "seq 10 follows 1" in caplog.text
    assert alpha.cache.get_position(SYMBOL)
    [gap] = alpha.of("lost")
    assert (gap["first_seq"], gap["last_seq"], gap["account"]) == (2, 9, "okx-main")
    assert "by hand" in gap["reason"]
    assert alpha.names() == ["start", "status", "lost", "status"], "it is told at its place"


def test_unknown_and_unreadable_entries_are_skipped(
    alpha: Recorder, worker: ScriptedWorker, caplog: pytest.LogCaptureFixture
) -> None:
    worker.result({"type": "weather"}, {"type": "order", "oid": "x"}, {"type": "order"})
    worker.result({"type": "private_ws_resync_diff", "diff": "["}, {"type": "balance"})
    worker.result({"type": "position", "position": '{"symbol":"x"}', "exchange": "okx"})
    worker.status("resynced")
    wait_for(lambda: events(alpha) == ["resynced"])
    assert alpha.names() == ["start", "status"]
    assert "unknown type 'weather'" in caplog.text
    assert caplog.text.count("is unreadable") == 5


def test_bytes_that_are_no_text_stop_nothing(
    alpha: Recorder,
    worker: ScriptedWorker,
    redis_client: Any,
    caplog: pytest.LogCaptureFixture,
) -> None:
    junk = redis_client.xadd(KEYS.results("alpha"), {b"type": b"\xff\xfe", b"seq": b"\xff"})
    worker.status("resynced")
    wait_for(lambda: events(alpha))
    assert alpha.names() == ["start", "status"], "the junk told nothing, what follows is told"
    assert events(alpha) == ["resynced"]
    assert f"result {junk} of okx-main has the unreadable seq" in caplog.text


def test_callbacks_of_a_run_come_in_one_thread(alpha: Recorder, worker: ScriptedWorker) -> None:
    for event in ("connected", "disconnected"):
        worker.status(event)
    wait_for(lambda: len(events(alpha)) == 2)
    assert alpha.threads == {"alpha"}


def test_a_scheduled_function_never_runs_beside_a_callback(
    start: Start, worker: ScriptedWorker
) -> None:
    running: list[str] = []
    overlaps: list[list[str]] = []

    class Timed(Recorder):
        def on_start(self) -> None:
            self.schedule(self.tick, "interval", seconds=0.01)

        def busy(self, name: str) -> None:
            running.append(name)
            overlaps.append(list(running))
            threading.Event().wait(0.002)
            running.remove(name)

        def tick(self) -> None:
            self.busy("tick")
            self.note("tick")

        def on_private_ws_status(self, status: dict[str, Any]) -> None:
            self.busy("status")
            super().on_private_ws_status(status)

    alpha = start(Timed())
    for number in range(40):
        worker.status(str(number))
    wait_for(lambda: len(events(alpha)) == 40 and len(alpha.of("tick")) > 3)
    assert {len(names) for names in overlaps} == {1}


def test_the_place_is_stored_during_a_long_batch(
    start: Start, worker: ScriptedWorker, redis_client: Any
) -> None:
    seen: list[tuple[str, str]] = []

    class Slow(Recorder):
        def on_private_ws_status(self, status: dict[str, Any]) -> None:
            super().on_private_ws_status(status)
            seen.append((status["event"], redis_client.hget(KEYS.cursor("alpha"), "main")))
            threading.Event().wait(0.015)

    alpha = start(Slow(), timing=replace(QUICK, cursor_every_s=0.02))
    with alpha.runner.callbacks.lock:
        for number in range(10):
            worker.status(str(number))
    wait_for(lambda: len(events(alpha)) == 10)
    assert len({cursor for _, cursor in seen}) > 3


def test_several_accounts_are_read_together(start: Start, redis_client: Any) -> None:
    alpha = start(accounts=["okx-main", "okx-two"])
    first = ScriptedWorker(redis_client, AccountKeys("okx-two"), "alpha", "okx")
    first.status("connected")
    wait_for(lambda: events(alpha) == ["connected"])
    oid = alpha.buy(account_type="okx-two")
    assert first.record(oid).oid == oid


def test_of_two_accounts_of_one_exchange_each_callback_names_its_own(
    start: Start, worker: ScriptedWorker, redis_client: Any
) -> None:
    ids = "okx-main", "okx-two"
    alpha = start(accounts=list(ids))
    second = ScriptedWorker(redis_client, AccountKeys(ids[1]), "alpha", "okx")
    for account, owner in zip(ids, (worker, second), strict=True):
        owner.reject(alpha.buy(account_type=account), "51008 no margin")
        owner.status("resynced")
        owner.resync_diff({})
        owner.position(SYMBOL, "1")
    wait_for(lambda: len(alpha.of("position")) == 2)
    for name in ("request_result", "status", "diff"):
        assert {one["account"] for one in alpha.of(name)} == set(ids)
    assert {one.account for one in alpha.of("position")} == set(ids)
    for account in ids:
        stored = alpha.cache.get_position(SYMBOL, account)
        assert stored is not None
        assert stored.account == account
