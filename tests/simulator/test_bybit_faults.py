"""Each fault on Bybit's dialect: what the client sees, and what the ledger says of it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from websockets.exceptions import InvalidHandshake

from simulator.exchange.faults import NAMES
from simulator.server import RunningSimulator
from tests.simulator.bybit_client import (
    DEMO,
    LINEAR,
    SPOT,
    Private,
    Rest,
    Trade,
    dial,
    login_args,
    market,
    now_ms,
    open_private,
    open_trade,
    order,
)
from tests.simulator.okx_client import truth
from tests.simulator.raw_socket import Frame, RawSocket, eventually

NAMED: Frame = {**LINEAR, "orderLinkId": "a1"}
SHORT_S = 0.05
# Longer than any test: what is late by this much does not come.
LONG_MS = 60_000


@pytest.fixture
def client(bybit: RunningSimulator) -> Iterator[Rest]:
    """Signed requests of the demo account."""
    rest = Rest(bybit.url)
    yield rest
    rest.session.close()


async def silent(ws: RawSocket) -> bool:
    """Return whether nothing at all arrives."""
    try:
        await asyncio.wait_for(ws.connection.recv(), SHORT_S)
    except TimeoutError:
        return True
    return False


# What happens to a request before it is processed.


@pytest.mark.parametrize("code", [None, 1001])
async def test_hangup_before(bybit: RunningSimulator, code: int | None) -> None:
    async with await open_trade(bybit) as trade:
        # Faults name operations in words that all venues share, or in the venue's own.
        with bybit.control.fault("hangup_before", code=code, match={"op": "order"}):
            await trade.post("order.create", order("a1"))
            assert await trade.cut() == (code or 1006)
    assert truth(bybit) == (False, False, 0)


async def test_swallow_request(bybit: RunningSimulator) -> None:
    async with await open_trade(bybit) as trade:
        with bybit.control.fault("swallow_request", count=1, match={"op": "order.create"}):
            await trade.post("order.create", order("a1"))
            await trade.done("order.create", order("a2"))
    assert truth(bybit) == (False, False, 0)


async def test_delay_request(bybit: RunningSimulator) -> None:
    async with await open_trade(bybit) as trade:
        with bybit.control.fault("delay_request", count=1, delay_ms=LONG_MS):
            await trade.post("order.create", order("a1"))
            await trade.done("order.create", order("a2"))
        # What is late may be over when it comes.
        with bybit.control.fault("delay_request", count=1, delay_ms=120):
            header = {**trade.header(), "X-BAPI-RECV-WINDOW": "100"}
            late = await trade.call("order.create", order("a3"), header=header)
    assert late["retCode"] == 10002
    assert truth(bybit) == (False, False, 0)
    assert truth(bybit, "a3") == (False, True, 0)


async def test_half_open(bybit: RunningSimulator) -> None:
    async with await open_trade(bybit) as trade, await open_private(bybit) as private:
        with bybit.control.fault("half_open", match={"socket": "trade"}):
            await trade.post("order.create", order("a1"))
            assert await silent(trade)
        bybit.control.place_order(DEMO.name, "BTCUSDT", "buy", "0.1", price="88000")
        assert (await private.one())["orderLinkId"] == ""
        await private.settled()
        assert bybit.control.half_open("private", account=DEMO.name) == 1
        bybit.control.place_order(DEMO.name, "BTCUSDT", "buy", "0.1", price="88000")
        assert await silent(private)
    assert truth(bybit) == (False, False, 0)


@pytest.mark.parametrize(
    ("params", "status", "code"),
    [({}, 200, 10006), ({"code": 10429}, 429, 10429), ({"code": 10403}, 403, 10403)],
)
async def test_throttle(
    bybit: RunningSimulator, client: Rest, params: Frame, status: int, code: int
) -> None:
    async with await open_trade(bybit) as trade:
        with bybit.control.fault("throttle", match={"op": "place"}, **params):
            reply = await trade.call("order.create", order("a1"))
            by_rest = client.raw("POST", "/v5/order/create", order("a2"))
    assert (reply["retCode"], reply["data"]) == (code, {})
    assert (by_rest.status_code, by_rest.json()["retCode"]) == (status, code)
    assert truth(bybit) == (False, True, 0)
    assert bybit.control.ledger().throttled == 2


async def test_reject(bybit: RunningSimulator) -> None:
    async with await open_trade(bybit) as trade:
        with bybit.control.fault("reject", code=30228, count=1):
            reply = await trade.call("order.create", order("a1"))
            assert reply["retMsg"] == "No new positions during delisting."
        with bybit.control.fault("reject"):
            refused = {
                (op, str(fields["category"])): (await trade.call(op, {**fields, **NAMED, **fields}))
                for op in ("order.create", "order.cancel")
                for fields in (LINEAR, SPOT)
            }
    codes = {key: reply["retCode"] for key, reply in refused.items()}
    assert codes == {
        ("order.create", "linear"): 110007,
        ("order.create", "spot"): 170131,
        ("order.cancel", "linear"): 110001,
        ("order.cancel", "spot"): 170213,
    }
    assert bybit.control.ledger().orders == []


async def test_a_rejection_after_the_acknowledgement(bybit: RunningSimulator, client: Rest) -> None:
    late: Frame = {"late": True, "reason": "EC_RiskLimit", "match": {"op": "place"}}
    async with await open_trade(bybit) as trade, await open_private(bybit) as private:
        with bybit.control.fault("reject", **late):
            await trade.done("order.create", order("a1"))
            client.done("order/create", order("a2"))
        for name in ("a1", "a2"):
            row = await private.one()
            assert (row["orderLinkId"], row["orderStatus"]) == (name, "Rejected")
            assert (row["rejectReason"], row["cumExecQty"]) == ("EC_RiskLimit", "0")
        (row,) = client.rows("order/realtime", orderLinkId="a1")
        assert row["orderStatus"] == "Rejected"
    assert bybit.control.orders("a1")[0]["cancel_source"] == "rejected"


async def test_a_cancel_that_loses_the_race(bybit: RunningSimulator) -> None:
    async with await open_trade(bybit) as trade, await open_private(bybit, "order") as private:
        await trade.done("order.create", order("a1"))
        with bybit.control.fault("reject", late=True, match={"op": "cancel"}):
            await trade.done("order.cancel", NAMED)
        await private.one()
        ends = [await private.one(), await private.one()]
    assert [row["orderStatus"] for row in ends] == ["Filled", "Filled"]
    assert [(row["cancelType"], row["rejectReason"]) for row in ends] == [
        ("UNKNOWN", "EC_NoError"),
        ("CancelByUser", "EC_OrigClOrdIDDoesNotExist"),
    ]
    assert bybit.control.orders("a1")[0]["state"] == "filled"


async def test_an_amend_that_comes_to_nothing(bybit: RunningSimulator) -> None:
    async with await open_trade(bybit) as trade:
        await trade.done("order.create", order("a1"))
        with bybit.control.fault("reject", late=True, match={"op": "amend"}):
            await trade.done("order.amend", {**NAMED, "price": "88001"})
    assert bybit.control.orders("a1")[0]["price"] == "88000"


async def test_id_less_error(bybit: RunningSimulator) -> None:
    async with await open_trade(bybit) as trade:
        with bybit.control.fault("id_less_error"):
            await trade.post("order.create", order("a1"))
            frame = await trade.next()
    connection = frame.pop("conn_id")
    assert frame == {"success": False, "ret_msg": "Params Error", "op": "order.create"}
    assert connection
    assert truth(bybit) == (False, False, 0)


@pytest.mark.parametrize("processed", [False, True])
@pytest.mark.parametrize(("params", "code"), [({}, 10016), ({"code": 170007}, 170007)])
async def test_ws_unknown(
    bybit: RunningSimulator, params: Frame, code: int, processed: bool
) -> None:
    async with await open_trade(bybit) as trade:
        with bybit.control.fault("ws_unknown", processed=processed, **params):
            reply = await trade.call("order.create", order("a1"))
    assert (reply["retCode"], reply["data"]) == (code, {})
    assert truth(bybit) == (processed, True, int(processed))


# What happens to an answer.


@pytest.mark.parametrize("fault", ["lose_ack", "delay_ack", "hangup_after"])
async def test_an_answer_that_does_not_come(bybit: RunningSimulator, fault: str) -> None:
    async with await open_trade(bybit) as trade:
        with bybit.control.fault(fault, count=1, match={"client_id": "a*"}, delay_ms=LONG_MS):
            await trade.post("order.create", order("a1"))
            await eventually(lambda: len(bybit.control.orders("a1")) == 1)
        if fault == "hangup_after":
            assert await trade.cut() == 1006
        else:
            await trade.done("order.create", order("b1"))
    assert truth(bybit) == (True, False, 1)


async def test_duplicate_ack(bybit: RunningSimulator) -> None:
    async with await open_trade(bybit) as trade:
        with bybit.control.fault("duplicate_ack"):
            request_id = await trade.post("order.create", order("a1"))
            assert await trade.reply(request_id) == await trade.reply(request_id)


async def test_reorder_acks(bybit: RunningSimulator) -> None:
    async with await open_trade(bybit) as trade:
        with bybit.control.fault("reorder_acks", count=1, hold_ms=LONG_MS):
            first = await trade.post("order.create", order("a1"))
            second = await trade.post("order.create", order("a2"))
            assert [(await trade.next())["reqId"] for _ in range(2)] == [second, first]


async def test_push_before_ack(bybit: RunningSimulator) -> None:
    async with await open_trade(bybit) as trade, await open_private(bybit) as private:
        with bybit.control.fault("push_before_ack", delay_ms=LONG_MS):
            await trade.post("order.create", order("a1"))
            assert (await private.one())["orderLinkId"] == "a1"
            assert await silent(trade)


async def test_ack_before_push(bybit: RunningSimulator) -> None:
    async with await open_trade(bybit) as trade, await open_private(bybit) as private:
        with bybit.control.fault("ack_before_push", delay_ms=LONG_MS):
            await trade.done("order.create", order("a1"))
        await private.settled()
        assert private.told() == []


async def test_garbage_frame(bybit: RunningSimulator) -> None:
    async with await open_trade(bybit) as trade:
        with bybit.control.fault("garbage_frame", count=1, match={"op": "order"}):
            await trade.post("order.create", order("a1"))
            assert await trade.text() == "{not json"
            assert (await trade.next())["retCode"] == 0


# What happens to a push.


async def test_lose_push(bybit: RunningSimulator) -> None:
    async with await open_trade(bybit) as trade, await open_private(bybit) as private:
        with bybit.control.fault("lose_push", count=1, match={"client_id": "a1"}):
            await trade.done("order.create", order("a1"))
            await trade.done("order.cancel", NAMED)
            assert (await private.one())["orderStatus"] == "Cancelled"
        # A fill is told twice: to hide it takes both.
        with bybit.control.fault("lose_push", match={"op": ["orders", "fills"]}):
            await trade.done("order.create", market("a2"))
            await private.settled()
        assert (private.statuses("a2"), private.told("execution")) == ([], [])
        with bybit.control.fault("lose_push", match={"op": "execution"}):
            await trade.done("order.create", market("a3"))
            await private.settled()
        assert (private.statuses("a3"), private.told("execution")) == (["Filled"], [])


async def test_delay_and_duplicate_push(bybit: RunningSimulator) -> None:
    async with await open_trade(bybit) as trade, await open_private(bybit) as private:
        with bybit.control.fault("delay_push", delay_ms=LONG_MS, count=1):
            await trade.done("order.create", order("a1"))
            await private.settled()
            assert private.told() == []
        with bybit.control.fault("duplicate_push", utime_shift_ms=3, count=1):
            await trade.done("order.cancel", NAMED)
            first, second = await private.one(), await private.one()
        assert int(second["updatedTime"]) - int(first["updatedTime"]) == 3


async def test_reorder_pushes(bybit: RunningSimulator) -> None:
    async with await open_trade(bybit) as trade, await open_private(bybit, "order") as private:
        with bybit.control.fault("reorder_pushes", count=1, hold_ms=LONG_MS):
            await trade.done("order.create", order("a1"))
            await trade.done("order.cancel", NAMED)
            statuses = [(await private.one())["orderStatus"] for _ in range(2)]
    assert statuses == ["Cancelled", "New"]


# Connections and logins.


@pytest.mark.parametrize("mode", ["503", "close"])
async def test_refuse_connections(bybit: RunningSimulator, mode: str) -> None:
    with bybit.control.fault("refuse_connections", mode=mode, match={"socket": "private"}):
        with pytest.raises((InvalidHandshake, EOFError, OSError)):
            await dial(f"{bybit.ws_url}/v5/private")
        async with await open_trade(bybit):
            pass


async def test_refuse_login(bybit: RunningSimulator) -> None:
    with bybit.control.fault("refuse_login", code=10005, match={"socket": "trade"}):
        async with Trade(await dial(f"{bybit.ws_url}/v5/trade")) as trade:
            assert (await trade.log_in())["retCode"] == 10005
            # It stays open, and may try again.
            bybit.control.disarm()
            assert (await trade.log_in())["retCode"] == 0
    with bybit.control.fault("refuse_login"):
        async with Private(await dial(f"{bybit.ws_url}/v5/private")) as private:
            await private.send({"op": "auth", "args": login_args(DEMO)})
            refused = await private.next()
            assert (refused["success"], refused["ret_msg"]) == (False, "API key is invalid.")


async def test_a_release(bybit: RunningSimulator, client: Rest) -> None:
    async with await open_trade(bybit) as trade, await open_trade(bybit) as other:
        await trade.done("order.create", order("a1"))
        await trade.done("order.cancel", NAMED)
        connection = bybit.control.ledger().requests[0]["connection"]
        assert len(client.rows("order/realtime", openOnly="1")) == 1
        with bybit.control.fault("delay_ack", count=1, delay_ms=100):
            held = await trade.post("order.create", order("a2"))
            await eventually(lambda: len(bybit.control.orders("a2")) == 1)
            assert bybit.control.notice("trade", after_ms=60_000) == 2
        # What was taken is answered; what comes later is refused; a new connection works.
        refused = await trade.call("order.create", order("a3"))
        assert refused["retCode"] == 10019
        while held not in [frame.get("reqId") for frame in trade.seen]:
            await trade.next()
        assert [frame["retCode"] for frame in trade.seen if frame.get("reqId") == held] == [0]
        assert (await other.call("order.create", order("a4")))["retCode"] == 10019
        async with await open_trade(bybit) as fresh:
            await fresh.done("order.create", order("a5"))
        assert client.rows("order/realtime", openOnly="1") == []
        assert bybit.control.close_sockets(connection=connection, code=1001) == 1
        assert await trade.cut() == 1001
    assert truth(bybit, "a3") == (False, True, 0)


async def test_clock_skew(bybit: RunningSimulator, client: Rest) -> None:
    async with await open_trade(bybit) as trade:
        with bybit.control.fault("clock_skew", offset_ms=-10_000):
            assert (await trade.call("order.create", order("a1")))["retCode"] == 10002
            refused = client.raw("GET", "/v5/order/realtime", dict(LINEAR)).json()
            skewed = int(client.get("market/time")["timeSecond"]) * 1000
            assert refused["retCode"] == 10002
            assert now_ms() - skewed > 9000
        assert client.rows("order/realtime") == []


# REST.


@pytest.mark.parametrize("fault", ["lose_ack", "hangup_after"])
def test_rest_processed_without_an_answer(
    bybit: RunningSimulator, client: Rest, fault: str
) -> None:
    with (
        bybit.control.fault(fault, match={"transport": "rest"}),
        pytest.raises(requests.ConnectionError),
    ):
        client.raw("POST", "/v5/order/create", order("a1"))
    assert truth(bybit) == (True, False, 1)


@pytest.mark.parametrize("fault", ["rest_5xx", "rest_html"])
def test_pages_of_html(bybit: RunningSimulator, client: Rest, fault: str) -> None:
    with bybit.control.fault(fault):
        reply = client.raw("POST", "/v5/order/create", order("a1"))
    assert reply.status_code == (502 if fault == "rest_5xx" else 200)
    assert "<html>" in reply.text
    assert truth(bybit)[2] == 0


@pytest.mark.parametrize("processed", [False, True])
def test_rest_unknown(bybit: RunningSimulator, client: Rest, processed: bool) -> None:
    with bybit.control.fault("rest_unknown", processed=processed):
        reply = client.raw("POST", "/v5/order/create", order("a1"))
    assert (reply.status_code, reply.json()["retCode"]) == (200, 10000)
    assert truth(bybit)[2] == int(processed)


def test_rest_timeout(bybit: RunningSimulator, client: Rest) -> None:
    with (
        bybit.control.fault("rest_timeout", hold_ms=20, processed=True),
        pytest.raises(requests.ConnectionError),
    ):
        client.raw("POST", "/v5/order/create", order("a1"))
    assert truth(bybit)[2] == 1


# What queries show.


def test_visibility_lag(bybit: RunningSimulator, client: Rest) -> None:
    with bybit.control.fault("visibility_lag", delay_ms=LONG_MS):
        client.done("order/create", order("a1"))
    assert client.rows("order/realtime", orderLinkId="a1") == []
    assert client.rows("order/realtime") == []
    assert client.post("order/cancel", NAMED)["retCode"] == 110001
    # Its id is taken all the same: that proves that it came.
    assert client.post("order/create", order("a1"))["retCode"] == 110072
    assert len(bybit.control.orders("a1")) == 1


def test_stale_snapshot(bybit: RunningSimulator, client: Rest) -> None:
    client.done("order/create", order("a1"))
    client.done("order/create", market("a2"))
    with bybit.control.fault("stale_snapshot", delay_ms=LONG_MS):
        assert client.rows("order/realtime") == []
        (position,) = client.rows("position/list")
        assert position["size"] == "0"
    assert len(client.rows("order/realtime")) == 1


def test_faults_meet_one_list_by_what_it_is_asked(bybit: RunningSimulator, client: Rest) -> None:
    client.done("order/create", order("a1"))
    with bybit.control.fault("reject", code=10016, match={"op": "query-order"}):
        assert len(client.rows("order/realtime")) == 1
        by_id = client.raw("GET", "/v5/order/realtime", NAMED).json()
        assert by_id["retCode"] == 10016
    with bybit.control.fault("reject", code=10016, match={"op": "orders-pending"}):
        assert len(client.rows("order/realtime", orderLinkId="a1")) == 1
        assert client.raw("GET", "/v5/order/realtime", dict(LINEAR)).json()["retCode"] == 10016


def test_every_fault_has_a_test() -> None:
    text = Path(__file__).read_text("utf-8")
    assert [name for name in sorted(NAMES) if f'"{name}"' not in text] == []
