"""Each fault, over real sockets: what the client sees, and what the ledger says of it."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path

import pytest
from websockets.exceptions import InvalidHandshake

from simulator.exchange.faults import NAMES
from simulator.server import RunningSimulator
from tests.simulator.okx_client import (
    CODES,
    DEMO,
    ORDERS,
    Rest,
    Ws,
    eventually,
    open_private,
    open_ws,
    spot,
    truth,
)

SHORT_S = 0.05
# Longer than any test: what is late by this much does not come.
LONG_MS = 60_000


async def silent(ws: Ws, for_s: float = SHORT_S) -> bool:
    """Return whether nothing at all arrives."""
    try:
        ws.seen.append(json.loads(await asyncio.wait_for(ws.connection.recv(), for_s)))
    except TimeoutError:
        return True
    return False


# What happens to a request before it is processed.


async def test_hangup_before(sim: RunningSimulator) -> None:
    async with await open_private(sim.ws_url) as ws:
        with sim.control.fault("hangup_before", match={"socket": "trade"}):
            await ws.send_op("order", spot("a1"))
            assert await ws.cut() == 1006
    assert truth(sim) == (False, False, 0)


async def test_hangup_before_with_a_close_code(sim: RunningSimulator) -> None:
    async with await open_private(sim.ws_url) as ws:
        with sim.control.fault("hangup_before", code=4006):
            await ws.send_op("order", spot("a1"))
            assert await ws.cut() == 4006


async def test_swallow_request(sim: RunningSimulator) -> None:
    async with await open_private(sim.ws_url) as ws:
        with sim.control.fault("swallow_request", count=1):
            await ws.send_op("order", spot("a1"))
            assert (await ws.op("order", spot("a2")))["code"] == "0"
    assert truth(sim) == (False, False, 0)
    assert truth(sim, "a2") == (True, True, 1)


@pytest.mark.parametrize("processed", [False, True])
async def test_ws_unknown_proves_nothing(sim: RunningSimulator, processed: bool) -> None:
    async with await open_private(sim.ws_url) as ws:
        with sim.control.fault("ws_unknown", count=1, processed=processed):
            reply = await ws.op("order", spot("a1"))
            assert (reply["code"], reply["data"][0]["sCode"]) == ("1", "51149")
    assert truth(sim) == (processed, True, int(processed))


async def test_delay_request_holds_one_and_lets_others_pass(sim: RunningSimulator) -> None:
    async with await open_private(sim.ws_url) as ws:
        with sim.control.fault("delay_request", count=1, delay_ms=LONG_MS):
            await ws.send_op("order", spot("a1"))
            assert (await ws.op("order", spot("a2")))["code"] == "0"
    assert truth(sim) == (False, False, 0)


async def test_delay_request_is_processed_late(sim: RunningSimulator) -> None:
    async with await open_private(sim.ws_url) as ws:
        with sim.control.fault("delay_request", count=1, delay_ms=20):
            assert (await ws.op("order", spot("a1")))["code"] == "0"
    assert truth(sim) == (True, True, 1)


async def test_a_delayed_request_can_expire_on_its_way(sim: RunningSimulator) -> None:
    async with await open_private(sim.ws_url) as ws:
        sim.control.arm("delay_request", delay_ms=2_000)  # time enough to turn the clock
        expires = str(int(time.time() * 1000) + 30_000)
        request_id = await ws.send_op("order", spot("a1"), expTime=expires)
        await eventually(lambda: sim.control.health()["requests"] == 1)
        sim.control.arm("clock_skew", offset_ms=60_000)
        assert (await ws.reply(request_id))["data"][0]["sCode"] == "50037"
    assert truth(sim) == (False, True, 0)


async def test_half_open(sim: RunningSimulator) -> None:
    async with (
        await open_private(sim.ws_url) as ws,
        await open_private(sim.ws_url, DEMO, ORDERS) as other,
    ):
        with sim.control.fault("half_open", match={"socket": "trade"}):
            await ws.send_op("order", spot("a1"))
            await ws.send("ping")
            pong = asyncio.ensure_future(await ws.connection.ping())
            assert await silent(ws)
            assert not pong.done()
            assert (await other.op("order", spot("a2")))["code"] == "0"
        rows = {row["role"]: row["half_open"] for row in sim.control.connections()}
        assert rows == {"trade": True, "private": False}
        pong.cancel()
    assert truth(sim) == (False, False, 0)
    await eventually(lambda: sim.control.connections() == [])


async def test_half_open_now(sim: RunningSimulator) -> None:
    async with await open_private(sim.ws_url, DEMO, ORDERS) as ws:
        assert sim.control.half_open("private", account=DEMO.name) == 1
        sim.control.place_order(DEMO.name, "BTC-USDT", "buy", "0.1", price="80000")
        await ws.send_op("order", spot("a1"))
        assert await silent(ws)
    assert truth(sim) == (False, False, 0)


async def test_arming_half_open_can_mute_live_sockets(sim: RunningSimulator) -> None:
    async with await open_private(sim.ws_url) as ws:
        sim.control.arm("half_open", count=0, now=True, match={"socket": "trade"})
        await ws.send("ping")
        assert await silent(ws)


@pytest.mark.parametrize("code", ["50011", "50061"])
async def test_throttle(sim: RunningSimulator, rest: Rest, code: str) -> None:
    async with await open_private(sim.ws_url) as ws:
        with sim.control.fault("throttle", code=code):
            reply = await ws.op("order", spot("a1"))
            assert (reply["code"], reply["data"][0]["sCode"]) == ("1", code)
            response = rest.raw("GET", "/api/v5/account/balance")
            assert (response.status_code, response.json()["code"]) == (429, code)
        with sim.control.fault("throttle", code=code, shape="top"):
            reply = await ws.op("order", spot("a2"))
            assert (reply["code"], reply["data"]) == (code, [])
    assert truth(sim) == (False, True, 0)
    assert sim.control.ledger().throttled == 3


async def test_reject(sim: RunningSimulator, rest: Rest) -> None:
    async with await open_private(sim.ws_url) as ws:
        with sim.control.fault("reject", code="51412", match={"op": "cancel"}) as fault:
            await ws.op("order", spot("a1"))
            cancel = {"instIdCode": CODES["BTC-USDT"], "clOrdId": "a1"}
            item = (await ws.op("cancel-order", cancel))["data"][0]
            assert (item["sCode"], item["sMsg"][:22]) == ("51412", "Cancellation timed out")
            assert sim.control.hits(fault) == 1
    with sim.control.fault("reject", code="51999", msg='a "new" one'):
        item = rest.place(spot("a2"))
        assert (item["sCode"], item["sMsg"]) == ("51999", 'a "new" one')
        assert rest.get("account/balance")["code"] == "51999"
    assert sim.control.orders("a1")[0]["state"] == "live"


async def test_id_less_error(sim: RunningSimulator) -> None:
    async with await open_private(sim.ws_url) as ws:
        with sim.control.fault("id_less_error", count=1):
            await ws.send_op("order", spot("a1"))
            error = await ws.next()
        assert (error["event"], error["code"]) == ("error", "60012")
        assert "id" not in error
        assert '"r1"' in error["msg"]
    assert truth(sim) == (False, False, 0)


# What happens to the answer.


async def test_hangup_after(sim: RunningSimulator) -> None:
    async with await open_private(sim.ws_url) as ws:
        with sim.control.fault("hangup_after", match={"client_id": "a1"}):
            await ws.op("order", spot("a0"))
            await ws.send_op("order", spot("a1"))
            assert await ws.cut() == 1006
    assert truth(sim) == (True, False, 1)


async def test_lose_ack(sim: RunningSimulator) -> None:
    async with await open_private(sim.ws_url, DEMO, ORDERS) as ws:
        with sim.control.fault("lose_ack", count=1):
            await ws.send_op("order", spot("a1"))
            await ws.push(client_id="a1")
            await ws.ping()
        assert all(frame.get("op") != "order" for frame in ws.seen)
    assert truth(sim) == (True, False, 1)


async def test_delay_ack_lets_others_pass(sim: RunningSimulator) -> None:
    async with await open_private(sim.ws_url) as ws:
        with sim.control.fault("delay_ack", count=1, delay_ms=LONG_MS):
            await ws.send_op("order", spot("a1"))
            await ws.op("order", spot("a2"))
    assert truth(sim) == (True, False, 1)


async def test_delay_ack_sends_it_in_the_end(sim: RunningSimulator) -> None:
    async with await open_private(sim.ws_url) as ws:
        with sim.control.fault("delay_ack", count=1, delay_ms=20):
            assert (await ws.op("order", spot("a1")))["code"] == "0"
    assert truth(sim) == (True, True, 1)


async def test_duplicate_ack(sim: RunningSimulator) -> None:
    async with await open_private(sim.ws_url) as ws:
        with sim.control.fault("duplicate_ack", count=1):
            first = await ws.op("order", spot("a1"))
            assert await ws.next() == first
    assert truth(sim) == (True, True, 1)


async def test_reorder_acks(sim: RunningSimulator) -> None:
    async with await open_private(sim.ws_url) as ws:
        with sim.control.fault("reorder_acks", count=1, hold_ms=LONG_MS):
            first = await ws.send_op("order", spot("a1"))
            second = await ws.send_op("order", spot("a2"))
            assert [(await ws.next())["id"], (await ws.next())["id"]] == [second, first]


async def test_a_reordered_ack_is_never_lost(sim: RunningSimulator) -> None:
    async with await open_private(sim.ws_url) as ws:
        with sim.control.fault("reorder_acks", count=1, hold_ms=10):
            assert (await ws.op("order", spot("a1")))["code"] == "0"


async def test_push_before_ack_also_across_sockets(sim: RunningSimulator) -> None:
    async with (
        await open_private(sim.ws_url) as trade,
        await open_private(sim.ws_url, DEMO, ORDERS) as private,
    ):
        with sim.control.fault("push_before_ack", count=1, delay_ms=LONG_MS):
            await trade.send_op("order", spot("a1"))
            await private.push(client_id="a1")
            assert truth(sim) == (True, False, 1)


async def test_push_before_ack_on_one_socket(sim: RunningSimulator) -> None:
    async with await open_private(sim.ws_url, DEMO, ORDERS) as ws:
        with sim.control.fault("push_before_ack", count=1):
            await ws.op("order", spot("a1"))
            assert [item["clOrdId"] for item in ws.pushes()] == ["a1"]


async def test_acks_come_first_by_themselves(sim: RunningSimulator) -> None:
    async with await open_private(sim.ws_url, DEMO, ORDERS) as ws:
        await ws.op("order", spot("a1", ordType="market", px=None, sz="1000"))
        assert ws.pushes() == []


@pytest.mark.parametrize("fault", ["ack_before_push", "delay_push"])
async def test_late_pushes_let_others_pass(sim: RunningSimulator, fault: str) -> None:
    async with await open_private(sim.ws_url, DEMO, ORDERS) as ws:
        with sim.control.fault(fault, count=1, delay_ms=LONG_MS):
            await ws.op("order", spot("a1"))
            await ws.op("order", spot("a2"))
            assert (await ws.push())["clOrdId"] == "a2"


@pytest.mark.parametrize("fault", ["ack_before_push", "delay_push"])
async def test_late_pushes_come_after_the_ack(sim: RunningSimulator, fault: str) -> None:
    async with await open_private(sim.ws_url, DEMO, ORDERS) as ws:
        with sim.control.fault(fault, count=1, delay_ms=20):
            await ws.op("order", spot("a1"))
            assert ws.pushes() == []
            assert (await ws.push())["clOrdId"] == "a1"


async def test_garbage_frame(sim: RunningSimulator) -> None:
    async with await open_private(sim.ws_url, DEMO, ORDERS) as ws:
        with sim.control.fault("garbage_frame", count=1, text="<html>"):
            await ws.send_op("order", spot("a1"))
            assert await ws.text() == "<html>"
            assert (await ws.next())["code"] == "0"
        with sim.control.fault("garbage_frame", match={"op": "orders"}, text='{"odd":1}', count=1):
            await ws.send_op("order", spot("a2"))
            await ws.until(lambda frame: frame == {"odd": 1})
            await ws.push(client_id="a2")


async def test_garbage_on_the_public_socket(sim: RunningSimulator) -> None:
    async with await open_ws(sim.ws_url, "public") as ws:
        with sim.control.fault("garbage_frame", match={"socket": "public"}, text="?", count=1):
            await ws.send(
                {"op": "subscribe", "args": [{"channel": "tickers", "instId": "BTC-USDT"}]}
            )
            await ws.next()
            assert await ws.text() == "?"
        assert sim.control.send_text("!", "public") == 1
        while await ws.text() != "!":
            pass


# What happens to pushes.


async def test_lose_push(sim: RunningSimulator) -> None:
    async with await open_private(sim.ws_url, DEMO, ORDERS, {"channel": "account"}) as ws:
        with sim.control.fault("lose_push", match={"client_id": "a1"}):
            await ws.op("order", spot("a1"))
            await ws.op("order", spot("a2"))
            await ws.push("account")
            await ws.ping()
        assert [item["clOrdId"] for item in ws.pushes()] == ["a2"]


async def test_lose_push_of_another_channel(sim: RunningSimulator) -> None:
    async with await open_private(sim.ws_url, DEMO, ORDERS, {"channel": "account"}) as ws:
        await ws.push("account")
        with sim.control.fault("lose_push", match={"op": "account"}):
            await ws.op("order", spot("a1"))
            await ws.push("orders")
            await ws.ping()
        assert len(ws.pushes("account")) == 1


async def test_lose_public_push(sim: RunningSimulator) -> None:
    async with await open_ws(sim.ws_url, "public") as ws:
        with sim.control.fault("lose_push", match={"op": "tickers"}, count=1):
            await ws.subscribe(channel="tickers", instId="BTC-USDT")
            await ws.ping()
        assert ws.pushes("tickers") == []


@pytest.mark.parametrize("shift_ms", [0, 7])
async def test_duplicate_push(sim: RunningSimulator, shift_ms: int) -> None:
    async with await open_private(sim.ws_url, DEMO, ORDERS) as ws:
        with sim.control.fault("duplicate_push", count=1, utime_shift_ms=shift_ms):
            await ws.op("order", spot("a1"))
            first, second = await ws.push(), await ws.push()
        assert int(second.pop("uTime")) - int(first.pop("uTime")) == shift_ms
        assert first == second


async def test_reorder_pushes(sim: RunningSimulator) -> None:
    async with await open_private(sim.ws_url, DEMO, ORDERS) as ws:
        with sim.control.fault("reorder_pushes", count=1):
            await ws.op("order", spot("a1", ordType="market", px=None, sz="1000"))
            seen = [(await ws.push())["state"] for _ in range(3)]
        assert seen == ["partially_filled", "live", "filled"]


# Connections and logins.


@pytest.mark.parametrize("mode", ["503", "close"])
async def test_refuse_connections(sim: RunningSimulator, mode: str) -> None:
    with sim.control.fault("refuse_connections", mode=mode, match={"path": "private"}):
        with pytest.raises(InvalidHandshake):
            await open_ws(sim.ws_url, "private")
        async with await open_ws(sim.ws_url, "public"):
            pass
    async with await open_ws(sim.ws_url, "private"):
        pass


async def test_refuse_login(sim: RunningSimulator) -> None:
    with sim.control.fault("refuse_login", count=1, code="63999"):
        async with await open_ws(sim.ws_url) as ws:
            answer = await ws.login()
            assert (answer["code"], answer["msg"]) == ("63999", "Internal system error")
            assert await ws.cut() == 4001
    async with await open_ws(sim.ws_url) as ws:
        assert (await ws.login())["code"] == "0"


@pytest.mark.parametrize("code", [None, 1001])
async def test_close_sockets(sim: RunningSimulator, code: int | None) -> None:
    async with (
        await open_private(sim.ws_url) as trade,
        await open_ws(sim.ws_url, "public") as public,
    ):
        assert sim.control.close_sockets("trade", account=DEMO.name, code=code) == 1
        assert await trade.cut() == (code or 1006)
        await public.ping()


async def test_clock_skew(sim: RunningSimulator, rest: Rest) -> None:
    with sim.control.fault("clock_skew", offset_ms=60_000) as fault:
        async with await open_ws(sim.ws_url) as ws:
            assert (await ws.login())["code"] == "60006"
        assert rest.get("account/balance")["code"] == "50102"
        skewed = int(rest.get("public/time")["data"][0]["ts"])
        assert skewed - time.time() * 1000 > 50_000
        assert sim.control.hits(fault) >= 3
    assert rest.get("account/balance")["code"] == "0"


async def test_clock_skew_ends_by_itself(sim: RunningSimulator, rest: Rest) -> None:
    sim.control.arm("clock_skew", offset_ms=60_000)
    assert rest.get("account/balance")["code"] == "50102"
    sim.control.arm("clock_skew", offset_ms=60_000, duration_ms=20)
    await eventually(lambda: rest.get("account/balance")["code"] == "0")
    right_ms = int(rest.get("public/time")["data"][0]["ts"])
    assert abs(right_ms - time.time() * 1000) < 30_000


def test_every_fault_has_a_test() -> None:
    here = Path(__file__)
    text = here.read_text("utf-8") + here.with_name("test_faults_rest.py").read_text("utf-8")
    assert [name for name in sorted(NAMES) if f'"{name}"' not in text] == []
