"""Bybit's trade socket: logging in, orders, refusals, batches, limits."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from simulator.config import BybitConfig, LimitsConfig, SimulatorConfig
from simulator.exchange.clock import Clock
from simulator.server import RunningSimulator, run_in_thread
from tests.simulator.bybit_client import (
    DEMO,
    LINEAR,
    SPOT,
    Trade,
    dial,
    login_args,
    market,
    now_ms,
    open_trade,
    order,
)
from tests.simulator.conftest import STILL, stopped_clock
from tests.simulator.raw_socket import Frame

UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
INVERSE: Frame = {"category": "inverse", "symbol": "BTCUSD", "qty": "100"}


@pytest.fixture
def limited() -> Iterator[RunningSimulator]:
    """A simulator that enforces its limits; its clock stands still, so no second ever ends."""
    own = BybitConfig(frames_per_s=40)
    config = SimulatorConfig(
        market=STILL, venues=("bybit",), limits=LimitsConfig(enabled=True), bybit=own
    )
    with run_in_thread(config, stopped_clock()) as running:
        yield running


# Logging in.


async def test_frames_sent_behind_the_login_are_taken_in_order(bybit: RunningSimulator) -> None:
    async with Trade(await dial(f"{bybit.ws_url}/v5/trade")) as trade:
        # As pybit does: it does not wait for the login's answer, and its times are numbers.
        await trade.send({"op": "auth", "args": login_args(DEMO)})
        header = {"X-BAPI-TIMESTAMP": now_ms(), "X-BAPI-RECV-WINDOW": 60_000, "Referer": "x"}
        placed = await trade.call("order.create", order("a1"), header=header)
        assert [frame["op"] for frame in trade.seen] == ["auth", "order.create"]
        assert set(trade.seen[0]) == {"retCode", "retMsg", "op", "connId"}
        assert placed["retCode"] == 0


@pytest.mark.parametrize(
    ("args", "code"),
    [
        (["demo-key", 4_000_000_000_000, "00"], 10004),
        (["no-key", 4_000_000_000_000, "00"], 10003),
        (["demo-key", "soon", "00"], 10001),
        ([], 10001),
        (login_args(DEMO, 1_600_000_000_000), 10004),
    ],
)
async def test_a_login_that_fails(bybit: RunningSimulator, args: list[object], code: int) -> None:
    async with Trade(await dial(f"{bybit.ws_url}/v5/trade")) as trade:
        await trade.send({"op": "auth", "args": args})
        assert (await trade.next())["retCode"] == code
        refused = await trade.call("order.create", order("a1"))
        assert (refused["retCode"], refused["data"]) == (10007, {})
    assert bybit.control.ledger().orders == []


async def test_an_expiry_may_be_text_and_a_second_login_is_refused(bybit: RunningSimulator) -> None:
    async with Trade(await dial(f"{bybit.ws_url}/v5/trade")) as trade:
        key, expires, sign = login_args(DEMO)
        await trade.send({"op": "auth", "reqId": "l1", "args": [key, str(expires), sign]})
        assert (await trade.next())["reqId"] == "l1"
        assert (await trade.log_in())["retCode"] == 20001


async def test_ping(bybit: RunningSimulator) -> None:
    async with Trade(await dial(f"{bybit.ws_url}/v5/trade")) as trade:
        await trade.send({"op": "ping"})
        pong = await trade.next()
        assert (pong["retCode"], pong["op"], len(pong["data"][0])) == (0, "pong", 13)


# Orders.


async def test_an_acknowledgement(bybit: RunningSimulator) -> None:
    async with await open_trade(bybit) as trade:
        reply = await trade.call("order.create", order("a-1_b"))
        assert reply["op"] == "order.create"
        assert reply["data"]["orderLinkId"] == "a-1_b"
        assert UUID.fullmatch(reply["data"]["orderId"])
        assert reply["retExtInfo"] == {}
        header = reply["header"]
        assert (header["X-Bapi-Limit"], header["X-Bapi-Limit-Status"]) == ("10", "9")
        assert re.fullmatch(r"[0-9a-f]{32}", header["Traceid"])
        # Without an id of the frame there is none in the answer, and none of the order if none
        # was given; spot orders have numbers.
        await trade.send({"op": "order.create", "args": [order(**SPOT)], "header": trade.header()})
        reply = await trade.next()
        assert "reqId" not in reply
        assert re.fullmatch(r"\d{19}", reply["data"]["orderId"])
        assert reply["data"]["orderLinkId"] == ""
    rows = bybit.control.ledger().requests
    assert [(row["op"], row["symbol"], row["request_id"], row["code"]) for row in rows] == [
        ("order", "BTCUSDT", "r1", "0"),
        ("order", "BTCUSDT-SPOT", "", "0"),
    ]
    assert rows[0]["expires_ms"] is not None


@pytest.mark.parametrize("fields", [LINEAR, SPOT, INVERSE])
async def test_an_order_is_amended_and_canceled(bybit: RunningSimulator, fields: Frame) -> None:
    named = {"category": fields["category"], "symbol": fields["symbol"]}
    async with await open_trade(bybit) as trade:
        placed = await trade.done("order.create", order("a1", **fields))
        both = {**named, "orderId": placed["orderId"], "orderLinkId": "another"}
        assert await trade.done("order.amend", {**both, "price": "88001"}) == placed
        by_link = {**named, "orderLinkId": "a1"}
        assert await trade.done("order.cancel", by_link) == placed
        for op, verb in (("order.cancel", "cancel"), ("order.amend", "replace")):
            reply = await trade.call(op, {**by_link, "price": "88002"})
            expected = (110001, f"order not exists or too late to {verb}")
            if fields is SPOT:
                expected = (170213, "Order does not exist.")
            assert (reply["retCode"], reply["retMsg"]) == expected
            assert reply["data"] == {}
    (row,) = bybit.control.ledger().orders
    assert (row["price"], row["state"], row["cancel_source"]) == ("88001", "canceled", "user")


@pytest.mark.parametrize(
    ("changed", "linear", "spot"),
    [
        ({"symbol": "XYZUSDT"}, 10001, 170121),
        ({"side": "buy"}, 10001, 170117),
        ({"orderType": "Stop"}, 10001, 170116),
        ({"timeInForce": "GTX"}, 10001, 170115),
        ({"qty": "x"}, 10001, 170130),
        ({"qty": 1}, 10001, 170130),
        ({"qty": "0.0000001"}, 10001, 170136),
        ({"qty": "0.0100001"}, 10001, 170137),
        ({"qty": "100000"}, 10001, 170124),
        ({"price": "88000.001"}, 10001, 170134),
        ({"price": "99000"}, 110003, 170193),
        ({"side": "Sell", "price": "80000"}, 110003, 170194),
        ({"qty": "0.00004"}, 10001, 170140),
        ({"qty": "900"}, 110007, 170131),
        ({"orderLinkId": "a" * 37}, 10001, 10001),
        ({"orderLinkId": "a.b"}, 10001, 10001),
        ({"positionIdx": 1}, 10001, 10001),
        ({"triggerPrice": "90000"}, 10001, 10001),
        ({"smpType": "CancelAll"}, 10001, 10001),
    ],
)
async def test_refusals(bybit: RunningSimulator, changed: Frame, linear: int, spot: int) -> None:
    async with await open_trade(bybit) as trade:
        for fields, code in ((LINEAR, linear), (SPOT, spot)):
            reply = await trade.call("order.create", order("a1", **{**fields, **changed}))
            assert (reply["retCode"], reply["data"]) == (code, {}), reply["retMsg"]
            assert reply["retMsg"]
        # A refused order does not use its id up.
        assert (await trade.call("order.create", order("a1")))["retCode"] == 0


async def test_contracts_have_refusals_of_their_own(bybit: RunningSimulator) -> None:
    async with await open_trade(bybit) as trade:
        for item, code in (
            (order(reduceOnly=True), 110017),
            (order(**{**LINEAR, "symbol": "ETHUSDT"}, qty="0.01", price="2900"), 0),
            (order(**{**LINEAR, "symbol": "ETHUSDT"}, qty="0.01", price="100"), 110094),
            (order(category="option"), 10404),
        ):
            assert (await trade.call("order.create", item))["retCode"] == code
        placed = await trade.done("order.create", order("a1"))
        bybit.control.fill_order("a1", amount="0.005")
        for change, code in (({"qty": "0.005"}, 110064), ({"price": "88000"}, 10001)):
            item = {**LINEAR, "orderId": placed["orderId"], **change}
            assert (await trade.call("order.amend", item))["retCode"] == code
        assert (await trade.call("order.cancel", LINEAR))["retCode"] == 10001


@pytest.mark.parametrize(("fields", "code"), [(LINEAR, 110072), (SPOT, 170141)])
async def test_an_id_is_used_up_for_good(bybit: RunningSimulator, fields: Frame, code: int) -> None:
    async with await open_trade(bybit) as trade:
        await trade.done("order.create", order("a1"))
        assert (await trade.call("order.create", order("a1", **fields)))["retCode"] == code
        await trade.done("order.cancel", {**LINEAR, "orderLinkId": "a1"})
        assert (await trade.call("order.create", order("a1", **fields)))["retCode"] == code


async def test_an_id_is_free_after_its_year() -> None:
    now_us = [now_ms() * 1000]
    config = SimulatorConfig(market=STILL, venues=("bybit",))
    with run_in_thread(config, Clock(lambda: now_us[0])) as sim:
        async with await open_trade(sim) as trade:
            trade.time_ms = lambda: now_us[0] // 1000
            await trade.done("order.create", order("a1"))
            await trade.done("order.cancel", {**LINEAR, "orderLinkId": "a1"})
            now_us[0] += 359 * 86_400 * 1_000_000
            assert (await trade.call("order.create", order("a1")))["retCode"] == 110072
            now_us[0] += 2 * 86_400 * 1_000_000
            assert (await trade.call("order.create", order("a1")))["retCode"] == 0


# Frames.


async def test_ids_of_frames_differ_within_a_connection(bybit: RunningSimulator) -> None:
    async with await open_trade(bybit) as trade, await open_trade(bybit) as other:
        assert (await trade.call("order.create", order("a1"), reqId="1"))["retCode"] == 0
        again = await trade.call("order.create", order("a2"), reqId="1")
        assert (again["retCode"], again["retMsg"]) == (20006, "Duplicate reqId")
        assert (await other.call("order.create", order("a3"), reqId="1"))["retCode"] == 0
        assert (await other.call("order.create", order("a4"), reqId="x" * 37))["retCode"] == 10001
    assert [row["client_id"] for row in bybit.control.ledger().orders] == ["a1", "a3"]


async def test_frames_that_make_no_sense(bybit: RunningSimulator) -> None:
    async with await open_trade(bybit) as trade:
        for text in ("{", "[]", '{"op":1}'):
            await trade.send(text)
            assert (await trade.next())["retCode"] == 10001
        assert (await trade.call("order.take", {}))["retCode"] == 10404
        assert (await trade.call("order.create", {}, args=[]))["retCode"] == 10001
        assert (await trade.call("order.create", {}, args=[{}, {}]))["retCode"] == 10001


@pytest.mark.parametrize(
    ("stamp", "code"),
    [("-4000", 0), ("-6000", 10002), ("+2000", 10002), ("", 10001)],
)
async def test_times(bybit: RunningSimulator, stamp: str, code: int) -> None:
    async with await open_trade(bybit) as trade:
        # The machine may stand still: the venue's clock is what is turned, and a lot.
        header = {"X-BAPI-TIMESTAMP": str(now_ms() + 100 * int(stamp)) if stamp else None}
        header["X-BAPI-RECV-WINDOW"] = "500000"
        reply = await trade.call("order.create", order("a1"), header=header)
        assert reply["retCode"] == code
        if code == 10002:
            told = r".*req_timestamp\[\d+\],server_timestamp\[\d+\],recv_window\[500000\]"
            assert re.fullmatch(told, reply["retMsg"])
    (row,) = bybit.control.ledger().requests
    assert row["processed"] is (code != 10002)


# Batches.


async def test_a_batch_has_a_verdict_for_each_order(bybit: RunningSimulator) -> None:
    async with await open_trade(bybit) as trade:
        items = [order("b1"), order("b2", price="99000"), order("b1", qty="0.02")]
        batch = {"category": "linear", "request": items}
        reply = await trade.call("order.create-batch", batch)
        assert reply["retCode"] == 0
        assert [row["code"] for row in reply["retExtInfo"]["list"]] == [0, 110003, 110072]
        rows = reply["data"]["list"]
        assert [bool(row["orderId"]) for row in rows] == [True, False, False]
        assert set(rows[0]) == {"category", "symbol", "orderId", "orderLinkId", "createAt"}
        named = [{"symbol": "BTCUSDT", "orderLinkId": name} for name in ("b1", "b2")]
        changes = [{**one, "price": "88001"} for one in named]
        for op, request in (("order.amend-batch", changes), ("order.cancel-batch", named)):
            reply = await trade.call(op, {"category": "linear", "request": request})
            assert [row["code"] for row in reply["retExtInfo"]["list"]] == [0, 110001]
            assert "createAt" not in reply["data"]["list"][0]
        for wrong in ([], [order(f"c{n}") for n in range(21)], "x"):
            batch = {"category": "linear", "request": wrong}
            assert (await trade.call("order.create-batch", batch))["retCode"] == 10001
    ledger = bybit.control.ledger()
    assert [row["client_id"] for row in ledger.orders] == ["b1"]
    assert [row["code"] for row in ledger.requests_of("b2")] == ["110003", "110001", "110001"]


# Limits.


async def test_limits_of_a_second(limited: RunningSimulator) -> None:
    async with await open_trade(limited) as trade:
        replies = [await trade.call("order.create", order(f"a{n}")) for n in range(11)]
        assert [reply["retCode"] for reply in replies] == [0] * 10 + [10006]
        assert replies[-1]["header"]["X-Bapi-Limit-Status"] == "0"
        # Spot, other operations and batches have windows of their own.
        assert (await trade.call("order.create", order(**SPOT)))["retCode"] == 0
        assert (await trade.call("order.cancel", {**LINEAR, "orderLinkId": "a1"}))["retCode"] == 0
        batch = {"category": "linear", "request": [order(f"b{n}") for n in range(12)]}
        reply = await trade.call("order.create-batch", batch)
        codes = [row["code"] for row in reply["retExtInfo"]["list"]]
        assert (reply["retCode"], codes) == (0, [0] * 10 + [10006] * 2)
        while (await trade.call("order.cancel", {**LINEAR, "orderLinkId": "a2"}))[
            "retCode"
        ] != 10403:
            pass
    assert limited.control.ledger().throttled > 3


async def test_market_orders_trade_at_once(bybit: RunningSimulator) -> None:
    async with await open_trade(bybit) as trade:
        await trade.done("order.create", market("m1"))
        await trade.done("order.create", market("m2", **SPOT, qty="1000"))
        await trade.done("order.create", market("m3", **SPOT, marketUnit="baseCoin"))
        await trade.done("order.create", market("m4", **INVERSE))
    filled = {row["client_id"]: row["filled"] for row in bybit.control.ledger().orders}
    assert (filled["m1"], filled["m2"], filled["m3"]) == ("0.01", "0.011173", "0.01")
    # An inverse contract is worth a dollar: 100 of them at 89500.1.
    assert filled["m4"].startswith("0.0011173")
