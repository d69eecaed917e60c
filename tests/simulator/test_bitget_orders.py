"""Orders on Bitget's private WebSocket: what is asked, answered and pushed."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from websockets.exceptions import InvalidStatus

from simulator.config import SimulatorConfig
from simulator.exchange.clock import Clock
from simulator.server import RunningSimulator, run_in_thread
from tests.simulator.bitget_client import (
    FILL,
    FUTURES,
    ORDER,
    SPOT,
    Rest,
    dial,
    enter,
    market,
    now_ms,
    order,
)
from tests.simulator.conftest import STILL
from tests.simulator.raw_socket import Frame, eventually

EACH = pytest.mark.parametrize("category", [FUTURES, SPOT])


@EACH
async def test_an_order_is_taken_pushed_and_canceled(
    bitget: RunningSimulator, category: str
) -> None:
    async with await enter(bitget, ORDER) as ws:
        reply = await ws.call("place-order", order("a1"), category=category)
        (item,) = reply.pop("args")
        assert (item["symbol"], item["clientOid"]) == ("BTCUSDT", "a1")
        assert reply.pop("ts") >= item.pop("cTime")
        assert reply == {
            "event": "trade",
            "id": "r1",
            "category": category,
            "topic": "place-order",
            "code": "0",
            "msg": "Success",
            "connId": reply["connId"],
        }
        pushed = await ws.push()
        assert (pushed["category"], pushed["orderStatus"]) == (category, "live")
        assert (pushed["orderId"], pushed["qty"], pushed["price"]) == (
            item["orderId"],
            "0.01",
            "88000",
        )
        reply = await ws.call("cancel-order", {"clientOid": "a1"}, category=category.upper())
        assert (reply["code"], reply["msg"]) == (
            "41101",
            f"Param category={category.upper()} error",
        )
        reply = await ws.call("cancel-order", {"clientOid": "a1"}, category="")
        assert reply["args"] == [{"orderId": item["orderId"], "clientOid": "a1"}]
        assert "category" not in reply
        pushed = await ws.push()
        assert (pushed["orderStatus"], pushed["cancelReason"]) == ("cancelled", "normal_cancel")
        reply = await ws.call("cancel-order", {"orderId": item["orderId"]})
        assert reply == {
            "event": "error",
            "id": "r4",
            "code": "25204",
            "msg": "Order does not exist",
        }


async def test_an_order_without_a_client_id_is_given_one(bitget: RunningSimulator) -> None:
    async with await enter(bitget) as ws:
        reply = await ws.call("place-order", order())
    (item,) = reply["args"]
    assert item["clientOid"].isdigit()
    assert item["clientOid"] != item["orderId"]


@pytest.mark.parametrize(
    ("item", "category", "code"),
    [
        (order(side="up"), FUTURES, "41101"),
        (order(orderType="stop"), FUTURES, "41101"),
        (order(timeInForce="day"), FUTURES, "41101"),
        (order(posSide="long"), FUTURES, "41101"),
        (order(stpMode="maybe"), FUTURES, "41101"),
        (order(marginMode="portfolio"), FUTURES, "41101"),
        (order(reduceOnly="maybe"), FUTURES, "41101"),
        (order(symbol="DOGEUSDT"), FUTURES, "41101"),
        (order(), "USDT-FUTURES", "41101"),
        (order(), "", "41101"),
        (order(qty="1e-2"), FUTURES, "41101"),
        (order(qty=0.01), FUTURES, "41101"),
        (order(qty=None), FUTURES, "40019"),
        (order(price=None), FUTURES, "40019"),
        (order("a b"), FUTURES, "40305"),
        (order("x" * 33), FUTURES, "40305"),
        (order(qty="0.00001"), FUTURES, "43027"),
        (order(qty="0.00001", price="900000"), FUTURES, "40808"),
        (order(qty="0.01005"), FUTURES, "40808"),
        (order(price="88000.05"), FUTURES, "40808"),
        (order(price="95000"), FUTURES, "25206"),
        (order(price="95000"), SPOT, "25206"),
        (order(qty="0.000001"), SPOT, "43027"),
        (order(qty="900"), FUTURES, "25203"),
        (order(qty="900"), SPOT, "25202"),
        (market(reduceOnly="YES"), FUTURES, "22002"),
    ],
)
async def test_what_is_refused_makes_no_order(
    bitget: RunningSimulator, item: Frame, category: str, code: str
) -> None:
    async with await enter(bitget) as ws:
        reply = await ws.call("place-order", item, category=category)
    assert (reply["event"], reply["code"]) == ("error", code)
    assert set(reply) == {"event", "id", "code", "msg"}
    assert bitget.control.ledger().orders == []


async def test_client_ids_may_have_all_that_the_pattern_allows(bitget: RunningSimulator) -> None:
    name = "aZ09.:/_-" + "x" * 23
    async with await enter(bitget) as ws:
        await ws.placed(order(name))
        reply = await ws.call("place-order", order(name))
        assert (reply["code"], reply["msg"]) == ("25212", "Duplicate clientOid")
        # The account is one: an id in use for futures is in use for spot.
        reply = await ws.call("place-order", order(name), category=SPOT)
        assert reply["code"] == "25212"
        await ws.call("cancel-order", {"clientOid": name})
        await ws.placed(order(name))


@pytest.mark.parametrize(
    ("fields", "reason", "filled"),
    [
        ({"timeInForce": "post_only", "price": "89600"}, "post_only_fill_cancel", "0"),
        ({"timeInForce": "ioc"}, "ioc_not_full_cancel", "0"),
        ({"timeInForce": "fok", "qty": "60", "price": "89500.1"}, "fok_not_full_cancel", "0"),
        ({"timeInForce": "ioc", "qty": "51", "price": "89500.1"}, "ioc_not_full_cancel", "50"),
    ],
)
async def test_what_ends_by_its_own_terms_is_taken_first(
    bitget: RunningSimulator, fields: Frame, reason: str, filled: str
) -> None:
    bitget.control.set_balance("bitget-demo", "USDT", "100000000")
    async with await enter(bitget, ORDER) as ws:
        await ws.placed(order("a1", **fields))
        pushed = await ws.push()
        assert pushed["orderStatus"] == "live"
        while pushed["orderStatus"] != "cancelled":
            pushed = await ws.push()
    assert (pushed["cancelReason"], pushed["cumExecQty"]) == (reason, filled)


async def test_a_fill_is_pushed_on_two_channels(bitget: RunningSimulator) -> None:
    async with await enter(bitget, ORDER, FILL) as ws:
        order_id = await ws.placed(market("a1"))
        fill, pushed = await ws.push("fill"), await ws.push()
        while pushed["orderStatus"] != "filled":
            pushed = await ws.push()
    assert (pushed["cumExecQty"], pushed["cumExecValue"]) == ("0.01", "895.001")
    assert (pushed["avgPrice"], pushed["feeDetail"]) == (
        "89500.1",
        [{"feeCoin": "USDT", "fee": "0.4475005"}],
    )
    assert (fill["orderId"], fill["clientOid"], fill["tradeScope"]) == (order_id, "a1", "taker")
    assert (fill["execQty"], fill["execPrice"]) == ("0.01", "89500.1")
    (row,) = bitget.control.ledger().fills_of("a1")
    assert (row["trade_id"], row["fee"]) == (fill["execId"], fill["feeDetail"][0]["fee"])


async def test_a_market_order_buys_spot_for_a_sum(bitget: RunningSimulator) -> None:
    async with await enter(bitget, ORDER) as ws:
        await ws.placed(market("a1", qty="1000"), SPOT)
        pushed = await ws.push()
        assert (pushed["qty"], pushed["amount"]) == ("0", "1000")
        while pushed["orderStatus"] != "filled":
            pushed = await ws.push()
    assert pushed["cumExecQty"] == "0.011173"
    assert pushed["feeDetail"][0]["feeCoin"] == "BTC"


async def test_modify_changes_in_place(bitget: RunningSimulator) -> None:
    async with await enter(bitget, ORDER) as ws:
        order_id = await ws.placed(order("a1"))
        change: Frame = {"clientOid": "a1", "qty": "0.02", "price": "88100", "requestId": 77}
        reply = await ws.call("modify-order", change)
        assert reply["args"] == [{"orderId": order_id, "clientOid": "a1"}]
        await ws.push()
        pushed = await ws.push()
        assert (pushed["qty"], pushed["price"], pushed["requestId"]) == ("0.02", "88100", 77)
        for change, code in (
            ({"orderId": order_id}, "40019"),
            ({"qty": "0.03"}, "40019"),
            ({"orderId": "1", "qty": "0.03"}, "25204"),
            ({"orderId": order_id, "price": "99000"}, "25206"),
        ):
            assert (await ws.call("modify-order", change))["code"] == code
        change = {"orderId": order_id, "price": "99000", "autoCancel": "yes"}
        assert (await ws.call("modify-order", change))["code"] == "25206"
        pushed = await ws.push()
        assert pushed["orderStatus"] == "cancelled"
        assert (await ws.call("modify-order", change))["code"] == "25204"


async def test_a_post_only_order_that_would_take_after_its_change_ends(
    bitget: RunningSimulator,
) -> None:
    async with await enter(bitget, ORDER) as ws:
        order_id = await ws.placed(order("a1", timeInForce="post_only"))
        reply = await ws.call("modify-order", {"orderId": order_id, "price": "89600"})
        assert reply["code"] == "0"
        await ws.push()
        assert (await ws.push())["cancelReason"] == "post_only_fill_cancel"


async def test_batches_never_fail_as_a_whole(bitget: RunningSimulator) -> None:
    async with await enter(bitget) as ws:
        reply = await ws.call("batch-place", order("a1"), order("a2", price="99000"), order("a1"))
        assert (reply["event"], reply["code"]) == ("trade", "0")
        assert [row["code"] for row in reply["args"]] == ["0", "25206", "25212"]
        assert [row["clientOid"] for row in reply["args"]] == ["a1", "a2", "a1"]
        changes = [{"clientOid": "a1", "qty": "0.03"}, {"clientOid": "a9", "qty": "0.03"}]
        reply = await ws.call("batch-modify", *changes)
        assert [row["code"] for row in reply["args"]] == ["0", "25204"]
        reply = await ws.call("batch-cancel", {"clientOid": "a1"}, {"orderId": "1"}, category="")
        assert [row["code"] for row in reply["args"]] == ["0", "25204"]
        assert reply["args"][1]["orderId"] == "1"
        too_many = await ws.call("batch-place", *[order()] * 21)
        assert too_many["event"] == "error"
    (row,) = bitget.control.ledger().orders
    assert (row["client_id"], row["size"], row["state"]) == ("a1", "0.03", "canceled")


@pytest.mark.parametrize(
    "frame",
    [
        {"id": "r1", "topic": "place-order", "args": []},
        {"id": "r1", "topic": "place-order", "args": [order(), order()]},
        {"id": "r1", "topic": "place-order", "args": "x"},
        {"id": "r1", "topic": "close-all", "args": [order()]},
        {"id": "r" * 41, "topic": "place-order", "args": [order()]},
        {"topic": "place-order", "args": [order()]},
    ],
)
async def test_a_request_in_the_wrong_form(bitget: RunningSimulator, frame: Frame) -> None:
    async with await enter(bitget) as ws:
        await ws.send({"op": "trade", "category": FUTURES, **frame})
        reply = await ws.next()
    assert reply["event"] == "error"
    assert reply.get("id") == (frame["id"] if frame.get("id") == "r1" else None)
    assert bitget.control.ledger().orders == []


# Expiry: requestTime and receiveWindow.


async def test_an_order_is_refused_after_its_window(bitget: RunningSimulator) -> None:
    async with await enter(bitget) as ws:
        late = str(now_ms() - 1000)
        window = order("a1", receiveWindow="500")
        reply = await ws.call("place-order", window, requestTime=late)
        assert reply["code"] == "40008"
        # The window counts only beside the time, and batches do not know it.
        for topic, name, more in (
            ("place-order", "a2", {}),
            ("batch-place", "a3", {"requestTime": late}),
        ):
            item = order(name, receiveWindow="500")
            assert (await ws.call(topic, item, **more))["code"] == "0"
        fresh = order("a4", receiveWindow="60000")
        assert (await ws.call("place-order", fresh, requestTime=str(now_ms())))["code"] == "0"
        for window_ms in ("9", "60001", "x"):
            item = order("a5", receiveWindow=window_ms)
            reply = await ws.call("place-order", item, requestTime=str(now_ms()))
            assert reply["code"] == "41101"
    (row,) = bitget.control.ledger().requests_of("a1")
    assert (row["expires_ms"], row["processed"]) == (int(late) + 500, False)


async def test_a_window_that_ends_on_the_way(bitget: RunningSimulator) -> None:
    async with await enter(bitget) as ws:
        with bitget.control.fault("delay_request", count=1, delay_ms=40):
            item = order("a1", receiveWindow="10")
            reply = await ws.call("place-order", item, requestTime=str(now_ms()))
    assert reply["code"] == "40008"


# Limits.


@pytest.fixture
def limited() -> Iterator[RunningSimulator]:
    """A simulator that enforces its limits, and whose clock stands still."""
    still_us = now_ms() * 1000
    config = SimulatorConfig.model_validate(
        {
            "market": STILL,
            "venues": ["bitget"],
            "limits": {"enabled": True},
            "bitget": {"messages_per_s": 40, "queries_per_s": 2},
        }
    )
    with run_in_thread(config, Clock(lambda: still_us)) as running:
        yield running


async def test_orders_are_limited_over_both_ways_together(limited: RunningSimulator) -> None:
    rest = Rest(limited.url)
    async with await enter(limited) as ws:
        for number in range(9):
            await ws.placed(order(f"a{number}"))
        rest.place(order("a9"))
        reply = await ws.call("place-order", order("b1"))
        assert reply == {
            "event": "error",
            "id": "r10",
            "code": "429",
            "msg": "Too Many Requests",
        }
        by_rest = rest.raw("POST", "trade/place-order", {"category": "USDT-FUTURES", **order("b2")})
        assert (by_rest.status_code, by_rest.json()["code"]) == (429, "429")
        # Cancels have a bucket of their own.
        assert (await ws.call("cancel-order", {"clientOid": "a1"}))["code"] == "0"
    ledger = limited.control.ledger()
    assert len(ledger.orders) == 10
    assert [row["processed"] for row in ledger.requests_of("b1")] == [False]
    codes = [rest.get("trade/order-info", clientOid="a1")["code"] for _ in range(3)]
    assert codes == ["00000", "00000", "429"]


@pytest.mark.parametrize("own", [{"connects_per_5min": 2}, {"connections": 2}])
async def test_connections_are_limited(own: Frame) -> None:
    given = {"market": STILL, "venues": ["bitget"], "limits": {"enabled": True}, "bitget": own}
    with run_in_thread(SimulatorConfig.model_validate(given)) as sim:
        async with await enter(sim), await enter(sim):
            with pytest.raises(InvalidStatus):
                await dial(sim)
        if "connections" in own:
            await eventually(lambda: sim.control.connections() == [])
            async with await enter(sim):
                pass


async def test_a_connection_that_talks_too_much_is_cut(limited: RunningSimulator) -> None:
    async with await enter(limited) as ws:
        for _ in range(40):
            await ws.send({"op": "unsubscribe", "args": [ORDER]})
        assert await ws.cut() == 1008
