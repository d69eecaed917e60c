"""Each fault on Bitget's dialect: what the client sees, and what the ledger says of it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from websockets.exceptions import InvalidHandshake

from simulator.exchange.faults import NAMES
from simulator.server import RunningSimulator
from tests.simulator.bitget_client import (
    ACCOUNT,
    DEMO,
    FILL,
    FUTURES,
    ORDER,
    Private,
    Rest,
    dial,
    enter,
    market,
    now_ms,
    order,
)
from tests.simulator.okx_client import truth
from tests.simulator.raw_socket import Frame, RawSocket, eventually

PLACE = {"category": FUTURES.upper()}
SHORT_S = 0.05
# Longer than any test: what is late by this much does not come.
LONG_MS = 60_000


@pytest.fixture
def account(bitget: RunningSimulator) -> Iterator[Rest]:
    client = Rest(bitget.url)
    yield client
    client.session.close()


async def silent(ws: RawSocket) -> bool:
    """Return whether nothing at all arrives."""
    try:
        await asyncio.wait_for(ws.connection.recv(), SHORT_S)
    except TimeoutError:
        return True
    return False


def states(ws: Private) -> list[str]:
    """Return the states of the orders told."""
    return [item["orderStatus"] for item in ws.pushed()]


# What happens to a request before it is processed.


@pytest.mark.parametrize("code", [None, 1001])
async def test_hangup_before(bitget: RunningSimulator, code: int | None) -> None:
    async with await enter(bitget) as ws:
        # Faults name operations in words that all venues share, or in the venue's own.
        with bitget.control.fault("hangup_before", code=code, match={"op": "order"}):
            await ws.post("place-order", [order("a1")])
            assert await ws.cut() == (code or 1006)
    assert truth(bitget) == (False, False, 0)


async def test_swallow_request(bitget: RunningSimulator) -> None:
    async with await enter(bitget) as ws:
        with bitget.control.fault("swallow_request", count=1, match={"op": "place-order"}):
            await ws.post("place-order", [order("a1")])
            await ws.placed(order("a2"))
    assert truth(bitget) == (False, False, 0)


async def test_delay_request(bitget: RunningSimulator) -> None:
    async with await enter(bitget) as ws:
        with bitget.control.fault("delay_request", count=1, delay_ms=LONG_MS):
            await ws.post("place-order", [order("a1")])
            await ws.placed(order("a2"))
    assert truth(bitget) == (False, False, 0)


async def test_half_open(bitget: RunningSimulator) -> None:
    async with await enter(bitget, ORDER) as ws, await enter(bitget, ORDER) as other:
        # One socket is both: what hears of orders takes orders.
        with bitget.control.fault("half_open", count=1, match={"socket": "private"}):
            await ws.post("place-order", [order("a1")])
            assert await silent(ws)
        await other.placed(order("a2"))
        assert (await other.push())["clientOid"] == "a2"
        assert bitget.control.half_open("trade", account=DEMO.name) == 2
        await other.post("place-order", [order("a3")])
        assert await silent(other)
    assert truth(bitget) == truth(bitget, "a3") == (False, False, 0)


@pytest.mark.parametrize("params", [{}, {"code": "30007", "msg": "request over limit"}])
async def test_throttle(bitget: RunningSimulator, account: Rest, params: Frame) -> None:
    async with await enter(bitget) as ws:
        with bitget.control.fault("throttle", match={"op": "place"}, **params):
            reply = await ws.call("place-order", order("a1"))
            by_rest = account.raw("POST", "trade/place-order", PLACE | order("a2"))
    code, text = params.get("code", "429"), params.get("msg", "Too Many Requests")
    assert reply == {"event": "error", "id": "r1", "code": code, "msg": text}
    assert by_rest.json()["code"] == code
    assert by_rest.status_code == (400 if params else 429)
    assert truth(bitget) == (False, True, 0)
    assert bitget.control.ledger().throttled == 2


async def test_throttle_item_by_item(bitget: RunningSimulator) -> None:
    async with await enter(bitget) as ws:
        with bitget.control.fault("throttle", shape="item"):
            reply = await ws.call("batch-place", order("a1"), order("a2"))
    assert (reply["code"], [row["code"] for row in reply["args"]]) == ("0", ["429", "429"])


async def test_reject(bitget: RunningSimulator, account: Rest) -> None:
    async with await enter(bitget) as ws:
        with bitget.control.fault("reject", code="25203", count=1):
            reply = await ws.call("place-order", order("a1"))
            assert (reply["code"], reply["msg"]) == ("25203", "Insufficient margin")
        with bitget.control.fault("reject", count=3):
            assert (await ws.call("place-order", order("a2")))["code"] == "41101"
            assert (await ws.call("cancel-order", {"orderId": "1"}))["code"] == "25204"
            batch = account.post("trade/place-batch", [PLACE | order("a3"), PLACE | order("a4")])
            assert [row["code"] for row in batch["data"]] == ["41101", "41101"]
        with bitget.control.fault("reject", code="22002"):
            assert account.post("trade/place-order", PLACE | order("a5"))["code"] == "22002"
            assert account.get("trade/unfilled-orders")["code"] == "22002"
    assert truth(bitget) == (False, True, 0)


async def test_id_less_error(bitget: RunningSimulator) -> None:
    async with await enter(bitget) as ws:
        with bitget.control.fault("id_less_error"):
            await ws.post("place-order", [order("a1")])
            assert await ws.next() == {"event": "error", "code": 30016, "msg": "Param error"}
    assert truth(bitget) == (False, False, 0)


@pytest.mark.parametrize("processed", [False, True])
@pytest.mark.parametrize("code", ["40725", "40010", "45001"])
async def test_ws_unknown(bitget: RunningSimulator, code: str, processed: bool) -> None:
    async with await enter(bitget) as ws:
        with bitget.control.fault("ws_unknown", processed=processed, code=code):
            reply = await ws.call("place-order", order("a1"))
    assert (reply["event"], reply["code"], bool(reply["msg"])) == ("error", code, True)
    assert truth(bitget) == (processed, True, int(processed))


# What happens to an answer.


@pytest.mark.parametrize("fault", ["lose_ack", "delay_ack", "hangup_after"])
async def test_an_answer_that_does_not_come(bitget: RunningSimulator, fault: str) -> None:
    async with await enter(bitget) as ws:
        with bitget.control.fault(fault, count=1, match={"client_id": "a*"}, delay_ms=LONG_MS):
            await ws.post("place-order", [order("a1")])
            await eventually(lambda: len(bitget.control.orders("a1")) == 1)
        if fault == "hangup_after":
            assert await ws.cut() == 1006
        else:
            await ws.placed(order("b1"))
    assert truth(bitget) == (True, False, 1)


async def test_duplicate_ack(bitget: RunningSimulator) -> None:
    async with await enter(bitget) as ws:
        with bitget.control.fault("duplicate_ack"):
            request_id = await ws.post("place-order", [order("a1")])
            assert await ws.reply(request_id) == await ws.reply(request_id)


async def test_reorder_acks(bitget: RunningSimulator) -> None:
    async with await enter(bitget) as ws:
        with bitget.control.fault("reorder_acks", count=1, hold_ms=LONG_MS):
            first = await ws.post("place-order", [order("a1")])
            second = await ws.post("place-order", [order("a2")])
            assert [(await ws.next())["id"], (await ws.next())["id"]] == [second, first]


async def test_push_before_ack(bitget: RunningSimulator) -> None:
    async with await enter(bitget, ORDER) as ws:
        with bitget.control.fault("push_before_ack", delay_ms=LONG_MS):
            await ws.post("place-order", [order("a1")])
            assert (await ws.push())["clientOid"] == "a1"
            assert await silent(ws)


async def test_ack_before_push(bitget: RunningSimulator) -> None:
    async with await enter(bitget, ORDER) as ws:
        with bitget.control.fault("ack_before_push", delay_ms=LONG_MS):
            await ws.placed(order("a1"))
        await ws.settled()
        assert states(ws) == []


async def test_garbage_frame(bitget: RunningSimulator) -> None:
    async with await enter(bitget, ORDER) as ws:
        with bitget.control.fault("garbage_frame", count=1, match={"op": "order"}):
            await ws.post("place-order", [order("a1")])
            assert await ws.text() == "{not json"
            assert (await ws.next())["code"] == "0"


# What happens to a push.


async def test_lose_push(bitget: RunningSimulator) -> None:
    async with await enter(bitget, ORDER, FILL, ACCOUNT) as ws:
        with bitget.control.fault("lose_push", count=1, match={"client_id": "a1"}):
            await ws.placed(order("a1"))
            await ws.call("cancel-order", {"clientOid": "a1"})
            assert (await ws.push())["orderStatus"] == "cancelled"
        # A fill is told on three channels: to hide one, all are named.
        with bitget.control.fault("lose_push", match={"op": ["orders", "fills", "account"]}):
            await ws.placed(market("a2"))
            await ws.settled()
        assert (states(ws), ws.pushed("fill")) == (["cancelled"], [])


async def test_delay_and_duplicate_push(bitget: RunningSimulator) -> None:
    async with await enter(bitget, ORDER) as ws:
        with bitget.control.fault("delay_push", delay_ms=LONG_MS, count=1):
            await ws.placed(order("a1"))
            await ws.settled()
            assert states(ws) == []
        with bitget.control.fault("duplicate_push", utime_shift_ms=3, count=1):
            await ws.call("cancel-order", {"clientOid": "a1"})
            first, second = await ws.push(), await ws.push()
    assert int(second["updatedTime"]) - int(first["updatedTime"]) == 3
    assert second["orderStatus"] == "cancelled"


async def test_reorder_pushes(bitget: RunningSimulator) -> None:
    async with await enter(bitget, ORDER) as ws:
        with bitget.control.fault("reorder_pushes", count=1, hold_ms=LONG_MS):
            await ws.placed(order("a1"))
            await ws.call("cancel-order", {"clientOid": "a1"})
            await ws.push()
            await ws.push()
    assert states(ws) == ["cancelled", "live"]


# Connections and logins.


@pytest.mark.parametrize("mode", ["503", "close"])
@pytest.mark.parametrize("socket", ["trade", "private"])
async def test_refuse_connections(bitget: RunningSimulator, mode: str, socket: str) -> None:
    with bitget.control.fault("refuse_connections", mode=mode, match={"socket": socket}):
        with pytest.raises((InvalidHandshake, EOFError, OSError)):
            await dial(bitget)
        async with await dial(bitget, "public"):
            pass


async def test_refuse_login(bitget: RunningSimulator) -> None:
    with bitget.control.fault("refuse_login", count=1):
        async with await dial(bitget) as ws:
            assert (await ws.login())["code"] == 30005
            assert await ws.cut() == 1006
        async with await enter(bitget) as ws:
            await ws.placed(order("a1"))


async def test_clock_skew(bitget: RunningSimulator, account: Rest) -> None:
    with bitget.control.fault("clock_skew", offset_ms=-100_000):
        assert account.get("trade/unfilled-orders")["code"] == "40008"
        async with await dial(bitget) as ws:
            assert (await ws.login())["code"] == 30014
        served_ms = int(account.public("/api/v2/public/time")["data"]["serverTime"])
        assert now_ms() - served_ms > 90_000
    assert account.get("trade/unfilled-orders")["code"] == "00000"


# REST.


@pytest.mark.parametrize("fault", ["lose_ack", "hangup_after"])
def test_rest_processed_without_an_answer(
    bitget: RunningSimulator, account: Rest, fault: str
) -> None:
    with (
        bitget.control.fault(fault, match={"transport": "rest"}),
        pytest.raises(requests.ConnectionError),
    ):
        account.raw("POST", "trade/place-order", PLACE | order("a1"))
    assert truth(bitget) == (True, False, 1)


@pytest.mark.parametrize("fault", ["rest_5xx", "rest_html"])
def test_pages_of_html(bitget: RunningSimulator, account: Rest, fault: str) -> None:
    with bitget.control.fault(fault):
        reply = account.raw("POST", "trade/place-order", PLACE | order("a1"))
    assert reply.status_code == (502 if fault == "rest_5xx" else 200)
    assert "<html>" in reply.text
    assert truth(bitget)[2] == 0


@pytest.mark.parametrize("processed", [False, True])
def test_rest_unknown(bitget: RunningSimulator, account: Rest, processed: bool) -> None:
    with bitget.control.fault("rest_unknown", processed=processed):
        reply = account.raw("POST", "trade/place-order", PLACE | order("a1"))
    assert (reply.status_code, reply.json()["code"]) == (400, "40725")
    assert truth(bitget)[2] == int(processed)


def test_rest_timeout(bitget: RunningSimulator, account: Rest) -> None:
    with (
        bitget.control.fault("rest_timeout", hold_ms=20, processed=True),
        pytest.raises(requests.ConnectionError),
    ):
        account.raw("POST", "trade/place-order", PLACE | order("a1"))
    assert truth(bitget)[2] == 1


def test_a_request_that_ages_on_its_way(bitget: RunningSimulator, account: Rest) -> None:
    account.time_ms = lambda: now_ms() - 29_000
    with bitget.control.fault("delay_request", delay_ms=1_100):
        reply = account.post("trade/place-order", PLACE | order("a1"))
    assert reply["code"] == "40008"
    assert truth(bitget) == (False, True, 0)


# What queries show.


def test_visibility_lag(bitget: RunningSimulator, account: Rest) -> None:
    with bitget.control.fault("visibility_lag", delay_ms=LONG_MS):
        ids = account.place(order("a1"))
    assert account.get("trade/order-info", **ids)["code"] == "25204"
    assert account.get("trade/order-info", clientOid="a1")["code"] == "25204"
    assert account.data("trade/unfilled-orders")["list"] == []


def test_stale_snapshot(bitget: RunningSimulator, account: Rest) -> None:
    account.place(order("a1"))
    account.place(market("a2"))
    with bitget.control.fault("stale_snapshot", delay_ms=LONG_MS):
        assert account.data("trade/unfilled-orders")["list"] == []
        assert account.data("position/current-position", **PLACE) == {"list": None}
    assert len(account.data("trade/unfilled-orders")["list"]) == 1
    assert len(account.data("position/current-position", **PLACE)["list"]) == 1


def test_every_fault_has_a_test() -> None:
    text = Path(__file__).read_text("utf-8")
    assert [name for name in sorted(NAMES) if f'"{name}"' not in text] == []
