"""Futures orders: forms, replies, refusals; the ledger says what became of them."""

from __future__ import annotations

import time
from typing import Any

import pytest

from simulator.config import BinanceConfig, SimulatorConfig
from simulator.server import RunningSimulator, run_in_thread
from tests.simulator.binance_client import (
    FUTURES,
    Rest,
    market,
    now_ms,
    open_api,
    open_user,
    order,
)
from tests.simulator.conftest import STILL
from tests.simulator.raw_socket import Frame

BTC: Frame = {"symbol": "BTCUSDT"}
# The sheet's reply to a place (A3.1), without what such replies lack since 2026-07 (A0).
REPLY_KEYS = (
    "orderId symbol status clientOrderId price origQty executedQty cumQty timeInForce type "
    "reduceOnly closePosition side positionSide stopPrice workingType priceProtect origType "
    "priceMatch selfTradePreventionMode goodTillDate updateTime"
)
# The sheet's query (A6.2), in the order of the alphabet.
QUERY_KEYS = (
    "avgPrice clientOrderId closePosition cumQuote executedQty goodTillDate orderId origQty "
    "origType positionSide price priceMatch priceProtect reduceOnly selfTradePreventionMode side "
    "status stopPrice symbol time timeInForce type updateTime workingType"
)


async def test_a_reply_has_the_sheets_fields_padded_to_the_symbols_precision(
    usdm: RunningSimulator,
) -> None:
    async with await open_api(usdm) as api:
        placed = await api.result("order.place", order("a1", quantity="0.01"))
        assert " ".join(placed) == REPLY_KEYS
        shown = (placed["price"], placed["origQty"], placed["executedQty"], placed["status"])
        assert shown == ("88000.00", "0.010", "0.000", "NEW")
        found = await api.result("order.status", BTC, origClientOrderId="a1")
        assert " ".join(sorted(found)) == QUERY_KEYS
        assert (found["avgPrice"], found["cumQuote"]) == ("0.00000", "0.00000")
    (row,) = usdm.control.ledger().orders
    assert (row["type"], row["amount"], row["price"]) == ("limit", "0.01", "88000")
    assert row["venue_id"] == str(placed["orderId"])


async def test_older_replies_have_average_and_quote() -> None:
    fat = SimulatorConfig(
        market=STILL, venues=("binance-usdm",), binance=BinanceConfig(slim_acks=False)
    )
    with run_in_thread(fat) as sim:
        async with await open_api(sim) as api:
            placed = await api.result("order.place", market("a1", newOrderRespType="RESULT"))
            assert (placed["avgPrice"], placed["cumQuote"]) == ("89500.10", "895.00100")


async def test_an_ack_shows_a_market_order_as_new(usdm: RunningSimulator) -> None:
    async with await open_api(usdm) as api:
        acked = await api.result("order.place", market("a1"))
        assert (acked["status"], acked["executedQty"]) == ("NEW", "0.000")
        found = await api.result("order.status", BTC, origClientOrderId="a1")
        assert (found["status"], found["avgPrice"]) == ("FILLED", "89500.10000")


@pytest.mark.parametrize(
    ("fields", "status", "filled"),
    [
        ({"type": "MARKET", "timeInForce": None, "price": None}, "FILLED", "0.010"),
        ({"timeInForce": "IOC", "price": "89600"}, "FILLED", "0.010"),
        ({"timeInForce": "IOC"}, "EXPIRED", "0.000"),
        ({"timeInForce": "FOK", "price": "89600"}, "FILLED", "0.010"),
        # Resting or not, a GTC order is told as by ACK.
        ({"price": "89600"}, "NEW", "0.000"),
        ({}, "NEW", "0.000"),
    ],
)
async def test_result_tells_the_end_of_what_ends_at_once(
    usdm: RunningSimulator, fields: Frame, status: str, filled: str
) -> None:
    async with await open_api(usdm) as api:
        placed = await api.result("order.place", order("a1", newOrderRespType="RESULT", **fields))
        assert (placed["status"], placed["executedQty"]) == (status, filled)


