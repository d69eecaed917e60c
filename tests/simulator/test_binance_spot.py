"""Binance spot: user data on the trading socket, reports, replies, REST."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from websockets.exceptions import InvalidHandshake

from simulator.config import BinanceConfig, SimulatorConfig
from simulator.server import RunningSimulator, run_in_thread
from tests.simulator.binance_client import (
    SPOT,
    Rest,
    SpotApi,
    ed25519_pair,
    ed25519_signed,
    market,
    now_ms,
    open_spot,
    open_stream,
    order,
    still_ms,
)
from tests.simulator.conftest import STILL
from tests.simulator.raw_socket import Frame, eventually

BTC: Frame = {"symbol": "BTCUSDT"}
# The sheet's report of a new order (part B).
REPORT = (
    '{"e":"executionReport","E":1759347763167,"s":"ETHUSDT","c":"O-12345-test-new","S":"BUY",'
    '"o":"LIMIT","f":"GTC","q":"1.00000000","p":"2500.00000000","P":"0.00000000",'
    '"F":"0.00000000","g":-1,"C":"","x":"NEW","X":"NEW","r":"NONE","i":1234567890,'
    '"l":"0.00000000","z":"0.00000000","L":"0.00000000","n":"0","N":null,"T":1759347763167,'
    '"t":-1,"I":4644480641,"w":true,"m":false,"M":false,"O":1759347763167,"Z":"0.00000000",'
    '"Y":"0.00000000","Q":"0.00000000","W":1759347763167,"V":"EXPIRE_MAKER"}'
)


@pytest.fixture
def rest(spot: RunningSimulator) -> Iterator[Rest]:
    client = Rest(spot.url, SPOT)
    yield client
    client.session.close()


def events(api: SpotApi) -> list[Frame]:
    """Return the events heard so far."""
    return [frame["event"] for frame in api.seen if "event" in frame]


async def test_user_data_come_on_the_trading_socket(spot: RunningSimulator) -> None:
    async with await open_spot(spot) as api:
        await api.result("order.place", order("a0"))
        assert spot.control.connections()[0]["role"] == "trade"
        assert await api.subscribe() == 0
        assert spot.control.connections()[0]["role"] == "trade+private"
        await api.result("order.place", order("a1"))
        report = await api.report()
        assert list(report) == list(json.loads(REPORT))
        sample: dict[str, Any] = json.loads(REPORT)
        same = ("o", "f", "g", "C", "x", "X", "r", "l", "n", "N", "t", "w", "m", "M", "V")
        assert {name: report[name] for name in same} == {name: sample[name] for name in same}
        shown = [report[name] for name in ("c", "q", "p", "z", "Q")]
        assert shown == ["a1", "0.01000000", "88000.00000000", "0.00000000", "0.00000000"]
        balances = await api.event("outboundAccountPosition")
        assert balances["B"] == [{"a": "USDT", "f": "998240.00000000", "l": "1760.00000000"}]
        wrappers = {frame.get("subscriptionId") for frame in api.seen if "event" in frame}
        assert wrappers == {0}


async def test_a_cancel_has_an_id_of_its_own(spot: RunningSimulator) -> None:
    async with await open_spot(spot) as api:
        await api.subscribe()
        placed = await api.result("order.place", order("a1"))
        canceled = await api.result(
            "order.cancel", BTC, origClientOrderId="a1", newClientOrderId="cancel-1"
        )
        assert (canceled["clientOrderId"], canceled["origClientOrderId"]) == ("cancel-1", "a1")
        report = await api.report("CANCELED")
        assert (report["c"], report["C"], report["i"]) == ("cancel-1", "a1", placed["orderId"])
        assert (report["X"], report["t"], report["w"]) == ("CANCELED", -1, False)
        found = await api.result("order.status", BTC, orderId=placed["orderId"])
        assert (found["clientOrderId"], found["status"]) == ("a1", "CANCELED")
        # Without one the venue makes one up.
        await api.result("order.place", order("a2"))
        canceled = await api.result("order.cancel", BTC, origClientOrderId="a2")
        assert canceled["clientOrderId"] not in ("", "a2")
        assert (await api.report("CANCELED"))["C"] == "a2"


async def test_fills_are_reported_one_by_one(spot: RunningSimulator) -> None:
    async with await open_spot(spot) as api:
        await api.subscribe()
        await api.result("order.place", order("a1"))
        spot.control.fill_order("a1", amount="0.004")
        spot.control.fill_order("a1")
        first, second = await api.report("TRADE"), await api.report("TRADE")
        assert (first["X"], second["X"]) == ("PARTIALLY_FILLED", "FILLED")
        shown = [second[name] for name in ("l", "z", "L", "Y", "Z", "N", "m", "w")]
        assert shown == [
            "0.00600000",
            "0.01000000",
            "88000.00000000",
            "528.00000000",
            "880.00000000",
            "BTC",
            True,
            False,
        ]
        assert first["I"] < second["I"]
    fills = spot.control.ledger().fills_of("a1")
    assert [row["trade_id"] for row in fills] == [str(first["t"]), str(second["t"])]


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"timeInForce": "IOC"}, "UNFILLED_IOC_QUANTITY_EXPIRED"),
        ({"timeInForce": "FOK"}, "UNFILLED_FOK_ORDER_EXPIRED"),
        (
            {"type": "MARKET", "timeInForce": None, "price": None, "quantity": "2"},
            "INSUFFICIENT_LIQUIDITY",
        ),
    ],
)
async def test_what_cannot_rest_expires_with_a_reason(
    spot: RunningSimulator, fields: Frame, reason: str
) -> None:
    spot.control.market("BTCUSDT", bids=[["89500", "1"]], asks=[["89500.1", "1"]])
    async with await open_spot(spot) as api:
        await api.subscribe()
        placed = await api.result("order.place", order("a1", **fields))
        assert placed["status"] == "EXPIRED"
        report = await api.report("EXPIRED")
        assert (report["X"], report["eR"]) == ("EXPIRED", reason)


async def test_what_the_venue_ends_expires_too(spot: RunningSimulator) -> None:
    async with await open_spot(spot) as api:
        await api.subscribe()
        await api.result("order.place", order("a1"))
        spot.control.cancel_order("a1", source="system")
        assert (await api.report("EXPIRED"))["eR"] == "EXCHANGE_CANCELED"


async def test_self_trades_are_prevented(spot: RunningSimulator) -> None:
    spot.control.market("BTCUSDT", bids=[], asks=[])
    async with await open_spot(spot) as api:
        await api.subscribe()
        await api.result("order.place", order("a1", side="SELL", price="89600"))
        await api.result("order.place", order("a2", price="89600"))
        report = await api.report("TRADE_PREVENTION")
        assert (report["c"], report["X"]) == ("a1", "EXPIRED_IN_MATCH")


async def test_ack_result_and_full(spot: RunningSimulator) -> None:
    async with await open_spot(spot) as api:
        ack = await api.result("order.place", market("a1", newOrderRespType="ACK"))
        result = await api.result("order.place", market("a2", newOrderRespType="RESULT"))
        full = await api.result("order.place", market("a3"))
        assert " ".join(ack) == "symbol orderId orderListId clientOrderId transactTime"
        assert (result["status"], result["executedQty"]) == ("FILLED", "0.01000000")
        assert result["cummulativeQuoteQty"] == "895.00010000"
        assert "fills" not in result
        (fill,) = full["fills"]
        assert (fill["price"], fill["qty"], fill["commissionAsset"]) == (
            "89500.01000000",
            "0.01000000",
            "BTC",
        )


async def test_an_order_sized_in_quote(spot: RunningSimulator) -> None:
    spot.control.market("BTCUSDT", bids=[], asks=[["89500.01", "0.01"], ["89600", "1"]])
    async with await open_spot(spot) as api:
        await api.subscribe()
        sized = market("a1", quantity=None, quoteOrderQty="1000")
        placed = await api.result("order.place", sized)
        assert (placed["origQuoteOrderQty"], placed["origQty"], placed["status"]) == (
            "1000.00000000",
            "0.01117000",
            "FILLED",
        )
        assert [(await api.report("TRADE"))["X"] for _ in range(2)] == [
            "PARTIALLY_FILLED",
            "FILLED",
        ]


@pytest.mark.parametrize(
    ("fields", "code", "text"),
    [
        ({"type": "LIMIT_MAKER", "timeInForce": None, "price": "89600"}, -2010, "match and take"),
        ({"quantity": "100"}, -2010, "insufficient balance"),
        (
            {"type": "MARKET", "timeInForce": None, "price": None, "quantity": "11.5"},
            -2010,
            "insufficient balance",
        ),
        ({"type": "STOP_LOSS"}, -1116, "orderType"),
        ({"symbol": "NOUSDT"}, -1121, "symbol"),
        ({"timeInForce": "GTX"}, -1115, "timeInForce"),
        ({"quantity": "0.010005"}, -1013, "LOT_SIZE"),
        ({"quantity": "0.0000000001"}, -1111, "Precision"),
        ({"quantity": "0.00001"}, -1013, "NOTIONAL"),
        ({"price": "88000.001"}, -1013, "PRICE_FILTER"),
        ({"price": "99000"}, -1013, "PERCENT_PRICE"),
        ({"newClientOrderId": "a b"}, -1130, "newClientOrderId"),
        ({"newOrderRespType": "SOME"}, -1130, "newOrderRespType"),
    ],
)
async def test_refusals_leave_no_order_and_no_report(
    spot: RunningSimulator, fields: Frame, code: int, text: str
) -> None:
    async with await open_spot(spot) as api:
        await api.subscribe()
        reply = await api.call("order.place", order("a1", **fields))
        assert (reply["status"], reply["error"]["code"]) == (400, code)
        assert text in reply["error"]["msg"]
        await api.result("order.place", order("a2"))
        await api.report()
        assert [event["c"] for event in events(api) if "c" in event] == ["a2"]
    assert spot.control.ledger().orders_of("a1") == []


@pytest.mark.parametrize("timeless", ["binance-spot"], indirect=True)
async def test_failing_costs_weight(timeless: RunningSimulator) -> None:
    async with await open_spot(timeless) as api:
        api.time_ms = still_ms
        good = await api.call("order.place", order("a1"))
        bad = await api.call("order.place", order("a1"))
        assert bad["error"] == {"code": -2010, "msg": "Duplicate order sent."}
        counts = [reply["rateLimits"][0]["count"] for reply in (good, bad)]
        assert counts == [5, 6]
        limits = [(row["limit"], row["interval"]) for row in good["rateLimits"]]
        assert limits == [(6000, "MINUTE"), (100, "SECOND"), (200_000, "DAY")]


@pytest.mark.parametrize("timeless", ["binance-spot"], indirect=True)
async def test_a_fill_gives_the_count_back(timeless: RunningSimulator) -> None:
    async with await open_spot(timeless) as api:
        api.time_ms = still_ms
        for name in ("a1", "a2"):
            await api.result("order.place", order(name))
        timeless.control.fill_order("a1", amount="0.001")
        timeless.control.fill_order("a1")
        reply = await api.call("order.place", order("a3"))
        assert reply["rateLimits"][2]["count"] == 2


async def test_cancel_replace(spot: RunningSimulator) -> None:
    new = order("a2", price="88100", cancelReplaceMode="STOP_ON_FAILURE")
    async with await open_spot(spot) as api:
        await api.subscribe()
        await api.result("order.place", order("a1"))
        both = await api.result("order.cancelReplace", new, cancelOrigClientOrderId="a1")
        assert (both["cancelResult"], both["newOrderResult"]) == ("SUCCESS", "SUCCESS")
        assert both["cancelResponse"]["origClientOrderId"] == "a1"
        assert both["newOrderResponse"]["price"] == "88100.00000000"
        assert (await api.report("CANCELED"))["C"] == "a1"
        none = await api.call("order.cancelReplace", new, cancelOrigClientOrderId="a1")
        assert (none["status"], none["error"]["code"]) == (400, -2022)
        assert none["error"]["data"]["newOrderResult"] == "NOT_ATTEMPTED"
        half = order("a3", quantity="100", cancelReplaceMode="STOP_ON_FAILURE")
        reply = await api.call("order.cancelReplace", half, cancelOrigClientOrderId="a2")
        assert (reply["status"], reply["error"]["code"]) == (409, -2021)
        assert reply["error"]["data"]["newOrderResponse"]["code"] == -2010
        goes_on = order("a4", cancelReplaceMode="ALLOW_FAILURE")
        reply = await api.call("order.cancelReplace", goes_on, cancelOrigClientOrderId="a2")
        assert reply["error"]["data"]["cancelResponse"]["code"] == -2011
    states = {row["client_id"]: row["state"] for row in spot.control.ledger().orders}
    assert states == {"a1": "canceled", "a2": "canceled", "a4": "live"}


# Subscriptions.


async def test_one_subscription_an_account_and_connection(spot: RunningSimulator) -> None:
    async with await open_spot(spot) as api:
        assert await api.subscribe() == 0
        again = await api.call("userDataStream.subscribe.signature")
        assert again["error"]["code"] == -2035
        shown = (await api.unsigned("session.subscriptions"))["result"]
        assert shown == [{"subscriptionId": 0}]
        assert (await api.unsigned("userDataStream.unsubscribe"))["result"] == {}
        await api.result("order.place", order("a1"))
        assert await api.subscribe() == 1
        await api.result("order.cancel", BTC, origClientOrderId="a1")
        assert (await api.report())["x"] == "CANCELED"


async def test_a_subscription_is_ended_by_the_venue(spot: RunningSimulator) -> None:
    async with await open_spot(spot) as api:
        await api.subscribe()
        assert spot.control.expire_streams(SPOT.name) == 1
        await api.event("eventStreamTerminated")
        await api.result("order.place", order("a1"))
        assert [event["e"] for event in events(api)] == ["eventStreamTerminated"]
        assert await api.subscribe() == 1


async def test_subscribing_by_logon(spot: RunningSimulator) -> None:
    key, public = ed25519_pair()
    keys = spot.control.create_account("ed", public_key=public)
    logon = ed25519_signed(key, {"apiKey": keys.api_key, "timestamp": now_ms()})
    async with await open_spot(spot, keys) as api:
        early = await api.unsigned("userDataStream.subscribe")
        assert early["error"]["code"] == -2015
        assert (await api.unsigned("session.logon", **logon))["status"] == 200
        assert (await api.unsigned("userDataStream.subscribe"))["result"] == {"subscriptionId": 0}
        spot.control.place_order("ed", "BTCUSDT", "buy", "0.1", price="88000")
        assert (await api.report())["c"].startswith("web_")
        # A logout ends what rests on the logon.
        await api.unsigned("session.logout")
        await api.event("eventStreamTerminated")


async def test_listen_keys_are_gone(spot: RunningSimulator, rest: Rest) -> None:
    assert rest.raw("POST", "/api/v3/userDataStream").status_code == 404
    async with await open_spot(spot) as api:
        assert (await api.call("userDataStream.start"))["status"] == 400


async def test_faults_meet_requests_and_pushes_of_the_one_socket(spot: RunningSimulator) -> None:
    async with await open_spot(spot) as api:
        await api.subscribe()
        with spot.control.fault("lose_push", count=1, match={"socket": "private"}):
            await api.result("order.place", order("a1"))
        with spot.control.fault("ack_before_push", delay_ms=20, count=1):
            await api.result("order.place", order("a2"))
            assert "a2" not in [event.get("c") for event in events(api)]
        assert (await api.report())["c"] == "a2"
        with spot.control.fault("hangup_after", match={"socket": "trade", "op": "order"}):
            await api.post("order.place", api.signed(order("a3")))
            assert await api.cut() == 1006
    assert len(spot.control.orders("a3")) == 1
    with (
        spot.control.fault("refuse_connections", match={"socket": "private"}),
        pytest.raises(InvalidHandshake),
    ):
        await open_spot(spot)
    async with await open_spot(spot) as api:
        await api.subscribe()
        assert spot.control.close_sockets("private", code=1001) == 1
        assert await api.cut() == 1001


# REST, streams, limits.


def test_spot_rest(spot: RunningSimulator, rest: Rest) -> None:
    placed = rest.call("POST", "/api/v3/order", **order("a1"))
    assert placed["fills"] == []
    assert rest.call("GET", "/api/v3/order", orderId=placed["orderId"], **BTC)["status"] == "NEW"
    assert [row["clientOrderId"] for row in rest.call("GET", "/api/v3/openOrders")] == ["a1"]
    canceled = rest.call("DELETE", "/api/v3/openOrders", **BTC)
    assert [row["origClientOrderId"] for row in canceled] == ["a1"]
    assert rest.call("DELETE", "/api/v3/openOrders", **BTC)["code"] == -2011
    rest.raw("POST", "/api/v3/order", market("a2"), form=True)
    assert [row["status"] for row in rest.call("GET", "/api/v3/allOrders", **BTC)] == [
        "CANCELED",
        "FILLED",
    ]
    (trade,) = rest.call("GET", "/api/v3/myTrades", **BTC)
    assert (trade["qty"], trade["commissionAsset"], trade["isMaker"]) == (
        "0.01000000",
        "BTC",
        False,
    )
    account = rest.call("GET", "/api/v3/account")
    balances = {row["asset"]: row["free"] for row in account["balances"]}
    assert (balances["USDT"], balances["BTC"]) == ("999104.99990000", "10.00999000")
    assert rest.call("POST", "/api/v3/order/test", **order("a3")) == {}
    info = rest.public("/api/v3/exchangeInfo?symbol=BTCUSDT")
    assert [row["symbol"] for row in info["symbols"]] == ["BTCUSDT"]
    headers = rest.raw("POST", "/api/v3/order", order("a4")).headers
    assert int(headers["X-MBX-ORDER-COUNT-1D"]) >= 1
    assert [row["op"] for row in spot.control.ledger().requests] == [
        "order",
        "cancel-all",
        "cancel-all",
        "order",
        "order",
    ]


async def test_archived_orders_have_a_code_of_their_own() -> None:
    own = BinanceConfig(spot_never_filled_s=0.0)
    with run_in_thread(SimulatorConfig(market=STILL, venues=("binance-spot",), binance=own)) as sim:
        rest = Rest(sim.url, SPOT)
        placed = rest.call("POST", "/api/v3/order", **order("a1", timeInForce="IOC"))
        given = {**BTC, "orderId": placed["orderId"]}
        await eventually(lambda: rest.call("GET", "/api/v3/order", **given).get("code") == -2026)
        assert rest.call("GET", "/api/v3/order", orderId=1, **BTC)["code"] == -2013


async def test_spot_book_ticker_has_neither_event_nor_time(spot: RunningSimulator) -> None:
    async with await open_stream(spot, "/stream?streams=btcusdt@bookTicker") as public:
        frame = await public.next()
        assert frame["stream"] == "btcusdt@bookTicker"
        assert " ".join(frame["data"]) == "u s b B a A"
    async with await open_stream(spot, "/ws") as public:
        await public.send({"method": "SUBSCRIBE", "params": ["!bookTicker"], "id": 1})
        assert await public.next() == {"result": None, "id": 1}
        spot.control.move("ETHUSDT", "3001")
        assert (await public.next())["s"] == "ETHUSDT"
