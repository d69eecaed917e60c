"""The WebSocket protocol by the sheet: login, envelopes, subscriptions, connection rules."""

from __future__ import annotations

import time
from typing import Any

import pytest
from websockets.exceptions import InvalidStatus

from simulator.client import AccountKeys
from simulator.config import LimitsConfig, SimulatorConfig
from simulator.server import RunningSimulator, run_in_thread
from tests.simulator.conftest import STILL, stopped_clock
from tests.simulator.okx_client import (
    CODES,
    DEMO,
    ORDERS,
    eventually,
    open_private,
    open_ws,
    spot,
    swap,
)


async def test_login_answers_with_a_connection_id(sim: RunningSimulator) -> None:
    async with await open_ws(sim.ws_url) as ws:
        answer = await ws.login()
        assert {**answer, "connId": "x"} == {
            "event": "login",
            "code": "0",
            "msg": "",
            "connId": "x",
        }


@pytest.mark.parametrize("kind", ["private", "business"])
async def test_login_takes_an_integer_timestamp(sim: RunningSimulator, kind: str) -> None:
    async with await open_ws(sim.ws_url, kind) as ws:
        assert (await ws.login(timestamp=int(time.time())))["code"] == "0"


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"timestamp": "soon"}, "60004"),
        ({"timestamp": ""}, "60004"),
        ({"apiKey": ""}, "60005"),
        ({"apiKey": "nobody"}, "60032"),
        ({"timestamp": "1000000000"}, "60006"),
        ({"passphrase": "wrong"}, "60024"),
        ({"sign": "wrong"}, "60007"),
    ],
)
async def test_bad_logins_have_their_codes(
    sim: RunningSimulator, changed: dict[str, Any], code: str
) -> None:
    async with await open_ws(sim.ws_url) as ws:
        answer = await ws.login(**changed)
        assert (answer["event"], answer["code"]) == ("error", code)
        assert answer["msg"]
        assert await ws.cut() == 4001


async def test_second_login_is_refused_and_the_first_stays(sim: RunningSimulator) -> None:
    async with await open_private(sim.ws_url) as ws:
        assert (await ws.login())["code"] == "60031"
        assert (await ws.op("order", spot("a1")))["code"] == "0"


async def test_ping_is_answered_as_text(sim: RunningSimulator) -> None:
    async with await open_ws(sim.ws_url, "public") as ws:
        await ws.send("ping")
        assert await ws.text() == "pong"


@pytest.mark.parametrize(
    "frame",
    [
        "{not json",
        "[]",
        '{"id":"1"}',
        '{"id":"1","op":"order"}',
        '{"op":"order","args":[{}]}',
        '{"id":"not-alnum","op":"order","args":[{}]}',
        '{"id":"1","op":"amend-order","args":[{}],"surprise":1}',
    ],
)
async def test_malformed_operations_get_an_error_without_id(
    sim: RunningSimulator, frame: str
) -> None:
    async with await open_private(sim.ws_url) as ws:
        await ws.send(frame)
        error = await ws.next()
        assert (error["event"], error["code"]) == ("error", "60012")
        assert "id" not in error
        assert error["msg"] == f"Invalid request: {frame}"


async def test_unknown_operation(sim: RunningSimulator) -> None:
    async with await open_private(sim.ws_url) as ws:
        await ws.send({"id": "1", "op": "dance", "args": []})
        error = await ws.next()
        assert (error["event"], error["code"]) == ("error", "60019")
        assert "id" not in error


@pytest.mark.parametrize("args", [[], "x", [1], [spot("a1"), spot("a2")]])
async def test_args_in_a_wrong_form_are_not_processed(sim: RunningSimulator, args: Any) -> None:
    async with await open_private(sim.ws_url) as ws:
        await ws.send({"id": "9", "op": "order", "args": args})
        reply = await ws.reply("9")
        assert (reply["code"], reply["data"]) == ("60013", [])
    assert sim.control.ledger().orders == []


async def test_operations_and_private_channels_need_a_login(sim: RunningSimulator) -> None:
    async with await open_ws(sim.ws_url) as ws:
        await ws.send({"id": "5", "op": "order", "args": [spot("a1")]})
        assert (await ws.next())["code"] == "60011"
        await ws.send({"op": "subscribe", "args": [ORDERS]})
        assert (await ws.next())["code"] == "60011"
    (row,) = sim.control.ledger().requests
    assert (row["processed"], row["code"], row["client_id"]) == (False, "60011", "a1")
    assert row["request_id"] == "5"


