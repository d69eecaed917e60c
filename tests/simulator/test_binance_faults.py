"""Each fault on Binance's dialect: what the client sees, and what the ledger says of it."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
import requests
from websockets.exceptions import InvalidHandshake

from simulator.binance.codes import FACES
from simulator.exchange.faults import NAMES
from simulator.server import RunningSimulator
from tests.simulator.binance_client import (
    FUTURES,
    Rest,
    Stream,
    market,
    now_ms,
    open_api,
    open_stream,
    open_user,
    order,
)
from tests.simulator.okx_client import truth
from tests.simulator.raw_socket import Frame, RawSocket, eventually

BTC: Frame = {"symbol": "BTCUSDT"}
SHORT_S = 0.05
# Longer than any test: what is late by this much does not come.
LONG_MS = 60_000


async def silent(ws: RawSocket) -> bool:
    """Return whether nothing at all arrives."""
    try:
        await asyncio.wait_for(ws.connection.recv(), SHORT_S)
    except TimeoutError:
        return True
    return False


def words(stream: Stream) -> list[str]:
    """Return the execution types of the orders told."""
    return [frame["o"]["x"] for frame in stream.seen if "o" in frame]


# What happens to a request before it is processed.


@pytest.mark.parametrize("code", [None, 1001])
async def test_hangup_before(usdm: RunningSimulator, code: int | None) -> None:
    async with await open_api(usdm) as api:
        # Faults name operations in words that all venues share, or in the venue's own.
        with usdm.control.fault("hangup_before", code=code, match={"op": "order"}):
            await api.post("order.place", api.signed(order("a1")))
            assert await api.cut() == (code or 1006)
    assert truth(usdm) == (False, False, 0)


async def test_swallow_request(usdm: RunningSimulator) -> None:
    async with await open_api(usdm) as api:
        with usdm.control.fault("swallow_request", count=1, match={"op": "order.place"}):
            await api.post("order.place", api.signed(order("a1")))
            assert (await api.call("order.place", order("a2")))["status"] == 200
    assert truth(usdm) == (False, False, 0)


async def test_delay_request(usdm: RunningSimulator) -> None:
    async with await open_api(usdm) as api:
        with usdm.control.fault("delay_request", count=1, delay_ms=LONG_MS):
            await api.post("order.place", api.signed(order("a1")))
            assert (await api.call("order.place", order("a2")))["status"] == 200
    assert truth(usdm) == (False, False, 0)


async def test_half_open(usdm: RunningSimulator, futures: Rest) -> None:
    async with await open_api(usdm) as api, await open_user(usdm, futures) as user:
        with usdm.control.fault("half_open", match={"socket": "trade"}):
            await api.post("order.place", api.signed(order("a1")))
            assert await silent(api)
        usdm.control.place_order(FUTURES.name, "BTCUSDT", "buy", "0.1", price="88000")
        await user.update("NEW")
        assert usdm.control.half_open("private", account=FUTURES.name) == 1
        usdm.control.place_order(FUTURES.name, "BTCUSDT", "buy", "0.1", price="88000")
        assert await silent(user)
    assert truth(usdm) == (False, False, 0)


@pytest.mark.parametrize(
    ("params", "status", "code"),
    [({}, 429, -1003), ({"code": -1015}, 429, -1015), ({"status": 418}, 418, -1003)],
)
async def test_throttle(
    usdm: RunningSimulator, futures: Rest, params: Frame, status: int, code: int
) -> None:
    async with await open_api(usdm) as api:
        with usdm.control.fault("throttle", match={"op": "place"}, retry_after_s=7, **params):
            reply = await api.call("order.place", order("a1"))
            by_rest = futures.raw("POST", "/fapi/v1/order", order("a2"))
    assert (reply["status"], reply["error"]["code"]) == (status, code)
    assert (by_rest.status_code, by_rest.json()["code"]) == (status, code)
    assert by_rest.headers["Retry-After"] == "7"
    assert truth(usdm) == (False, True, 0)
    assert usdm.control.ledger().throttled == 2


async def test_reject(usdm: RunningSimulator) -> None:
    async with await open_api(usdm) as api:
        with usdm.control.fault("reject", code=-2027, msg="Exceeded the maximum.", count=1):
            reply = await api.call("order.place", order("a1"))
            assert reply["error"] == {"code": -2027, "msg": "Exceeded the maximum."}
        with usdm.control.fault("reject", match={"op": "cancel"}):
            reply = await api.call("order.cancel", BTC, orderId=1)
            assert reply["error"]["code"] == -2011
    assert truth(usdm) == (False, True, 0)


async def test_id_less_error(usdm: RunningSimulator) -> None:
    async with await open_api(usdm) as api:
        with usdm.control.fault("id_less_error"):
            await api.post("order.place", api.signed(order("a1")))
            reply = await api.next()
    assert (reply["id"], reply["status"], reply["error"]["code"]) == (None, 401, -2015)
    assert truth(usdm) == (False, False, 0)


@pytest.mark.parametrize("processed", [False, True])
@pytest.mark.parametrize(
    ("params", "status", "code"),
    [
        ({}, 408, -1007),
        ({"code": -1006}, 500, -1006),
        ({"face": "unknown"}, 503, -1000),
        ({"code": -1007, "status": 400}, 400, -1007),
    ],
)
async def test_ws_unknown(
    usdm: RunningSimulator, params: Frame, status: int, code: int, processed: bool
) -> None:
    async with await open_api(usdm) as api:
        with usdm.control.fault("ws_unknown", processed=processed, **params):
            reply = await api.call("order.place", order("a1"))
    assert (reply["status"], reply["error"]["code"]) == (status, code)
    assert truth(usdm) == (processed, True, int(processed))


# What happens to an answer.


@pytest.mark.parametrize("fault", ["lose_ack", "delay_ack", "hangup_after"])
async def test_an_answer_that_does_not_come(usdm: RunningSimulator, fault: str) -> None:
    async with await open_api(usdm) as api:
        with usdm.control.fault(fault, count=1, match={"client_id": "a*"}, delay_ms=LONG_MS):
            await api.post("order.place", api.signed(order("a1")))
            await eventually(lambda: len(usdm.control.orders("a1")) == 1)
        if fault == "hangup_after":
            assert await api.cut() == 1006
        else:
            assert (await api.call("order.place", order("b1")))["status"] == 200
    assert truth(usdm) == (True, False, 1)


async def test_duplicate_ack(usdm: RunningSimulator) -> None:
    async with await open_api(usdm) as api:
        with usdm.control.fault("duplicate_ack"):
            request_id = await api.post("order.place", api.signed(order("a1")))
            assert await api.reply(request_id) == await api.reply(request_id)


async def test_reorder_acks(usdm: RunningSimulator) -> None:
    async with await open_api(usdm) as api:
        with usdm.control.fault("reorder_acks", count=1, hold_ms=LONG_MS):
            first = await api.post("order.place", api.signed(order("a1")))
            second = await api.post("order.place", api.signed(order("a2")))
            assert [(await api.next())["id"], (await api.next())["id"]] == [second, first]


async def test_push_before_ack(usdm: RunningSimulator, futures: Rest) -> None:
    async with await open_api(usdm) as api, await open_user(usdm, futures) as user:
        with usdm.control.fault("push_before_ack", delay_ms=LONG_MS):
            await api.post("order.place", api.signed(order("a1")))
            assert (await user.update())["c"] == "a1"
            assert await silent(api)


async def test_ack_before_push(usdm: RunningSimulator, futures: Rest) -> None:
    async with await open_api(usdm) as api, await open_user(usdm, futures) as user:
        with usdm.control.fault("ack_before_push", delay_ms=LONG_MS):
            await api.result("order.place", order("a1"))
        await user.settled()
        assert words(user) == []


async def test_garbage_frame(usdm: RunningSimulator) -> None:
    async with await open_api(usdm) as api:
        with usdm.control.fault("garbage_frame", count=1, match={"op": "order"}):
            await api.post("order.place", api.signed(order("a1")))
            assert await api.text() == "{not json"
            assert (await api.next())["status"] == 200


# What happens to a push.


async def test_lose_push(usdm: RunningSimulator, futures: Rest) -> None:
    async with await open_api(usdm) as api, await open_user(usdm, futures) as user:
        with usdm.control.fault("lose_push", count=1, match={"client_id": "a1"}):
            await api.result("order.place", order("a1"))
            await api.result("order.cancel", BTC, origClientOrderId="a1")
            assert (await user.update())["x"] == "CANCELED"
        with usdm.control.fault("lose_push", match={"op": "TRADE_LITE"}):
            await api.result("order.place", market("a2"))
            await user.update("TRADE")
        heard = [frame["e"] for frame in user.seen if "e" in frame]
        assert "TRADE_LITE" not in heard


async def test_delay_and_duplicate_push(usdm: RunningSimulator, futures: Rest) -> None:
    async with await open_api(usdm) as api, await open_user(usdm, futures) as user:
        with usdm.control.fault("delay_push", delay_ms=LONG_MS, count=1):
            await api.result("order.place", order("a1"))
            await user.settled()
            assert words(user) == []
        with usdm.control.fault("duplicate_push", utime_shift_ms=3, count=1):
            await api.result("order.cancel", BTC, origClientOrderId="a1")
            first, second = await user.event(), await user.event()
        assert (second["T"] - first["T"], second["o"]["X"]) == (3, "CANCELED")


async def test_reorder_pushes(usdm: RunningSimulator, futures: Rest) -> None:
    async with await open_api(usdm) as api, await open_user(usdm, futures) as user:
        with usdm.control.fault("reorder_pushes", count=1, hold_ms=LONG_MS):
            await api.result("order.place", order("a1"))
            await api.result("order.cancel", BTC, origClientOrderId="a1")
            assert [(await user.update())["x"], (await user.update())["x"]] == ["CANCELED", "NEW"]


# Connections and logins.


@pytest.mark.parametrize("mode", ["503", "close"])
async def test_refuse_connections(usdm: RunningSimulator, futures: Rest, mode: str) -> None:
    key = futures.keyed("POST", "/fapi/v1/listenKey")["listenKey"]
    with usdm.control.fault("refuse_connections", mode=mode, match={"socket": "private"}):
        with pytest.raises((InvalidHandshake, EOFError, OSError)):
            await open_stream(usdm, f"/private/ws/{key}")
        # Elsewhere a trade socket may yet become a private one; here it never does.
        async with await open_stream(usdm, "/public/ws"), await open_api(usdm):
            pass


async def test_refuse_login(usdm: RunningSimulator, futures: Rest) -> None:
    async with await open_api(usdm) as api:
        with usdm.control.fault("refuse_login"):
            refused = await api.unsigned("userDataStream.start", apiKey=FUTURES.api_key)
            assert (refused["status"], refused["error"]["code"]) == (401, -2015)
            assert futures.keyed("POST", "/fapi/v1/listenKey")["code"] == -2015
            # A request that is signed by itself is no login.
            assert (await api.call("order.place", order("a1")))["status"] == 200


async def test_clock_skew(usdm: RunningSimulator, futures: Rest) -> None:
    with usdm.control.fault("clock_skew", offset_ms=-10_000):
        assert futures.call("GET", "/fapi/v1/openOrders")["code"] == -1021
        skewed = futures.public("/fapi/v1/time")["serverTime"]
        assert now_ms() - skewed > 9000
    assert futures.call("GET", "/fapi/v1/openOrders") == []


# REST.


@pytest.mark.parametrize("fault", ["lose_ack", "hangup_after"])
def test_rest_processed_without_an_answer(
    usdm: RunningSimulator, futures: Rest, fault: str
) -> None:
    with (
        usdm.control.fault(fault, match={"transport": "rest"}),
        pytest.raises(requests.ConnectionError),
    ):
        futures.raw("POST", "/fapi/v1/order", order("a1"))
    assert truth(usdm) == (True, False, 1)


@pytest.mark.parametrize("face", sorted(FACES))
def test_the_four_faces_of_503(usdm: RunningSimulator, futures: Rest, face: str) -> None:
    processed = face == "unknown"
    with usdm.control.fault("rest_5xx", face=face, processed=processed):
        reply = futures.raw("POST", "/fapi/v1/order", order("a1"))
    assert reply.status_code == 503
    assert reply.json() == {"code": FACES[face][0], "msg": FACES[face][1]}
    assert truth(usdm) == (processed, True, int(processed))


@pytest.mark.parametrize("fault", ["rest_5xx", "rest_html"])
def test_pages_of_html(usdm: RunningSimulator, futures: Rest, fault: str) -> None:
    with usdm.control.fault(fault):
        reply = futures.raw("POST", "/fapi/v1/order", order("a1"))
    assert reply.status_code == (502 if fault == "rest_5xx" else 200)
    assert "<html>" in reply.text
    assert truth(usdm)[2] == 0


@pytest.mark.parametrize("processed", [False, True])
def test_rest_unknown(usdm: RunningSimulator, futures: Rest, processed: bool) -> None:
    with usdm.control.fault("rest_unknown", processed=processed):
        reply = futures.raw("POST", "/fapi/v1/order", order("a1"))
    assert (reply.status_code, reply.json()["code"]) == (408, -1007)
    assert truth(usdm)[2] == int(processed)


def test_rest_timeout(usdm: RunningSimulator, futures: Rest) -> None:
    with (
        usdm.control.fault("rest_timeout", hold_ms=20, processed=True),
        pytest.raises(requests.ConnectionError),
    ):
        futures.raw("POST", "/fapi/v1/order", order("a1"))
    assert truth(usdm)[2] == 1


# What queries show.


@pytest.mark.parametrize("path", ["order", "openOrder"])
def test_visibility_lag(usdm: RunningSimulator, futures: Rest, path: str) -> None:
    with usdm.control.fault("visibility_lag", delay_ms=LONG_MS):
        placed = futures.call("POST", "/fapi/v1/order", **order("a1"))
    given: dict[str, Any] = {**BTC, "orderId": placed["orderId"]}
    assert futures.call("GET", f"/fapi/v1/{path}", **given)["code"] == -2013
    assert futures.call("DELETE", "/fapi/v1/order", **given)["code"] == -2011
    assert futures.call("GET", "/fapi/v1/openOrders") == []


def test_stale_snapshot(usdm: RunningSimulator, futures: Rest) -> None:
    futures.call("POST", "/fapi/v1/order", **order("a1"))
    futures.call("POST", "/fapi/v1/order", **market("a2"))
    with usdm.control.fault("stale_snapshot", delay_ms=LONG_MS):
        assert futures.call("GET", "/fapi/v1/openOrders") == []
        (position,) = futures.call("GET", "/fapi/v3/positionRisk")
        assert position["positionAmt"] == "0"
    assert len(futures.call("GET", "/fapi/v1/openOrders")) == 1


def test_every_fault_has_a_test() -> None:
    text = Path(__file__).read_text("utf-8")
    assert [name for name in sorted(NAMES) if f'"{name}"' not in text] == []