async def test_a_client_id_is_free_again_once_its_order_ended(usdm: RunningSimulator) -> None:
    async with await open_api(usdm) as api:
        first = await api.result("order.place", order("a1"))
        again = await api.call("order.place", order("a1"))
        assert again["status"] == 400
        assert again["error"] == {"code": -4116, "msg": "ClientOrderId is duplicated."}
        await api.call("order.cancel", BTC, origClientOrderId="a1")
        second = await api.result("order.place", order("a1"))
        assert second["orderId"] != first["orderId"]
        newest = await api.result("order.status", BTC, origClientOrderId="a1")
        assert newest["orderId"] == second["orderId"]
    assert len(usdm.control.ledger().orders_of("a1")) == 2


async def test_an_order_without_a_client_id_gets_one(usdm: RunningSimulator) -> None:
    async with await open_api(usdm) as api:
        placed = await api.result("order.place", order())
        assert placed["clientOrderId"]
        (row,) = usdm.control.ledger().requests
        assert row["client_id"] == placed["clientOrderId"]


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"timeInForce": "GTX", "price": "89600"}, -5022),
        ({"timeInForce": "FOK"}, -5021),
        ({"type": "STOP_MARKET"}, -4120),
        ({"type": "TRAILING_STOP_MARKET"}, -4120),
        ({"type": "ICEBERG"}, -1116),
        ({"side": "UP"}, -1117),
        ({"side": None}, -1102),
        ({"symbol": "NOUSDT"}, -1121),
        ({"symbol": None}, -1102),
        ({"timeInForce": "RPI2"}, -1115),
        ({"timeInForce": None}, -1102),
        ({"price": None}, -1102),
        ({"quantity": None}, -1102),
        ({"quantity": "x"}, -1102),
        ({"quantity": "0"}, -4003),
        ({"quantity": "0.0105"}, -1111),
        ({"quantity": "1001"}, -4005),
        ({"price": "88000.001"}, -1111),
        ({"price": "88000.01"}, -4014),
        ({"price": "98000"}, -4016),
        ({"side": "SELL", "price": "80000"}, -4024),
        ({"quantity": "0.001", "price": "40000"}, -4164),
        ({"positionSide": "LONG"}, -4061),
        ({"newClientOrderId": "a" * 37}, -4015),
        ({"newClientOrderId": "a b"}, -4015),
        ({"reduceOnly": "true"}, -2022),
        ({"quantity": "900"}, -2019),
        ({"newOrderRespType": "FULL"}, -1130),
        ({"selfTradePreventionMode": "SOME"}, -1130),
        ({"timeInForce": "GTD"}, -5040),
        ({"priceMatch": "QUEUE"}, -1106),
        ({"priceMatch": "BEST", "price": None}, -1130),
    ],
)
async def test_refusals_leave_no_order_and_no_event(
    usdm: RunningSimulator, futures: Rest, fields: Frame, code: int
) -> None:
    async with await open_api(usdm) as api, await open_user(usdm, futures) as user:
        reply = await api.call("order.place", order("a1", **fields))
        assert (reply["status"], reply["error"]["code"]) == (400, code)
        assert reply["error"]["msg"]
        await user.settled()
        assert [frame for frame in user.seen if "e" in frame] == []
    ledger = usdm.control.ledger()
    assert ledger.orders == []
    assert [(row["code"], row["processed"]) for row in ledger.requests] == [(str(code), True)]


async def test_the_exact_texts_that_clients_look_for(usdm: RunningSimulator) -> None:
    async with await open_api(usdm) as api:
        texts = {
            (await api.call("order.place", order("a1", quantity="900")))["error"]["msg"],
            (await api.call("order.cancel", BTC, orderId=1))["error"]["msg"],
            (await api.call("order.status", BTC, orderId=1))["error"]["msg"],
        }
    assert texts == {"Margin is insufficient.", "Unknown order sent.", "Order does not exist."}


async def test_post_only_rests_where_it_does_not_cross(usdm: RunningSimulator) -> None:
    async with await open_api(usdm) as api:
        placed = await api.result("order.place", order("a1", timeInForce="GTX"))
        assert (placed["timeInForce"], placed["status"]) == ("GTX", "NEW")