async def test_each_argument_is_acknowledged_and_private_ones_counted(
    sim: RunningSimulator,
) -> None:
    async with await open_private(sim.ws_url) as ws:
        other = {"channel": "orders", "instType": "SPOT"}
        await ws.send({"id": "7", "op": "subscribe", "args": [ORDERS, other]})
        frames = [await ws.next() for _ in range(4)]
        connection = frames[0]["connId"]
        assert frames[0] == {
            "id": "7",
            "event": "subscribe",
            "arg": ORDERS,
            "connId": connection,
        }
        assert frames[1] == {
            "event": "channel-conn-count",
            "channel": "orders",
            "connCount": "1",
            "connId": connection,
        }
        assert frames[2]["arg"] == other


async def test_unsubscribing_ends_the_pushes(sim: RunningSimulator) -> None:
    async with await open_private(sim.ws_url, DEMO, ORDERS) as ws:
        await ws.send({"op": "unsubscribe", "args": [ORDERS]})
        ack = await ws.until(lambda frame: frame.get("event") == "unsubscribe")
        assert ack["arg"] == ORDERS
        await ws.op("order", spot("a1"))
        await ws.ping()
        assert ws.pushes() == []
        assert [row["role"] for row in sim.control.connections()] == ["trade"]


@pytest.mark.parametrize(
    ("kind", "arg"),
    [
        ("public", ORDERS),
        ("private", {"channel": "bbo-tbt", "instId": "BTC-USDT"}),
        ("private", {"channel": "nothing"}),
        ("private", {"channel": "orders"}),
        ("private", {"channel": "positions", "instType": "SPOT"}),
        ("public", {"channel": "bbo-tbt", "instId": "NO-SUCH"}),
        ("business", ORDERS),
    ],
)
async def test_wrong_channels_are_refused(
    sim: RunningSimulator, kind: str, arg: dict[str, str]
) -> None:
    async with await open_ws(sim.ws_url, kind) as ws:
        if kind == "private":
            await ws.login()
        await ws.send({"id": "3", "op": "subscribe", "args": [arg]})
        error = await ws.until(lambda frame: frame["event"] == "error")
        assert (error["code"], error["id"]) == ("60018", "3")


async def test_the_fills_channel_is_for_better_customers(sim: RunningSimulator) -> None:
    async with await open_private(sim.ws_url) as ws:
        await ws.send({"op": "subscribe", "args": [{"channel": "fills"}]})
        assert (await ws.next())["code"] == "64003"


async def test_unknown_path_is_not_found(sim: RunningSimulator) -> None:
    with pytest.raises(InvalidStatus):
        await open_ws(sim.ws_url, "elsewhere")


async def test_place_ack_is_exact(sim: RunningSimulator) -> None:
    async with await open_private(sim.ws_url) as ws:
        reply = await ws.op("order", spot("a1", tag="mytag"))
        (item,) = reply.pop("data")
        assert reply.pop("id") == "r1"
        assert int(reply["outTime"]) >= int(reply.pop("inTime")) > 10**15
        assert int(reply.pop("outTime")) < 10**16
        assert reply == {"op": "order", "code": "0", "msg": ""}
        assert item.pop("ordId").isdigit()
        assert len(item.pop("ts")) == 13
        assert item == {
            "clOrdId": "a1",
            "tag": "mytag",
            "sCode": "0",
            "sMsg": "Order successfully placed.",
            "subCode": "",
        }


async def test_rejects_have_no_order_id_and_an_empty_message_on_top(
    sim: RunningSimulator,
) -> None:
    async with await open_private(sim.ws_url) as ws:
        reply = await ws.op("order", spot("a1", sz="1000"))
        assert (reply["code"], reply["msg"]) == ("1", "")
        item = reply["data"][0]
        assert (item["sCode"], item["ordId"], item["clOrdId"]) == ("51008", "", "a1")
        assert item["sMsg"] == "Order failed. Insufficient USDT balance in account"


async def test_cancel_ack_bears_the_creation_time(sim: RunningSimulator) -> None:
    async with await open_private(sim.ws_url, DEMO, ORDERS) as ws:
        await ws.op("order", spot("a1"))
        created = (await ws.push())["cTime"]
        reply = await ws.op("cancel-order", {"instIdCode": CODES["BTC-USDT"], "clOrdId": "a1"})
        item = reply["data"][0]
        assert (item["ts"], item["sCode"], item["sMsg"]) == (created, "0", "")
        assert set(item) == {"clOrdId", "ordId", "ts", "sCode", "sMsg"}


