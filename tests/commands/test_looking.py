"""The commands that look: status, orders, order, tail."""

import time

import orjson
import pytest

from commands.output import console, table
from router.orders import acked
from router.snapshot import RequestCount, Snapshot, StageSummary
from tests.commands.conftest import Scene, Shell


def test_status_counts_what_is_under_way(shell: Shell, scene: Scene) -> None:
    filled, lost = scene.admit("maker", "k1"), scene.admit("maker")
    scene.admit("maker", "k1")
    scene.fill(filled)
    scene.lose(lost)
    scene.client.xadd(scene.keys.dead, {"stream": scene.keys.intents("maker"), "reason": "bad"})

    account = shell.json("status")["accounts"][0]
    assert account["owner"] == "host-7"
    assert account["worker"] == "serving"
    assert 0 < account["lease_left_ms"] <= 60_000
    assert account["sockets"]["trade"]["state"] == "connected"
    assert account["halted"] is None
    maker = account["strategies"][0]
    counts = {name: maker[name] for name in ("waiting", "open", "unknown", "repeats", "dead")}
    assert counts == {"waiting": 2, "open": 1, "unknown": 1, "repeats": 1, "dead": 1}
    assert maker["backlog"] == 3, "PENDING, FILLED and the request's outcome"
    assert maker["seen_ms"] > 0


def test_the_backlog_counts_what_comes_after_the_cursor(shell: Shell, scene: Scene) -> None:
    for _ in range(3):
        scene.fill(scene.admit("maker"))
    entries = scene.client.xrange(scene.keys.results("maker"))
    scene.client.hset(scene.keys.cursor("maker"), "main", entries[3][0])
    assert shell.json("status")["accounts"][0]["strategies"][0]["backlog"] == len(entries) - 4


def test_status_for_people(shell: Shell, scene: Scene) -> None:
    text = shell.run("status")
    assert "owner host-7" in text
    assert "maker" in text


SNAPSHOT = Snapshot(
    epoch=1,
    since_ms=1_000,
    at_ms=2_000,
    stages={
        "ack": StageSummary(count=3, p50_ms=1.25, p99_ms=9.5, most_ms=10.0),
        "rest": StageSummary(count=0, p50_ms=0, p99_ms=0, most_ms=0),
    },
    requests=(RequestCount(request="create", transport="ws", outcome="ACKED", reason="", count=3),),
    counts={"throttled": 0, "sends create ws": 4},
    now={"flights": 1, "open_orders": 2},
)


def test_status_shows_what_the_owner_measured(shell: Shell, scene: Scene) -> None:
    text = SNAPSHOT.model_copy(update={"epoch": scene.epoch}).model_dump_json()
    scene.client.set(scene.keys.metrics, text)
    assert shell.json("status")["accounts"][0]["metrics"] == orjson.loads(text)
    text = shell.run("status")
    assert "now 1 flights, 2 open orders" in text
    assert "4 sends create ws" in text
    assert "throttled" not in text, "what never happened is left out"
    [row] = [line for line in text.splitlines() if "│ ack" in line]
    assert row.replace("│", " ").split() == ["ack", "3", "1.2", "9.5", "10.0"]
    assert "│ rest" not in text
    assert "│ create  │ ws        │ ACKED" in text


@pytest.mark.parametrize("text", ["nonsense", "{}", "the last owner's"])
def test_status_shows_no_other_owners_numbers(shell: Shell, scene: Scene, text: str) -> None:
    if text == "the last owner's":
        text = SNAPSHOT.model_copy(update={"epoch": scene.epoch - 1}).model_dump_json()
    scene.client.set(scene.keys.metrics, text)
    assert shell.json("status")["accounts"][0]["metrics"] is None
    assert "stage" not in shell.run("status")


def test_an_account_that_nobody_owns(shell: Shell) -> None:
    assert "no owner" in shell.run("status")


def test_orders_lists_open_ones_and_filters(shell: Shell, scene: Scene) -> None:
    scene.register("taker")
    ended, live, other = scene.admit("maker"), scene.admit("maker"), scene.admit("taker")
    scene.fill(ended)

    def oids(*words: str) -> set[str]:
        return {one["oid"] for one in shell.json("orders", *words)["orders"]}

    assert oids() == {live.oid, other.oid}
    assert oids("--all") == {ended.oid, live.oid, other.oid}
    assert oids("--strategy", "taker") == {other.oid}
    assert oids("--symbol", "ETHUSDT.OKX") == set()
    assert oids("--account", "okx-main", "--limit", "1") == {live.oid, other.oid}
    assert live.oid in shell.run("orders")