async def test_reduce_only_closes_a_position_whatever_it_is_worth(usdm: RunningSimulator) -> None:
    usdm.control.set_position(FUTURES.name, "BTCUSDT", "-0.5")
    async with await open_api(usdm) as api:
        # Worth 40 USDT, less than the least.
        small = order("a1", quantity="0.001", price="40000", reduceOnly="true")
        assert (await api.result("order.place", small))["reduceOnly"] is True
        wrong = order("a3", side="SELL", price="89600", reduceOnly="true")
        assert (await api.call("order.place", wrong))["error"]["code"] == -2022
        closing = market("a2", quantity="0.700", reduceOnly="true", newOrderRespType="RESULT")
        closed = await api.result("order.place", closing)
        assert (closed["status"], closed["executedQty"]) == ("EXPIRED", "0.500")


@pytest.mark.parametrize(
    ("match", "price"), [("QUEUE", "89500.00"), ("QUEUE_5", "89499.60"), ("OPPONENT", "89500.10")]
)
async def test_price_match_takes_the_price_from_the_book(
    usdm: RunningSimulator, match: str, price: str
) -> None:
    async with await open_api(usdm) as api:
        placed = await api.result("order.place", order("a1", price=None, priceMatch=match))
        assert (placed["price"], placed["priceMatch"]) == (price, match)


async def test_a_gtd_order_ends_at_its_time(usdm: RunningSimulator, futures: Rest) -> None:
    until_ms = now_ms() + 700_000
    async with await open_api(usdm) as api, await open_user(usdm, futures) as user:
        gtd = order("a1", timeInForce="GTD", goodTillDate=until_ms)
        placed = await api.result("order.place", gtd)
        assert (placed["timeInForce"], placed["goodTillDate"]) == ("GTD", until_ms // 1000 * 1000)
        assert (await user.update())["x"] == "NEW"
        usdm.control.arm("clock_skew", offset_ms=710_000)
        assert (await user.update())["X"] == "EXPIRED"


async def test_cancel_by_either_id(usdm: RunningSimulator) -> None:
    async with await open_api(usdm) as api:
        placed = await api.result("order.place", order("a1"))
        usdm.control.fill_order("a1", amount="0.004")
        canceled = await api.result("order.cancel", BTC, orderId=placed["orderId"])
        assert " ".join(canceled) == REPLY_KEYS
        shown = (canceled["status"], canceled["executedQty"], canceled["clientOrderId"])
        assert shown == ("CANCELED", "0.004", "a1")
        neither = await api.call("order.cancel", BTC)
        assert neither["error"]["code"] == -1102
    rows = usdm.control.ledger().requests_of("a1")
    assert [(row["op"], row["code"]) for row in rows] == [("order", "0"), ("cancel-order", "0")]


@pytest.mark.parametrize("ended", ["filled", "canceled", "never"])
async def test_minus_2011_covers_all_that_cannot_be_canceled(
    usdm: RunningSimulator, ended: str
) -> None:
    async with await open_api(usdm) as api:
        if ended != "never":
            await api.result("order.place", order("a1"))
        if ended == "filled":
            usdm.control.fill_order("a1")
        elif ended == "canceled":
            usdm.control.cancel_order("a1")
        reply = await api.call("order.cancel", BTC, origClientOrderId="a1")
        assert reply["error"] == {"code": -2011, "msg": "Unknown order sent."}


async def test_modify_keeps_ids_and_loses_the_place(usdm: RunningSimulator, futures: Rest) -> None:
    async with await open_api(usdm) as api, await open_user(usdm, futures) as user:
        placed = await api.result("order.place", order("a1"))
        change = {**BTC, "side": "BUY", "quantity": "0.02", "price": "88001"}
        changed = await api.result("order.modify", change, origClientOrderId="a1", modifyId=9)
        assert (changed["orderId"], changed["clientOrderId"]) == (placed["orderId"], "a1")
        assert (changed["price"], changed["origQty"], changed["modifyId"]) == (
            "88001.00",
            "0.020",
            9,
        )
        told = await user.update("AMENDMENT")
        assert (told["X"], told["q"], told["p"], told["M"]) == ("NEW", "0.02", "88001", "9")
        same = await api.call("order.modify", change, origClientOrderId="a1")
        assert same["error"]["code"] == -5027


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"price": "88000.01"}, -4014),
        ({"price": None}, -1102),
        ({"quantity": None}, -1102),
        ({"side": "SELL"}, -1117),
        ({"quantity": "0.001", "price": "40000"}, -4164),
        ({"quantity": "900"}, -2019),
        ({"reduceOnly": "true"}, -5047),
        ({"origClientOrderId": "a2"}, -2013),
    ],
)
async def test_a_refused_modify_leaves_the_order_as_it_was(
    usdm: RunningSimulator, fields: Frame, code: int
) -> None:
    async with await open_api(usdm) as api:
        await api.result("order.place", order("a1"))
        change = {**BTC, "side": "BUY", "quantity": "0.02", "price": "88001"}
        given = {**change, "origClientOrderId": "a1", **fields}
        given = {name: value for name, value in given.items() if value is not None}
        assert (await api.call("order.modify", given))["error"]["code"] == code
    (row,) = usdm.control.orders("a1")
    assert (row["state"], row["price"], row["amount"]) == ("live", "88000", "0.01")