@pytest.mark.parametrize(
    ("code", "expected"), [(None, "50014"), ("", "50014"), (1, "51001"), ("x", "51001")]
)
@pytest.mark.parametrize("op", ["order", "cancel-order", "amend-order"])
async def test_every_operation_needs_the_instrument_code(
    sim: RunningSimulator, op: str, code: Any, expected: str
) -> None:
    item = spot("a1", instId="BTC-USDT", newSz="1")
    item.pop("instIdCode")
    if code is not None:
        item["instIdCode"] = code
    async with await open_private(sim.ws_url) as ws:
        assert (await ws.op(op, item))["data"][0]["sCode"] == expected


async def test_the_code_wins_over_the_name(sim: RunningSimulator) -> None:
    async with await open_private(sim.ws_url) as ws:
        await ws.op("order", spot("a1", instId="ETH-USDT"))
    assert sim.control.orders("a1")[0]["symbol"] == "BTC-USDT"


async def test_an_expired_request_is_not_processed(sim: RunningSimulator) -> None:
    past, future = str(int(time.time() * 1000) - 1), str(int(time.time() * 1000) + 60_000)
    async with await open_private(sim.ws_url) as ws:
        late = await ws.op("order", spot("late"), expTime=past)
        assert late["data"][0]["sCode"] == "50036"
        assert (await ws.op("order", spot("intime"), expTime=future))["code"] == "0"
        change = {"instIdCode": CODES["BTC-USDT"], "clOrdId": "intime", "newSz": "0.2"}
        assert (await ws.op("amend-order", change, expTime=past))["data"][0]["sCode"] == "50036"
        odd = await ws.op("order", spot("odd"), expTime="tomorrow")
        assert odd["data"][0]["sCode"] == "51000"
        cancel = {"instIdCode": CODES["BTC-USDT"], "clOrdId": "intime"}
        assert (await ws.op("cancel-order", cancel, expTime=past))["code"] == "0"
    ledger = sim.control.ledger()
    assert [row["client_id"] for row in ledger.orders] == ["intime"]
    assert ledger.requests_of("late")[0]["processed"] is False


async def test_batches_are_answered_in_order_and_partly(sim: RunningSimulator) -> None:
    async with await open_private(sim.ws_url) as ws:
        items = [spot("b1"), spot("b2", sz="1000"), swap("b3", px="80000"), spot("b1")]
        reply = await ws.op("batch-orders", *items)
        assert reply["code"] == "2"
        assert [item["sCode"] for item in reply["data"]] == ["0", "51008", "0", "51016"]
        changes = [
            {"instIdCode": CODES["BTC-USDT"], "clOrdId": "b1", "newSz": "0.2", "reqId": "q1"},
            {"instIdCode": CODES["BTC-USDT-SWAP"], "clOrdId": "b3", "newPx": "81000"},
        ]
        amended = await ws.op("batch-amend-orders", *changes)
        assert [item["reqId"] for item in amended["data"]] == ["q1", ""]
        twice = await ws.op("batch-amend-orders", *changes, changes[0])
        assert [item["sCode"] for item in twice["data"]] == ["51512"] * 3
        cancels = [{key: item[key] for key in ("instIdCode", "clOrdId")} for item in changes]
        assert (await ws.op("batch-cancel-orders", *cancels))["code"] == "0"
        assert (await ws.op("batch-cancel-orders", *cancels))["code"] == "1"
        too_many = await ws.op("batch-orders", *(spot(f"m{n}") for n in range(21)))
        assert too_many["code"] == "60013"


async def test_idle_connections_are_cut(sim: RunningSimulator) -> None:
    with run_in_thread(SimulatorConfig(market=STILL, idle_timeout_s=0.1)) as hasty:
        async with await open_ws(hasty.ws_url, "public") as ws:
            assert await ws.cut() == 4004
        await eventually(lambda: hasty.control.ledger().connections[0]["closed_ms"] is not None)
        assert len(hasty.control.ledger().connections) == 1