def test_orders_of_a_symbol_are_found_behind_newer_ones(shell: Shell, scene: Scene) -> None:
    old = scene.admit("maker")
    scene.client.hset(scene.keys.order("maker", old.oid), "symbol", "ETHUSDT.OKX")
    for _ in range(3):
        scene.admit("maker")
    found = shell.json("orders", "--limit", "2", "--symbol", "ETHUSDT.OKX")
    assert [one["oid"] for one in found["orders"]] == [old.oid]
    assert "2 of 4 open orders" in shell.run("orders", "--limit", "2")
    assert shell.json("orders", "--limit", "2", "--all")["total"] == 4
    assert "4 open orders" in shell.run("orders")


def test_what_is_left_out_is_shown_as_its_default(shell: Shell, scene: Scene) -> None:
    record = scene.admit("maker")
    record.sent_ms = time.time_ns() // 1_000_000
    scene.tell(record, acked(record, "v1", record.sent_ms))
    history = shell.run("order", record.oid)
    assert "LIMIT GTC" in history
    assert "by ws, may wait" in history
    assert "filled 0 of 0.002" in history
    assert "filled 0" in shell.run("tail", "--no-follow")


def test_order_prints_the_whole_history(shell: Shell, scene: Scene) -> None:
    record = scene.admit("maker", "k1")
    scene.fill(record)
    scene.fill(scene.admit("maker"))  # another order's events are not in it
    found = shell.json("order", record.oid)
    assert found["strategy"] == "maker"
    assert found["order"]["status"] == "FILLED"
    what = [one["what"] for one in found["moments"]]
    assert what[0] == "admitted"
    assert what[-2:] == ["told PENDING", "told FILLED"]
    assert "trade t1" in what
    assert "key k1" in shell.run("order", record.oid)


@pytest.mark.parametrize("key", ["grid[btc]", "grid[/btc]", "grid:100:7", "[bold]", "grid\\[1]"])
def test_order_shows_a_key_as_it_is(shell: Shell, scene: Scene, key: str) -> None:
    assert f"key {key}" in shell.run("order", scene.admit("maker", key).oid)


def test_order_shows_a_reason_and_a_strategy_as_they_are(shell: Shell, scene: Scene) -> None:
    scene.register("maker[a]")
    record = scene.admit("maker[a]")
    reason = "[/x] 51008 [red]order[/red] failed"
    scene.client.hset(scene.keys.order("maker[a]", record.oid), "reason", reason)
    shown = shell.run("order", record.oid)
    assert "maker[a] at okx-main" in shown
    assert f"reason: {reason}" in shown


def test_status_shows_an_owner_as_it_is(shell: Shell, scene: Scene) -> None:
    scene.client.hset(scene.keys.lease, "owner", "host[/a]:100:")
    scene.client.hset(scene.keys.status, "worker", "serving[b]")
    shown = shell.run("status")
    assert "owner host[/a]:100:" in shown
    assert "serving[b]" in shown


def test_a_title_is_shown_as_it_is() -> None:
    out = console()
    with out.capture() as shown:
        out.print(table("[/a] at", ("time",), [("[now]",)]))
    assert "[/a] at" in shown.get()
    assert "[now]" in shown.get()


def test_order_is_found_after_its_client_id_was_forgotten(shell: Shell, scene: Scene) -> None:
    record = scene.admit("maker")
    scene.client.delete(scene.keys.clients)
    assert shell.json("order", record.oid)["strategy"] == "maker"


def test_tail_prints_what_there_is(shell: Shell, scene: Scene) -> None:
    record = scene.admit("maker")
    scene.fill(record)
    scene.lose(scene.admit("maker"))
    lines = shell.run("tail", "--no-follow", "--json").splitlines()
    kinds = [orjson.loads(line)["type"] for line in lines]
    assert kinds == ["order", "order", "ws_order_request_result"]
    text = shell.run("tail", "--no-follow", "--last", "2")
    assert f"FILLED {record.oid}" in text
    assert "ACK_TIMEOUT create" in text
    assert shell.run("tail", "--no-follow", "--last", "0") == ""