@pytest.mark.parametrize("why", ["crosses", "too small"])
async def test_some_modifications_end_the_order(
    usdm: RunningSimulator, futures: Rest, why: str
) -> None:
    async with await open_api(usdm) as api, await open_user(usdm, futures) as user:
        await api.result("order.place", order("a1", timeInForce="GTX", quantity="0.02"))
        usdm.control.fill_order("a1", amount="0.01")
        change = {**BTC, "side": "BUY", "quantity": "0.02", "price": "89600"}
        if why == "too small":
            change |= {"quantity": "0.01", "price": "88000"}
        changed = await api.result("order.modify", change, origClientOrderId="a1")
        assert (changed["status"], changed["executedQty"]) == ("CANCELED", "0.010")
        assert (await user.update("CANCELED"))["z"] == "0.01"


async def test_a_modify_may_trade(usdm: RunningSimulator) -> None:
    async with await open_api(usdm) as api:
        await api.result("order.place", order("a1"))
        change = {**BTC, "side": "BUY", "quantity": "0.01", "price": "89600"}
        changed = await api.result("order.modify", change, origClientOrderId="a1")
        assert changed["status"] == "FILLED"


async def test_all_of_place_cancel_and_query_work_by_rest_too(
    usdm: RunningSimulator, futures: Rest
) -> None:
    placed = futures.call("POST", "/fapi/v1/order", **order("a1"))
    assert " ".join(placed) == REPLY_KEYS
    change: dict[str, Any] = {**BTC, "side": "BUY", "quantity": "0.02", "price": "88001"}
    changed = futures.call("PUT", "/fapi/v1/order", origClientOrderId="a1", **change)
    assert changed["price"] == "88001.00"
    found = futures.call("GET", "/fapi/v1/order", symbol="BTCUSDT", orderId=placed["orderId"])
    assert (found["status"], found["origQty"]) == ("NEW", "0.020")
    canceled = futures.call("DELETE", "/fapi/v1/order", symbol="BTCUSDT", origClientOrderId="a1")
    assert canceled["status"] == "CANCELED"
    refused = futures.raw("DELETE", "/fapi/v1/order", {**BTC, "origClientOrderId": "a1"})
    assert (refused.status_code, refused.json()["code"]) == (400, -2011)
    rows = usdm.control.ledger().requests
    assert [(row["transport"], row["op"]) for row in rows] == [
        ("rest", "order"),
        ("rest", "amend-order"),
        ("rest", "cancel-order"),
        ("rest", "cancel-order"),
    ]


async def test_a_delayed_order_meets_the_engines_own_window(usdm: RunningSimulator) -> None:
    async with await open_api(usdm) as api:
        usdm.control.arm("delay_request", delay_ms=100)
        before = time.monotonic()
        reply = await api.call("order.place", order("a1"), recvWindow=50)
        if reply["error"]["code"] != -1021:  # a busy machine may be late at the gateway already
            assert reply["error"]["code"] == -5028
            assert time.monotonic() - before > 0.1
    assert usdm.control.ledger().orders == []