async def test_too_many_subscriptions_in_an_hour(sim: RunningSimulator) -> None:
    limits = LimitsConfig(enabled=True, subscribes_per_hour=2, connections_per_s=100)
    config = SimulatorConfig(market=STILL, limits=limits)
    with run_in_thread(config, stopped_clock()) as strict:
        async with await open_private(strict.ws_url, DEMO, ORDERS) as ws:
            await ws.send({"op": "subscribe", "args": [ORDERS]})
            error = await ws.until(lambda frame: frame["event"] == "error")
            assert (error["code"], error["msg"]) == ("60014", "Requests too frequent")


async def test_too_many_connections_a_second(sim: RunningSimulator) -> None:
    limits = LimitsConfig(enabled=True, connections_per_s=1)
    config = SimulatorConfig(market=STILL, limits=limits)
    with run_in_thread(config, stopped_clock()) as strict:
        async with await open_ws(strict.ws_url):
            with pytest.raises(InvalidStatus):
                await open_ws(strict.ws_url)


async def test_too_many_connections_on_a_channel(sim: RunningSimulator) -> None:
    limits = LimitsConfig(connections_per_channel=1)
    with run_in_thread(SimulatorConfig(market=STILL, limits=limits)) as strict:
        async with (
            await open_private(strict.ws_url, DEMO, ORDERS),
            await open_private(strict.ws_url, DEMO, ORDERS) as second,
        ):
            assert second.seen[-1]["event"] == "channel-conn-count-error"
            await second.op("order", spot("a1"))
            await second.ping()
            assert second.pushes() == []


async def test_order_rate_limits(sim: RunningSimulator) -> None:
    limits = LimitsConfig(
        enabled=True, orders_per_2s=2, account_orders_per_2s=3, connections_per_s=100
    )
    config = SimulatorConfig(market=STILL, limits=limits)
    with run_in_thread(config, stopped_clock()) as strict:
        async with await open_private(strict.ws_url) as ws:
            codes = []
            for n in range(3):
                reply = await ws.op("order", swap(f"s{n}", px="80000"))
                codes.append(reply["data"][0]["sCode"])
            assert codes == ["0", "0", "50011"]
            eth = swap("e1", instIdCode=CODES["ETH-USDT-SWAP"], px="2900")
            assert (await ws.op("order", eth))["code"] == "0"
            full = await ws.op("order", {**eth, "clOrdId": "e2"})
            assert full["data"][0]["sCode"] == "50061"
            cancel = {"instIdCode": CODES["BTC-USDT-SWAP"], "clOrdId": "s0"}
            assert (await ws.op("cancel-order", cancel))["code"] == "0"
        ledger = strict.control.ledger()
        assert ledger.throttled == 2
        assert ledger.requests_of("s2")[0]["processed"] is False


async def test_too_many_pending_orders_of_a_symbol(sim: RunningSimulator) -> None:
    limits = LimitsConfig(enabled=True, max_open_per_symbol=1, connections_per_s=100)
    with run_in_thread(SimulatorConfig(market=STILL, limits=limits)) as strict:
        async with await open_private(strict.ws_url) as ws:
            await ws.op("order", spot("a1"))
            assert (await ws.op("order", spot("a2")))["data"][0]["sCode"] == "51174"


async def test_notice_comes_before_the_cut(sim: RunningSimulator) -> None:
    async with await open_private(sim.ws_url) as ws:
        assert sim.control.notice("trade", account="okx-demo", after_ms=10) == 1
        notice = await ws.next()
        assert (notice["event"], notice["code"]) == ("notice", "64008")
        assert await ws.cut() == 1001


async def test_a_clean_close_is_answered(sim: RunningSimulator) -> None:
    ws = await open_ws(sim.ws_url, "public")
    await ws.connection.close()
    assert ws.connection.close_code == 1000, "1006 would be a client that gave up waiting"
    await eventually(lambda: sim.control.connections() == [])


async def test_accounts_do_not_see_each_other(sim: RunningSimulator) -> None:
    keys: AccountKeys = sim.control.create_account("second")
    async with (
        await open_private(sim.ws_url, DEMO, ORDERS) as first,
        await open_private(sim.ws_url, keys, ORDERS) as second,
    ):
        await second.op("order", spot("a1"))
        await second.push(state="live")
        cancel = await first.op("cancel-order", {"instIdCode": CODES["BTC-USDT"], "clOrdId": "a1"})
        assert cancel["data"][0]["sCode"] == "51400"
        await first.ping()
        assert first.pushes() == []
